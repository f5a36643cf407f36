using System.Net;
using System.Net.Sockets;
using Facteur.Config.Expansion;
using Facteur.Config.MainCf;
using Facteur.Config.Parameters;

namespace Facteur.Config;

/// <summary>
/// The default of mynetworks as postconf(1) finds it: of main.cf's own settings, with what is wrong in Postfix's words. A name that main.cf does not set
/// stands for nothing there, even one that has a default.
/// </summary>
/// <param name="Value">The networks.</param>
/// <param name="Wrong">Why there are none: Postfix ends with it; null when nothing is.</param>
/// <param name="Warning">What is told before that.</param>
public sealed record OwnNetworks(string Value, string? Wrong = null, string? Warning = null)
{
    private static readonly char[] Separators = [' ', '\t', ',', '\r', '\n'];

    /// <summary>Asks the host.</summary>
    /// <param name="main">main.cf.</param>
    /// <param name="host">The host.</param>
    /// <param name="lookup">The addresses of a host's name; none when there are none.</param>
    public static OwnNetworks Of(MainCfFile main, HostFacts host, Func<string, IReadOnlyList<IPAddress>> lookup)
    {
        var (interfaces, style, protocols) = ("", "", "");
        foreach (var name in (string[])["inet_interfaces", CommonParameters.MynetworksStyle.Name, "inet_protocols"])
        {
            var isSet = main.Entries.TryGetValue(name, out var entry);
            var expanded = Expander.Expand(isSet ? entry!.Value : ParameterRegistry.Find(name)!.Default, n => main.Entries.TryGetValue(n, out var other) ? other.Value : isSet ? null : ParameterRegistry.Find(n)?.Default);
            if (expanded.Error is { } malformed)
            {
                return new OwnNetworks("", $"{(isSet ? "dictionary mail_dict: " : "")}macro processing error", malformed);
            }
            _ = name switch
            {
                "inet_interfaces" => interfaces = expanded.Text,
                "inet_protocols" => protocols = expanded.Text,
                _ => style = expanded.Text,
            };
        }
        if (HostDefaults.WrongProtocols(protocols) is { } unknown)
        {
            return new OwnNetworks("", WithoutExpected(unknown));
        }
        if (protocols.Split(Separators, StringSplitOptions.RemoveEmptyEntries).Length == 0)
        {
            return new OwnNetworks("");
        }
        if (HostDefaults.WrongStyle(style) is { } wrong)
        {
            return new OwnNetworks("", WithoutExpected(wrong));
        }
        return WrongInterfaces(interfaces, protocols, host, lookup, out var addresses) is { } missing ? new OwnNetworks("", missing)
            : interfaces is "all" or "loopback-only" ? new OwnNetworks(HostDefaults.Networks(host, style, interfaces, protocols))
            : new OwnNetworks(addresses.Count == 0 ? "" : HostDefaults.Networks(host, style, string.Join(' ', addresses), protocols));
    }

    /// <summary>What is wrong with inet_interfaces: a name that is not found, or an address that no interface has.</summary>
    /// <param name="interfaces">inet_interfaces.</param>
    /// <param name="protocols">inet_protocols.</param>
    /// <param name="host">The host.</param>
    /// <param name="lookup">The addresses of a host's name; none when there are none.</param>
    /// <param name="addresses">What is listed, unless that is all interfaces or those of loopback.</param>
    /// <returns>Postfix's words, or null.</returns>
    public static string? WrongInterfaces(string interfaces, string protocols, HostFacts host, Func<string, IReadOnlyList<IPAddress>> lookup, out List<IPAddress> addresses)
    {
        addresses = [];
        if (interfaces is "all" or "loopback-only")
        {
            return null;
        }
        var families = protocols.Split(Separators, StringSplitOptions.RemoveEmptyEntries);
        bool Wanted(IPAddress address) => families.Contains("all") || families.Contains(address.AddressFamily == AddressFamily.InterNetworkV6 ? "ipv6" : "ipv4");
        foreach (var word in interfaces.Split(Separators, StringSplitOptions.RemoveEmptyEntries))
        {
            var bare = word is ['[', .., ']'] ? word[1..^1] : word;
            var found = (IPAddress.TryParse(bare, out var literal) ? [literal] : lookup(bare)).Where(Wanted).ToList();
            if (found.Count == 0)
            {
                return $"config variable inet_interfaces: host not found: {word}";
            }
            addresses.AddRange(found.Select(WithoutScope));
        }
        var own = host.Interfaces.Select(i => WithoutScope(i.Address)).ToHashSet();
        // Postfix: the first in the order of addresses.
        var sorted = addresses.OrderBy(a => a.AddressFamily == AddressFamily.InterNetworkV6).ThenBy(a => Convert.ToHexString(a.GetAddressBytes()), StringComparer.Ordinal);
        return sorted.FirstOrDefault(a => !own.Contains(a)) is { } foreign ? $"parameter inet_interfaces: no local interface found for {foreign}" : null;
    }

    private static IPAddress WithoutScope(IPAddress address) => new(address.GetAddressBytes());

    private static string WithoutExpected(string text) => text.Split(": expected ")[0];
}
