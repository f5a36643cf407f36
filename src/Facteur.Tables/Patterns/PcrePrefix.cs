using Facteur.Unix;

namespace Facteur.Tables.Patterns;

/// <summary>Finds what a text must begin with to match a pattern such as "^Subject: .*sale", so that other texts need no match.</summary>
internal static class PcrePrefix
{
    /// <summary>The literal start of an anchored pattern; empty when there is none, or when the pattern holds anything that could make that wrong.</summary>
    /// <param name="pattern">The pattern.</param>
    /// <param name="options">PCRE2's.</param>
    public static byte[] Find(ReadOnlySpan<byte> pattern, uint options)
    {
        if (pattern.IsEmpty || pattern[0] != '^' || (options & (Pcre2.EXTENDED | Pcre2.MULTILINE)) != 0 || HasAlternatives(pattern))
        {
            return [];
        }
        // In UTF-8, K and S in any case also stand for U+212A and U+017F, which a comparison of bytes would miss.
        var folded = (options & (Pcre2.UTF | Pcre2.CASELESS)) == (Pcre2.UTF | Pcre2.CASELESS);
        var length = 1;
        while (length < pattern.Length && IsLiteral(pattern[length]) && !(folded && (pattern[length] | 0x20) is 'k' or 's'))
        {
            length++;
        }
        // What may be repeated may also be absent.
        if (length < pattern.Length && pattern[length] is (byte)'*' or (byte)'?' or (byte)'{')
        {
            length--;
        }
        return length > 1 ? pattern[1..length].ToArray() : [];
    }

    private static bool IsLiteral(byte b) =>
        b is (>= (byte)'0' and <= (byte)'9') or (>= (byte)'A' and <= (byte)'Z') or (>= (byte)'a' and <= (byte)'z') || " -_:=@,;<>~\"'/!%&"u8.Contains(b);

    // True also for what follows other rules: "\Q", "(?", "(*".
    private static bool HasAlternatives(ReadOnlySpan<byte> pattern)
    {
        var depth = 0;
        for (var i = 0; i < pattern.Length; i++)
        {
            switch (pattern[i])
            {
                case (byte)'\\' when ++i < pattern.Length && pattern[i] is (byte)'Q' or (byte)'E':
                    return true;
                case (byte)'[':
                    i = EndOfClass(pattern, i);
                    break;
                case (byte)'(' when i + 1 < pattern.Length && pattern[i + 1] is (byte)'?' or (byte)'*':
                    return true;
                case (byte)'(':
                    depth++;
                    break;
                case (byte)')':
                    depth--;
                    break;
                case (byte)'|' when depth <= 0:
                    return true;
            }
        }
        return depth != 0;
    }

    /// <summary>The index of the bracket that ends the class which begins at an index, or the pattern's end.</summary>
    private static int EndOfClass(ReadOnlySpan<byte> pattern, int at)
    {
        at++;
        at += at < pattern.Length && pattern[at] == '^' ? 1 : 0;
        at += at < pattern.Length && pattern[at] == ']' ? 1 : 0;
        for (; at < pattern.Length && pattern[at] != ']'; at++)
        {
            if (pattern[at] == '\\')
            {
                at++;
            }
            else if (pattern[at..].StartsWith("[:"u8) && pattern[at..].IndexOf(":]"u8) is > 0 and var end)
            {
                at += end + 1;
            }
        }
        return at;
    }
}
