using System.Formats.Asn1;
using System.Text;

namespace Facteur.Tables.Ldap;

/// <summary>A filter's text (RFC 4515) as the protocol carries it (RFC 4511 4.5.1). Nested 50 deep at most.</summary>
internal static class LdapFilter
{
    private const int MaxDepth = 50;

    /// <summary>Writes a filter.</summary>
    /// <returns>False when the text is none.</returns>
    public static bool TryWrite(string text, AsnWriter to)
    {
        text = text.Trim();
        // OpenLDAP: the outer parentheses may be left out.
        var at = 0;
        return text is ['(', ..] ? TryFilter(text, ref at, to, 0) && text.AsSpan(at).Trim().IsEmpty
            : text.Length > 0 && text[0] is not ('&' or '|' or '!') ? TryItem(text, to)
            : text.Length > 0 && TryWrite($"({text})", to);
    }

    private static bool TryFilter(string text, ref int at, AsnWriter to, int depth)
    {
        if (at >= text.Length || text[at] != '(' || depth > MaxDepth)
        {
            return false;
        }
        Space(text, ref at, 1);
        switch (at < text.Length ? text[at] : '\0')
        {
            case '&' or '|':
                var tag = new Asn1Tag(TagClass.ContextSpecific, text[at] == '&' ? 0 : 1, true);
                to.PushSetOf(tag);
                Space(text, ref at, 1);
                while (at < text.Length && text[at] == '(')
                {
                    if (!TryFilter(text, ref at, to, depth + 1))
                    {
                        return false;
                    }
                    Space(text, ref at, 0);
                }
                to.PopSetOf(tag);
                return TryEnd(text, ref at);
            case '!':
                var not = new Asn1Tag(TagClass.ContextSpecific, 2, true);
                to.PushSequence(not);
                Space(text, ref at, 1);
                if (!TryFilter(text, ref at, to, depth + 1))
                {
                    return false;
                }
                to.PopSequence(not);
                Space(text, ref at, 0);
                return TryEnd(text, ref at);
            default:
                var end = text.IndexOf(')', at);
                if (end < 0 || !TryItem(text[at..end], to))
                {
                    return false;
                }
                at = end + 1;
                return true;
        }
    }

    private static bool TryEnd(string text, ref int at) => at < text.Length && text[at++] == ')';

    private static void Space(string text, ref int at, int taken)
    {
        for (at += taken; at < text.Length && text[at] is ' ' or '\n' or '\t'; at++)
        {
        }
    }

    private static bool TryItem(string item, AsnWriter to)
    {
        var equals = item.IndexOf('=', StringComparison.Ordinal);
        if (equals <= 0 || item.AsSpan().IndexOfAny('(', ')') >= 0)
        {
            return false;
        }
        var kind = item[equals - 1];
        var attribute = (kind is '>' or '<' or '~' or ':' ? item[..(equals - 1)] : item[..equals]).Trim();
        var value = item[(equals + 1)..];
        if (kind == ':')
        {
            return TryExtensible(attribute, value, to);
        }
        if (attribute.Length == 0 || attribute.Contains('\\') || attribute.Contains('*'))
        {
            return false;
        }
        if (kind is '>' or '<' or '~')
        {
            return TryAssertion(attribute, value, to, kind switch { '>' => 5, '<' => 6, _ => 8 });
        }
        if (value == "*")
        {
            to.WriteOctetString(Encoding.UTF8.GetBytes(attribute), new Asn1Tag(TagClass.ContextSpecific, 7));
            return true;
        }
        return value.Contains('*') ? TrySubstrings(attribute, value, to) : TryAssertion(attribute, value, to, 3);
    }

    private static bool TryAssertion(string attribute, string value, AsnWriter to, int number)
    {
        if (Bytes(value) is not { } bytes)
        {
            return false;
        }
        using (to.PushSequence(new Asn1Tag(TagClass.ContextSpecific, number, true)))
        {
            to.WriteOctetString(Encoding.UTF8.GetBytes(attribute));
            to.WriteOctetString(bytes);
        }
        return true;
    }

    private static bool TrySubstrings(string attribute, string value, AsnWriter to)
    {
        var parts = value.Split('*');
        if (parts[1..^1].Any(p => p.Length == 0))
        {
            return false;
        }
        var pieces = parts.Select((p, i) => (Bytes: Bytes(p), Kind: i == 0 ? 0 : i == parts.Length - 1 ? 2 : 1)).ToArray();
        if (pieces.Any(p => p.Bytes is null))
        {
            return false;
        }
        using (to.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 4, true)))
        {
            to.WriteOctetString(Encoding.UTF8.GetBytes(attribute));
            using (to.PushSequence())
            {
                foreach (var (bytes, kind) in pieces.Where(p => p.Bytes!.Length > 0))
                {
                    to.WriteOctetString(bytes, new Asn1Tag(TagClass.ContextSpecific, kind));
                }
            }
        }
        return true;
    }

    /// <summary>attribute:dn:rule:=value.</summary>
    private static bool TryExtensible(string left, string value, AsnWriter to)
    {
        var words = left.Split(':');
        var dn = words.Skip(1).Any(w => w.Equals("dn", StringComparison.OrdinalIgnoreCase));
        var rules = words.Skip(1).Where(w => !w.Equals("dn", StringComparison.OrdinalIgnoreCase)).ToArray();
        if (rules.Length > 1 || (rules.Length == 0 && words[0].Length == 0) || Bytes(value) is not { } bytes)
        {
            return false;
        }
        using (to.PushSequence(new Asn1Tag(TagClass.ContextSpecific, 9, true)))
        {
            if (rules.Length == 1)
            {
                to.WriteOctetString(Encoding.UTF8.GetBytes(rules[0]), new Asn1Tag(TagClass.ContextSpecific, 1));
            }
            if (words[0].Length > 0)
            {
                to.WriteOctetString(Encoding.UTF8.GetBytes(words[0]), new Asn1Tag(TagClass.ContextSpecific, 2));
            }
            to.WriteOctetString(bytes, new Asn1Tag(TagClass.ContextSpecific, 3));
            if (dn)
            {
                to.WriteBoolean(true, new Asn1Tag(TagClass.ContextSpecific, 4));
            }
        }
        return true;
    }

    /// <summary>A value's bytes, \XX undone; null when it is not right.</summary>
    private static byte[]? Bytes(string value)
    {
        if (!value.Contains('\\'))
        {
            return Encoding.UTF8.GetBytes(value);
        }
        var bytes = new List<byte>(value.Length);
        for (var i = 0; i < value.Length;)
        {
            if (value[i] != '\\')
            {
                var end = value.IndexOf('\\', i) is > 0 and var next ? next : value.Length;
                bytes.AddRange(Encoding.UTF8.GetBytes(value[i..end]));
                i = end;
                continue;
            }
            if (i + 2 >= value.Length || !byte.TryParse(value.AsSpan(i + 1, 2), System.Globalization.NumberStyles.AllowHexSpecifier, null, out var b))
            {
                return null;
            }
            bytes.Add(b);
            i += 3;
        }
        return [.. bytes];
    }
}
