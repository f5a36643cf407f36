using System.Net;
using System.Net.Sockets;

namespace Facteur.Net.Dns;

/// <summary>Where addresses and names of hosts are looked up (smtp_host_lookup).</summary>
public enum HostSource : byte
{
    /// <summary>The DNS alone.</summary>
    Dns = 0,

    /// <summary>The host's own way: /etc/hosts, then the DNS.</summary>
    Native = 1,
}

/// <summary>Addresses of both families, each with why there are none.</summary>
/// <param name="Ipv6">AAAA records.</param>
/// <param name="Ipv4">A records.</param>
/// <param name="Native">It was the system's own way that answered last.</param>
public readonly record struct HostAddresses(DnsAnswer<IPAddress> Ipv6, DnsAnswer<IPAddress> Ipv4, bool Native)
{
    /// <summary>There is one.</summary>
    public bool Any => Ipv6.Records.Count + Ipv4.Records.Count > 0;
}

/// <summary>Looks hosts up in the configured sources.</summary>
/// <param name="dns">The DNS.</param>
/// <param name="hosts">/etc/hosts.</param>
/// <param name="sources">At least one. Postfix: in any order, the DNS comes first.</param>
/// <param name="system">The DNS as the system asks it, which completes names by resolv.conf's search list; null for <paramref name="dns"/>.</param>
public sealed class HostLookup(IDnsResolver dns, HostsFile hosts, IReadOnlyList<HostSource> sources, IDnsResolver? system = null)
{
    private static readonly DnsAnswer<IPAddress> NotAsked = DnsAnswer<IPAddress>.None(DnsStatus.NoData);

    /// <summary>Addresses of the families that are wanted.</summary>
    /// <param name="name">The host.</param>
    /// <param name="ipv6">IPv6 is wanted.</param>
    /// <param name="ipv4">IPv4 is wanted.</param>
    /// <param name="cancel">The caller's end.</param>
    public async ValueTask<HostAddresses> AddressesAsync(string name, bool ipv6, bool ipv4, CancellationToken cancel)
    {
        if (sources.Contains(HostSource.Dns))
        {
            var found = await AskAsync(dns, name, ipv6, ipv4, cancel).ConfigureAwait(false);
            if (!sources.Contains(HostSource.Native) || found.Any || !IsMissing(found.Ipv6) || !IsMissing(found.Ipv4))
            {
                return found;
            }
        }
        // nsswitch.conf(5), "files dns": a host that is in the file is not looked up in the DNS, not for its other family either.
        var listed = new HostAddresses(FromFile(name, AddressFamily.InterNetworkV6, ipv6), FromFile(name, AddressFamily.InterNetwork, ipv4), true);
        return listed.Any ? listed : await AskAsync(system ?? dns, name, ipv6, ipv4, cancel).ConfigureAwait(false) with { Native = true };
    }

    /// <summary>The name of an address: the file first, then PTR records.</summary>
    public async ValueTask<DnsAnswer<string>> NamesAsync(IPAddress address, CancellationToken cancel)
    {
        for (var i = 0; i < sources.Count; i++)
        {
            if (sources[i] == HostSource.Native && hosts.Name(address) is { } name)
            {
                return new DnsAnswer<string>(DnsStatus.Ok, [name]);
            }
        }
        return await dns.NamesAsync(address, cancel).ConfigureAwait(false);
    }

    private static bool IsMissing(in DnsAnswer<IPAddress> answer) => answer.Status is DnsStatus.NameError or DnsStatus.NoData;

    private static async ValueTask<HostAddresses> AskAsync(IDnsResolver dns, string name, bool ipv6, bool ipv4, CancellationToken cancel)
    {
        var six = ipv6 ? dns.AddressesAsync(name, true, cancel) : ValueTask.FromResult(NotAsked);
        var four = ipv4 ? dns.AddressesAsync(name, false, cancel) : ValueTask.FromResult(NotAsked);
        return new HostAddresses(await six.ConfigureAwait(false), await four.ConfigureAwait(false), false);
    }

    private DnsAnswer<IPAddress> FromFile(string name, AddressFamily family, bool wanted) =>
        wanted && hosts.Addresses(name).Where(a => a.AddressFamily == family).ToList() is { Count: > 0 } found ? new DnsAnswer<IPAddress>(DnsStatus.Ok, found) : NotAsked;
}
