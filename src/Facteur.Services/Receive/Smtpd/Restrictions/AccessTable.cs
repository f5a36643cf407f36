using System.Net;
using System.Net.Sockets;
using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Tables;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>One access(5) table in a list of restrictions: which keys are looked up, in which order.</summary>
internal sealed class AccessTable(Maps maps, string name, Func<string, RestrictionList?> parse)
{
    /// <summary>check_client_access: the name and its parents, then the address and its networks.</summary>
    public async ValueTask<Verdict> ClientAsync(RestrictionContext context, Subject subject)
    {
        var client = new Subject(context.Client.Printable, Subject.ClientHost);
        return await DomainAsync(context, context.Client.Name, client).ConfigureAwait(false)
            ?? await AddressAsync(context, context.Client.Address, client).ConfigureAwait(false)
            ?? Verdict.Dunno;
    }

    /// <summary>check_reverse_client_hostname_access: the name that the address claims and its parents, then the address and its networks.</summary>
    public async ValueTask<Verdict> ReverseClientAsync(RestrictionContext context, Subject subject)
    {
        var client = new Subject(context.Client.ReverseName, Subject.UnverifiedClientHost);
        var found = await DomainAsync(context, context.Client.ReverseName, client).ConfigureAwait(false)
            ?? await AddressAsync(context, context.Client.Address, client).ConfigureAwait(false);
        return ServerAccess.Forbid(context, "check_reverse_client_hostname_access", found, client);
    }

    public async ValueTask<Verdict> HeloAsync(RestrictionContext context, Subject subject) =>
        context.Helo is { } helo
            ? await DomainAsync(context, helo, new Subject(helo, Subject.HeloCommand)).ConfigureAwait(false) ?? Verdict.Dunno
            : Verdict.Dunno;

    public async ValueTask<Verdict> EtrnAsync(RestrictionContext context, Subject subject) =>
        context.EtrnDomain is { } domain
            ? await DomainAsync(context, domain, new Subject(domain, Subject.EtrnCommand)).ConfigureAwait(false) ?? Verdict.Dunno
            : Verdict.Dunno;

    public ValueTask<Verdict> SenderAsync(RestrictionContext context, Subject subject) =>
        context.Sender is { } sender ? MailAsync(context, sender, Subject.OfSender(sender)) : new(Verdict.Dunno);

    public ValueTask<Verdict> RecipientAsync(RestrictionContext context, Subject subject) =>
        context.Recipient is { } recipient ? MailAsync(context, recipient, Subject.OfRecipient(recipient)) : new(Verdict.Dunno);

    /// <summary>check_sasl_access: the login.</summary>
    public async ValueTask<Verdict> LoginAsync(RestrictionContext context, Subject subject) =>
        context.Settings.Logins && LoginRestrictions.HasLogin(context)
            ? await OneAsync(context, SmtpdLog.Printable(context.SaslUsername), false, new Subject(context.SaslUsername, Subject.LoginName)).ConfigureAwait(false) ?? Verdict.Dunno
            : Verdict.Dunno;

    private async ValueTask<Verdict> MailAsync(RestrictionContext context, string address, Subject subject)
    {
        if (address.Length == 0)
        {
            return await OneAsync(context, context.Settings.NullAccessKey, false, subject).ConfigureAwait(false) ?? Verdict.Dunno;
        }
        var isRecipient = subject.Class == Subject.RecipientAddress;
        var resolution = await context.ResolveAsync(address, !isRecipient).ConfigureAwait(false);
        if ((resolution.Flags & ResolveFlags.Fail) != 0)
        {
            return context.TemporaryLookupFailure(address);
        }
        if (AddressParts.Domain(resolution.Recipient).IsEmpty)
        {
            return Verdict.Dunno;
        }
        var keys = AddressKeys.Full | AddressKeys.Domain | AddressKeys.UserAt | (context.Settings.AccessParents ? AddressKeys.Parents : AddressKeys.DotParents);
        var found = await context.Arrows.AddressMaps.FindAsync(maps, RestrictionContext.KeyOf(resolution), keys, context.Cancel).ConfigureAwait(false);
        var verdict = await ActAsync(context, found.Lookup, resolution.Recipient, subject).ConfigureAwait(false) ?? Verdict.Dunno;
        // A source-routed recipient never gets an OK: where it ends is not ours to say.
        return verdict == Verdict.Ok && isRecipient && (resolution.Flags & ResolveFlags.Routed) != 0 && !context.Settings.AllowUntrustedRouting
            ? Verdict.Dunno
            : verdict;
    }

    /// <summary>Looks up a host name and its parents, an international name in both its forms; null when nothing was found.</summary>
    public async ValueTask<Verdict?> DomainAsync(RestrictionContext context, string domain, Subject subject) =>
        await FormAsync(context, domain, subject).ConfigureAwait(false)
            ?? (HostName.OtherForm(domain) is { } other ? await FormAsync(context, other, subject).ConfigureAwait(false) : null);

    private async ValueTask<Verdict?> FormAsync(RestrictionContext context, string domain, Subject subject)
    {
        var verdict = await OneAsync(context, domain, false, subject).ConfigureAwait(false);
        var dot = domain.StartsWith('[') ? -1 : domain.IndexOf('.');
        while (verdict is null && dot >= 0 && dot < domain.Length - 1)
        {
            verdict = await OneAsync(context, domain[(context.Settings.AccessParents ? dot + 1 : dot)..], true, subject).ConfigureAwait(false);
            dot = domain.IndexOf('.', dot + 1);
        }
        return verdict;
    }

    /// <summary>Looks up an address and its networks; null when nothing was found.</summary>
    public async ValueTask<Verdict?> AddressAsync(RestrictionContext context, string address, Subject subject)
    {
        var separator = IPAddress.TryParse(address, out var ip) && ip.AddressFamily == AddressFamily.InterNetworkV6 ? ':' : '.';
        var verdict = await OneAsync(context, address, false, subject).ConfigureAwait(false);
        for (var end = address.LastIndexOf(separator); verdict is null && end > 0; end = address.LastIndexOf(separator, end - 1))
        {
            verdict = await OneAsync(context, address[..end], true, subject).ConfigureAwait(false);
        }
        return verdict;
    }

    private async ValueTask<Verdict?> OneAsync(RestrictionContext context, string key, bool partial, Subject subject) =>
        await ActAsync(context, await maps.FindAsync(key, partial, context.Cancel).ConfigureAwait(false), key, subject).ConfigureAwait(false);

    /// <summary>Null when nothing was found.</summary>
    private async ValueTask<Verdict?> ActAsync(RestrictionContext context, Lookup lookup, string key, Subject subject)
    {
        if (lookup.Status == LookupStatus.NotFound)
        {
            return null;
        }
        if (lookup.Status == LookupStatus.Error)
        {
            context.Log.LookupError(name, key);
            return context.Reject(451, "4.3.5", $"<{subject.Name}>: {subject.Class} rejected: Server configuration error");
        }
        return await AccessAction.ApplyAsync(context, name, lookup.Value, key, subject, parse).ConfigureAwait(false);
    }
}
