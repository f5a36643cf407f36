using System.Net;
using System.Net.NetworkInformation;

namespace Facteur.Net.Connections;

/// <summary>The addresses under which mail reaches this system: inet_interfaces and proxy_interfaces.</summary>
public sealed class OwnAddresses
{
    private readonly HashSet<IPAddress> _addresses = [];

    /// <summary>Makes the set.</summary>
    /// <param name="elements">"all", "loopback-only" or addresses, as split from inet_interfaces and proxy_interfaces; names are looked up in hosts.</param>
    /// <param name="hosts">/etc/hosts.</param>
    public OwnAddresses(IEnumerable<string> elements, Dns.HostsFile hosts)
    {
        foreach (var element in elements)
        {
            if (element is "all" or "loopback-only")
            {
                _addresses.UnionWith(Interfaces().Where(a => element == "all" || IPAddress.IsLoopback(a)));
            }
            else if (IPAddress.TryParse(element.Trim('[', ']'), out var address))
            {
                _addresses.Add(address);
            }
            else
            {
                _addresses.UnionWith(hosts.Addresses(element));
            }
        }
    }

    /// <summary>Whether an address is ours.</summary>
    public bool Contains(IPAddress address) => _addresses.Contains(address);

    /// <summary>The loopback addresses that exist: IPv6 may be switched off where sockets of it can be made.</summary>
    public static IEnumerable<IPAddress> Loopback() => Interfaces().Where(a => a.Equals(IPAddress.Loopback) || a.Equals(IPAddress.IPv6Loopback)).Distinct();

    private static IEnumerable<IPAddress> Interfaces() =>
        NetworkInterface.GetAllNetworkInterfaces().SelectMany(i => i.GetIPProperties().UnicastAddresses).Select(a => a.Address).Append(IPAddress.Loopback);
}
