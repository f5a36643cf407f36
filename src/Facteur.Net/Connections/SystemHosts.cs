using System.Net;
using System.Net.Sockets;

namespace Facteur.Net.Connections;

/// <summary>Hosts' names as the system finds them (getaddrinfo(3)), for commands that can wait.</summary>
public static class SystemHosts
{
    /// <summary>The addresses of a name; none when it has none, or none can be asked for now.</summary>
    public static IReadOnlyList<IPAddress> Addresses(string name)
    {
        try
        {
            return System.Net.Dns.GetHostAddresses(name);
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            return [];
        }
    }
}
