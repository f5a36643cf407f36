using Facteur.Contracts;
using Facteur.Mail.Addresses;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>Who may relay to where.</summary>
internal static class DestinationRestrictions
{
    public static ValueTask<Verdict> PermitAuth(RestrictionContext context, Subject subject) =>
        context.Recipient is { } recipient ? AuthorizedAsync(context, recipient) : new(Verdict.Dunno);

    public static ValueTask<Verdict> RejectUnauth(RestrictionContext context, Subject subject) =>
        RefuseUnauthAsync(context, context.Settings.RelayCode, "5.7.1");

    // The permanent code less 100: 454 for 554.
    public static ValueTask<Verdict> DeferUnauth(RestrictionContext context, Subject subject) =>
        RefuseUnauthAsync(context, context.Settings.RelayCode - (context.Settings.RelayCode >= 500 ? 100 : 0), "4.7.1");

    private static async ValueTask<Verdict> RefuseUnauthAsync(RestrictionContext context, int code, string dsn)
    {
        if (context.Recipient is not { } recipient)
        {
            return Verdict.Dunno;
        }
        var verdict = await AuthorizedAsync(context, recipient).ConfigureAwait(false);
        return verdict switch
        {
            Verdict.Ok => Verdict.Dunno,
            Verdict.Reject => verdict,
            _ => context.Reject(code, dsn, $"<{recipient}>: Relay access denied"),
        };
    }

    private static async ValueTask<Verdict> AuthorizedAsync(RestrictionContext context, string recipient)
    {
        var resolution = await context.ResolveAsync(recipient, isSender: false).ConfigureAwait(false);
        if ((resolution.Flags & ResolveFlags.Fail) != 0)
        {
            return context.TemporaryLookupFailure(recipient);
        }
        if (AddressParts.Domain(resolution.Recipient).IsEmpty)
        {
            return Verdict.Ok;
        }
        if ((resolution.Flags & ResolveFlags.Routed) != 0 && !context.Settings.AllowUntrustedRouting)
        {
            return Verdict.Dunno;
        }
        const ResolveFlags Ours = ResolveFlags.Local | ResolveFlags.VirtualAlias | ResolveFlags.VirtualMailbox | ResolveFlags.Relay;
        return (resolution.Flags & Ours) != 0 ? Verdict.Ok : Verdict.Dunno;
    }
}
