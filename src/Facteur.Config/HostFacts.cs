using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Facteur.Config;

/// <summary>What a configuration's computed defaults (myhostname, mynetworks) are made of.</summary>
/// <param name="HostName">gethostname(2).</param>
/// <param name="Interfaces">Addresses of interfaces that are up, with prefix lengths.</param>
public sealed record HostFacts(string HostName, IReadOnlyList<(IPAddress Address, int PrefixLength)> Interfaces)
{
    /// <summary>Asks the system.</summary>
    public static HostFacts Current()
    {
        var list = new List<(IPAddress, int)>();
        try
        {
            foreach (var adapter in NetworkInterface.GetAllNetworkInterfaces())
            {
                // Loopback's state is "unknown" to Linux.
                if (adapter.OperationalStatus is OperationalStatus.Up or OperationalStatus.Unknown)
                {
                    list.AddRange(adapter.GetIPProperties().UnicastAddresses.Select(a => (a.Address, a.PrefixLength)));
                }
            }
        }
        catch (NetworkInformationException)
        {
            // Without rights to ask, loopback alone is trusted.
        }
        return new HostFacts(Dns.GetHostName(), [.. list.Where(i => i.Item1.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6)]);
    }
}
