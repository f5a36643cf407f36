namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>XCLIENT and XFORWARD, as they are answered to clients that are not authorized: nobody is yet.</summary>
internal static class XclientVerb
{
    public static ValueTask<bool> RunAsync(SmtpdSession session) =>
        session.RefuseAsync(session.Tokens.Count < 2 ? $"501 5.5.4 Syntax: {session.Context.Where} attribute=value..." : SmtpdReplies.NotAuthorized);
}
