using System.Globalization;
using System.Net;
using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Net.Dns;
using Facteur.Services.Master;

namespace Facteur.Services.Explain;

/// <summary>
/// Which smtpd of master.cf is meant: by its name there ("submission", "127.0.0.1:10025"), with its type where that is needed ("smtp/unix"), by an address and
/// port that it listens on ("192.0.2.1:25"), or by its port alone.
/// </summary>
internal static class ExplainedListener
{
    /// <summary>Finds it.</summary>
    /// <returns>The entry, and the address that the client came to where it is known.</returns>
    /// <exception cref="ConfigException">None is meant, or one of several.</exception>
    public static (MasterEntry Entry, IPEndPoint? Local) Find(ConfigLoad load, string service, HostsFile hosts)
    {
        var all = load.Entries.Where(e => e.Command == "smtpd").ToList();
        var path = $"{load.Config.ConfigDirectory}/master.cf";
        var named = all.Where(e => service == e.Name || service == $"{e.Name}/{e.TypeName}").ToList();
        // Postfix: most entries are of type inet; another type is said where both are there.
        named = named.Count > 1 && named.Where(e => e.Type == ServiceType.Inet).ToList() is { Count: 1 } inet ? inet : named;
        if (named.Count == 0)
        {
            named = ByAddress(load, all, service, hosts);
        }
        return named.Count switch
        {
            0 => throw new ConfigException($"{path}: no smtpd serves {service}; expected {(all.Count == 0 ? "an entry of smtpd" : string.Join(", ", all.Select(Name)))}"),
            1 => (named[0], Local(load, named[0], service, hosts)),
            _ => throw new ConfigException($"{path}: several smtpd serve {service}: expected one of {string.Join(", ", named.Select(Name))}"),
        };
    }

    private static string Name(MasterEntry entry) => $"{entry.Name}/{entry.TypeName}";

    private static List<MasterEntry> ByAddress(ConfigLoad load, List<MasterEntry> all, string service, HostsFile hosts)
    {
        var colon = service.LastIndexOf(':');
        var (host, port) = (service[..Math.Max(colon, 0)].Trim('[', ']'), service[(colon + 1)..]);
        var isNumber = int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out var number);
        var open = all.Where(e => e.Type == ServiceType.Inet && (e.Name[(e.Name.LastIndexOf(':') + 1)..] == port || (isNumber && Addresses(load, e, hosts).Any(a => a.Port == number)))).ToList();
        if (colon < 0)
        {
            return open;
        }
        if (!IPAddress.TryParse(host, out var address))
        {
            return [];
        }
        // Who is bound to the address itself gets its clients.
        var bound = open.Where(e => Addresses(load, e, hosts).Any(a => a.Address.Equals(address))).ToList();
        return bound.Count > 0 ? bound : [.. open.Where(e => Addresses(load, e, hosts).Any(a => IsAny(a.Address) && a.AddressFamily == address.AddressFamily))];
    }

    private static IPEndPoint? Local(ConfigLoad load, MasterEntry entry, string service, HostsFile hosts)
    {
        if (entry.Type != ServiceType.Inet)
        {
            return null;
        }
        var addresses = Addresses(load, entry, hosts);
        var colon = service.LastIndexOf(':');
        return colon > 0 && addresses.Count > 0 && IPAddress.TryParse(service[..colon].Trim('[', ']'), out var asked) ? new IPEndPoint(asked, addresses[0].Port)
            : addresses is [var only] && !IsAny(only.Address) ? only : null;
    }

    private static bool IsAny(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    private static IReadOnlyList<IPEndPoint> Addresses(ConfigLoad load, MasterEntry entry, HostsFile hosts)
    {
        try
        {
            return ListenAddresses.Of(entry, load.Config.With(entry.Overrides), hosts);
        }
        catch (ConfigException)
        {
            // Whoever serves it says so.
            return [];
        }
    }
}
