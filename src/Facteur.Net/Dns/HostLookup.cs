using System.Net;

namespace Facteur.Net.Dns;

/// <summary>Where addresses and names of hosts are looked up, in order (smtp_host_lookup).</summary>
public enum HostSource : byte
{
    /// <summary>The DNS alone.</summary>
    Dns = 0,

    /// <summary>The host's own way: /etc/hosts, then the DNS.</summary>
    Native = 1,
}

/// <summary>Looks hosts up in the configured sources.</summary>
/// <param name="dns">The DNS.</param>
/// <param name="hosts">/etc/hosts.</param>
/// <param name="sources">Sources in order, at least one.</param>
public sealed class HostLookup(IDnsResolver dns, HostsFile hosts, IReadOnlyList<HostSource> sources)
{
    /// <summary>Addresses of one family.</summary>
    /// <param name="name">The host.</param>
    /// <param name="ipv6">IPv6 instead of IPv4.</param>
    /// <param name="cancel">The caller's end.</param>
    public async ValueTask<DnsAnswer<IPAddress>> AddressesAsync(string name, bool ipv6, CancellationToken cancel)
    {
        var first = default(DnsAnswer<IPAddress>?);
        for (var i = 0; i < sources.Count; i++)
        {
            if (sources[i] == HostSource.Native && FromFile(name, ipv6) is { Count: > 0 } found)
            {
                return new DnsAnswer<IPAddress>(DnsStatus.Ok, found);
            }
            if (first is null)
            {
                var answer = await dns.AddressesAsync(name, ipv6, cancel).ConfigureAwait(false);
                if (answer.Status == DnsStatus.Ok)
                {
                    return answer;
                }
                first = answer;
            }
        }
        return first ?? DnsAnswer<IPAddress>.None(DnsStatus.NameError);
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

    private List<IPAddress> FromFile(string name, bool ipv6)
    {
        var family = ipv6 ? System.Net.Sockets.AddressFamily.InterNetworkV6 : System.Net.Sockets.AddressFamily.InterNetwork;
        return [.. hosts.Addresses(name).Where(a => a.AddressFamily == family)];
    }
}
