using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Facteur.Mail.Addresses;

/// <summary>Host names and address literals, of addresses and of HELO (RFC 5321 4.1.2, 4.1.3; Postfix: valid_hostname, valid_mailhost_literal).</summary>
public static class HostName
{
    /// <summary>Whether a text is a host name: labels of letters, digits, "-" and "_" of at most 63, not all of digits; no bare address.</summary>
    /// <param name="name">The name.</param>
    /// <param name="international">Characters above ASCII are letters too (RFC 6531).</param>
    public static bool IsValid(ReadOnlySpan<char> name, bool international = false)
    {
        if (name.IsEmpty || name.Length > 255)
        {
            return false;
        }
        var (label, letters) = (0, false);
        for (var i = 0; i < name.Length; i++)
        {
            var c = name[i];
            if (c == '.')
            {
                if (label is 0 or > 63 || i == name.Length - 1 || name[i - 1] == '-')
                {
                    return false;
                }
                label = 0;
                continue;
            }
            // Postfix: "_" is let pass, for it is in use.
            var letter = char.IsAsciiLetter(c) || c is '_' or '-' || (international && c >= 0x80);
            if ((!letter && !char.IsAsciiDigit(c)) || (c == '-' && label == 0))
            {
                return false;
            }
            letters |= letter;
            label++;
        }
        return label <= 63 && letters && name[^1] != '-';
    }

    /// <summary>Fully qualified: valid, with a dot inside; one dot at the end is allowed.</summary>
    public static bool IsFullyQualified(ReadOnlySpan<char> name)
    {
        name = WithoutFinalDot(name);
        return IsValid(name) && name.Contains('.');
    }

    /// <summary>Without one final dot.</summary>
    public static ReadOnlySpan<char> WithoutFinalDot(ReadOnlySpan<char> name) => name.Length > 1 && name[^1] == '.' && name[^2] != '.' ? name[..^1] : name;

    /// <summary>
    /// The A-label form, or null when there is none (RFC 5890, with the mapping of UTS 46 as far as it matters for names that people type: case, full
    /// width, dots of other scripts, invisible characters, letters written with marks; nontransitional, so that "ß" stays).
    /// </summary>
    /// <param name="name">The name.</param>
    /// <param name="transitional">enable_idna2003_compatibility: as the rules of 2003 had it, where "ß" is "ss" (UTS 46, transitional processing).</param>
    public static string? ToAscii(string name, bool transitional = false)
    {
        if (!name.AsSpan().ContainsAnyExceptInRange('\0', '\x7f'))
        {
            return name;
        }
        try
        {
            return new IdnMapping { UseStd3AsciiRules = false }.GetAscii(Mapped(name, transitional));
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    /// <summary>
    /// A domain's other form: the A-label one of a name with letters beyond ASCII, the U-label one of a name with "xn--"; null when there is none. Both are the
    /// same domain (RFC 5890 2.3.2.1), so what is said of one in a list or table is said of the other.
    /// </summary>
    public static string? OtherForm(string domain)
    {
        if (domain.AsSpan().ContainsAnyExceptInRange('\0', '\x7f'))
        {
            return ToAscii(domain);
        }
        if (!domain.Contains("xn--", StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }
        try
        {
            var readable = new IdnMapping().GetUnicode(domain);
            return readable.Equals(domain, StringComparison.OrdinalIgnoreCase) ? null : readable;
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    // Without ICU the runtime maps nothing by itself: it would encode capital letters as they are.
    private static string Mapped(string name, bool transitional)
    {
        var text = new System.Text.StringBuilder(name.Length);
        foreach (var rune in name.EnumerateRunes())
        {
            switch (rune.Value)
            {
                case 0x3002 or 0xff0e or 0xff61:
                    text.Append('.');
                    break;
                case >= 0xff01 and <= 0xff5e:
                    text.Append(char.ToLowerInvariant((char)(rune.Value - 0xfee0)));
                    break;
                case 0x00ad or 0x200b or 0x2060 or 0xfeff or (>= 0xfe00 and <= 0xfe0f):
                    break;
                case 0x00df when transitional:
                case 0x1e9e:
                    text.Append("ss");
                    break;
                case 0x03c2 when transitional:
                    text.Append('\u03c3');
                    break;
                case 0x200c or 0x200d when transitional:
                    break;
                default:
                    text.Append(System.Text.Rune.ToLowerInvariant(rune).ToString());
                    break;
            }
        }
        return LetterComposition.Compose(text.ToString());
    }

    /// <summary>The address of a domain literal, "[192.0.2.1]" or "[IPv6:2001:db8::1]"; null when it is none.</summary>
    public static IPAddress? ParseLiteral(ReadOnlySpan<char> text)
    {
        if (text is not ['[', .., ']'])
        {
            return null;
        }
        var inner = text[1..^1];
        if (inner.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase))
        {
            return !inner[5..].ContainsAny('%', '/', '[') && IPAddress.TryParse(inner[5..], out var six) && six.AddressFamily == AddressFamily.InterNetworkV6 ? six : null;
        }
        return IsIPv4(inner) && IPAddress.TryParse(inner, out var four) ? four : null;
    }

    /// <summary>Whether a text is an address in dotted form of four decimal numbers.</summary>
    public static bool IsIPv4(ReadOnlySpan<char> text)
    {
        var parts = 0;
        foreach (var range in text.Split('.'))
        {
            var part = text[range];
            if (part.Length is 0 or > 3 || part.ContainsAnyExceptInRange('0', '9') || int.Parse(part) > 255)
            {
                return false;
            }
            parts++;
        }
        // Postfix: of network 0 only the address of all zeros is one.
        return parts == 4 && (text.TrimStart('0') is not ['.', ..] || !text.ContainsAnyExcept('0', '.'));
    }
}
