using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// Which answers of a DNS list count: "d.d.d.d", each d a number or a bracketed list of numbers and ranges, "127.0.0.[2..11;13]" (postconf(5),
/// reject_rbl_client).
/// </summary>
internal sealed class DnsListFilter
{
    private readonly (byte Low, byte High)[][] _fields;

    private DnsListFilter((byte, byte)[][] fields) => _fields = fields;

    /// <summary>Reads a filter.</summary>
    /// <param name="text">The text behind "=".</param>
    /// <param name="filter">The filter.</param>
    /// <returns>What is wrong with it, or null.</returns>
    public static string? Parse(string text, out DnsListFilter? filter)
    {
        filter = null;
        var fields = new List<(byte, byte)[]>();
        for (var at = 0; ; at++)
        {
            if (fields.Count == 4)
            {
                return $"expected the end, found \".\" in \"{text}\"";
            }
            var wrong = Field(text, ref at, out var field);
            if (wrong is not null)
            {
                return $"{wrong} in \"{text}\"";
            }
            fields.Add(field);
            if (at == text.Length)
            {
                break;
            }
            if (text[at] != '.')
            {
                return $"expected \".\", found \"{text[at]}\" in \"{text}\"";
            }
        }
        if (fields.Count != 4)
        {
            return $"expected four fields in \"{text}\"";
        }
        filter = new DnsListFilter([.. fields]);
        return null;
    }

    /// <summary>Whether an answer counts.</summary>
    public bool Matches(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[4];
        if (address.AddressFamily != AddressFamily.InterNetwork || !address.TryWriteBytes(bytes, out _))
        {
            return false;
        }
        for (var i = 0; i < 4; i++)
        {
            var value = bytes[i];
            if (!Array.Exists(_fields[i], range => range.Low <= value && value <= range.High))
            {
                return false;
            }
        }
        return true;
    }

    private static string? Field(string text, ref int at, out (byte, byte)[] field)
    {
        field = [];
        if (at >= text.Length || text[at] != '[')
        {
            var wrong = Number(text, ref at, out var only);
            field = [(only, only)];
            return wrong;
        }
        var ranges = new List<(byte, byte)>();
        do
        {
            at++;
            if (Number(text, ref at, out var low) is { } wrong)
            {
                return wrong;
            }
            var high = low;
            if (at + 1 < text.Length && text[at] == '.' && text[at + 1] == '.')
            {
                at += 2;
                if (Number(text, ref at, out high) is { } bad)
                {
                    return bad;
                }
                if (high < low)
                {
                    return $"range {low}..{high} is empty";
                }
            }
            ranges.Add((low, high));
        }
        while (at < text.Length && text[at] == ';');
        if (at == text.Length || text[at] != ']')
        {
            return "expected \"]\"";
        }
        at++;
        field = [.. ranges];
        return null;
    }

    private static string? Number(string text, ref int at, out byte value)
    {
        var start = at;
        while (at < text.Length && char.IsAsciiDigit(text[at]) && at - start < 3)
        {
            at++;
        }
        return byte.TryParse(text.AsSpan(start, at - start), NumberStyles.None, CultureInfo.InvariantCulture, out value) ? null : "expected a number from 0 to 255";
    }
}
