using System.Text;

namespace Facteur.Mail.Headers;

/// <summary>Writes the address of a From: header with its owner's name (RFC 5322 3.4).</summary>
public static class FromText
{
    private const int EncodedWordLimit = 75;

    /// <summary>The value of a From: header.</summary>
    /// <param name="name">Full name, or "".</param>
    /// <param name="address">Address in external form.</param>
    /// <param name="obsolete">header_from_format = obsolete: "address (name)" instead of "name &lt;address&gt;".</param>
    /// <param name="charset">Charset that names in other than ASCII are said to have (RFC 2047); "" to leave them as they are.</param>
    public static string Format(string name, string address, bool obsolete, string charset)
    {
        if (name.Length == 0)
        {
            return address;
        }
        var plain = Ascii.IsValid(name) || charset.Length == 0;
        if (obsolete)
        {
            return $"{address} ({(plain ? Escape(name, "()\\") : Encode(name, charset))})";
        }
        return $"{(!plain ? Encode(name, charset) : IsPhrase(name) ? name : $"\"{Escape(name, "\"\\")}\"")} <{address}>";
    }

    // RFC 5322 3.2.5: words of atom text, blanks between them.
    private static bool IsPhrase(string name)
    {
        foreach (var c in name)
        {
            if (c < ' ' || c == 0x7f || "()<>[]:;@\\,.\"".Contains(c))
            {
                return false;
            }
        }
        return true;
    }

    private static string Escape(string name, string specials)
    {
        var text = new StringBuilder(name.Length + 4);
        foreach (var c in name)
        {
            if (specials.Contains(c))
            {
                text.Append('\\');
            }
            text.Append(c < ' ' ? ' ' : c);
        }
        return text.ToString();
    }

    // RFC 2047 4.2 and 5 (3): in a phrase only letters, digits and !*+-/ stand for themselves.
    private static string Encode(string name, string charset)
    {
        var head = $"=?{charset}?Q?";
        var text = new StringBuilder(head);
        var word = head.Length;
        Span<byte> bytes = stackalloc byte[4];
        foreach (var rune in name.EnumerateRunes())
        {
            var count = rune.EncodeToUtf8(bytes);
            var plain = rune.IsAscii && (char.IsAsciiLetterOrDigit((char)rune.Value) || "!*+-/".Contains((char)rune.Value, StringComparison.Ordinal));
            if (word + (plain ? 1 : 3 * count) + 2 > EncodedWordLimit)
            {
                text.Append("?= ").Append(head);
                word = head.Length;
            }
            for (var i = 0; i < count; i++)
            {
                _ = plain ? text.Append((char)bytes[i]) : bytes[i] == ' ' ? text.Append('_') : text.Append('=').Append(bytes[i].ToString("X2"));
            }
            word += plain || rune.Value == ' ' ? 1 : 3 * count;
        }
        return text.Append("?=").ToString();
    }
}
