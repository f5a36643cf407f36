using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Net.Dns;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>What restrictions see of a session, what they decided, and what access tables asked for. One per session.</summary>
internal sealed class RestrictionContext(SmtpdSettings settings, SmtpdArrows arrows, SmtpdLog log, TimeProvider time, ClientFacts client, CancellationToken cancel)
{
    /// <summary>Nested lists and classes before a loop is assumed.</summary>
    public const int DepthLimit = 100;

    private const int ReplyLimit = 510;

    private string? _instance;
    private (string Sender, string Address, Resolution Resolution)? _lastSender;
    private (string Sender, string Address, Resolution Resolution)? _lastRecipient;

    public SmtpdSettings Settings { get; } = settings;

    public SmtpdArrows Arrows { get; } = arrows;

    /// <summary>The DNS, behind smtpd_dns_reply_filter.</summary>
    public IDnsResolver Dns => Settings.Dns ?? Arrows.Dns;

    public SmtpdLog Log { get; } = log;

    public TimeProvider Time { get; } = time;

    public ClientFacts Client { get; set; } = client;

    public CancellationToken Cancel { get; } = cancel;

    /// <summary>The command in work, as logs name it.</summary>
    public string Where { get; set; } = "CONNECT";

    public string Protocol { get; set; } = "SMTP";

    public string? Helo { get; set; }

    /// <summary>Who logged in, or "".</summary>
    public string SaslUsername { get; set; } = "";

    /// <summary>By which mechanism; XCLIENT's LOGIN is one, too.</summary>
    public string SaslMethod { get; set; } = "";

    public string? Sender { get; set; }

    /// <summary>The recipient in question; at DATA and later the only one, or null when there are several.</summary>
    public string? Recipient { get; set; }

    public int RecipientCount { get; set; }

    public string? EtrnDomain { get; set; }

    public string? QueueId { get; set; }

    public bool ImproperPipelining { get; set; }

    /// <summary>Bytes of the message: as declared, at its end as counted.</summary>
    public long Size { get; set; }

    /// <summary>A text that is the same for all questions about one message, and no other's.</summary>
    public string Instance
    {
        get
        {
            var now = Time.GetUtcNow();
            return _instance ??= $"{Environment.ProcessId:x}.{now.ToUnixTimeSeconds():x}.{now.Microsecond + (now.Millisecond * 1000):x}.{Random.Shared.Next():x}";
        }
    }

    /// <summary>The default action of a policy service is being carried out.</summary>
    public bool InPolicyDefault { get; set; }

    public bool WarnIfReject { get; set; }

    public Deferral? DeferIfPermit { get; set; }

    public Deferral? DeferIfReject { get; set; }

    /// <summary>What was left in doubt by the stages that later ones build on.</summary>
    public Deferral? ClientDoubt { get; set; }

    public Deferral? HeloDoubt { get; set; }

    public Deferral? SenderDoubt { get; set; }

    public int Depth { get; set; }

    /// <summary>The unknown-user check ran for this recipient or sender.</summary>
    public bool RecipientMapsChecked { get; set; }

    public bool SenderMapsChecked { get; set; }

    /// <summary>What access tables asked for, for the message in work.</summary>
    public AccessEffects Effects { get; set; } = new();

    /// <summary>The reply after <see cref="Verdict.Reject"/>.</summary>
    public string Reply { get; private set; } = "";

    /// <summary>Of which class of notify_classes that is. It is never read out of the reply, which may hold the client's own words.</summary>
    public NoticeClasses NoticeClass { get; private set; }

    public Verdict Reject(int code, string dsn, string text) => Reject(code, dsn, text, convertible: true);

    /// <summary>Refuses an address that nobody has.</summary>
    public Verdict RejectUnlisted(int code, string dsn, string text) => Reject(code, dsn, text, convertible: true, NoticeClasses.Bounce);

    /// <summary>The configuration is at fault: never turned into a warning.</summary>
    public Verdict ServerError() => Reject(451, "4.3.5", "Server configuration error", convertible: false, NoticeClasses.Software);

    /// <summary>A table or the rewriter can't answer now: never turned into a warning.</summary>
    public Verdict TemporaryLookupFailure(string name) => Reject(451, "4.3.0", $"<{AddressParts.Unquote(name)}>: Temporary lookup failure", convertible: false, NoticeClasses.Data);

    /// <summary>A table can't say now how the message is to be treated.</summary>
    public Verdict TemporaryLookupError() => Reject(451, "4.3.0", "Temporary lookup error", convertible: false, NoticeClasses.Resource);

    /// <summary>A resource is short: never turned into a warning.</summary>
    public Verdict OutOfSpace() => Reject(452, "4.3.1", "Insufficient system storage", convertible: false, NoticeClasses.Resource);

    /// <summary>Keeps a refusal for when all else permits; refuses at once where that is not wanted or a warning was asked for.</summary>
    public Verdict DeferLater(bool wanted, int code, string dsn, string text)
    {
        if (WarnIfReject || !wanted)
        {
            return Reject(code, dsn, text);
        }
        DeferIfPermit ??= new Deferral(code, dsn, text);
        return Verdict.Dunno;
    }

    /// <summary>Permits, and logs it where smtpd_log_access_permit_actions asks for it.</summary>
    /// <param name="action">The action's name.</param>
    /// <param name="subject">What it is about.</param>
    /// <param name="detail">More for the log, or "".</param>
    public ValueTask<Verdict> PermitAsync(string action, Subject subject, string detail = "") =>
        Settings.LogPermitActions.IsEmpty || DeferIfPermit is not null ? new(Verdict.Ok) : LogPermitAsync(action, subject, detail);

    /// <summary>Says where an address goes: completed, then resolved. Kept for the checks that follow.</summary>
    public ValueTask<Resolution> ResolveAsync(string address, bool isSender)
    {
        var sender = isSender ? Recipient ?? "" : Sender ?? "";
        var last = isSender ? _lastSender : _lastRecipient;
        return last is { } known && known.Address == address && known.Sender == sender
            ? ValueTask.FromResult(known.Resolution)
            : AskAsync(sender, address, isSender);
    }

    /// <summary>The address that tables are asked for. Postfix: smtpd folds it for tables of patterns too (resolve_pagein), where one may look at the case.</summary>
    public static string KeyOf(Resolution resolution) => resolution.Recipient.ToLowerInvariant();

    /// <summary>Begins a check: what an earlier one left open does not concern it.</summary>
    /// <param name="doubt">What the stages it builds on left in doubt.</param>
    public void Begin(Deferral? doubt)
    {
        Depth = 0;
        WarnIfReject = false;
        DeferIfReject = null;
        DeferIfPermit = doubt;
    }

    /// <summary>Forgets what is kept between commands of one message.</summary>
    public void Reset()
    {
        Sender = null;
        Recipient = null;
        RecipientCount = 0;
        QueueId = null;
        SenderDoubt = null;
        Effects = new AccessEffects();
        Size = 0;
        _instance = null;
        _lastSender = null;
        _lastRecipient = null;
    }

    private async ValueTask<Verdict> LogPermitAsync(string action, Subject subject, string detail)
    {
        if (await Settings.LogPermitActions.MatchAsync(action, Cancel).ConfigureAwait(false))
        {
            Log.Event(this, "permit", $"action={action} for {subject.Class}={subject.Name} {detail}");
        }
        return Verdict.Ok;
    }

    private async ValueTask<Resolution> AskAsync(string sender, string address, bool isSender)
    {
        var complete = await Arrows.Rewrite.RewriteAsync(true, address, Cancel).ConfigureAwait(false);
        var resolution = complete is null
            ? new Resolution("", "", "", ResolveFlags.Fail)
            : await Arrows.Rewrite.ResolveAsync(sender, complete, Cancel).ConfigureAwait(false);
        if ((resolution.Flags & ResolveFlags.Fail) == 0)
        {
            if (isSender)
            {
                _lastSender = (sender, address, resolution);
            }
            else
            {
                _lastRecipient = (sender, address, resolution);
            }
        }
        return resolution;
    }

    // RFC 5321 4.5.3.1.5: with its line end a reply has 512 bytes, however long an address or a rule's text is.
    private static string Cut(string reply)
    {
        if (reply.Length <= ReplyLimit / 3)
        {
            return reply;
        }
        var (bytes, end) = (0, 0);
        foreach (var rune in reply.EnumerateRunes())
        {
            bytes += rune.Utf8SequenceLength;
            if (bytes > ReplyLimit)
            {
                return reply[..end];
            }
            end += rune.Utf16SequenceLength;
        }
        return reply;
    }

    // Postfix: without smtputf8_enable a byte above ASCII is not printable.
    private static string WithoutUtf8(string text) =>
        System.Text.Ascii.IsValid(text) ? text : string.Concat(text.EnumerateRunes().Select(r => r.IsAscii ? r.ToString() : new string(' ', r.Utf8SequenceLength)));

    // Postfix: whatever a rule says, also of malformed names, is policy.
    private Verdict Reject(int code, string dsn, string text, bool convertible, NoticeClasses notice = NoticeClasses.Policy)
    {
        var warn = WarnIfReject && convertible;
        if (!warn && DeferIfReject is { } earlier && code >= 500)
        {
            DeferIfReject = null;
            WarnIfReject = false;
            Arrows.Explanation?.RefuseBy(earlier);
            return Reject(earlier.Code, earlier.Dsn, earlier.Text, convertible);
        }
        if (Settings.SoftBounce && code >= 500)
        {
            code -= 100;
        }
        // The class of the enhanced code follows the reply code (RFC 2034).
        var reply = Cut(SmtpdLog.Printable($"{code} {code / 100}{dsn.AsSpan(1)} {(Settings.Smtputf8 ? text : WithoutUtf8(text))}", ' '));
        Log.Event(this, warn ? "reject_warning" : "reject", reply);
        if (warn)
        {
            return Verdict.Dunno;
        }
        (Reply, NoticeClass) = (reply, notice);
        return Verdict.Reject;
    }
}

/// <summary>Effects of access tables that a message carries (access(5): HOLD, DISCARD, REDIRECT, FILTER, BCC, PREPEND).</summary>
internal sealed class AccessEffects
{
    public bool Hold { get; set; }

    public bool Discard { get; set; }

    public string? Redirect { get; set; }

    /// <summary>transport:nexthop.</summary>
    public string? Filter { get; set; }

    public List<string> Bcc { get; } = [];

    public List<string> Prepend { get; } = [];
}
