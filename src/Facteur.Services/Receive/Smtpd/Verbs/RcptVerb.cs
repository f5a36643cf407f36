using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Smtp;
using Facteur.Services.Receive.Smtpd.Proxy;
using Facteur.Services.Receive.Smtpd.Restrictions;

namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>RCPT (RFC 5321 4.1.1.3, with RFC 3461 NOTIFY and ORCPT).</summary>
internal static class RcptVerb
{
    public static async ValueTask<bool> RunAsync(SmtpdSession session)
    {
        var tokens = session.Tokens;
        if (tokens.Count < 3 || !tokens[1].Is("TO:"))
        {
            return await session.RefuseAsync(SmtpdReplies.RcptSyntax).ConfigureAwait(false);
        }
        if (session.Service.Connections.RecipientRefusal(session) is { } refusal)
        {
            return await session.RefuseAsync(refusal).ConfigureAwait(false);
        }
        var transaction = session.Transaction!;
        if (await AddressArgument.TakeAsync(session, tokens[2], "RCPT", allowEmpty: false, transaction.Smtputf8).ConfigureAwait(false) is not { } address)
        {
            return await session.RefuseAsync(SmtpdReplies.BadRecipient).ConfigureAwait(false);
        }
        var probe = await ProbeAddress.OfAsync(session, address).ConfigureAwait(false);
        address = probe ?? address;
        var notify = DsnNotify.None;
        var original = "";
        for (var i = 3; i < tokens.Count; i++)
        {
            if (Option(session, tokens[i], ref notify, ref original) is { } error)
            {
                return await session.RefuseAsync(error).ConfigureAwait(false);
            }
        }
        if (transaction.Recipients.Count >= session.Settings.RecipientLimit)
        {
            // Postfix: so many more before it counts as an error; honest clients send the rest in another transaction.
            await session.ReplyAsync(SmtpdReplies.TooManyRecipients).ConfigureAwait(false);
            return transaction.Overshoot++ < session.Settings.RecipientOvershootLimit;
        }
        if (original.Length == 0 && probe is null && Path(tokens[2].Text) is var given && given != address)
        {
            // RFC 3461 5.2.1: who asked for no other is told of what was said here, before it got its standard form.
            original = $"rfc822;{DsnParameters.Printable(given)}";
        }
        if (AddressArgument.NeedsSmtputf8(session, address, transaction.Smtputf8, "recipient"))
        {
            return await session.RefuseAsync(SmtpdReplies.MustDeclareSmtputf8).ConfigureAwait(false);
        }
        return await AddAsync(session, transaction, new EnvelopeRecipient(address, address, original, notify), isProbe: probe is not null).ConfigureAwait(false);
    }

    private static string Path(string text) => text is ['<', .. var inner, '>'] ? inner : text;

    private static async ValueTask<bool> AddAsync(SmtpdSession session, MailTransaction transaction, EnvelopeRecipient recipient, bool isProbe)
    {
        var context = session.Context;
        var first = transaction.Recipients.Count > 0 ? transaction.Recipients[0].Address : null;
        context.Recipient = recipient.Address;
        var verdict = isProbe ? Verdict.Ok : await session.Stages.RecipientAsync(context).ConfigureAwait(false);
        context.Recipient = first;
        if (verdict == Verdict.Reject)
        {
            return await session.RefuseAsync(context.Reply).ConfigureAwait(false);
        }
        if (!await session.OpenAsync().ConfigureAwait(false))
        {
            return false;
        }
        var reply = transaction.Message is IProxyMessage proxy ? await proxy.AskAsync(session.Line).ConfigureAwait(false) : SmtpdReplies.RecipientOk;
        if (reply[0] != '2')
        {
            return await session.RefuseAsync(reply).ConfigureAwait(false);
        }
        transaction.Recipients.Add(recipient);
        context.Recipient = first ?? recipient.Address;
        context.RecipientCount = transaction.Recipients.Count;
        session.State = SmtpdState.Recipients;
        return await session.AcceptAsync(SmtpdReplies.RecipientOk).ConfigureAwait(false);
    }

    private static string? Option(SmtpdSession session, CommandToken token, ref DsnNotify notify, ref string original)
    {
        if (token.Value("NOTIFY=") is { } list)
        {
            return (session.Discarded & EhloMask.Dsn) != 0 ? SmtpdReplies.DsnDisabled
                : notify != DsnNotify.None || !DsnParameters.TryNotify(list, out notify) ? SmtpdReplies.BadNotify : null;
        }
        if (token.Value("ORCPT=") is { } orcpt)
        {
            return (session.Discarded & EhloMask.Dsn) != 0 ? SmtpdReplies.DsnDisabled
                : original.Length > 0 || !DsnParameters.TryOriginalRecipient(orcpt, out original) ? SmtpdReplies.BadOrcpt : null;
        }
        return SmtpdReplies.Unsupported(token.Text);
    }
}
