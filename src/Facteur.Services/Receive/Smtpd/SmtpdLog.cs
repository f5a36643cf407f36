using System.Net;
using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Net.Dns;
using Facteur.Services.Receive.Smtpd.Restrictions;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>All log lines of smtpd, each as Postfix writes it.</summary>
internal sealed class SmtpdLog(ServiceLog log)
{
    /// <summary>Where a message has no queue id.</summary>
    public const string NoQueue = "NOQUEUE";

    public void Warning(string text) => log.Warning(text);

    public void Connect(ClientFacts client) => log.Info($"connect from {client.Printable}");

    /// <summary>A line of the dialogue, for a peer whose sessions are logged word by word.</summary>
    public void Said(ClientFacts client, char sign, string line) => log.Info($"{sign} {client.Printable}: {line}");

    public void Disconnect(ClientFacts client, string counts) => log.Info($"disconnect from {client.Printable}{counts}");

    /// <summary>From whom a message comes, and from whom its client says to have it.</summary>
    public void Client(string queueId, RestrictionContext context, MessageAttributes forwarded, bool withPort)
    {
        var line = new StringBuilder(128);
        line.Append(queueId).Append(": client=").Append(context.Client.Printable);
        if (forwarded.Pairs.Count > 0)
        {
            Append(line, ", orig_queue_id=", forwarded.Value(MessageAttributes.LogIdent));
            var (name, address) = (forwarded.Value(MessageAttributes.LogClientName), forwarded.Value(MessageAttributes.LogClientAddress));
            // Postfix: of IDENT alone nothing follows about the client.
            if (forwarded.Pairs.Any(pair => pair.Key != MessageAttributes.LogIdent))
            {
                line.Append(", orig_client=").Append(name.Length > 0 ? name : ClientFacts.Unknown);
            }
            if (address is not ("" or ClientFacts.Unknown))
            {
                line.Append('[').Append(address).Append(']');
                if (withPort)
                {
                    // Postfix: smtpd_client_port_logging says that there is none, too.
                    var port = forwarded.Value(MessageAttributes.LogClientPort);
                    line.Append(':').Append(port.Length > 0 ? port : ClientFacts.Unknown);
                }
            }
        }
        Append(line, ", sasl_method=", context.SaslMethod);
        Append(line, ", sasl_username=", context.SaslUsername);
        log.Info(line.ToString());

        static void Append(StringBuilder line, string label, string value)
        {
            if (value is not ("" or ClientFacts.Unknown))
            {
                line.Append(label).Append(value);
            }
        }
    }

    /// <summary>A default that a higher compatibility_level would change made a difference.</summary>
    /// <param name="setting">name=value.</param>
    /// <param name="effect">"accept mail for ...".</param>
    public void ByBackwardsDefault(string setting, string effect) => log.Info(Printable($"using backwards-compatible default setting {setting} to {effect}"));

    public void ProxyUnreachable(string name, string why) => log.Warning(Printable($"connect to proxy filter {name}: {why}"));

    public void ProxyLost(string name, bool timedOut) => log.Warning(timedOut ? $"timeout talking to proxy {name}" : $"lost connection with proxy {name}");

    public void ProxyGarbage(string name, string text) => log.Warning(Printable($"received garbage from proxy {name}: {text}"));

    public void ProxyRejected(string name, string command, string reply) => log.Warning(Printable($"proxy {name} rejected \"{command}\": \"{reply.Replace("\n", "??", StringComparison.Ordinal)}\""));

    /// <summary>What the filter said to a whole message.</summary>
    public void ProxyAnswer(RestrictionContext context, string reply)
    {
        var line = new StringBuilder(256);
        line.Append(reply[0] == '2' ? "proxy-accept: " : "proxy-reject: ").Append(context.Where).Append(": ").Append(Printable(reply)).Append(';');
        Whom(line, context);
        log.Info(Printable(line.ToString()));
    }

    /// <summary>reject, reject_warning, hold, discard, redirect, bcc, warn, info.</summary>
    public void Event(RestrictionContext context, string what, string text)
    {
        var line = new StringBuilder(256);
        line.Append(context.QueueId ?? NoQueue).Append(": ").Append(what).Append(": ").Append(context.Where).Append(" from ")
            .Append(context.Client.Printable).Append(": ").Append(text).Append(';');
        Whom(line, context);
        log.Info(Printable(line.ToString()));
    }

    private void Whom(StringBuilder line, RestrictionContext context)
    {
        if (context.Sender is { } sender)
        {
            line.Append(" from=<").Append(log.Address(sender)).Append('>');
        }
        if (context.Recipient is { } recipient)
        {
            line.Append(" to=<").Append(log.Address(recipient)).Append('>');
        }
        line.Append(" proto=").Append(context.Protocol);
        if (context.Helo is { } helo)
        {
            line.Append(" helo=<").Append(helo).Append('>');
        }
        if (context.SaslUsername.Length > 0)
        {
            line.Append(" sasl_method=").Append(context.SaslMethod).Append(" sasl_username=").Append(context.SaslUsername);
        }
    }

    public void DsnMapped(string from, string kind, string to) => log.Info($"mapping DSN status {from} into {kind} status {to}");

    public void LookupError(string table, string key) => log.Warning($"{table} lookup error for \"{Printable(Cut(key, 100))}\"");

    public void IllegalAddress(ClientFacts client, string command, string text) =>
        log.Warning($"Illegal address syntax from {client.Printable} in {command} command: {Printable(text)}");

    public void NonSmtpCommand(ClientFacts client, string line) => log.Warning($"non-SMTP command from {client.Printable}: {Printable(Cut(line, 100))}");

    public void LineTooLong(ClientFacts client, long limit, string line) =>
        log.Warning($"{client.Printable}: request longer than {limit}: {Printable(Cut(line, 30))}...");

    public void ImproperPipelining(ClientFacts client, string command, ReadOnlySpan<byte> data) =>
        log.Info($"improper command pipelining after {command} from {client.Printable}: {Escape(data)}");

    /// <summary>What came from the proxy in front of us is no header.</summary>
    public void BadProxyHeader(string wrong, ReadOnlySpan<byte> data) => log.Warning($"haproxy read: {wrong}: {Escape(data)}");

    /// <summary>Nothing came from the proxy in front of us.</summary>
    public void NoProxyHeader(string why) => log.Warning($"haproxy read: {why}");

    /// <summary>smtpd_discard_ehlo_keyword_address_maps can't answer.</summary>
    public void EhloUnknown(ClientFacts client, string reply)
    {
        log.Warning($"don't know what EHLO features to announce to {client.Printable}");
        log.Info($"{NoQueue}: reject: EHLO from {client.Printable}: {reply}");
    }

    /// <summary>smtpd_forbid_bare_newline met a line that ends in LF alone.</summary>
    public void BareNewline(RestrictionContext context, bool refused) => Event(context, refused ? "reject" : "note", "bare <LF> received");

    /// <summary>lost connection, timeout, too many errors.</summary>
    public void Ended(string? queueId, string reason, string where, long? bytes, ClientFacts client) =>
        log.Info($"{queueId ?? NoQueue}: {reason} after {where}{(bytes is { } count ? $" ({count} bytes)" : "")} from {client.Printable}");

    public void NotNotified(string reason) => log.Warning($"postmaster notify: {reason}");

    public void TooLarge(string? queueId) => log.Warning($"{queueId ?? NoQueue}: queue file size limit exceeded");

    public void ChunkTooLarge(string? queueId, ClientFacts client) =>
        log.Warning($"{queueId ?? NoQueue}: BDAT request from {client.Printable} exceeds message size limit");

    public void NullBdat(string? queueId, ClientFacts client) => log.Warning($"{queueId ?? NoQueue}: null BDAT request from {client.Printable}");

    public void MalformedBdat(string? queueId, ClientFacts client, string line) =>
        log.Warning($"{queueId ?? NoQueue}: malformed BDAT command syntax from {client.Printable}: {Printable(Cut(line, 100))}");

    public void TooManyConnections(int count, ClientFacts client, string service) =>
        log.Warning($"Connection concurrency limit exceeded: {count} from {client.Printable} for service {service}");

    public void ConnectionRate(int rate, ClientFacts client, string service) =>
        log.Warning($"Connection rate limit exceeded: {rate} from {client.Printable} for service {service}");

    public void MessageRate(int rate, ClientFacts client, string service) =>
        log.Warning($"Message delivery request rate limit exceeded: {rate} from {client.Printable} for service {service}");

    public void RecipientRate(int rate, ClientFacts client, string service) =>
        log.Warning($"Recipient address rate limit exceeded: {rate} from {client.Printable} for service {service}");

    public void CommandReplaced(ClientFacts client, string line, string by) =>
        log.Info($"{client.Printable}: replacing command \"{Printable(Cut(line, 100))}\" with \"{Printable(Cut(by, 100))}\"");

    public void DiscardedKeywords(string keywords) => log.Info($"discarding EHLO keywords: {keywords}");

    public void EtrnRefused(string domain, ClientFacts client) => log.Warning($"reject: ETRN {Cut(domain, 100)}... from {client.Printable}");

    public void NotEnoughSpace(long free) => log.Warning($"not enough free space in mail queue: {free} bytes < 1.5*message size limit");

    public void NameDoesNotResolve(string name, IPAddress address, DnsStatus? status = null)
    {
        var reason = status is { } known ? ": " + ResolverReason(known) : "";
        log.Warning($"hostname {name} does not resolve to address {address}{reason}");
    }

    /// <summary>The words of gai_strerror(3), which log readers know.</summary>
    public static string ResolverReason(DnsStatus status) => status switch
    {
        DnsStatus.TryAgain => "Temporary failure in name resolution",
        DnsStatus.NoData => "No address associated with hostname",
        DnsStatus.Invalid => "Non-recoverable failure in name resolution",
        _ => "Name or service not known",
    };

    public void RestrictionLoop(string name) => log.Warning($"restriction list for {name} causes unreasonable recursion");

    public void NoRelayProtection() => log.Fatal(
        "in parameter smtpd_relay_restrictions or smtpd_recipient_restrictions, specify at least one working instance of: "
        + "reject_unauth_destination, defer_unauth_destination, reject, defer or defer_if_permit");

    public void SessionFailed(ClientFacts client, Exception e) => log.Error($"session with {client.Printable} failed: {Printable(e.ToString())}");

    /// <summary>Text of a peer made fit for one line.</summary>
    /// <param name="text">The text.</param>
    /// <param name="instead">What takes the place of control characters. Postfix: a blank in the text of refusals.</param>
    public static string Printable(string text, char instead = '?')
    {
        var bad = -1;
        for (var i = 0; i < text.Length && bad < 0; i++)
        {
            bad = char.IsControl(text[i]) ? i : -1;
        }
        return bad < 0 ? text : string.Create(text.Length, (text, instead), static (span, source) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(source.text[i]) ? source.instead : source.text[i];
            }
        });
    }

    private static string Cut(string text, int length) => text.Length <= length ? text : text[..length];

    private static string Escape(ReadOnlySpan<byte> data)
    {
        var text = new StringBuilder(data.Length + 16);
        foreach (var b in data)
        {
            _ = b switch
            {
                (byte)'\r' => text.Append("\\r"),
                (byte)'\n' => text.Append("\\n"),
                (byte)'\t' => text.Append("\\t"),
                (byte)'\a' => text.Append("\\a"),
                (byte)'\b' => text.Append("\\b"),
                (byte)'\f' => text.Append("\\f"),
                (byte)'\v' => text.Append("\\v"),
                (byte)'\\' => text.Append("\\\\"),
                >= (byte)' ' and < 0x7f => text.Append((char)b),
                _ => text.Append('\\').Append(Convert.ToString(b, 8).PadLeft(3, '0')),
            };
        }
        return text.ToString();
    }
}
