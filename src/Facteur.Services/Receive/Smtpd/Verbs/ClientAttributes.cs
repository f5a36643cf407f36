using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Facteur.Mail.Smtp;

namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>The attributes of XCLIENT and XFORWARD: NAME=value, in xtext, with two words for what is not known.</summary>
internal static class ClientAttributes
{
    public const string Expected = "501 5.5.4 Error: attribute=value expected";
    public const string TooLong = "501 5.5.4 Error: attribute value too long";

    private const int ValueLimit = 255;
    private const int PortDigits = 5;

    public static string Syntax(string verb) => $"501 5.5.4 Syntax: {verb} attribute=value...";

    public static string BadName(string verb, string name) => $"501 5.5.4 Bad {verb} attribute name: {name}";

    public static string BadValue(string name, string value) => $"501 5.5.4 Bad {name} syntax: {value}";

    /// <summary>The attributes of the line in work, in order; a reply instead of one that is none.</summary>
    /// <param name="line">The line. Its tokens are not taken: a colon ends those.</param>
    public static IEnumerable<(string Name, string Value, string? Error)> Of(string line)
    {
        foreach (var word in line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries).Skip(1))
        {
            var equal = word.IndexOf('=', StringComparison.Ordinal);
            if (equal < 0 || equal == word.Length - 1)
            {
                yield return ("", "", Expected);
                yield break;
            }
            var value = word[(equal + 1)..];
            // Postfix: what is no xtext is taken as it stands.
            value = SmtpdLog.Printable(Xtext.TryDecode(value, out var decoded) ? decoded : value);
            yield return (word[..equal], value, value.Length > ValueLimit ? TooLong : null);
        }
    }

    /// <summary>Whether a value says that there is one.</summary>
    public static bool IsKnown(string value) => !value.Equals("[UNAVAILABLE]", StringComparison.OrdinalIgnoreCase);

    /// <summary>How a host name of XCLIENT, and nothing else, says that there is none; Ok for one that is.</summary>
    public static NameStatus Availability(string value) =>
        !IsKnown(value) ? NameStatus.None
        : value.Equals("[TEMPUNAVAIL]", StringComparison.OrdinalIgnoreCase) ? NameStatus.TryAgain : NameStatus.Ok;

    /// <summary>An address, IPv6 with "IPv6:" in front; null when it is none, or of a family that is not used here.</summary>
    public static IPAddress? Address(string value, bool ipv4, bool ipv6)
    {
        const string prefix = "IPv6:";
        var isIpv6 = value.StartsWith(prefix, StringComparison.OrdinalIgnoreCase);
        var text = isIpv6 ? value[prefix.Length..] : value;
        if (!IPAddress.TryParse(text, out var address) || text.Contains('%')
            || !(isIpv6 ? (ipv6 && address.AddressFamily == AddressFamily.InterNetworkV6) || (ipv4 && address.IsIPv4MappedToIPv6)
                : ipv4 && address.AddressFamily == AddressFamily.InterNetwork && text.Count(c => c == '.') == 3))
        {
            return null;
        }
        // As of a socket's address: tables and lists know the client by one address.
        return address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
    }

    /// <summary>A port, or null. Postfix: five digits, whatever their value.</summary>
    public static int? Port(string value) =>
        value.Length <= PortDigits && int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var port) ? port : null;
}
