using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Facteur.Mail.Smtp;

/// <summary>Host names and address literals as they stand in HELO and in domains (Postfix: valid_hostname, valid_mailhost_literal).</summary>
public static class HostName
{
    /// <summary>Letters, digits, hyphens, underscores and dots in labels of at most 63; not all numeric; no label begins or ends with a hyphen.</summary>
    public static bool IsValid(ReadOnlySpan<char> name)
    {
        if (name.IsEmpty || name.Length > 255)
        {
            return false;
        }
        var numeric = true;
        foreach (var range in name.Split('.'))
        {
            var label = name[range];
            if (label.IsEmpty || label.Length > 63 || label[0] == '-' || label[^1] == '-')
            {
                return false;
            }
            foreach (var c in label)
            {
                if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_'))
                {
                    return false;
                }
                numeric &= char.IsAsciiDigit(c);
            }
        }
        return !numeric;
    }

    /// <summary>Fully qualified: valid, with a dot inside; one dot at the end is allowed.</summary>
    public static bool IsFullyQualified(ReadOnlySpan<char> name)
    {
        name = WithoutFinalDot(name);
        return IsValid(name) && name.Contains('.');
    }

    /// <summary>Without one final dot.</summary>
    public static ReadOnlySpan<char> WithoutFinalDot(ReadOnlySpan<char> name) => name.Length > 1 && name[^1] == '.' && name[^2] != '.' ? name[..^1] : name;

    /// <summary>The A-label form, or null when there is none (RFC 5890).</summary>
    public static string? ToAscii(string name)
    {
        if (!name.AsSpan().ContainsAnyExceptInRange('\0', '\x7f'))
        {
            return name;
        }
        try
        {
            return new IdnMapping { UseStd3AsciiRules = false }.GetAscii(name);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    /// <summary>[1.2.3.4] or [IPv6:1::2] (RFC 5321 4.1.3).</summary>
    public static bool TryParseLiteral(ReadOnlySpan<char> text, out IPAddress? address)
    {
        address = null;
        if (text is not ['[', .., ']'])
        {
            return false;
        }
        var inner = text[1..^1];
        if (inner.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase))
        {
            return IPAddress.TryParse(inner[5..], out address) && address.AddressFamily == AddressFamily.InterNetworkV6;
        }
        return IsDottedQuad(inner) && IPAddress.TryParse(inner, out address);
    }

    private static bool IsDottedQuad(ReadOnlySpan<char> text) => text.Count('.') == 3 && !text.ContainsAnyExcept("0123456789.");
}
