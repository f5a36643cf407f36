using System.Net;
using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Net.Dns;
using Facteur.Tables;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// permit_mx_backup: looks at the mail exchangers of the recipient's domain; permits when this host is one of them and, with permit_mx_backup_networks, when a
/// primary one is in these networks. It also permits what permit_auth_destination does. When the DNS can't say, a later refusal becomes a
/// deferral.
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
            if (mx.Status is DnsStatus.TryAgain or DnsStatus.Invalid)
            {
                Doubt(context, about, $"Unable to look up mail exchanger information: {DnsWords.Reason(mx.Status)}");
            }
            return Verdict.Dunno;
        }
        var hosts = mx.Records.Where(record => record.Host.Length > 0).OrderBy(record => record.Preference).Take(HostLimit).ToList();
        return await IsOneOfThemAsync(context, hosts, about).ConfigureAwait(false) && await PrimaryIsListedAsync(context, hosts, about).ConfigureAwait(false)
            ? await context.PermitAsync("permit_mx_backup", about).ConfigureAwait(false)
            : Verdict.Dunno;
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
            var addresses = await AddressesAsync(context, host.Host, about).ConfigureAwait(false);
            if (addresses.Exists(context.Settings.OwnAddresses.Contains))
            {
                return true;
            }
        }
        return false;
    }

    private static async ValueTask<bool> PrimaryIsListedAsync(RestrictionContext context, List<MxRecord> hosts, Subject about)
    {
        if (context.Settings.MxBackupNetworks is not { } networks)
        {
            return true;
        }
        foreach (var host in hosts.Where(host => host.Preference == hosts[0].Preference))
        {
            foreach (var address in await AddressesAsync(context, host.Host, about).ConfigureAwait(false))
            {
                if (await networks.MatchAsync(address, host.Host, context.Cancel).ConfigureAwait(false) == LookupStatus.Found)
                {
                    return true;
                }
            }
        }
        return false;
    }

    private static async ValueTask<List<IPAddress>> AddressesAsync(RestrictionContext context, string host, Subject about)
    {
        var ipv4 = await context.Dns.AddressesAsync(host, false, context.Cancel).ConfigureAwait(false);
        var ipv6 = await context.Dns.AddressesAsync(host, true, context.Cancel).ConfigureAwait(false);
        if (ipv4.Status != DnsStatus.Ok && ipv6.Status != DnsStatus.Ok)
        {
            Doubt(context, about, $"Unable to look up mail exchanger host {host}: {SmtpdLog.ResolverReason(ipv4.Status)}");
        }
        return [.. ipv4.Records, .. ipv6.Records];
    }

    private static void Doubt(RestrictionContext context, Subject about, string text) =>
        context.DeferIfReject ??= new Deferral(450, "4.4.4", $"<{about.Name}>: {about.Class} rejected: {text}");
}
