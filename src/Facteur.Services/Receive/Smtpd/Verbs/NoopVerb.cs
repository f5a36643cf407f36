namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>NOOP (RFC 5321 4.1.1.9).</summary>
internal static class NoopVerb
{
    public static ValueTask<bool> RunAsync(SmtpdSession session) => session.AcceptAsync(SmtpdReplies.Ok);
}
