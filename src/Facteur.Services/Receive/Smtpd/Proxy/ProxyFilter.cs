using System.Globalization;
using System.Text;
using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Smtp;
using Facteur.Net.Connections;
using Facteur.Services.Receive.Smtpd.Policy;
using Facteur.Spool.Maildrop;

namespace Facteur.Services.Receive.Smtpd.Proxy;

/// <summary>
/// smtpd_proxy_filter (SMTPD_PROXY_README): mail goes to a content filter by SMTP while its client waits, and the filter's replies are the client's. Nothing is
/// queued here: the filter answers for the message.
/// </summary>
internal sealed class ProxyFilter
{
    private const string Unavailable = "[UNAVAILABLE]";
    private const int CommandLimit = 510;

    private readonly PolicyEndpoint _endpoint;
    private readonly string _name;
    private readonly string _ehlo;
    private readonly TimeSpan _timeout;
    private readonly SmtpdArrows _arrows;
    private readonly MaildropDirectory? _held;

    private ProxyFilter(IConfig config, string name, PolicyEndpoint endpoint, SmtpdArrows arrows)
    {
        (_name, _endpoint, _arrows) = (name, endpoint, arrows);
        _ehlo = config.Get(SmtpdParameters.ProxyEhlo);
        _timeout = config.GetWait(SmtpdParameters.ProxyTimeout);
        foreach (var option in ListSyntax.Split(config.Get(SmtpdParameters.ProxyOptions)))
        {
            // Where whoever receives mail may write.
            _held = option.Equals("speed_adjust", StringComparison.OrdinalIgnoreCase) ? new MaildropDirectory(config.Get(CommonParameters.QueueDirectory))
                : throw new ConfigException($"{SmtpdParameters.ProxyOptions.Name}: unknown option \"{option}\": expected speed_adjust");
        }
    }

    /// <summary>Reads the configuration; null without a filter.</summary>
    /// <exception cref="ConfigException">The value is no place to connect to.</exception>
    public static ProxyFilter? Of(IConfig config, SmtpdArrows arrows)
    {
        var text = config.Get(SmtpdParameters.ProxyFilter);
        if (text.Length == 0)
        {
            return null;
        }
        // Postfix: a port alone is one of this machine.
        var place = text.StartsWith("unix:", StringComparison.Ordinal) || text.Contains(':', StringComparison.Ordinal) ? text : "localhost:" + text;
        var endpoint = PolicyEndpoint.Parse(place, arrows.Sockets ?? new SocketNames(config.Get(CommonParameters.QueueDirectory), Chroot: false));
        return new ProxyFilter(config, text, endpoint ?? throw new ConfigException($"{SmtpdParameters.ProxyFilter.Name} = {text}: expected host:port, inet:host:port or unix:path"), arrows);
    }

    /// <summary>Mail is held back until all of it is here (speed_adjust).</summary>
    public bool HoldsBack => _held is not null;

    /// <summary>Begins a message: with speed_adjust here, else at the filter.</summary>
    /// <param name="envelope">The message.</param>
    /// <param name="mail">MAIL as the client said it.</param>
    /// <param name="log">The log.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancel">The session's end.</param>
    /// <returns>The message, or null and the reply for the client.</returns>
    public async ValueTask<(IProxyMessage? Message, string Reply)> OpenAsync(Envelope envelope, string mail, SmtpdLog log, TimeProvider time, CancellationToken cancel) =>
        _held is null ? await SayAsync(envelope, mail, log, time, cancel).ConfigureAwait(false)
            : (new HeldMessage(() => SayAsync(envelope, mail, log, time, cancel), () => _held.Nameless(time), log), SmtpdReplies.SenderOk);

    // Greeting, EHLO, XFORWARD, MAIL.
    private async ValueTask<(ProxyMessage? Message, string Reply)> SayAsync(Envelope envelope, string mail, SmtpdLog log, TimeProvider time, CancellationToken cancel)
    {
        if (await ConnectAsync(log, time, cancel).ConfigureAwait(false) is not { } connection)
        {
            return (null, SmtpdReplies.WriteError);
        }
        var message = new ProxyMessage(connection, _name, _timeout, log, time);
        var reply = await GreetAsync(message, envelope).ConfigureAwait(false) ? await message.AskAsync(mail, '2').ConfigureAwait(false) : SmtpdReplies.WriteError;
        if (reply[0] == '2')
        {
            return (message, reply);
        }
        await message.DisposeAsync().ConfigureAwait(false);
        return (null, reply);
    }

    private async ValueTask<Connection?> ConnectAsync(SmtpdLog log, TimeProvider time, CancellationToken cancel)
    {
        var why = "Host not found";
        foreach (var address in await _endpoint.AddressesAsync(_arrows.Dns, _arrows.Hosts, cancel).ConfigureAwait(false))
        {
            var result = await Connector.ConnectAsync(address, null, _timeout, time, cancel).ConfigureAwait(false);
            if (result.Connection is { } connection)
            {
                return connection;
            }
            why = result.Error;
        }
        log.ProxyUnreachable(_name, why);
        return null;
    }

    private async ValueTask<bool> GreetAsync(ProxyMessage message, Envelope envelope)
    {
        if ((await message.AskAsync(null, '2').ConfigureAwait(false))[0] != '2')
        {
            return false;
        }
        var hello = await message.AskAsync("EHLO " + _ehlo, '2').ConfigureAwait(false);
        if (hello[0] != '2')
        {
            return false;
        }
        foreach (var command in Xforward(envelope, Offered(hello)))
        {
            if ((await message.AskAsync(command, '2').ConfigureAwait(false))[0] != '2')
            {
                return false;
            }
        }
        return true;
    }

    private static HashSet<string> Offered(string hello)
    {
        var offered = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (var line in hello.Split("\r\n"))
        {
            if (line.Length > 4 && line[4..].Split(' ', StringSplitOptions.RemoveEmptyEntries) is [var keyword, .. var attributes] && keyword.Equals("XFORWARD", StringComparison.OrdinalIgnoreCase))
            {
                offered.UnionWith(attributes);
            }
        }
        return offered;
    }

    /// <summary>Whom we have the message from, or whom an earlier hop had it from, as far as the filter takes it (XFORWARD_README).</summary>
    internal static IEnumerable<string> Xforward(Envelope envelope, IReadOnlySet<string> offered)
    {
        var (client, earlier) = (envelope.Client ?? new ClientInfo("", "", 0, "", "", ""), envelope.Attributes);
        var forwarded = earlier.Value(MessageAttributes.LogClientAddress).Length > 0;
        string Of(string attribute, string own) => forwarded ? earlier.Value(attribute) : own;
        var address = Of(MessageAttributes.LogClientAddress, client.Address);
        (string Name, string Value)[] attributes =
        [
            ("NAME", Of(MessageAttributes.LogClientName, client.Name)),
            ("ADDR", address.Contains(':', StringComparison.Ordinal) && !address.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase) ? "IPv6:" + address : address),
            ("PORT", Of(MessageAttributes.LogClientPort, client.Port > 0 ? client.Port.ToString(CultureInfo.InvariantCulture) : "")),
            ("HELO", Of(MessageAttributes.LogHeloName, client.Helo)),
            ("IDENT", earlier.Value(MessageAttributes.LogIdent)),
            ("PROTO", Of(MessageAttributes.LogProtocolName, client.Protocol)),
            ("SOURCE", (envelope.Flags & MessageFlags.RewriteLocal) != 0 ? "LOCAL" : "REMOTE"),
        ];
        // RFC 5321 4.5.3.1.4: a command line has 512 bytes.
        var line = new StringBuilder("XFORWARD");
        foreach (var (name, value) in attributes.Where(a => offered.Contains(a.Name)))
        {
            var said = $" {name}={(value is "" or ClientFacts.Unknown ? Unavailable : Xtext.Encode(value))}";
            if (line.Length + said.Length > CommandLimit && line.Length > "XFORWARD".Length)
            {
                yield return line.ToString();
                line.Length = "XFORWARD".Length;
            }
            line.Append(said);
        }
        if (line.Length > "XFORWARD".Length)
        {
            yield return line.ToString();
        }
    }
}
