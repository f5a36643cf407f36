using Facteur.Contracts;
using Facteur.Mail.Addresses;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// permit_auth_destination, reject_unauth_destination, defer_unauth_destination: look at where the recipient's address leads; permit or refuse who may relay to
/// where. A source route leads nowhere that is ours to say.
/// </summary>
internal static class DestinationRestrictions
{
    public static async ValueTask<Verdict> PermitAuth(RestrictionContext context, Subject subject)
    {
        var verdict = context.Recipient is { } recipient ? await IsOursAsync(context, recipient).ConfigureAwait(false) : Verdict.Dunno;
        return verdict == Verdict.Ok ? await context.PermitAsync("permit_auth_destination", Subject.OfRecipient(context.Recipient!)).ConfigureAwait(false) : verdict;
    }

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
        var verdict = await IsOursAsync(context, recipient).ConfigureAwait(false);
        return verdict switch
        {
            Verdict.Ok => Verdict.Dunno,
            Verdict.Reject => verdict,
            _ => context.Reject(code, dsn, $"<{AddressParts.Unquote(recipient)}>: Relay access denied"),
        };
    }

    /// <summary>Whether mail for an address ends here or is relayed for anybody: Ok; Dunno when not, Reject when it can't be said now.</summary>
    public static async ValueTask<Verdict> IsOursAsync(RestrictionContext context, string recipient)
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
        const ResolveFlags Final = ResolveFlags.Local | ResolveFlags.VirtualAlias | ResolveFlags.VirtualMailbox;
        if ((resolution.Flags & (Final | ResolveFlags.Relay)) == ResolveFlags.Relay && context.Settings.Backwards.RelayDomains)
        {
            context.Log.ByBackwardsDefault("relay_domains=$mydestination", $"accept mail for domain \"{AddressParts.Domain(resolution.Recipient)}\"");
        }
        return (resolution.Flags & (Final | ResolveFlags.Relay)) != 0 ? Verdict.Ok : Verdict.Dunno;
    }
}
