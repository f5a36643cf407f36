using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Text;
using Facteur.Config;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Net.Connections;
using Facteur.Net.Dns;
using Facteur.Services.Check;
using Facteur.Services.Master;
using Facteur.Services.Receive.Smtpd;
using Facteur.Services.Support.Anvil;

namespace Facteur.Services.Explain;

/// <summary>A session to explain.</summary>
/// <param name="Client">The client's address.</param>
/// <param name="Name">Its name, taken as verified; "unknown" for none; null: the hosts file and the DNS are asked.</param>
/// <param name="Helo">The argument of EHLO; null: the name, or the address in brackets.</param>
/// <param name="Sender">MAIL FROM, without brackets; null: the session ends after EHLO.</param>
/// <param name="Recipients">RCPT TO, without brackets.</param>
/// <param name="Service">The smtpd of master.cf that serves it (<see cref="ExplainedListener"/>).</param>
public sealed record SessionQuestion(IPAddress Client, string? Name, string? Helo, string? Sender, IReadOnlyList<string> Recipients, string Service)
{
    /// <summary>The arguments of XCLIENT, said after EHLO; null: it is not said.</summary>
    public string? Claim { get; init; }
}

/// <summary>The reply to a command of a session.</summary>
/// <param name="Command">The command; "the message" for content, "" for the greeting.</param>
/// <param name="Reply">Its lines, LF between them; "" when the connection was closed.</param>
/// <param name="Decision">Who refused it; null when it was not refused, or by no restriction.</param>
public sealed record SessionAnswer(string Command, string Reply, Decision? Decision)
{
    /// <summary>It was not refused.</summary>
    public bool IsGood => Reply is ['2' or '3', ..];

    /// <summary>It is the answer to a recipient.</summary>
    public bool IsRecipient => Command.StartsWith("RCPT", StringComparison.Ordinal);
}

/// <summary>
/// "facteur explain": the services of a configuration, made here as master makes them, answer one address or one session, and say what they do while
/// they do it. There is no second implementation that could be of another opinion. No mail is queued, and nothing of the running system is touched; what a
/// service asks (tables, the DNS, policy servers) is asked.
/// </summary>
public sealed class Explainer : IAsyncDisposable
{
    private readonly ExplainedQueue _queue = new();
    private readonly Surroundings _around;
    private readonly Generation _generation;
    private readonly List<SessionAnswer> _answers = [];
    private readonly ExplainedProbes _probes;
    private readonly IPEndPoint? _local;
    private SmtpdService? _smtpd;

    /// <summary>Makes the services and opens their tables.</summary>
    /// <param name="load">The configuration, without errors.</param>
    /// <param name="session">The session to come; null when addresses only are asked.</param>
    /// <param name="dns">The DNS.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ConfigException">A value is not valid, or master.cf has no such smtpd.</exception>
    public Explainer(ConfigLoad load, SessionQuestion? session, IDnsResolver dns, TimeProvider time)
        : this(load, session, dns, time, null)
    {
    }

    /// <summary>The same where all mistakes of the configuration are asked for: delivery agents are made, too, for what they find wrong.</summary>
    internal Explainer(ConfigLoad load, SessionQuestion? session, IDnsResolver dns, TimeProvider time, SettingPlaces? places)
    {
        Mistakes = places is null ? null : new Mistakes(places, Explanation);
        var log = (IMailLog?)Mistakes ?? Explanation;
        ExplainedProbes Probes(IConfig config) => new(config, Explanation, log, time);
        var verify = Master.Roles.Entries.ConfigOf(load, "verify");
        _probes = Mistakes?.Make(verify, load.Entries.FirstOrDefault(e => e.Name == "verify"), Probes) ?? Probes(verify);
        var roles = RoleSet.Receive | RoleSet.Rewrite | (places is null ? 0 : RoleSet.Deliver | RoleSet.Local);
        _around = new Surroundings(roles, log, time)
        {
            Explanation = Explanation,
            Mistakes = Mistakes,
            Dns = new ExplainedDns(dns, Explanation, session?.Client, session?.Name),
            Hosts = new HostsFile(session?.Name is null ? "/etc/hosts" : "/dev/null", time),
            Incoming = _queue,
            Probes = _probes,
            Anvil = new AnvilService(load.Config, log: null, time),
            FlushSite = static (_, _) => default,
            FreeBytes = static () => long.MaxValue,
        };
        _around.Rewriting = new ExplainedRewrite(_around.Rewriting, Explanation);
        _generation = new Generation(load, _around);
        _around.Generation.Now = _generation;
        if (session is not null)
        {
            (var entry, _local) = ExplainedListener.Find(load, session.Service, _around.Hosts);
            _smtpd = _generation.Smtpd(entry);
        }
    }

    /// <summary>What was said.</summary>
    public Explanation Explanation { get; } = new();

    /// <summary>What is wrong with the configuration; null where that is not asked for.</summary>
    internal Mistakes? Mistakes { get; }

    /// <summary>The generation that answers.</summary>
    internal Generation Generation => _generation;

    /// <summary>The replies of the last session, in order.</summary>
    public IReadOnlyList<SessionAnswer> Answers => _answers;

    /// <summary>What the last session sent to the queue; null: nothing.</summary>
    internal Envelope? Taken => _queue.Last;

    /// <summary>The next sessions are this service's.</summary>
    internal void Serve(SmtpdService smtpd) => _smtpd = smtpd;

    /// <summary>Plays a session, command by command.</summary>
    /// <returns>The answer that decided: the last refusal of RCPT, of an earlier command, or what was said at the end of the message.</returns>
    public async Task<SessionAnswer> SessionAsync(SessionQuestion question, CancellationToken cancel)
    {
        var remote = new IPEndPoint(question.Client, 0);
        var (server, client) = DuplexPair.Create(_local, remote);
        await using (server.ConfigureAwait(false))
        await using (client.ConfigureAwait(false))
        {
            _answers.Clear();
            _queue.Last = null;
            Explanation.BeginSession($"connect from {question.Client}{(_local is null ? "" : $" to {_local}")}");
            var session = ServeAsync(server, remote, cancel);
            var answer = await AnswerAsync("", client.Input, cancel).ConfigureAwait(false);
            var helo = question.Helo ?? (question.Name is null or "unknown" ? Literal(question.Client) : question.Name);
            if (question.Claim is not null && answer.IsGood && (answer = await CommandAsync(client, $"EHLO {helo}", cancel).ConfigureAwait(false)).IsGood)
            {
                answer = await CommandAsync(client, $"XCLIENT {question.Claim}", cancel).ConfigureAwait(false);
            }
            if (answer.IsGood && (answer = await CommandAsync(client, $"EHLO {helo}", cancel).ConfigureAwait(false)).IsGood && question.Sender is not null
                && (answer = await CommandAsync(client, $"MAIL FROM:<{question.Sender}>", cancel).ConfigureAwait(false)).IsGood)
            {
                answer = await RecipientsAsync(client, question, answer, cancel).ConfigureAwait(false);
            }
            await CommandAsync(client, "QUIT", cancel).ConfigureAwait(false);
            await client.Output.CompleteAsync().ConfigureAwait(false);
            await session.ConfigureAwait(false);
            await RoutesAsync(cancel).ConfigureAwait(false);
            return answer;
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
    public async ValueTask DisposeAsync()
    {
        _smtpd?.Dispose();
        _probes.Dispose();
        await _generation.DisposeAsync().ConfigureAwait(false);
    }

    private static string Literal(IPAddress address) => address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[IPv6:{address}]" : $"[{address}]";

    private async Task ServeAsync(Connection server, IPEndPoint remote, CancellationToken cancel)
    {
        await _smtpd!.ServeAsync(server, remote, _local, cancel).ConfigureAwait(false);
        await server.Output.CompleteAsync().ConfigureAwait(false);
    }

    private async Task<SessionAnswer> RecipientsAsync(Connection client, SessionQuestion question, SessionAnswer answer, CancellationToken cancel)
    {
        var accepted = false;
        SessionAnswer? refused = null;
        foreach (var recipient in question.Recipients)
        {
            answer = await CommandAsync(client, $"RCPT TO:<{recipient}>", cancel).ConfigureAwait(false);
            accepted |= answer.IsGood;
            refused = answer.IsGood ? refused : answer;
        }
        if (accepted && (answer = await CommandAsync(client, "DATA", cancel).ConfigureAwait(false)).IsGood)
        {
            answer = await CommandAsync(client, "Subject: explained\r\n\r\n.", cancel).ConfigureAwait(false);
        }
        return refused ?? answer;
    }

    private async Task<SessionAnswer> CommandAsync(Connection client, string command, CancellationToken cancel)
    {
        var name = command.StartsWith("Subject:", StringComparison.Ordinal) ? "the message" : command;
        Explanation.End();
        Explanation.Begin(name);
        Explanation.Forget();
        try
        {
            // A session that has ended takes nothing any more; its last reply stands.
            _ = await client.Output.WriteAsync(Encoding.UTF8.GetBytes(command + "\r\n"), cancel).ConfigureAwait(false);
        }
        catch (InvalidOperationException)
        {
            return new SessionAnswer(name, "", null);
        }
        return await AnswerAsync(name, client.Input, cancel).ConfigureAwait(false);
    }

    private async Task<SessionAnswer> AnswerAsync(string command, PipeReader input, CancellationToken cancel)
    {
        var reply = await ReplyAsync(input, cancel).ConfigureAwait(false);
        var answer = new SessionAnswer(command, reply, null);
        answer = answer.IsGood ? answer : answer with { Decision = Explanation.Refusal };
        if (reply.Length > 0)
        {
            _answers.Add(answer);
        }
        return answer;
    }

    /// <returns>The lines of a reply; "" when the session has ended.</returns>
    private async Task<string> ReplyAsync(PipeReader input, CancellationToken cancel)
    {
        var lines = new List<string>();
        while (true)
        {
            var result = await input.ReadAsync(cancel).ConfigureAwait(false);
            var buffer = result.Buffer;
            if (buffer.PositionOf((byte)'\n') is { } end)
            {
                var line = Encoding.UTF8.GetString(buffer.Slice(0, end)).TrimEnd('\r');
                input.AdvanceTo(buffer.GetPosition(1, end));
                Explanation.Add($"reply: {line}");
                lines.Add(line);
                if (line.Length < 4 || line[3] != '-')
                {
                    return string.Join('\n', lines);
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
        if (await _generation.PickupCleanup.OpenAsync(envelope, cancel).ConfigureAwait(false) is not { } message)
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
            var route = await _around.Rewriting.ResolveAsync(envelope.Sender, recipient.Address, cancel).ConfigureAwait(false);
            somewhere &= route.Transport is not ("error" or "retry" or "");
            Explanation.End();
        }
        return somewhere;
    }
}
