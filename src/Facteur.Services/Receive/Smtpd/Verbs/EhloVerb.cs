namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>EHLO (RFC 5321 4.1.1.1).</summary>
internal static class EhloVerb
{
    public static async ValueTask<bool> RunAsync(SmtpdSession session)
    {
        if (session.Tokens.Count < 2)
        {
            return await session.RefuseAsync(SmtpdReplies.EhloSyntax).ConfigureAwait(false);
        }
        if (session.EhloUnknown)
        {
            var reply = SmtpdReplies.NoLocalData(session.Settings.Myhostname);
            session.Log.EhloUnknown(session.Client, reply);
            return await session.RefuseAsync(reply).ConfigureAwait(false);
        }
        if (!await Greeting.TakeAsync(session).ConfigureAwait(false))
        {
            return false;
        }
        // Postfix: a later HELO does not take it back, or the client's pipelining would be held against it.
        session.Context.Protocol = "ESMTP";
        if (session.Discarded is not EhloMask.None && (session.Discarded & EhloMask.Silent) == 0 && EhloAnswer.Words(session.Discarded) is { Length: > 0 } words)
        {
            session.Log.DiscardedKeywords(words);
        }
        await session.OfferAsync().ConfigureAwait(false);
        await session.Channel.FlushIfManyAsync().ConfigureAwait(false);
        return true;
    }
}
