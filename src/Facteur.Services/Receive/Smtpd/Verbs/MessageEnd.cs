using System.Runtime.CompilerServices;
using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Services.Receive.Smtpd.Proxy;
using Facteur.Services.Receive.Smtpd.Restrictions;

namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>The end of a message, after DATA and after the last BDAT: 250 is said only when it is on stable storage.</summary>
internal static class MessageEnd
{
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public static async ValueTask<bool> RunAsync(SmtpdSession session, ContentIntake content, bool isBdat)
    {
        session.Context.Where = "END-OF-MESSAGE";
        var reply = await DecideAsync(session, content, isBdat).ConfigureAwait(false);
        var accepted = reply[0] == '2';
        if (accepted)
        {
            session.Forgive();
        }
        await session.ReplyAsync(reply).ConfigureAwait(false);
        await session.FlushTranscriptAsync().ConfigureAwait(false);
        await session.ResetAsync().ConfigureAwait(false);
        return accepted;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private static async ValueTask<string> DecideAsync(SmtpdSession session, ContentIntake content, bool isBdat)
    {
        var transaction = session.Transaction!;
        if (content.SawBareLf && session.BareNewline >= BareNewline.Note)
        {
            session.Log.BareNewline(session.Context, session.BareNewline == BareNewline.Reject);
            if (session.BareNewline == BareNewline.Reject)
            {
                return SmtpdReplies.BareNewline(session.Settings.BareNewlineCode, session.Settings.Myhostname);
            }
        }
        if (content.TooLarge)
        {
            session.Log.TooLarge(session.Context.QueueId);
            return SmtpdReplies.TooLarge;
        }
        session.Context.Size = content.WireSize;
        if (await session.Stages.EndOfDataAsync(session.Context).ConfigureAwait(false) == Verdict.Reject)
        {
            return session.Context.Reply;
        }
        if (transaction.Message is IProxyMessage proxy)
        {
            var answer = await proxy.EndDataAsync().ConfigureAwait(false);
            session.Log.ProxyAnswer(session.Context, answer);
            return answer;
        }
        var queueId = transaction.Message!.QueueId;
        var queued = isBdat ? SmtpdReplies.QueuedBytes(content.WireSize, queueId) : SmtpdReplies.Queued(queueId);
        Address(transaction, session.Context.Effects);
        // Not cancelled when the service stops: what is durable is answered, else it would come twice.
        var result = await transaction.Message.CompleteAsync(CancellationToken.None).ConfigureAwait(false);
        return result.Status == CleanupStatus.Ok ? queued : Refusal(result);
    }

    private static void Address(MailTransaction transaction, AccessEffects effects)
    {
        if (effects.Hold)
        {
            transaction.Envelope!.Flags |= MessageFlags.Hold;
        }
        if (effects.Discard)
        {
            transaction.Envelope!.Flags |= MessageFlags.Discard;
        }
        // access(5): REDIRECT overrides FILTER.
        if (effects.Filter is { } filter && effects.Redirect is null)
        {
            transaction.Envelope!.ContentFilter = filter;
        }
        if (effects.Redirect is { } target)
        {
            transaction.Envelope!.Redirect = target;
        }
        foreach (var recipient in transaction.Recipients)
        {
            transaction.Message!.AddRecipient(recipient);
        }
        foreach (var bcc in effects.Bcc)
        {
            transaction.Message!.AddRecipient(new EnvelopeRecipient(bcc, bcc, "", DsnNotify.Never));
        }
    }

    private static string Refusal(CleanupResult result)
    {
        var fixedReply = result.Status switch
        {
            CleanupStatus.NoSpace => SmtpdReplies.NoSpace,
            CleanupStatus.TooLarge => SmtpdReplies.TooLarge,
            CleanupStatus.TooManyHops => SmtpdReplies.TooManyHops,
            CleanupStatus.TryAgain => SmtpdReplies.LookupError,
            CleanupStatus.Rejected => SmtpdReplies.ContentRejected,
            CleanupStatus.NoRecipients => SmtpdReplies.NoValidRecipients,
            _ => SmtpdReplies.WriteError,
        };
        return result.Text is null ? fixedReply : Worded(fixedReply, SmtpdLog.Printable(result.Text));
    }

    // A text may bring its own reply code and enhanced code, only the latter, or neither; it never turns a refusal into a success.
    private static string Worded(string fixedReply, string text)
    {
        if (text.Length > 4 && text[0] is '4' or '5' && char.IsAsciiDigit(text[1]) && char.IsAsciiDigit(text[2]) && text[3] == ' ')
        {
            return text;
        }
        if (EnhancedStatus.TryParsePrefix(text, out var status, out _) && status.Class is 4 or 5)
        {
            return $"{(status.Class == fixedReply[0] - '0' ? fixedReply[..3] : status.Class == 4 ? "450" : "550")} {text}";
        }
        return $"{fixedReply[..10].TrimEnd()} {text}";
    }
}
