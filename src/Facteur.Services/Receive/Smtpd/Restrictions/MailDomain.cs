using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Net.Dns;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// reject_non_fqdn_sender, _recipient, reject_unknown_sender_domain, _recipient_domain: look at the form and the DNS of an address's domain; refuse what is no name or not
/// there, and put off, by unknown_address_tempfail_action, what the DNS can't say.
/// </summary>
internal static class MailDomain
{
    public static ValueTask<Verdict> NonFqdnSender(RestrictionContext context, Subject subject) =>
        new(context.Sender is { Length: > 0 } sender ? NonFqdn(context, sender, Subject.SenderAddress) : Verdict.Dunno);

    public static ValueTask<Verdict> NonFqdnRecipient(RestrictionContext context, Subject subject) =>
        new(context.Recipient is { Length: > 0 } recipient ? NonFqdn(context, recipient, Subject.RecipientAddress) : Verdict.Dunno);

    public static ValueTask<Verdict> UnknownSender(RestrictionContext context, Subject subject) =>
        context.Sender is { Length: > 0 } sender ? UnknownAsync(context, sender, isSender: true) : new(Verdict.Dunno);

    public static ValueTask<Verdict> UnknownRecipient(RestrictionContext context, Subject subject) =>
        context.Recipient is { Length: > 0 } recipient ? UnknownAsync(context, recipient, isSender: false) : new(Verdict.Dunno);

    /// <summary>Whether a host has addresses of any family.</summary>
    public static async ValueTask<DnsStatus> AddressesAsync(RestrictionContext context, string name)
    {
        var v4 = (await context.Dns.AddressesAsync(name, false, context.Cancel).ConfigureAwait(false)).Status;
        return v4 == DnsStatus.Ok ? v4 : Of((await context.Dns.AddressesAsync(name, true, context.Cancel).ConfigureAwait(false)).Status, v4);
    }

    /// <summary>What two questions about a name come to: an answer counts first, then that there may be one.</summary>
    public static DnsStatus Of(DnsStatus first, DnsStatus second) =>
        first == DnsStatus.Ok || second == DnsStatus.Ok ? DnsStatus.Ok
        : first == DnsStatus.TryAgain || second == DnsStatus.TryAgain ? DnsStatus.TryAgain
        : first == DnsStatus.Filtered || second == DnsStatus.Filtered ? DnsStatus.Filtered : first;

    /// <summary>There is an answer that smtpd_dns_reply_filter wants nobody to use. Postfix: who filters too much is warned, and no mail is refused for it.</summary>
    public static Verdict Hidden(RestrictionContext context, string name, string what)
    {
        context.Log.Warning($"{name}: {what} lookup error: DNS reply filter drops all results");
        return Verdict.Dunno;
    }

    private static Verdict NonFqdn(RestrictionContext context, string address, string kind)
    {
        var domain = AddressParts.Domain(address);
        if (domain is ['[', .., ']'])
        {
            return Verdict.Dunno;
        }
        var ascii = HostName.ToAscii(domain.ToString(), context.Settings.Idna2003);
        return ascii is not null && HostName.IsFullyQualified(ascii)
            ? Verdict.Dunno
            : context.Reject(context.Settings.NonFqdnCode, "4.5.2", $"<{AddressParts.Unquote(address)}>: {kind} rejected: need fully-qualified address");
    }

    private static async ValueTask<Verdict> UnknownAsync(RestrictionContext context, string address, bool isSender)
    {
        var resolution = await context.ResolveAsync(address, isSender).ConfigureAwait(false);
        if ((resolution.Flags & ResolveFlags.Fail) != 0)
        {
            return context.TemporaryLookupFailure(address);
        }
        var domain = AddressParts.Domain(resolution.Recipient).ToString();
        if (domain.Length == 0 || domain is ['[', .., ']'] || (resolution.Flags & (ResolveFlags.Local | ResolveFlags.VirtualAlias | ResolveFlags.VirtualMailbox)) != 0)
        {
            return Verdict.Dunno;
        }
        return await LookUpAsync(context, address, domain, isSender).ConfigureAwait(false);
    }

    private static async ValueTask<Verdict> LookUpAsync(RestrictionContext context, string address, string domain, bool isSender)
    {
        var kind = isSender ? Subject.SenderAddress : Subject.RecipientAddress;
        var dsn = isSender ? "4.1.8" : "4.1.2";
        var status = DnsStatus.NameError;
        if (HostName.ToAscii(domain, context.Settings.Idna2003) is { } ascii && HostName.IsValid(ascii))
        {
            var mx = await context.Dns.MxAsync(ascii, context.Cancel).ConfigureAwait(false);
            if (mx is { Status: DnsStatus.Ok, Records: [{ Host: "" }] })
            {
                // RFC 7505 section 4.
                return context.Reject(
                    isSender ? 550 : 556, isSender ? "5.7.27" : "5.1.10", $"<{AddressParts.Unquote(address)}>: {kind} rejected: Domain {domain} does not accept mail (nullMX)");
            }
            status = mx.Status == DnsStatus.Ok ? mx.Status : Of(await AddressesAsync(context, ascii).ConfigureAwait(false), mx.Status);
        }
        return status switch
        {
            DnsStatus.Ok => Verdict.Dunno,
            DnsStatus.TryAgain => context.DeferLater(context.Settings.UnknownAddressDefersIfPermit, 450, dsn, $"<{AddressParts.Unquote(address)}>: {kind} rejected: Domain not found"),
            DnsStatus.Invalid => context.Reject(context.Settings.UnknownAddressCode, dsn, $"<{AddressParts.Unquote(address)}>: {kind} rejected: Malformed DNS server reply"),
            DnsStatus.Filtered => Hidden(context, domain, "MX or address"),
            _ => context.Reject(context.Settings.UnknownAddressCode, dsn, $"<{AddressParts.Unquote(address)}>: {kind} rejected: Domain not found"),
        };
    }
}
