using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Tables;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// Refuses addresses of our own domains that no table lists: reject_unlisted_recipient, reject_unlisted_sender. The order is Postfix's: canonical and
/// virtual alias maps accept, then transport error: refuses with its text, then the tables of the address class decide.
/// </summary>
internal static class ListedAddresses
{
    private const AddressKeys Keys = AddressKeys.Full | AddressKeys.LocalUser | AddressKeys.AtDomain;

    public static ValueTask<Verdict> Recipient(RestrictionContext context, Subject subject)
    {
        if (context.Recipient is not { Length: > 0 } recipient || context.RecipientMapsChecked || context.Settings.Input.NoUnknownRecipientChecks)
        {
            return new(Verdict.Dunno);
        }
        // What only warns is not yet decided.
        context.RecipientMapsChecked = !context.WarnIfReject;
        return CheckAsync(context, recipient, isSender: false);
    }

    public static ValueTask<Verdict> Sender(RestrictionContext context, Subject subject)
    {
        if (context.Sender is not { Length: > 0 } sender || context.SenderMapsChecked || context.Settings.Input.NoUnknownRecipientChecks)
        {
            return new(Verdict.Dunno);
        }
        context.SenderMapsChecked = !context.WarnIfReject;
        return CheckAsync(context, sender, isSender: true);
    }

    private static async ValueTask<Verdict> CheckAsync(RestrictionContext context, string address, bool isSender)
    {
        var resolution = await context.ResolveAsync(address, isSender).ConfigureAwait(false);
        if ((resolution.Flags & ResolveFlags.Fail) != 0)
        {
            return context.TemporaryLookupFailure(address);
        }
        var settings = context.Settings;
        foreach (var maps in isSender ? settings.SenderAcceptingMaps : settings.RecipientAcceptingMaps)
        {
            var status = await FindAsync(context, maps, RestrictionContext.KeyOf(resolution)).ConfigureAwait(false);
            if (status != LookupStatus.NotFound)
            {
                return status == LookupStatus.Found ? Verdict.Dunno : context.TemporaryLookupFailure(address);
            }
        }
        if (resolution.Transport is "error" or "retry")
        {
            return RefuseTransport(context, resolution, address, isSender);
        }
        return await ClassAsync(context, resolution, address, isSender).ConfigureAwait(false);
    }

    private static async ValueTask<Verdict> ClassAsync(RestrictionContext context, Resolution resolution, string address, bool isSender)
    {
        var settings = context.Settings;
        var (maps, code, table) = (resolution.Flags & (ResolveFlags.Local | ResolveFlags.VirtualMailbox | ResolveFlags.Relay)) switch
        {
            ResolveFlags.Local => (settings.LocalRecipientMaps, settings.UnknownLocalCode, "local recipient"),
            ResolveFlags.VirtualMailbox => (settings.VirtualMailboxMaps, settings.UnknownVirtualMailboxCode, "virtual mailbox"),
            ResolveFlags.Relay => (settings.RelayRecipientMaps, settings.UnknownRelayCode, "relay recipient"),
            _ => (null, 0, ""),
        };
        if (maps is null || ((resolution.Flags & ResolveFlags.Local) != 0 && IsReserved(settings, resolution.Recipient)))
        {
            return Verdict.Dunno;
        }
        var status = maps.IsEmpty ? LookupStatus.Found : await FindAsync(context, maps, RestrictionContext.KeyOf(resolution)).ConfigureAwait(false);
        if (status == LookupStatus.Found && (resolution.Flags & ResolveFlags.Relay) != 0 && settings.Backwards.RelayDomains)
        {
            context.Log.ByBackwardsDefault("relay_domains=$mydestination", $"accept mail for address \"{AddressParts.Unquote(address)}\"");
        }
        if (status != LookupStatus.NotFound)
        {
            return status == LookupStatus.Found ? Verdict.Dunno : context.TemporaryLookupFailure(address);
        }
        var where = settings.ShowTableName ? $" in {table} table" : "";
        return context.RejectUnlisted(code, isSender ? "5.1.0" : "5.1.1", $"<{AddressParts.Unquote(address)}>: {Kind(isSender)} rejected: User unknown{where}");
    }

    private static Verdict RefuseTransport(RestrictionContext context, Resolution resolution, string address, bool isSender)
    {
        var permanent = resolution.Transport == "error";
        var dsn = (permanent ? "5.1." : "4.1.") + (isSender ? "0" : "1");
        var text = resolution.Nexthop.AsSpan().Trim();
        if (EnhancedStatus.TryParsePrefix(text, out var status, out var length))
        {
            dsn = DsnClasses.Fix(context.Log, status.ToString(), Kind(isSender));
            text = text[length..].TrimStart();
        }
        var code = !permanent ? 450 : (resolution.Flags & ResolveFlags.VirtualAlias) != 0 ? context.Settings.UnknownVirtualAliasCode : 550;
        return context.RejectUnlisted(code, dsn, $"<{AddressParts.Unquote(address)}>: {Kind(isSender)} rejected: {text}");
    }

    private static async ValueTask<LookupStatus> FindAsync(RestrictionContext context, Maps maps, string address) =>
        maps.IsEmpty ? LookupStatus.NotFound : (await context.Arrows.AddressMaps.FindAsync(maps, address, Keys, context.Cancel).ConfigureAwait(false)).Lookup.Status;

    // Postfix: postmaster, MAILER-DAEMON and the double-bounce address are never unknown.
    private static bool IsReserved(SmtpdSettings settings, string address)
    {
        var local = address.AsSpan(0, address.Length - AddressParts.Domain(address).Length).TrimEnd('@');
        return local.Equals("postmaster", StringComparison.OrdinalIgnoreCase) || local.Equals("mailer-daemon", StringComparison.OrdinalIgnoreCase)
            || local.Equals(settings.DoubleBounceSender, StringComparison.OrdinalIgnoreCase);
    }

    private static string Kind(bool isSender) => isSender ? Subject.SenderAddress : Subject.RecipientAddress;
}
