using System.Net;
using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Net.Dns;
using Facteur.Tables;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// permit_mx_backup: looks at the mail exchangers of the recipient's domain; permits when this host is one of them, but no primary one, and, with
/// permit_mx_backup_networks, when all addresses of all primary ones are in these networks: whoever owns the domain says where they are. It also permits what
/// permit_auth_destination does. When the DNS or the networks' table can't say, a later refusal becomes a deferral.
/// </summary>
internal static class MxBackup
{
    private const int HostLimit = 32;

    public static async ValueTask<Verdict> PermitAsync(RestrictionContext context, Subject subject)
    {
        if (context.Recipient is not { Length: > 0 } recipient)
        {
            return Verdict.Dunno;
        }
        var about = Subject.OfRecipient(recipient);
        var ours = await DestinationRestrictions.IsOursAsync(context, recipient).ConfigureAwait(false);
        if (ours != Verdict.Dunno)
        {
            return ours == Verdict.Ok ? await context.PermitAsync("permit_mx_backup", about).ConfigureAwait(false) : ours;
        }
        var resolution = await context.ResolveAsync(recipient, isSender: false).ConfigureAwait(false);
        var domain = AddressParts.Domain(resolution.Recipient).ToString();
        if ((resolution.Flags & ResolveFlags.Routed) != 0 || HostName.ToAscii(domain, context.Settings.Idna2003) is not { } ascii || !HostName.IsValid(ascii))
        {
            return Verdict.Dunno;
        }
        var mx = await context.Dns.MxAsync(ascii, context.Cancel).ConfigureAwait(false);
        if (mx.Status != DnsStatus.Ok)
        {
            if (mx.Status is DnsStatus.TryAgain or DnsStatus.Invalid or DnsStatus.Filtered)
            {
                Doubt(context, about, $"Unable to look up mail exchanger information: {DnsWords.Reason(mx.Status)}");
            }
            return Verdict.Dunno;
        }
        var hosts = mx.Records.Where(record => record.Host.Length > 0).OrderBy(record => record.Preference).ToList();
        var primaries = hosts.TakeWhile(host => host.Preference == hosts[0].Preference).Take(HostLimit + 1).ToList();
        // The owner of the zone chooses how many there are, and each is looked at.
        if (primaries.Count > HostLimit || await IsOneOfThemAsync(context, primaries, about).ConfigureAwait(false)
            || !await IsOneOfThemAsync(context, [.. hosts.Skip(primaries.Count).Take(HostLimit)], about).ConfigureAwait(false)
            || !await AreListedAsync(context, primaries, about).ConfigureAwait(false))
        {
            return Verdict.Dunno;
        }
        return await context.PermitAsync("permit_mx_backup", about).ConfigureAwait(false);
    }

    private static async ValueTask<bool> IsOneOfThemAsync(RestrictionContext context, List<MxRecord> hosts, Subject about)
    {
        foreach (var host in hosts)
        {
            var asDomain = await context.Arrows.Rewrite.ResolveAsync("", "postmaster@" + host.Host, context.Cancel).ConfigureAwait(false);
            if ((asDomain.Flags & (ResolveFlags.Local | ResolveFlags.Fail)) == ResolveFlags.Local)
            {
                return true;
            }
            var (addresses, _) = await AddressesAsync(context, host.Host, about).ConfigureAwait(false);
            if (addresses.Exists(context.Settings.OwnAddresses.Contains))
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Whether each address of each host is in permit_mx_backup_networks.</summary>
    private static async ValueTask<bool> AreListedAsync(RestrictionContext context, List<MxRecord> hosts, Subject about)
    {
        if (context.Settings.MxBackupNetworks is not { } networks)
        {
            return true;
        }
        foreach (var host in hosts)
        {
            var (addresses, all) = await AddressesAsync(context, host.Host, about).ConfigureAwait(false);
            if (!all || addresses.Count == 0)
            {
                return false;
            }
            foreach (var address in addresses)
            {
                var status = await networks.MatchAsync(address, host.Host, context.Cancel).ConfigureAwait(false);
                if (status == LookupStatus.Error)
                {
                    Doubt(context, about, $"Unable to verify host {host.Host} as mail exchanger");
                }
                if (status != LookupStatus.Found)
                {
                    return false;
                }
            }
        }
        return true;
    }

    /// <summary>A host's addresses, and whether these are all: the DNS did not fail for one of the families that inet_protocols has.</summary>
    private static async ValueTask<(List<IPAddress> Addresses, bool All)> AddressesAsync(RestrictionContext context, string host, Subject about)
    {
        var none = DnsAnswer<IPAddress>.None(DnsStatus.NoData);
        // As of check_*_mx_access, without smtpd_dns_reply_filter.
        var ipv4 = context.Settings.UseIpv4 ? await context.Arrows.Dns.AddressesAsync(host, false, context.Cancel).ConfigureAwait(false) : none;
        var ipv6 = context.Settings.UseIpv6 ? await context.Arrows.Dns.AddressesAsync(host, true, context.Cancel).ConfigureAwait(false) : none;
        var all = !IsDoubtful(ipv4.Status) && !IsDoubtful(ipv6.Status);
        if (!all || (ipv4.Status != DnsStatus.Ok && ipv6.Status != DnsStatus.Ok))
        {
            Doubt(context, about, $"Unable to look up mail exchanger host {host}: {SmtpdLog.ResolverReason(IsDoubtful(ipv6.Status) ? ipv6.Status : ipv4.Status)}");
        }
        return ([.. ipv4.Records, .. ipv6.Records], all);
    }

    private static bool IsDoubtful(DnsStatus status) => status is DnsStatus.TryAgain or DnsStatus.Invalid;

    private static void Doubt(RestrictionContext context, Subject about, string text) =>
        context.DeferIfReject ??= new Deferral(450, "4.4.4", $"<{about.Name}>: {about.Class} rejected: {text}");
}
