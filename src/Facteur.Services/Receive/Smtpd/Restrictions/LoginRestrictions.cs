using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Tables;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// permit_sasl_authenticated, check_sasl_access, reject_authenticated_sender_login_mismatch, reject_unauthenticated_, reject_known_ and reject_sender_login_mismatch: look
/// at who logged in and at whom smtpd_sender_login_maps gives the sender's address to; permit a login, refuse a sender that is not its own.
/// </summary>
internal static class LoginRestrictions
{
    private const AddressKeys Keys = AddressKeys.Full | AddressKeys.LocalUser | AddressKeys.AtDomain;

    public static ValueTask<Verdict> Permit(RestrictionContext context, Subject subject) =>
        IsNamed(context) ? context.PermitAsync("permit_sasl_authenticated", subject) : new(Verdict.Dunno);

    /// <summary>Whoever logged in must own the sender.</summary>
    public static ValueTask<Verdict> Authenticated(RestrictionContext context, Subject subject) => AuthenticatedAsync(context, needsOwner: true);

    /// <summary>Whose sender somebody owns must be logged in, and as its owner.</summary>
    public static ValueTask<Verdict> Known(RestrictionContext context, Subject subject) =>
        HasLogin(context) ? AuthenticatedAsync(context, needsOwner: false) : UnauthenticatedAsync(context, subject);

    /// <summary>Without a login the sender must be nobody's.</summary>
    public static async ValueTask<Verdict> UnauthenticatedAsync(RestrictionContext context, Subject subject)
    {
        if (HasLogin(context) || context.Sender is not { Length: > 0 } sender || context.Settings.SenderLoginMaps.IsEmpty)
        {
            return Verdict.Dunno;
        }
        var (owners, failed) = await OwnersAsync(context, sender).ConfigureAwait(false);
        return failed ? context.TemporaryLookupFailure(sender)
            : owners is null ? Verdict.Dunno : context.Reject(553, "5.7.1", $"<{AddressParts.Unquote(sender)}>: {Subject.SenderAddress} rejected: not logged in");
    }

    /// <summary>reject_sender_login_mismatch.</summary>
    public static async ValueTask<Verdict> AnyAsync(RestrictionContext context, Subject subject) =>
        await Authenticated(context, subject).ConfigureAwait(false) is var verdict && verdict != Verdict.Dunno
            ? verdict : await UnauthenticatedAsync(context, subject).ConfigureAwait(false);

    /// <summary>Somebody in particular logged in.</summary>
    public static bool IsNamed(RestrictionContext context) => HasLogin(context) && !context.SaslMethod.Equals("anonymous", StringComparison.OrdinalIgnoreCase);

    public static bool HasLogin(RestrictionContext context) => context.SaslUsername.Length > 0;

    private static async ValueTask<Verdict> AuthenticatedAsync(RestrictionContext context, bool needsOwner)
    {
        if (!HasLogin(context) || context.Sender is not { Length: > 0 } sender || context.Settings.SenderLoginMaps.IsEmpty)
        {
            return Verdict.Dunno;
        }
        var (owners, failed) = await OwnersAsync(context, sender).ConfigureAwait(false);
        if (failed)
        {
            return context.TemporaryLookupFailure(sender);
        }
        return (owners is null && !needsOwner) || (owners is not null && owners.Contains(context.SaslUsername, StringComparer.OrdinalIgnoreCase))
            ? Verdict.Dunno
            : context.Reject(553, "5.7.1", $"<{AddressParts.Unquote(sender)}>: {Subject.SenderAddress} rejected: not owned by user {context.SaslUsername}");
    }

    private static async ValueTask<(List<string>? Owners, bool Failed)> OwnersAsync(RestrictionContext context, string sender)
    {
        var resolution = await context.ResolveAsync(sender, isSender: true).ConfigureAwait(false);
        if ((resolution.Flags & ResolveFlags.Fail) != 0)
        {
            return (null, true);
        }
        var (lookup, _) = await context.Arrows.AddressMaps.FindAsync(context.Settings.SenderLoginMaps, RestrictionContext.KeyOf(resolution), Keys, context.Cancel).ConfigureAwait(false);
        return lookup.Status switch
        {
            LookupStatus.Found => (Config.ListSyntax.Split(lookup.Value), false),
            LookupStatus.Error => (null, true),
            _ => (null, false),
        };
    }
}
