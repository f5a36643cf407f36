namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>RSET (RFC 5321 4.1.1.5).</summary>
internal static class RsetVerb
{
    public static async ValueTask<bool> RunAsync(SmtpdSession session)
    {
        if (session.Tokens.Count != 1)
        {
            return await session.RefuseAsync(SmtpdReplies.RsetSyntax).ConfigureAwait(false);
        }
        await session.FlushTranscriptAsync().ConfigureAwait(false);
        await session.ResetAsync().ConfigureAwait(false);
        return await session.AcceptAsync(SmtpdReplies.Ok).ConfigureAwait(false);
    }
}
