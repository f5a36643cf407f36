using System.Globalization;
using System.Text;

namespace Facteur.Mail.Smtp;

/// <summary>The encoding of ENVID, ORCPT, AUTH= and XCLIENT values: "+" and two upper-case hexadecimal digits (RFC 3461 section 4).</summary>
public static class Xtext
{
    /// <summary>Decodes; bytes above 127 are UTF-8.</summary>
    /// <returns>False when a digit is missing or the bytes are no UTF-8.</returns>
    public static bool TryDecode(ReadOnlySpan<char> text, out string value)
    {
        value = "";
        var bytes = new byte[Encoding.UTF8.GetMaxByteCount(text.Length)];
        var length = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '+')
            {
                var run = text[i..].IndexOf('+') is var plus && plus < 0 ? text[i..] : text.Slice(i, plus);
                length += Encoding.UTF8.GetBytes(run, bytes.AsSpan(length));
                i += run.Length - 1;
            }
            else if (i + 2 < text.Length && byte.TryParse(text.Slice(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out bytes[length]))
            {
                length++;
                i += 2;
            }
            else
            {
                return false;
            }
        }
        if (!System.Text.Unicode.Utf8.IsValid(bytes.AsSpan(0, length)))
        {
            return false;
        }
        value = Encoding.UTF8.GetString(bytes, 0, length);
        return true;
    }

    /// <summary>Encodes; characters above ASCII become the hexadecimal form of their UTF-8 bytes.</summary>
    public static string Encode(string value)
    {
        if (!value.AsSpan().ContainsAnyExceptInRange('!', '~') && !value.AsSpan().ContainsAny('+', '='))
        {
            return value;
        }
        var text = new StringBuilder(value.Length + 16);
        foreach (var b in Encoding.UTF8.GetBytes(value))
        {
            if (b is > (byte)' ' and < 0x7f and not (byte)'+' and not (byte)'=')
            {
                text.Append((char)b);
            }
            else
            {
                text.Append('+').Append(b.ToString("X2", CultureInfo.InvariantCulture));
            }
        }
        return text.ToString();
    }

    /// <summary>Decodes the utf-8-addr-unitext and utf-8-addr-xtext forms: "\x{HEX}" (RFC 6533 section 3).</summary>
    public static bool TryDecodeUnitext(ReadOnlySpan<char> text, out string value)
    {
        var result = new StringBuilder(text.Length);
        value = "";
        while (!text.IsEmpty)
        {
            if (text[0] != '\\')
            {
                result.Append(text[0]);
                text = text[1..];
                continue;
            }
            var close = text.IndexOf('}');
            if (!text.StartsWith("\\x{") || close is < 5 or > 9
                || !int.TryParse(text[3..close], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var rune) || !Rune.IsValid(rune))
            {
                return false;
            }
            result.Append(new Rune(rune).ToString());
            text = text[(close + 1)..];
        }
        value = result.ToString();
        return true;
    }
}
