using System.Collections.Frozen;
using System.Net;
using System.Net.NetworkInformation;
using Facteur.Config;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>The addresses this system receives mail on, as permit_inet_interfaces sees them: inet_interfaces and proxy_interfaces.</summary>
internal sealed class OwnAddresses
{
    private readonly FrozenSet<IPAddress> _addresses;
    private readonly bool _loopback;

    public OwnAddresses(string inetInterfaces, string proxyInterfaces)
    {
        var addresses = new HashSet<IPAddress>();
        foreach (var word in ListSyntax.Split(inetInterfaces).Concat(ListSyntax.Split(proxyInterfaces)))
        {
            if (word.Equals("all", StringComparison.OrdinalIgnoreCase))
            {
                addresses.UnionWith(NetworkInterface.GetAllNetworkInterfaces().SelectMany(i => i.GetIPProperties().UnicastAddresses).Select(a => WithoutScope(a.Address)));
                _loopback = true;
            }
            else if (IPAddress.TryParse(word.Trim('[', ']'), out var address))
            {
                addresses.Add(address);
            }
            else
            {
                _loopback |= word.Equals("loopback-only", StringComparison.OrdinalIgnoreCase) || word.Equals("localhost", StringComparison.OrdinalIgnoreCase);
            }
        }
        _addresses = addresses.ToFrozenSet();
    }

    public bool Contains(IPAddress address) => _addresses.Contains(WithoutScope(address)) || (_loopback && (address.Equals(IPAddress.Loopback) || address.Equals(IPAddress.IPv6Loopback)));

    private static IPAddress WithoutScope(IPAddress address) =>
        address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 && address.ScopeId != 0 ? new IPAddress(address.GetAddressBytes()) : address;
}
