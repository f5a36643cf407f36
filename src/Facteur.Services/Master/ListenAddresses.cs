using System.Globalization;
using System.Net;
using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Net.Connections;
using Facteur.Net.Dns;

namespace Facteur.Services.Master;

/// <summary>Where an inet entry of master.cf listens: "host:port", "[v6]:port" or "port" on all inet_interfaces.</summary>
internal static class ListenAddresses
{
    /// <summary>The addresses of an entry.</summary>
    /// <exception cref="ConfigException">The name is none of these, or the port or host is not known.</exception>
    public static IReadOnlyList<IPEndPoint> Of(MasterEntry entry, IConfig config, HostsFile hosts)
    {
        var (host, service) = Split(entry.Name);
        var port = Port(service, config) ?? throw new ConfigException($"master.cf, line {entry.Line}: unknown port \"{service}\" in service name \"{entry.Name}\"");
        var protocols = ListSyntax.Split(config.Get(CommonParameters.InetProtocols));
        var (four, six) = (protocols.Contains("ipv4") || protocols.Contains("all"), protocols.Contains("ipv6") || protocols.Contains("all"));
        var elements = host.Length > 0 ? [host] : ListSyntax.Split(config.Get(CommonParameters.InetInterfaces));
        var addresses = new List<IPAddress>();
        foreach (var element in elements)
        {
            addresses.AddRange(element switch
            {
                "all" or "*" => [IPAddress.Any, IPAddress.IPv6Any],
                "loopback-only" => OwnAddresses.Loopback(),
                _ when IPAddress.TryParse(element.Trim('[', ']'), out var literal) => [literal],
                _ => Lookup(element, hosts, entry),
            });
        }
        addresses.RemoveAll(a => a.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? !four : !six || !Listener.HasIPv6);
        return [.. addresses.Distinct().Select(a => new IPEndPoint(a, port))];
    }

    private static IPAddress[] Lookup(string name, HostsFile hosts, MasterEntry entry)
    {
        var known = hosts.Addresses(name);
        if (known.Count > 0)
        {
            return [.. known];
        }
        throw new ConfigException($"master.cf, line {entry.Line}: host \"{name}\" in service \"{entry.Name}\" or inet_interfaces is not in /etc/hosts; expected an address");
    }

    private static (string Host, string Service) Split(string name)
    {
        var colon = name.LastIndexOf(':');
        return colon < 0 ? ("", name) : (name[..colon], name[(colon + 1)..]);
    }

    private static int? Port(string service, IConfig config)
    {
        if (int.TryParse(service, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return number is > 0 and < 65536 ? number : null;
        }
        foreach (var known in ListSyntax.Split(config.Get(SmtpParameters.KnownTcpPorts).Replace(" = ", "=", StringComparison.Ordinal)))
        {
            var parts = known.Split('=');
            if (parts.AsSpan(0, parts.Length - 1).Contains(service))
            {
                return int.TryParse(parts[^1], NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and < 65536
                    ? port : throw new ConfigException($"known_tcp_ports: bad port in \"{known}\"; expected name=number");
            }
        }
        return null;
    }
}
