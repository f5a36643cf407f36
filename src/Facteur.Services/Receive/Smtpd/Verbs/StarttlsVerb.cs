namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>STARTTLS (RFC 3207), as it is answered while TLS is off.</summary>
internal static class StarttlsVerb
{
    public static ValueTask<bool> RunAsync(SmtpdSession session) =>
        session.RefuseAsync(session.Tokens.Count == 1 ? SmtpdReplies.NotImplemented : "501 5.5.4 Syntax: STARTTLS");
}
