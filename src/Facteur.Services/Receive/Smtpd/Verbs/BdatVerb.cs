using System.Globalization;
using Facteur.Mail.Smtp;
using Facteur.Services.Receive.Smtpd.Proxy;
using Facteur.Services.Receive.Smtpd.Restrictions;

namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>BDAT (RFC 3030 section 2): chunks of counted bytes. A chunk is always read whole, also a refused one.</summary>
internal static class BdatVerb
{
    public static async ValueTask<bool> RunAsync(SmtpdSession session)
    {
        var tokens = session.Tokens;
        if ((session.Discarded & EhloMask.Chunking) != 0)
        {
            return await session.RefuseAsync(SmtpdReplies.BdatDisabled).ConfigureAwait(false);
        }
        var last = tokens.Count == 3 && tokens[2].Is("LAST");
        if (tokens.Count is < 2 or > 3 || (tokens.Count == 3 && !last)
            || !long.TryParse(tokens[1].Text, NumberStyles.None, CultureInfo.InvariantCulture, out var size))
        {
            // 521: where the chunk ends can't be known, so the session ends.
            session.Log.MalformedBdat(session.Context.QueueId, session.Client, session.Line);
            return await session.RefuseAsync(SmtpdReplies.BdatSyntax).ConfigureAwait(false);
        }
        var refusal = await RefusalAsync(session, size, last).ConfigureAwait(false);
        return refusal is null
            ? await TakeAsync(session, size, last).ConfigureAwait(false)
            : await SkipAsync(session, size, last, refusal).ConfigureAwait(false);
    }

    private static async ValueTask<string?> RefusalAsync(SmtpdSession session, long size, bool last)
    {
        var transaction = session.Transaction;
        if (size == 0 && !last)
        {
            session.Log.NullBdat(session.Context.QueueId, session.Client);
            return SmtpdReplies.NullBdat;
        }
        if (transaction is null)
        {
            return session.StrayChunk ? SmtpdReplies.Discarded(size) : SmtpdReplies.NeedRcpt;
        }
        if (transaction.BdatFailed)
        {
            return SmtpdReplies.Discarded(size);
        }
        if (transaction.Recipients.Count == 0)
        {
            return SmtpdReplies.NoValidRecipients;
        }
        if (transaction.Content is null && await session.Stages.DataAsync(session.Context).ConfigureAwait(false) == Verdict.Reject)
        {
            return session.Context.Reply;
        }
        if (session.Settings.MessageSizeLimit > 0 && (transaction.Content?.WireSize ?? 0) > session.Settings.MessageSizeLimit - size)
        {
            session.Log.ChunkTooLarge(session.Context.QueueId, session.Client);
            return SmtpdReplies.ChunkTooLarge;
        }
        return transaction is { Content: null, Message: IProxyMessage proxy } ? await proxy.BeginDataAsync().ConfigureAwait(false) : null;
    }

    private static async ValueTask<bool> TakeAsync(SmtpdSession session, long size, bool last)
    {
        var transaction = session.Transaction!;
        string? header = null;
        if (transaction.Content is null)
        {
            transaction.Content = new ContentIntake(transaction.Message!, new DataDecoder(dots: false, requireStandardEnd: true), session.Settings.MessageSizeLimit);
            header = await MessageHead.MakeAsync(session, transaction.Content).ConfigureAwait(false);
        }
        var content = transaction.Content;
        session.State = SmtpdState.Chunks;
        if (header is not null)
        {
            await content.HeaderAsync(header, session.Cancel).ConfigureAwait(false);
        }
        var outcome = await ReadAsync(session, size, content).ConfigureAwait(false);
        if (outcome != ReadOutcome.Data)
        {
            await session.EndAsync(outcome, "BDAT", content.WireSize).ConfigureAwait(false);
            return false;
        }
        if (!last)
        {
            if (content.SawBareLf && session.BareNewline == BareNewline.Reject)
            {
                // Postfix: said of the chunk that has it; the next ones are thrown away.
                session.Context.Where = "END-OF-MESSAGE";
                session.Log.BareNewline(session.Context, refused: true);
                return await RefuseAsync(session, SmtpdReplies.BareNewline(session.Settings.BareNewlineCode, session.Settings.Myhostname), last, size).ConfigureAwait(false);
            }
            return await session.AcceptAsync(SmtpdReplies.Bytes(size)).ConfigureAwait(false);
        }
        await content.FinishAsync(session.Cancel).ConfigureAwait(false);
        return await MessageEnd.RunAsync(session, content, isBdat: true).ConfigureAwait(false);
    }

    private static async ValueTask<bool> SkipAsync(SmtpdSession session, long size, bool last, string refusal)
    {
        var outcome = await ReadAsync(session, size, null).ConfigureAwait(false);
        if (outcome != ReadOutcome.Data)
        {
            await session.EndAsync(outcome, "BDAT", 0).ConfigureAwait(false);
            return false;
        }
        return await RefuseAsync(session, refusal, last, size).ConfigureAwait(false);
    }

    private static async ValueTask<bool> RefuseAsync(SmtpdSession session, string refusal, bool last, long size)
    {
        await session.ReplyAsync(refusal).ConfigureAwait(false);
        if (session.Transaction is null)
        {
            session.StrayChunk = !last && (session.StrayChunk || size > 0);
        }
        else if (session.Transaction is { } transaction)
        {
            transaction.BdatFailed = true;
            session.State = session.State == SmtpdState.Ended ? SmtpdState.Ended : SmtpdState.Chunks;
            if (last)
            {
                await session.ResetAsync().ConfigureAwait(false);
            }
        }
        return false;
    }

    private static async ValueTask<ReadOutcome> ReadAsync(SmtpdSession session, long size, ContentIntake? content)
    {
        session.Channel.BeginRequest();
        while (size > 0)
        {
            var outcome = await session.Channel.ReadAsync().ConfigureAwait(false);
            if (outcome != ReadOutcome.Data)
            {
                return outcome;
            }
            var buffer = session.Channel.Buffer;
            var chunk = buffer.Slice(0, Math.Min(size, buffer.Length));
            if (content is not null)
            {
                await content.TakeAsync(chunk, null, session.Cancel).ConfigureAwait(false);
            }
            size -= chunk.Length;
            session.Channel.Advance(chunk.End);
            session.Channel.Credit(chunk.Length);
        }
        return ReadOutcome.Data;
    }
}
