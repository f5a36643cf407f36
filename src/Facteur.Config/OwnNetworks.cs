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
        var families = protocols.Split(Separators, StringSplitOptions.RemoveEmptyEntries);
        if (families.FirstOrDefault(family => family is not ("all" or "ipv4" or "ipv6")) is { } unknown)
        {
            return new OwnNetworks("", $"unknown inet_protocols value \"{unknown}\" in \"{protocols}\"");
        }
        if (families.Length == 0)
        {
            return new OwnNetworks("");
        }
        if (HostDefaults.WrongStyle(style) is { } wrong)
        {
            return new OwnNetworks("", wrong.Replace(": expected host, subnet or class", "", StringComparison.Ordinal));
        }
        return interfaces is "all" or "loopback-only" ? new OwnNetworks(HostDefaults.Networks(host, style, interfaces, protocols)) : OfAddresses(host, lookup, style, interfaces, protocols, families);
    }

    private static OwnNetworks OfAddresses(HostFacts host, Func<string, IReadOnlyList<IPAddress>> lookup, string style, string interfaces, string protocols, string[] families)
    {
        bool Wanted(IPAddress address) => families.Contains("all") || families.Contains(address.AddressFamily == AddressFamily.InterNetworkV6 ? "ipv6" : "ipv4");
        var addresses = new List<IPAddress>();
        foreach (var word in interfaces.Split(Separators, StringSplitOptions.RemoveEmptyEntries))
        {
            var bare = word is ['[', .., ']'] ? word[1..^1] : word;
            var found = (IPAddress.TryParse(bare, out var literal) ? [literal] : lookup(bare)).Where(Wanted).ToList();
            if (found.Count == 0)
            {
                return new OwnNetworks("", $"config variable inet_interfaces: host not found: {word}");
            }
            addresses.AddRange(found);
        }
        var own = host.Interfaces.Select(i => new IPAddress(i.Address.GetAddressBytes())).ToHashSet();
        // Postfix: the first in the order of addresses.
        var sorted = addresses.Select(a => new IPAddress(a.GetAddressBytes())).OrderBy(a => a.AddressFamily == AddressFamily.InterNetworkV6).ThenBy(a => Convert.ToHexString(a.GetAddressBytes()), StringComparer.Ordinal);
        return sorted.FirstOrDefault(a => !own.Contains(a)) is { } foreign ? new OwnNetworks("", $"parameter inet_interfaces: no local interface found for {foreign}")
            : new OwnNetworks(addresses.Count == 0 ? "" : HostDefaults.Networks(host, style, string.Join(' ', addresses.Select(a => new IPAddress(a.GetAddressBytes()))), protocols));
    }
}
