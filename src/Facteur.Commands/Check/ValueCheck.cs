using Facteur.Config;
using Facteur.Net.Tls;

namespace Facteur.Commands.Check;

/// <summary>
/// Values of a few words that no service reads yet, or not with the other values that are set: Postfix ends or leaves TLS out at a wrong one. What services
/// read themselves they say themselves.
/// </summary>
internal static class ValueCheck
{
    private static readonly string[] Levels = ["none", "may", "encrypt"], Ciphers = ["export", "low", "medium", "high", "null"], Screens = ["ignore", "enforce", "drop"];

    private static readonly Dictionary<string, string[]> Words = new(StringComparer.Ordinal)
    {
        ["smtpd_tls_security_level"] = Levels,
        ["tlsproxy_tls_security_level"] = Levels,
        ["postscreen_tls_security_level"] = Levels,
        ["milter_default_action"] = ["accept", "quarantine", "reject", "shutdown", "tempfail"],
        ["smtpd_upstream_proxy_protocol"] = ["haproxy"],
        ["postscreen_upstream_proxy_protocol"] = ["haproxy"],
        ["postscreen_bare_newline_action"] = Screens,
        ["postscreen_denylist_action"] = Screens,
        ["postscreen_blacklist_action"] = Screens,
        ["postscreen_dnsbl_action"] = Screens,
        ["postscreen_greet_action"] = Screens,
        ["postscreen_non_smtp_command_action"] = Screens,
        ["postscreen_pipelining_action"] = Screens,
    };

    // Lists of words: Postfix ends at one that it does not know.
    private static readonly Dictionary<string, string[]> Lists = new(StringComparer.Ordinal)
    {
        ["propagate_unmatched_extensions"] = ["canonical", "virtual", "alias", "forward", "include", "generic"],
    };

    private static readonly string[] Roles = ["smtp", "smtpd", "lmtp", "tlsproxy"];

    public static void Run(ConfigLoad load, SettingPlaces places, Findings findings)
    {
        foreach (var (entry, name, value) in WrittenSettings.Of(load, places))
        {
            if (Wrong(name, value) is { } wrong)
            {
                findings.Add(FindingLevel.Error, places.Of(entry, name), wrong);
            }
        }
    }

    private static string? Wrong(string name, string value)
    {
        if (value.Length == 0)
        {
            return null;
        }
        if ((Words.GetValueOrDefault(name) ?? (IsOf(name, "_tls_ciphers", "_tls_mandatory_ciphers") ? Ciphers : null)) is { } words)
        {
            return words.Contains(value, StringComparer.OrdinalIgnoreCase) ? null : $"{name} = {value}: expected one of {string.Join(", ", words)}";
        }
        if (Lists.TryGetValue(name, out var known))
        {
            return Unknown(value, known) is { } word ? $"{name}: unknown value \"{word}\": expected {string.Join(", ", known)}" : null;
        }
        // In the words of smtp(8), which says it of those that it uses.
        return IsOf(name, "_tls_protocols", "_tls_mandatory_protocols") && TlsProtocols.Parse(value) is null ? $"{name} = {value}: expected names such as >=TLSv1.2 or !TLSv1" : null;
    }

    private static string? Unknown(string value, string[] known) =>
        value.Split([' ', '\t', '\n', ','], StringSplitOptions.RemoveEmptyEntries).FirstOrDefault(word => !known.Contains(word, StringComparer.OrdinalIgnoreCase));

    private static bool IsOf(string name, string end, string otherEnd) => Roles.Any(role => name == role + end || name == role + otherEnd);
}
