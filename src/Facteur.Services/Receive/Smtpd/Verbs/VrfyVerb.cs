using Facteur.Mail.Smtp;
using Facteur.Services.Receive.Smtpd.Restrictions;

namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>VRFY (RFC 5321 3.5): the same checks as RCPT, and an answer that promises nothing.</summary>
internal static class VrfyVerb
{
    public static async ValueTask<bool> RunAsync(SmtpdSession session)
    {
        if (session.Settings.DisableVrfy)
        {
            return await session.RefuseAsync(SmtpdReplies.VrfyDisabled).ConfigureAwait(false);
        }
        var tokens = session.Tokens;
        var smtputf8 = session.Settings.Smtputf8 && tokens.Count == 3 && tokens[2].Is("SMTPUTF8");
        var count = smtputf8 ? 2 : tokens.Count;
        if (count < 2)
        {
            return await session.RefuseAsync($"501 5.5.4 Syntax: VRFY address{(session.Settings.Smtputf8 ? " [SMTPUTF8]" : "")}").ConfigureAwait(false);
        }
        if (session.Service.Connections.RecipientRefusal(session) is { } refusal)
        {
            return await session.RefuseAsync(refusal).ConfigureAwait(false);
        }
        var argument = count == 2 ? tokens[1] : new CommandToken(TokenKind.Other, string.Join(' ', tokens.Skip(1).Select(token => token.Text)));
        if (await AddressArgument.TakeAsync(session, argument, "VRFY", allowEmpty: false, smtputf8).ConfigureAwait(false) is not { } address)
        {
            return await session.RefuseAsync(SmtpdReplies.BadRecipient).ConfigureAwait(false);
        }
        if (AddressArgument.NeedsSmtputf8(session, address, smtputf8, "recipient"))
        {
            return await session.RefuseAsync(SmtpdReplies.MustDeclareSmtputf8).ConfigureAwait(false);
        }
        var context = session.Context;
        var first = context.Recipient;
        context.Recipient = address;
        var verdict = await session.Stages.RecipientAsync(context).ConfigureAwait(false);
        context.Recipient = first;
        return verdict == Verdict.Reject
            ? await session.RefuseAsync(context.Reply).ConfigureAwait(false)
            : await session.AcceptAsync("252 2.0.0 " + argument.Text).ConfigureAwait(false);
    }
}
