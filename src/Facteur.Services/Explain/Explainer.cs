using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Text;
using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Net.Connections;
using Facteur.Net.Dns;
using Facteur.Services.Receive.Cleanup;
using Facteur.Services.Receive.Smtpd;
using Facteur.Services.Rewrite.TrivialRewrite;
using Facteur.Services.Support.Anvil;
using Facteur.Tables;

namespace Facteur.Services.Explain;

/// <summary>A session to explain.</summary>
/// <param name="Client">The client's address.</param>
/// <param name="Name">Its name, taken as verified; "unknown" for none; null: the hosts file and the DNS are asked.</param>
/// <param name="Helo">The argument of EHLO; null: the name, or the address in brackets.</param>
/// <param name="Sender">MAIL FROM, without brackets; null: the session ends after EHLO.</param>
/// <param name="Recipients">RCPT TO, without brackets.</param>
/// <param name="Service">The master.cf entry of type inet that serves it: smtp, submission.</param>
public sealed record SessionQuestion(IPAddress Client, string? Name, string? Helo, string? Sender, IReadOnlyList<string> Recipients, string Service);

/// <summary>
/// "facteur explain": the services of a configuration, made here as master makes them, answer one address or one session, and say what they do while
/// they do it. There is no second implementation that could be of another opinion. No mail is queued, and nothing of the running system is touched; what a
/// service asks (tables, the DNS, policy servers) is asked.
/// </summary>
public sealed class Explainer : IDisposable
{
    private readonly IConfig _config;
    private readonly IReadOnlyList<MasterEntry> _entries;
    private readonly TimeProvider _time;
    private readonly TableSet _tables;
    private readonly MatchLists _lists;
    private readonly AddressMaps _maps;
    private readonly ExplainedRewrite _rewrite;
    private readonly ExplainedQueue _queue = new();
    private readonly CleanupService _cleanup;
    private readonly HostsFile _hosts;
    private readonly IDnsResolver _dns;
    private readonly IConfig _cleanupConfig;
    private SmtpdService? _smtpd;

    /// <summary>Opens the tables that addresses need.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="entries">master.cf.</param>
    /// <param name="dns">The DNS.</param>
    /// <param name="hosts">The hosts file.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ConfigException">A value is not valid.</exception>
    public Explainer(IConfig config, IReadOnlyList<MasterEntry> entries, IDnsResolver dns, HostsFile hosts, TimeProvider time)
    {
        (_config, _entries, _dns, _hosts, _time) = (config, entries, dns, hosts, time);
        var events = new Warnings(Explanation);
        _tables = new TableSet(config, events, time, new TableOptions { Utf8 = config.Get(CommonParameters.Smtputf8Enable), Observer = Explanation });
        _lists = new MatchLists(config, _tables, events, Explanation);
        var own = new OwnAddresses([.. ListSyntax.Split(config.Get(CommonParameters.InetInterfaces)), .. ListSyntax.Split(config.Get(CommonParameters.ProxyInterfaces))], hosts);
        _maps = new AddressMaps(config, _lists, own.Contains);
        _rewrite = new ExplainedRewrite(
            new TrivialRewriteService(Entry("rewrite", ServiceType.Unix), _tables, _maps, _lists, own.Contains, Log("trivial-rewrite")), Explanation);
        _cleanupConfig = Entry("cleanup", ServiceType.Unix);
        _cleanup = new CleanupService(_cleanupConfig, _queue, _rewrite, _tables, _maps, _lists, Log("cleanup"), time);
    }

    /// <summary>What was said.</summary>
    public Explanation Explanation { get; } = new();

    /// <summary>Makes the smtpd of an entry, and opens its tables.</summary>
    /// <returns>False when master.cf has no such entry.</returns>
    /// <exception cref="ConfigException">A value is not valid.</exception>
    public bool Open(SessionQuestion question)
    {
        var entry = _entries.FirstOrDefault(e => e.Type == ServiceType.Inet && e.Command == "smtpd" && (e.Name == question.Service || e.Name.EndsWith($":{question.Service}", StringComparison.Ordinal)));
        if (entry is null)
        {
            return false;
        }
        var config = _config.With(entry.Overrides);
        _smtpd = new SmtpdService(config, entry.Name[(entry.Name.LastIndexOf(':') + 1)..], $"{entry.Name}/{entry.TypeName}", new SmtpdArrows
        {
            Cleanup = _cleanup,
            Rewrite = _rewrite,
            Dns = new ExplainedDns(_dns, Explanation, question.Client, question.Name),
            Tables = _tables,
            MatchLists = _lists,
            AddressMaps = _maps,
            Anvil = new AnvilService(config, _time),
            Hosts = question.Name is null ? _hosts : new HostsFile("/dev/null", _time),
            Explanation = Explanation,
        }, new ServiceLog(Explanation, $"{config.Get(CommonParameters.SyslogName)}/smtpd"), _time);
        return true;
    }

    /// <summary>Plays a session, command by command.</summary>
    /// <returns>The reply to the last command that decided: of RCPT, of an earlier one that was refused, or of the end of the message.</returns>
    public async Task<string> SessionAsync(SessionQuestion question, CancellationToken cancel)
    {
        var remote = new IPEndPoint(question.Client, 0);
        var (server, client) = DuplexPair.Create(null, remote);
        await using (server.ConfigureAwait(false))
        await using (client.ConfigureAwait(false))
        {
            Explanation.Begin($"connect from {question.Client}");
            var session = ServeAsync(server, remote, cancel);
            var reply = await ReplyAsync(client.Input, cancel).ConfigureAwait(false);
            var helo = question.Helo ?? (question.Name is null or "unknown" ? Literal(question.Client) : question.Name);
            if (IsGood(reply) && IsGood(reply = await CommandAsync(client, $"EHLO {helo}", cancel).ConfigureAwait(false)) && question.Sender is not null
                && IsGood(reply = await CommandAsync(client, $"MAIL FROM:<{question.Sender}>", cancel).ConfigureAwait(false)))
            {
                reply = await RecipientsAsync(client, question, reply, cancel).ConfigureAwait(false);
            }
            await CommandAsync(client, "QUIT", cancel).ConfigureAwait(false);
            await client.Output.CompleteAsync().ConfigureAwait(false);
            await session.ConfigureAwait(false);
            await RoutesAsync(cancel).ConfigureAwait(false);
            return reply;
        }
    }

    /// <summary>Says what becomes of an address: as a recipient of mail made here, and as its sender.</summary>
    /// <param name="address">The address as one would write it, without brackets.</param>
    /// <param name="sender">The envelope sender, for tables that go by it.</param>
    /// <param name="cancel">The caller's end.</param>
    /// <returns>Whether mail to it is taken and has somewhere to go.</returns>
    public async Task<bool> AddressAsync(string address, string sender, CancellationToken cancel)
    {
        Explanation.Begin($"recipient {address}");
        await CleanUpAsync(sender, [address], cancel).ConfigureAwait(false);
        Explanation.End();
        var taken = await RoutesAsync(cancel).ConfigureAwait(false);
        Explanation.Begin($"sender {address}");
        _queue.Last = null;
        await CleanUpAsync(address, ["postmaster"], cancel).ConfigureAwait(false);
        Explanation.Add(_queue.Last is { } sent ? $"= sender={sent.Sender}" : "= refused");
        Explanation.End();
        return taken;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _smtpd?.Dispose();
        _tables.Dispose();
    }

    private static bool IsGood(string reply) => reply is ['2' or '3', ..];

    private static string Literal(IPAddress address) => address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[IPv6:{address}]" : $"[{address}]";

    private IConfig Entry(string name, ServiceType type) => _entries.FirstOrDefault(e => e.Name == name && e.Type == type) is { } entry ? _config.With(entry.Overrides) : _config;

    private ServiceLog Log(string service) => new(Explanation, $"{_config.Get(CommonParameters.SyslogName)}/{service}");

    private async Task ServeAsync(Connection server, IPEndPoint remote, CancellationToken cancel)
    {
        await _smtpd!.ServeAsync(server, remote, null, cancel).ConfigureAwait(false);
        await server.Output.CompleteAsync().ConfigureAwait(false);
    }

    private async Task<string> RecipientsAsync(Connection client, SessionQuestion question, string reply, CancellationToken cancel)
    {
        var accepted = false;
        var refused = "";
        foreach (var recipient in question.Recipients)
        {
            Explanation.Forget();
            reply = await CommandAsync(client, $"RCPT TO:<{recipient}>", cancel).ConfigureAwait(false);
            accepted |= IsGood(reply);
            refused = IsGood(reply) ? refused : reply;
        }
        if (!accepted)
        {
            return reply;
        }
        Explanation.Forget();
        reply = await CommandAsync(client, "DATA", cancel).ConfigureAwait(false);
        reply = IsGood(reply) ? await CommandAsync(client, "Subject: explained\r\n\r\n.", cancel).ConfigureAwait(false) : reply;
        return refused.Length > 0 ? refused : reply;
    }

    private async Task<string> CommandAsync(Connection client, string command, CancellationToken cancel)
    {
        Explanation.End();
        Explanation.Begin(command.StartsWith("Subject:", StringComparison.Ordinal) ? "the message" : command);
        try
        {
            // A session that has ended takes nothing any more; its last reply stands.
            _ = await client.Output.WriteAsync(Encoding.UTF8.GetBytes(command + "\r\n"), cancel).ConfigureAwait(false);
        }
        catch (InvalidOperationException)
        {
            return "";
        }
        return await ReplyAsync(client.Input, cancel).ConfigureAwait(false);
    }

    /// <returns>The last line of a reply; "" when the session has ended.</returns>
    private async Task<string> ReplyAsync(PipeReader input, CancellationToken cancel)
    {
        while (true)
        {
            var result = await input.ReadAsync(cancel).ConfigureAwait(false);
            var buffer = result.Buffer;
            if (buffer.PositionOf((byte)'\n') is { } end)
            {
                var line = Encoding.UTF8.GetString(buffer.Slice(0, end)).TrimEnd('\r');
                input.AdvanceTo(buffer.GetPosition(1, end));
                Explanation.Add($"reply: {line}");
                if (line.Length < 4 || line[3] != '-')
                {
                    return line;
                }
                continue;
            }
            input.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted)
            {
                return "";
            }
        }
    }

    private async Task CleanUpAsync(string sender, IReadOnlyList<string> recipients, CancellationToken cancel)
    {
        var envelope = new Envelope { Sender = sender, Origin = MessageOrigin.Pickup, Flags = MessageFlags.RewriteLocal, Client = ClientInfo.Local };
        if (await _cleanup.OpenAsync(envelope, cancel).ConfigureAwait(false) is not { } message)
        {
            return;
        }
        await using (message.ConfigureAwait(false))
        {
            foreach (var recipient in recipients)
            {
                message.AddRecipient(new EnvelopeRecipient(recipient));
            }
            await message.WriteAsync("Subject: explained\n\n"u8.ToArray(), cancel).ConfigureAwait(false);
            var result = await message.CompleteAsync(cancel).ConfigureAwait(false);
            if (result.Status != CleanupStatus.Ok)
            {
                Explanation.Add($"= {result.Status} {result.Text}".TrimEnd());
            }
        }
    }

    // Where the queue would send what cleanup handed on.
    private async Task<bool> RoutesAsync(CancellationToken cancel)
    {
        if (_queue.Last is not { } envelope)
        {
            return false;
        }
        var somewhere = true;
        foreach (var recipient in envelope.Recipients)
        {
            Explanation.Begin($"deliver to {recipient.Address}{(recipient.OriginalAddress.Length > 0 && recipient.OriginalAddress != recipient.Address ? $" (for {recipient.OriginalAddress})" : "")}");
            var route = await _rewrite.ResolveAsync(envelope.Sender, recipient.Address, cancel).ConfigureAwait(false);
            somewhere &= route.Transport is not ("error" or "retry" or "");
            Explanation.End();
        }
        return somewhere;
    }

    /// <summary>What tables complain of when they are opened is part of the explanation.</summary>
    private sealed class Warnings(Explanation explanation) : ITableEvents
    {
        public void Info(string text) => explanation.Add($"log: {text}");

        public void Warning(string text) => explanation.Add($"log: warning: {text}");

        public void Error(string text) => explanation.Add($"log: error: {text}");
    }
}
