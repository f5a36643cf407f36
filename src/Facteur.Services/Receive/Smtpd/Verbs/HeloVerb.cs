namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>HELO (RFC 5321 4.1.1.1).</summary>
internal static class HeloVerb
{
    public static async ValueTask<bool> RunAsync(SmtpdSession session)
    {
        if (session.Tokens.Count < 2)
        {
            return await session.RefuseAsync(SmtpdReplies.HeloSyntax).ConfigureAwait(false);
        }
        if (!await Greeting.TakeAsync(session).ConfigureAwait(false))
        {
            return false;
        }
        return await session.AcceptAsync("250 " + session.Settings.Myhostname).ConfigureAwait(false);
    }
}
