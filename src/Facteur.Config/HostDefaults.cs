using System.Net;
using System.Net.Sockets;

namespace Facteur.Config;

/// <summary>Defaults that are computed from the host: myhostname, mydomain, mynetworks.</summary>
internal static class HostDefaults
{
    internal const string DefaultDomain = "localdomain";

    /// <summary>The host's name, with $mydomain where main.cf sets it, else "localdomain", when it has no dot.</summary>
    internal static string HostName(HostFacts host, string? mydomain) =>
        host.HostName.Contains('.', StringComparison.Ordinal) ? host.HostName : $"{host.HostName}.{(string.IsNullOrEmpty(mydomain) ? DefaultDomain : mydomain)}";

    /// <summary>What follows the first dot of myhostname.</summary>
    internal static string Domain(string myhostname)
    {
        var dot = myhostname.IndexOf('.', StringComparison.Ordinal);
        return dot < 0 ? DefaultDomain : myhostname[(dot + 1)..];
    }

    /// <summary>Networks of the interfaces that inet_interfaces and inet_protocols leave.</summary>
    /// <param name="host">The host.</param>
    /// <param name="style">host, subnet or class.</param>
    /// <param name="interfaces">inet_interfaces.</param>
    /// <param name="protocols">inet_protocols.</param>
    internal static string Networks(HostFacts host, string style, string interfaces, string protocols)
    {
        var words = interfaces.Split([' ', '\t', ',', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries).SelectMany(word => Named(host, word)).ToArray();
        var families = protocols.Split([' ', '\t', ','], StringSplitOptions.RemoveEmptyEntries);
        var networks = new List<string>();
        foreach (var (address, prefix) in host.Interfaces.OrderBy(i => i.Address.AddressFamily == AddressFamily.InterNetworkV6))
        {
            var protocol = address.AddressFamily == AddressFamily.InterNetwork ? "ipv4" : "ipv6";
            if ((families.Contains("all") || families.Contains(protocol)) && Listens(address, words) && !networks.Contains(Network(address, prefix, style)))
            {
                networks.Add(Network(address, prefix, style));
            }
        }
        return networks.Count > 0 ? string.Join(' ', networks) : "127.0.0.0/8 [::1]/128";
    }

    /// <summary>What is wrong with inet_protocols, or null.</summary>
    internal static string? WrongProtocols(string protocols) =>
        protocols.Split([' ', '\t', ',', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries).FirstOrDefault(word => word is not ("all" or "ipv4" or "ipv6")) is { } unknown
            ? $"unknown inet_protocols value \"{unknown}\" in \"{protocols}\": expected all, ipv4 or ipv6" : null;

    /// <summary>What is wrong with a mynetworks_style, or null.</summary>
    internal static string? WrongStyle(string style)
    {
        var words = style.Split([' ', '\t', ',', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries);
        return words.FirstOrDefault(word => word is not ("host" or "subnet" or "class")) is { } unknown ? $"unknown mynetworks mask style value \"{unknown}\" in \"{style}\": expected host, subnet or class"
            : words.Distinct().Count() != 1 ? $"bad mynetworks_style value: {style}; specify exactly one value" : null;
    }

    // A name stands for its addresses, as it does for who listens.
    private static IEnumerable<string> Named(HostFacts host, string word) =>
        word is "all" or "loopback-only" || IPAddress.TryParse(word.Trim('[', ']'), out _) || host.Addresses(word) is not { Count: > 0 } addresses ? [word] : addresses.Select(a => a.ToString());

    private static bool Listens(IPAddress address, string[] words)
    {
        foreach (var word in words)
        {
            if (word == "all" || (word == "loopback-only" && IPAddress.IsLoopback(address))
                || (word == "localhost" && IPAddress.IsLoopback(address))
                || (IPAddress.TryParse(word.Trim('[', ']'), out var named) && named.Equals(WithoutScope(address))))
            {
                return true;
            }
        }
        return false;
    }

    private static IPAddress WithoutScope(IPAddress address) => new(address.GetAddressBytes());

    private static string Network(IPAddress address, int prefix, string style)
    {
        var bytes = address.GetAddressBytes();
        var four = bytes.Length == 4;
        var length = style.Trim() switch
        {
            "subnet" => prefix,
            "class" => four ? bytes[0] < 128 ? 8 : bytes[0] < 192 ? 16 : 24 : prefix,
            // Also where the style is none: what is computed then trusts nobody else.
            _ => bytes.Length * 8,
        };
        for (var i = 0; i < bytes.Length; i++)
        {
            var bits = Math.Clamp(length - (i * 8), 0, 8);
            bytes[i] &= (byte)(0xFF00 >> bits);
        }
        var network = new IPAddress(bytes);
        return four ? $"{network}/{length}" : $"[{network}]/{length}";
    }
}
