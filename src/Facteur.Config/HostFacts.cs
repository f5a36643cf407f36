using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Facteur.Config;

/// <summary>What a configuration's computed defaults (myhostname, mynetworks) are made of. Asked for only when they are needed.</summary>
/// <param name="hostName">gethostname(2).</param>
/// <param name="interfaces">Addresses of interfaces that are up, with prefix lengths.</param>
/// <param name="addresses">Addresses that /etc/hosts has for a name; null: for none.</param>
public sealed class HostFacts(Func<string> hostName, Func<IReadOnlyList<(IPAddress Address, int PrefixLength)>> interfaces, Func<string, IReadOnlyList<IPAddress>>? addresses = null)
{
    private readonly Lazy<string> _hostName = new(hostName);
    private readonly Lazy<IReadOnlyList<(IPAddress Address, int PrefixLength)>> _interfaces = new(interfaces);

    /// <summary>gethostname(2).</summary>
    public string HostName => _hostName.Value;

    /// <summary>Addresses of interfaces that are up, with prefix lengths.</summary>
    public IReadOnlyList<(IPAddress Address, int PrefixLength)> Interfaces => _interfaces.Value;

    /// <summary>Addresses that /etc/hosts has for a name.</summary>
    public IReadOnlyList<IPAddress> Addresses(string name) => addresses?.Invoke(name) ?? [];

    /// <summary>This host.</summary>
    public static HostFacts Current() => new(Dns.GetHostName, FindInterfaces, FindAddresses);

    // A word of the file; whoever looks hosts up for mail has the resolver, which this layer does not know.
    private static IReadOnlyList<IPAddress> FindAddresses(string name)
    {
        try
        {
            return
            [
                .. File.ReadLines("/etc/hosts").Select(line => line.Split('#')[0].Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries))
                    .Where(words => words.Skip(1).Contains(name, StringComparer.OrdinalIgnoreCase)).Select(words => IPAddress.TryParse(words[0], out var address) ? address : null).OfType<IPAddress>(),
            ];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static IReadOnlyList<(IPAddress, int)> FindInterfaces()
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
        return [.. list.Where(i => i.Item1.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6)];
    }
}
