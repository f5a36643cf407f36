namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>HELP (RFC 5321 4.1.1.8).</summary>
internal static class HelpVerb
{
    public static ValueTask<bool> RunAsync(SmtpdSession session) => session.AcceptAsync(SmtpdReplies.Help);
}
