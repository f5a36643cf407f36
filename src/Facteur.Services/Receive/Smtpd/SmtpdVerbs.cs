using Facteur.Services.Receive.Smtpd.Verbs;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>Where a session stands.</summary>
[Flags]
internal enum SmtpdState : byte
{
    /// <summary>No HELO or EHLO yet.</summary>
    Connected = 1,

    /// <summary>HELO or EHLO was accepted.</summary>
    Greeted = 2,

    /// <summary>MAIL was accepted.</summary>
    Mail = 4,

    /// <summary>At least one recipient was accepted.</summary>
    Recipients = 8,

    /// <summary>Between the chunks of a message.</summary>
    Chunks = 16,

    /// <summary>The session is over.</summary>
    Ended = 32,
}

/// <summary>Properties of a command.</summary>
[Flags]
internal enum VerbFlags : byte
{
    None = 0,

    /// <summary>The client must wait for the reply (RFC 2920 3.1).</summary>
    Last = 1,

    /// <summary>Brings no mail nearer: counted by smtpd_junk_command_limit.</summary>
    Junk = 2,
}

/// <summary>A command.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Refused">States in which it is refused.</param>
/// <param name="Refusal">The reply then, by state.</param>
/// <param name="Flags">Properties.</param>
/// <param name="RunAsync">Carries it out; false when it was refused.</param>
internal sealed record SmtpdVerb(string Name, SmtpdState Refused, Func<SmtpdState, string> Refusal, VerbFlags Flags, Func<SmtpdSession, ValueTask<bool>> RunAsync)
{
    /// <summary>Its place in the table, for counting.</summary>
    public int Index { get; set; }
}

/// <summary>The commands, in the order of the disconnect log line.</summary>
internal static class SmtpdVerbs
{
    private const SmtpdState InTransaction = SmtpdState.Mail | SmtpdState.Recipients | SmtpdState.Chunks;

    public static IReadOnlyList<SmtpdVerb> All { get; } = Number(
    [
        new("HELO", 0, Never, VerbFlags.Junk | VerbFlags.Last, HeloVerb.RunAsync), // RFC 5321 4.1.1.1
        new("EHLO", 0, Never, VerbFlags.Junk | VerbFlags.Last, EhloVerb.RunAsync),
        new("XCLIENT", InTransaction, _ => SmtpdReplies.InTransaction, VerbFlags.Last, XclientVerb.RunAsync),
        new("XFORWARD", InTransaction, _ => SmtpdReplies.InTransaction, VerbFlags.None, XforwardVerb.RunAsync),
        new("STARTTLS", 0, Never, VerbFlags.Last, StarttlsVerb.RunAsync), // RFC 3207
        new("AUTH", 0, Never, VerbFlags.None, AuthVerb.RunAsync), // RFC 4954
        new("MAIL", InTransaction, _ => SmtpdReplies.NestedMail, VerbFlags.None, MailVerb.RunAsync),
        new("RCPT", ~(SmtpdState.Mail | SmtpdState.Recipients), state => state == SmtpdState.Chunks ? SmtpdReplies.RcptAfterBdat : SmtpdReplies.NeedMail, VerbFlags.None, RcptVerb.RunAsync),
        new("DATA", ~SmtpdState.Recipients, NoRecipients, VerbFlags.Last, DataVerb.RunAsync), // RFC 5321 4.1.1.4
        new("BDAT", 0, Never, VerbFlags.None, BdatVerb.RunAsync), // RFC 3030
        new("RSET", 0, Never, VerbFlags.Junk, RsetVerb.RunAsync),
        new("NOOP", 0, Never, VerbFlags.Junk | VerbFlags.Last, NoopVerb.RunAsync),
        new("VRFY", 0, Never, VerbFlags.Junk | VerbFlags.Last, VrfyVerb.RunAsync),
        new("ETRN", InTransaction, _ => SmtpdReplies.EtrnInTransaction, VerbFlags.Junk, EtrnVerb.RunAsync), // RFC 1985
        new("QUIT", 0, Never, VerbFlags.None, QuitVerb.RunAsync),
        new("HELP", 0, Never, VerbFlags.Junk, HelpVerb.RunAsync),
    ]);

    private static readonly Dictionary<string, SmtpdVerb> ByName = All.ToDictionary(verb => verb.Name, StringComparer.OrdinalIgnoreCase);

    /// <summary>The command of a word, or null.</summary>
    public static SmtpdVerb? Find(string word) => ByName.GetValueOrDefault(word);

    private static string NoRecipients(SmtpdState state) => state switch
    {
        SmtpdState.Chunks => SmtpdReplies.DataAfterBdat,
        SmtpdState.Mail => SmtpdReplies.NoValidRecipients,
        _ => SmtpdReplies.NeedRcpt,
    };

    private static string Never(SmtpdState state) => SmtpdReplies.Internal;

    private static SmtpdVerb[] Number(SmtpdVerb[] verbs)
    {
        for (var i = 0; i < verbs.Length; i++)
        {
            verbs[i].Index = i;
        }
        return verbs;
    }
}
