using System.Globalization;

namespace Facteur.Mail.Envelopes;

/// <summary>
/// The text of a message's number in Postfix's two forms. Numbers come from durable blocks, so that none is ever repeated; for the long form
/// they grow like microseconds since 1970. Short: upper-case hexadecimal, 7 digits or more. Long: seconds (6 or more digits of base 52),
/// microseconds (4 digits of base 52), "z", and a last part in base 51 that is always "0" here.
/// </summary>
public static class QueueId
{
    /// <summary>Longest text accepted as a queue id.</summary>
    public const int LengthLimit = 255;

    private const string Digits = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz";

    /// <summary>The text of a number.</summary>
    /// <param name="id">The number.</param>
    /// <param name="longForm">enable_long_queue_ids.</param>
    public static string Format(ulong id, bool longForm)
    {
        if (!longForm)
        {
            return id.ToString("X7", CultureInfo.InvariantCulture);
        }
        Span<char> text = stackalloc char[24];
        var at = text.Length;
        text[--at] = '0';
        text[--at] = 'z';
        Put(text, ref at, id % 1_000_000, 4);
        Put(text, ref at, id / 1_000_000, 6);
        return new string(text[at..]);
    }

    /// <summary>The number of a text in either form.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out ulong id)
    {
        id = 0;
        if (text.Length is < 6 or > 24)
        {
            return false;
        }
        var z = text.LastIndexOf('z');
        if (z < 10 || text[(z + 1)..] is not "0")
        {
            return text.Length <= 16 && IsUpperHex(text) && ulong.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out id);
        }
        if (!Take(text[..(z - 4)], out var seconds) || !Take(text[(z - 4)..z], out var micros) || micros >= 1_000_000 || seconds > ulong.MaxValue / 1_000_001)
        {
            return false;
        }
        id = seconds * 1_000_000 + micros;
        return true;
    }

    private static bool IsUpperHex(ReadOnlySpan<char> text) => !text.ContainsAnyExcept("0123456789ABCDEF");

    private static void Put(Span<char> text, ref int at, ulong value, int digits)
    {
        for (var i = 0; i < digits || value > 0; i++)
        {
            text[--at] = Digits[(int)(value % 52)];
            value /= 52;
        }
    }

    private static bool Take(ReadOnlySpan<char> text, out ulong value)
    {
        value = 0;
        foreach (var c in text)
        {
            var digit = Digits.IndexOf(c, StringComparison.Ordinal);
            if (digit < 0 || value > (ulong.MaxValue - 51) / 52)
            {
                return false;
            }
            value = value * 52 + (ulong)digit;
        }
        return true;
    }
}
