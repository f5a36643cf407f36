namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>QUIT (RFC 5321 4.1.1.10).</summary>
internal static class QuitVerb
{
    public static async ValueTask<bool> RunAsync(SmtpdSession session)
    {
        await session.ReplyAsync(SmtpdReplies.Bye).ConfigureAwait(false);
        session.State = SmtpdState.Ended;
        return true;
    }
}
