using System.Runtime.CompilerServices;
using Facteur.Mail.Smtp;
using Facteur.Services.Receive.Smtpd.Proxy;
using Facteur.Services.Receive.Smtpd.Restrictions;

namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>DATA (RFC 5321 4.1.1.4).</summary>
internal static class DataVerb
{
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public static async ValueTask<bool> RunAsync(SmtpdSession session)
    {
        if (session.Tokens.Count != 1)
        {
            return await session.RefuseAsync(SmtpdReplies.DataSyntax).ConfigureAwait(false);
        }
        if (await session.Stages.DataAsync(session.Context).ConfigureAwait(false) == Verdict.Reject)
        {
            return await session.RefuseAsync(session.Context.Reply).ConfigureAwait(false);
        }
        var transaction = session.Transaction!;
        if (transaction.Message is IProxyMessage proxy && await proxy.BeginDataAsync().ConfigureAwait(false) is { } refusal)
        {
            return await session.RefuseAsync(refusal).ConfigureAwait(false);
        }
        transaction.Content = new ContentIntake(
            transaction.Message!, new DataDecoder(dots: true, session.BareNewline != BareNewline.Allow), session.Settings.MessageSizeLimit);
        await session.ReplyAsync(SmtpdReplies.GoAhead).ConfigureAwait(false);
        return session.State != SmtpdState.Ended && await ReceiveAsync(session, transaction.Content).ConfigureAwait(false)
            && await MessageEnd.RunAsync(session, transaction.Content, isBdat: false).ConfigureAwait(false);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private static async ValueTask<bool> ReceiveAsync(SmtpdSession session, ContentIntake content)
    {
        var header = await MessageHead.MakeAsync(session, content).ConfigureAwait(false);
        session.Channel.BeginRequest();
        while (true)
        {
            var outcome = await session.Channel.ReadAsync().ConfigureAwait(false);
            if (outcome != ReadOutcome.Data)
            {
                await session.EndAsync(outcome, "DATA", content.WireSize).ConfigureAwait(false);
                return false;
            }
            var buffer = session.Channel.Buffer;
            var ended = await content.TakeAsync(buffer, header, session.Cancel).ConfigureAwait(false);
            header = null;
            session.Channel.Advance(buffer.GetPosition(content.Consumed));
            if (ended)
            {
                return true;
            }
            session.Channel.Credit(content.Consumed);
        }
    }
}
