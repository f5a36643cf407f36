using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Facteur.Tables.Patterns;

/// <summary>A network: an address, or address/length whose other bits are zero. "[ ]" around the address is allowed (cidr_table(5)).</summary>
public readonly record struct CidrPattern
{
    private readonly UInt128 _network;
    private readonly UInt128 _mask;
    private readonly AddressFamily _family;

    private CidrPattern(AddressFamily family, UInt128 network, UInt128 mask)
    {
        _family = family;
        _network = network;
        _mask = mask;
    }

    /// <summary>Reads a pattern.</summary>
    /// <param name="text">Its text.</param>
    /// <param name="pattern">The pattern.</param>
    /// <returns>What is wrong, or null.</returns>
    public static string? Parse(string text, out CidrPattern pattern)
    {
        pattern = default;
        var (host, length, wrong) = Cut(text);
        if (wrong is not null)
        {
            return wrong;
        }
        if (!TryParseAddress(host, out var address))
        {
            return length is null ? $"bad address pattern: \"{text}\"" : $"bad network value in \"{text}\"";
        }
        var bits = address.AddressFamily == AddressFamily.InterNetwork ? 32 : 128;
        var prefix = bits;
        if (length is not null && (!int.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out prefix)))
        {
            return $"bad mask value in \"{text}\"";
        }
        if (prefix > bits)
        {
            return $"bad mask length in \"{text}\"";
        }
        var mask = prefix == 0 ? UInt128.Zero : UInt128.MaxValue << (bits - prefix);
        mask = bits == 32 ? mask & uint.MaxValue : mask;
        var value = ToNumber(address);
        if ((value & ~mask) != UInt128.Zero)
        {
            return $"non-null host address bits in \"{text}\", perhaps you should use \"{FromNumber(value & mask, bits)}/{prefix}\" instead";
        }
        pattern = new CidrPattern(address.AddressFamily, value, mask);
        return null;
    }

    /// <summary>Reads an element of a list of networks and names.</summary>
    /// <param name="text">Its text; no type:table.</param>
    /// <param name="pattern">The pattern; null when the text is a name.</param>
    /// <returns>What is wrong, or null.</returns>
    public static string? ParseInList(string text, out CidrPattern? pattern)
    {
        pattern = null;
        // Only digits, dots and so on: no host name looks so (Postfix: match_hostaddr).
        if (text.AsSpan().IndexOfAnyExcept("0123456789./:[]abcdefABCDEF") >= 0 || text.AsSpan().IndexOfAny("/[.") < 0 || text.Trim('[', ']') is not [.., >= '0' and <= '9'])
        {
            return null;
        }
        var wrong = Parse(text, out var network);
        pattern = wrong is null ? network : null;
        return text.AsSpan().IndexOfAny("/[") >= 0 ? wrong : null;
    }

    /// <summary>Reads an address strictly: four decimal numbers without leading zeros, or IPv6 without a zone; no brackets.</summary>
    public static bool TryParseAddress(ReadOnlySpan<char> text, out IPAddress address)
    {
        address = IPAddress.None;
        if (text.Contains(':'))
        {
            return text.Length <= 45 && text.IndexOfAnyExcept("0123456789abcdefABCDEF:.") < 0 && IPAddress.TryParse(text, out address!);
        }
        Span<byte> bytes = stackalloc byte[4];
        var count = 0;
        foreach (var part in text.Split('.'))
        {
            var octet = text[part];
            if (count == 4 || octet.IsEmpty || (octet.Length > 1 && octet[0] == '0') || !byte.TryParse(octet, NumberStyles.None, CultureInfo.InvariantCulture, out var value))
            {
                return false;
            }
            bytes[count++] = value;
        }
        if (count != 4)
        {
            return false;
        }
        address = new IPAddress(bytes);
        return true;
    }

    /// <summary>Whether the address is of this family: one of the other family matches neither the pattern nor its opposite.</summary>
    public bool IsOfFamily(IPAddress address) => address.AddressFamily == _family;

    /// <summary>Whether the address lies in the network.</summary>
    public bool Contains(IPAddress address) => address.AddressFamily == _family && (ToNumber(address) & _mask) == _network;

    private static (string Host, string? Length, string? Wrong) Cut(string text)
    {
        var inner = text;
        if (text is ['[', ..])
        {
            var close = text.IndexOf(']', StringComparison.Ordinal);
            if (close < 0)
            {
                return ("", null, $"missing ']' character after \"{text}\"");
            }
            if (close + 1 < text.Length && text[close + 1] != '/')
            {
                return ("", null, $"garbage after \"{text[..(close + 1)]}\"");
            }
            inner = text[1..close] + text[(close + 1)..];
        }
        var slash = inner.IndexOf('/', StringComparison.Ordinal);
        return slash < 0 ? (inner, null, null) : (inner[..slash], inner[(slash + 1)..], null);
    }

    private static UInt128 ToNumber(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out var count);
        return count == 4 ? BinaryPrimitives.ReadUInt32BigEndian(bytes) : BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    private static IPAddress FromNumber(UInt128 value, int bits)
    {
        Span<byte> bytes = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(bytes, value);
        return new IPAddress(bits == 32 ? bytes[12..] : bytes);
    }
}
