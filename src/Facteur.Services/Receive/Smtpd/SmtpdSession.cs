using System.Runtime.CompilerServices;
using System.Text;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Smtp;
using Facteur.Services.Receive.Smtpd.Restrictions;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>
/// One session. Its state is one value; commands are rows of <see cref="SmtpdVerbs"/>, each with a file of its own.
/// All that a peer can do ends in a reply; while it waits for the peer a session holds no buffer of its own.
/// </summary>
internal sealed class SmtpdSession
{
    private readonly SmtpdService _service;
    private readonly (int Accepted, int Total)[] _counts = new (int, int)[SmtpdVerbs.All.Count];
    private readonly List<CommandToken> _tokens = [];
    private int _unknown;
    private long _junk;
    private string? _denied;
    private bool? _rewriteLocal;
    private NoticeClasses _refusal;
    private bool _restarted;
    private bool _heard;

    public SmtpdSession(SmtpdService service, SmtpdChannel channel, ClientFacts client, CancellationToken cancel)
    {
        _service = service;
        Channel = channel;
        Cancel = cancel;
        Context = new RestrictionContext(service.Settings, service.Arrows, service.Log, service.Time, client, cancel);
        // Postfix: what is said is kept when the postmaster is to be told of anything.
        Transcript = service.Settings.NoticeClasses == NoticeClasses.None || service.IsStandAlone ? null : new SmtpdTranscript(service.Settings);
    }

    public SmtpdSettings Settings => _service.Settings;

    public SmtpdArrows Arrows => _service.Arrows;

    public SmtpdLog Log => _service.Log;

    public RestrictionStages Stages => _service.Stages;

    public SmtpdService Service => _service;

    public SmtpdChannel Channel { get; }

    public ClientFacts Client => Context.Client;

    /// <summary>The client may say who the client is (XCLIENT), or from whom it has a message (XFORWARD).</summary>
    public bool MayXclient { get; private set; }

    public bool MayXforward { get; private set; }

    /// <summary>What XFORWARD said of the next message.</summary>
    public MessageAttributes Forwarded { get; set; } = MessageAttributes.None;

    /// <summary>XFORWARD said anything of it.</summary>
    public bool IsForwarded => Forwarded.Pairs.Count > 0 || ForwardedIsLocal is not null;

    /// <summary>XFORWARD SOURCE: that message is local, or not; null when nothing was said.</summary>
    public bool? ForwardedIsLocal { get; set; }

    public RestrictionContext Context { get; }

    public CancellationToken Cancel { get; }

    /// <summary>What was said, for the postmaster; null when nobody wants to know.</summary>
    public SmtpdTranscript? Transcript { get; }

    /// <summary>Limits on connections, messages and recipients apply.</summary>
    public bool IsLimited { get; private set; }

    /// <summary>The client that was counted and must be counted off; null when none was.</summary>
    public ClientFacts? Counted { get; private set; }

    public SmtpdState State { get; set; } = SmtpdState.Connected;

    public MailTransaction? Transaction { get; set; }

    /// <summary>What the client may end lines with.</summary>
    public BareNewline BareNewline { get; private set; }

    /// <summary>Extensions left out for this client.</summary>
    public EhloMask Discarded { get; set; }

    /// <summary>SIZE= of the last MAIL command. Postfix: it outlives a refused MAIL until the next reset.</summary>
    public long DeclaredSize { get; set; }

    public long Errors { get; private set; }

    /// <summary>The command in work, as smtpd_command_filter left it.</summary>
    public string Line { get; private set; } = "";

    /// <summary>The tokens of the command in work.</summary>
    public IReadOnlyList<CommandToken> Tokens => _tokens;

    /// <summary>Serves the client until it leaves.</summary>
    public async Task RunAsync()
    {
        BareNewline = await PolicyAsync().ConfigureAwait(false);
        _heard = await Service.DebugPeers.HasAsync(Client.Ip, Client.Name, Cancel).ConfigureAwait(false);
        if (await GreetAsync().ConfigureAwait(false))
        {
            await LoopAsync().ConfigureAwait(false);
        }
        await Channel.FlushAsync().ConfigureAwait(false);
        await ResetAsync().ConfigureAwait(false);
        await NotifyAsync().ConfigureAwait(false);
    }

    /// <summary>smtpd_history_flush_threshold: at EHLO, RSET and the end of a message a long transcript is sent, if it is wanted, and begins anew.</summary>
    public async ValueTask FlushTranscriptAsync()
    {
        if (Transcript is not null && Transcript.Count > Settings.HistoryFlushThreshold)
        {
            await NotifyAsync().ConfigureAwait(false);
            Transcript.Clear();
        }
    }

    private async ValueTask NotifyAsync()
    {
        if (Transcript is { IsWanted: true } && Service.Notices.Take())
        {
            await SmtpdNotice.SendAsync(this).ConfigureAwait(false);
        }
    }

    /// <summary>" ehlo=1 mail=1/2 commands=2/3" for the disconnect line.</summary>
    public string Counts()
    {
        var text = new StringBuilder();
        var (accepted, total) = (0, _unknown);
        for (var i = 0; i < _counts.Length; i++)
        {
            accepted += _counts[i].Accepted;
            total += _counts[i].Total;
            Append(text, SmtpdVerbs.All[i].Name.ToLowerInvariant(), _counts[i].Accepted, _counts[i].Total);
        }
        Append(text, "unknown", 0, _unknown);
        text.Append(" commands=").Append(accepted);
        return (accepted == total && total > 0 ? text : text.Append('/').Append(total)).ToString();
    }

    /// <summary>Answers. After too many errors every answer comes late; 421 and 521 end the session.</summary>
    public async ValueTask ReplyAsync(string reply)
    {
        await SlowDownAsync(1).ConfigureAwait(false);
        var soft = Settings.SoftBounce && reply[0] == '5' ? Soften(reply) : reply;
        var text = Settings.Footer.IsEmpty ? soft : await Settings.Footer.AddAsync(soft, Context).ConfigureAwait(false);
        Channel.Write(text);
        if (Transcript is not null || _heard)
        {
            foreach (var line in text.Split("\r\n"))
            {
                Transcript?.Out(line);
                Said('>', line);
            }
            _refusal = ReferenceEquals(reply, Context.Reply) ? Context.NoticeClass : NoticeClass.Of(reply);
        }
        if (text.Length > 3 && text[0] is '4' or '5' && text[1] == '2' && text[2] == '1')
        {
            State = SmtpdState.Ended;
        }
        await Channel.FlushIfManyAsync().ConfigureAwait(false);
    }

    private async ValueTask SlowDownAsync(int times)
    {
        if (Errors >= Settings.SoftErrorLimit && Settings.ErrorSleepTime > TimeSpan.Zero)
        {
            await Channel.FlushAsync().ConfigureAwait(false);
            await Task.Delay(Settings.ErrorSleepTime * times, Service.Time, Cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // Postfix: soft_bounce holds for every reply, whoever gave it.
    private static string Soften(string reply) => string.Join("\r\n", reply.Split("\r\n").Select(l =>
        l is ['5', _, _, var more, '5', '.', ..] ? $"4{l[1..3]}{more}4{l[5..]}" : l is ['5', ..] ? $"4{l[1..]}" : l));

    /// <summary>Answers with a refusal.</summary>
    public async ValueTask<bool> RefuseAsync(string reply)
    {
        await ReplyAsync(reply).ConfigureAwait(false);
        return false;
    }

    /// <summary>Answers with a success.</summary>
    public async ValueTask<bool> AcceptAsync(string reply)
    {
        await ReplyAsync(reply).ConfigureAwait(false);
        return true;
    }

    /// <summary>Forgets the message in work.</summary>
    public async ValueTask ResetAsync()
    {
        var message = Transaction?.Message;
        Transaction = null;
        DeclaredSize = 0;
        StrayChunk = false;
        (Forwarded, ForwardedIsLocal) = (MessageAttributes.None, null);
        Context.Reset();
        if (State != SmtpdState.Ended && State != SmtpdState.Connected)
        {
            State = Context.Helo is null ? SmtpdState.Connected : SmtpdState.Greeted;
        }
        if (message is not null)
        {
            await message.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>A chunk came without MAIL: chunks are refused, and so is MAIL, until RSET or the last of them (as in Postfix).</summary>
    public bool StrayChunk { get; set; }

    /// <summary>smtpd_discard_ehlo_keyword_address_maps could not say what EHLO offers this client.</summary>
    public bool EhloUnknown { get; private set; }

    /// <summary>The client is in smtpd_authorized_verp_clients.</summary>
    public bool MayVerp { get; private set; }

    /// <summary>A message was delivered: earlier errors are forgiven.</summary>
    public void Forgive()
    {
        Errors = 0;
        _junk = 0;
        Transcript?.Forgive();
    }

    /// <summary>The answer to EHLO.</summary>
    public async ValueTask OfferAsync()
    {
        var hidden = Discarded | (MayXclient ? 0 : EhloMask.Xclient) | (MayXforward ? 0 : EhloMask.Xforward) | (MayVerp ? 0 : EhloMask.Verp);
        // Postfix: after too many errors each line of it is late.
        await SlowDownAsync(Settings.Ehlo.Bytes(hidden).Count((byte)'\n')).ConfigureAwait(false);
        Channel.Write(Settings.Ehlo.Bytes(hidden));
        Transcript?.Ehlo(hidden);
        if (_heard)
        {
            Settings.Ehlo.Lines(hidden).ForEach(line => Said('>', line));
        }
    }

    private void Said(char sign, string line)
    {
        if (_heard)
        {
            Log.Said(Client, sign, line);
        }
    }

    /// <summary>XCLIENT: the session goes on as that client's, from its greeting on.</summary>
    public async ValueTask RestartAsync(ClientFacts client, string? helo, string protocol, string login)
    {
        await ResetAsync().ConfigureAwait(false);
        Context.Client = client;
        (Context.Helo, Context.HeloDoubt, Context.ClientDoubt, Context.Protocol) = (helo, null, null, protocol);
        (Context.SaslUsername, Context.SaslMethod) = (login, login.Length > 0 ? "XCLIENT" : "");
        State = helo is null ? SmtpdState.Connected : SmtpdState.Greeted;
        (_rewriteLocal, _denied, _restarted) = (null, null, true);
        if (await CountAsync().ConfigureAwait(false) is { } refusal)
        {
            await ErrorAsync(refusal).ConfigureAwait(false);
            return;
        }
        await WelcomeAsync().ConfigureAwait(false);
    }

    /// <summary>Finds out how the client's headers are completed, once for each client.</summary>
    /// <returns>False when a table can't say it now; the context has the reply.</returns>
    public async ValueTask<bool> ChooseRewritingAsync()
    {
        if (_rewriteLocal is null && await Stages.RewritesAsLocalAsync(Context).ConfigureAwait(false) is var verdict)
        {
            _rewriteLocal = verdict == Verdict.Reject ? null : verdict == Verdict.Ok;
        }
        return _rewriteLocal is not null;
    }

    /// <summary>Starts the message in cleanup unless that was done.</summary>
    /// <returns>False when no queue id can be had; the reply was given.</returns>
    public async ValueTask<bool> OpenAsync()
    {
        var transaction = Transaction!;
        if (transaction.Message is not null)
        {
            return true;
        }
        transaction.Envelope = new Envelope
        {
            Sender = transaction.Sender,
            ArrivalMicros = (transaction.Arrival - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond,
            EnvelopeId = transaction.EnvelopeId,
            Verp = transaction.Verp,
            Return = transaction.Return,
            Body = transaction.Body,
            Origin = MessageOrigin.Smtpd,
            Flags = (transaction.Smtputf8 ? MessageFlags.SmtpUtf8 : 0) | (ForwardedIsLocal ?? _rewriteLocal ?? false ? MessageFlags.RewriteLocal : 0) | Settings.Input.Flags,
            Attributes = Forwarded.With(MessageAttributes.Filter, Settings.Input.Filter).With(MessageAttributes.SaslMethod, Context.SaslMethod).With(MessageAttributes.SaslUsername, Context.SaslUsername),
            Client = new ClientInfo(Client.Name, Client.Address, Client.Port, Client.ReverseName, Context.Helo ?? "", Context.Protocol),
            Entry = _service.Entry,
        };
        if (Settings.Proxy is { } proxy && Arrows.Explanation is null)
        {
            // What is only explained goes to no filter.
            (transaction.Message, var reply) = await proxy.OpenAsync(transaction.Envelope, transaction.Command, Log, Service.Time, Cancel).ConfigureAwait(false);
            if (transaction.Message is null)
            {
                return await RefuseAsync(reply).ConfigureAwait(false);
            }
            // Postfix: a message that is not queued here has no id, which it says by this word.
            Log.Client(SmtpdLog.NoQueue, Context, Forwarded, Settings.PortLogging);
            return true;
        }
        transaction.Message = await Arrows.Cleanup.OpenAsync(transaction.Envelope, Cancel).ConfigureAwait(false);
        if (transaction.Message is null)
        {
            await ReplyAsync(SmtpdReplies.WriteError).ConfigureAwait(false);
            return false;
        }
        Context.QueueId = transaction.Message.QueueId;
        Log.Client(transaction.Message.QueueId, Context, Forwarded, Settings.PortLogging);
        return true;
    }

    /// <summary>The peer left or must leave in the middle of something.</summary>
    public async ValueTask EndAsync(ReadOutcome outcome, string where, long? bytes)
    {
        State = SmtpdState.Ended;
        if (outcome == ReadOutcome.Stopped)
        {
            Channel.Write(SmtpdReplies.ShuttingDown(Settings.Myhostname));
            return;
        }
        var reason = outcome == ReadOutcome.TimedOut ? "timeout" : "lost connection";
        Transcript?.Aborted = reason;
        if (outcome == ReadOutcome.TimedOut && !Channel.IsLost)
        {
            await ReplyAsync(SmtpdReplies.Timeout(Settings.Myhostname)).ConfigureAwait(false);
        }
        // Postfix: leaving right after the end of a message is no loss.
        if (where != "END-OF-MESSAGE" || outcome == ReadOutcome.TimedOut)
        {
            Log.Ended(Context.QueueId, reason, where, bytes, Client);
        }
    }

    private async ValueTask<BareNewline> PolicyAsync()
    {
        if (Settings.BareNewline == BareNewline.Allow || Client.Ip is null)
        {
            return Settings.BareNewline;
        }
        var status = await Settings.BareNewlineExclusions.MatchAsync(Client.Ip, Client.Name, Cancel).ConfigureAwait(false);
        return status == Tables.LookupStatus.Found ? BareNewline.Allow : Settings.BareNewline;
    }

    private async ValueTask<bool> GreetAsync()
    {
        if (await CountAsync().ConfigureAwait(false) is { } refusal)
        {
            await ErrorAsync(refusal).ConfigureAwait(false);
            return false;
        }
        // RFC 5321 4.3.1: the server speaks first.
        if (!await IsSynchronizedAsync().ConfigureAwait(false))
        {
            return false;
        }
        var discarded = await Settings.Ehlo.DiscardedAsync(Client.Address, Cancel).ConfigureAwait(false);
        (Discarded, EhloUnknown) = (discarded ?? EhloMask.None, discarded is null);
        MayVerp = Settings.VerpClients is { } verp && Client.Ip is { } ip && await verp.MatchAsync(ip, Client.Name, Cancel).ConfigureAwait(false) == Tables.LookupStatus.Found;
        MayXforward = await MatchesAsync(Settings.XforwardHosts).ConfigureAwait(false);
        return await WelcomeAsync().ConfigureAwait(false);
    }

    /// <summary>Counts the connection as the client's; the reply when it is one too many. Postfix: who may say who the client is has no limits, the client that it names has.</summary>
    private async ValueTask<string?> CountAsync()
    {
        MayXclient = await MatchesAsync(Settings.XclientHosts).ConfigureAwait(false);
        IsLimited = !MayXclient && await Service.Connections.AppliesAsync(Client, Cancel).ConfigureAwait(false);
        if (!IsLimited)
        {
            return null;
        }
        Counted = Client;
        return Service.Connections.Refusal(this);
    }

    private async ValueTask<bool> MatchesAsync(Tables.INetworkList list) =>
        Client.Ip is { } ip && await list.MatchAsync(ip, Client.Name, Cancel).ConfigureAwait(false) == Tables.LookupStatus.Found;

    private async ValueTask<bool> WelcomeAsync()
    {
        if (!Settings.DelayReject && await Stages.ClientAsync(Context).ConfigureAwait(false) == Verdict.Reject)
        {
            _denied = Context.Reply;
            await ErrorAsync(_denied).ConfigureAwait(false);
        }
        else
        {
            await ReplyAsync("220 " + Settings.Banner).ConfigureAwait(false);
        }
        return State != SmtpdState.Ended;
    }

    private async ValueTask LoopAsync()
    {
        while (State != SmtpdState.Ended)
        {
            if (Errors >= Settings.HardErrorLimit)
            {
                await ReplyAsync(SmtpdReplies.TooManyErrors(Settings.Myhostname)).ConfigureAwait(false);
                Log.Ended(Context.QueueId, "too many errors", Context.Where, null, Client);
                Transcript?.Aborted = "too many errors";
                return;
            }
            var outcome = await Channel.ReadLineAsync().ConfigureAwait(false);
            if (outcome != ReadOutcome.Data)
            {
                await EndAsync(outcome, Context.Where, null).ConfigureAwait(false);
                return;
            }
            await CommandAsync().ConfigureAwait(false);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask CommandAsync()
    {
        Transcript?.In(Channel.Line);
        Said('<', Channel.Line);
        if (Channel.LineTooLong)
        {
            Log.LineTooLong(Client, Settings.LineLimit, Channel.Line);
        }
        if (Channel.LineBare && BareNewline >= BareNewline.Note)
        {
            Log.BareNewline(Context, BareNewline == BareNewline.Reject);
            if (BareNewline == BareNewline.Reject)
            {
                State = SmtpdState.Ended;
                await ErrorAsync(SmtpdReplies.BareNewline(Settings.BareNewlineCode, Settings.Myhostname)).ConfigureAwait(false);
                return;
            }
        }
        if (Channel.LineMalformed)
        {
            // Addresses are text: without SMTPUTF8 the bytes can't be kept either.
            await ErrorAsync(SmtpdReplies.BadUtf8).ConfigureAwait(false);
            return;
        }
        Line = Settings.CommandFilter.IsEmpty ? Channel.Line : await FilterAsync(Channel.Line.TrimStart(' ', '\t')).ConfigureAwait(false);
        CommandLine.Tokenize(Line, _tokens);
        if (_tokens.Count == 0)
        {
            await ErrorAsync(SmtpdReplies.BadSyntax).ConfigureAwait(false);
            return;
        }
        await DispatchAsync(_tokens[0].Text).ConfigureAwait(false);
    }

    // smtpd_command_filter: what the table says is carried out instead. Postfix: when it can't answer, the command itself is.
    private async ValueTask<string> FilterAsync(string line)
    {
        foreach (var table in Settings.CommandFilter.Tables)
        {
            // Not by way of the maps: an empty line is a command too.
            var lookup = await table.LookupAsync(line, Cancel).ConfigureAwait(false);
            if (lookup.Status == Tables.LookupStatus.Found)
            {
                Log.CommandReplaced(Client, Channel.Line, lookup.Value);
                return lookup.Value;
            }
            if (lookup.Status == Tables.LookupStatus.Error)
            {
                Log.Warning($"{table.Name} lookup error for \"{SmtpdLog.Printable(line.Length > 100 ? line[..100] : line)}\"");
            }
        }
        return line;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask DispatchAsync(string word)
    {
        if (!Settings.NoopCommands.IsEmpty && await Settings.NoopCommands.MatchAsync(word, Cancel).ConfigureAwait(false))
        {
            await ReplyAsync(SmtpdReplies.Ok).ConfigureAwait(false);
            CountJunk();
            return;
        }
        var verb = SmtpdVerbs.Find(word);
        if (verb is null)
        {
            await UnknownAsync(word).ConfigureAwait(false);
            return;
        }
        ref var count = ref _counts[verb.Index];
        count.Total++;
        if (_denied is not null && verb.Name != "QUIT")
        {
            // RFC 5321 3.1: after a refusal at connect only QUIT is answered.
            await ErrorAsync($"503 5.7.0 Error: access denied for {Client.Printable}").ConfigureAwait(false);
            return;
        }
        Context.Where = verb.Name;
        // RFC 2920 3.1: without ESMTP each command, with it some, wait for the reply before anything follows.
        if ((Context.Protocol != "ESMTP" || (verb.Flags & VerbFlags.Last) != 0) && !await IsSynchronizedAsync().ConfigureAwait(false))
        {
            return;
        }
        await RunAsync(verb).ConfigureAwait(false);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask RunAsync(SmtpdVerb verb)
    {
        var accepted = (verb.Refused & State) == 0
            ? await verb.RunAsync(this).ConfigureAwait(false)
            : await RefuseAsync(verb.Refusal(State)).ConfigureAwait(false);
        if (_restarted)
        {
            // Postfix: what began anew was neither accepted nor refused.
            _restarted = false;
        }
        else if (accepted)
        {
            _counts[verb.Index].Accepted++;
        }
        else
        {
            CountError();
        }
        if ((verb.Flags & VerbFlags.Junk) != 0)
        {
            CountJunk();
        }
    }

    private async ValueTask UnknownAsync(string word)
    {
        _unknown++;
        Context.Where = "UNKNOWN";
        if (CommandLine.IsHeaderLabel(word) || await Settings.ForbiddenCommands.MatchAsync(word, Cancel).ConfigureAwait(false))
        {
            Log.NonSmtpCommand(Client, Line);
            State = SmtpdState.Ended;
            await ErrorAsync(SmtpdReplies.Forbidden).ConfigureAwait(false);
            return;
        }
        await ErrorAsync(_denied is null ? SmtpdReplies.NotRecognized : $"503 5.7.0 Error: access denied for {Client.Printable}").ConfigureAwait(false);
    }

    // False when the client talked before it was its turn, and was shown out for it.
    private async ValueTask<bool> IsSynchronizedAsync()
    {
        // Postfix: a program that writes its whole dialogue into sendmail -bs does nothing wrong.
        if (Context.ImproperPipelining || Service.IsStandAlone)
        {
            return true;
        }
        var early = await Channel.PeekAsync(100).ConfigureAwait(false);
        if (early.Length == 0)
        {
            return true;
        }
        Log.ImproperPipelining(Client, Context.Where, early);
        Context.ImproperPipelining = true;
        if (!Settings.ForbidUnauthPipelining)
        {
            return true;
        }
        State = SmtpdState.Ended;
        await ErrorAsync(SmtpdReplies.NotSynchronized).ConfigureAwait(false);
        return false;
    }

    private void CountJunk()
    {
        if (_junk++ > Settings.JunkCommandLimit)
        {
            Errors++;
        }
    }

    private void CountError()
    {
        Errors++;
        Transcript?.Error(_refusal);
    }

    private async ValueTask ErrorAsync(string reply)
    {
        await ReplyAsync(reply).ConfigureAwait(false);
        CountError();
    }

    private static void Append(StringBuilder text, string name, int accepted, int total)
    {
        if (total > 0)
        {
            text.Append(' ').Append(name).Append('=').Append(accepted);
            if (accepted != total)
            {
                text.Append('/').Append(total);
            }
        }
    }
}
