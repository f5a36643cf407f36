namespace Facteur.Config.Expansion;

/// <summary>Balanced brackets in configuration texts.</summary>
public static class Braces
{
    /// <summary>Index of the bracket that closes the one at <paramref name="open"/>, or -1.</summary>
    public static int Close(ReadOnlySpan<char> text, int open)
    {
        var (opening, closing) = text[open] == '(' ? ('(', ')') : ('{', '}');
        var depth = 0;
        for (var i = open; i < text.Length; i++)
        {
            if (text[i] == opening)
            {
                depth++;
            }
            else if (text[i] == closing && --depth == 0)
            {
                return i;
            }
        }
        return -1;
    }

    /// <summary>The inner text, trimmed, of a text that is one "{ … }"; or what is wrong with it.</summary>
    /// <param name="text">A text that starts with "{".</param>
    /// <param name="inner">Its inner text, also when something follows the "}".</param>
    public static string? Strip(string text, out string inner)
    {
        var close = Close(text, 0);
        if (close < 0)
        {
            inner = Spaces.Trim(text[1..]);
            return $"missing '}}' in \"{text}\"";
        }
        inner = Spaces.Trim(text[1..close]);
        return Spaces.Only(text.AsSpan(close + 1)) ? null : $"syntax error after '}}' in \"{text}\"";
    }

    /// <summary>Splits at separators outside braces; the elements keep their braces.</summary>
    /// <param name="text">The text.</param>
    /// <param name="separators">Characters between elements.</param>
    public static List<string> Split(string text, string separators)
    {
        var list = new List<string>();
        var depth = 0;
        var start = -1;
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (depth <= 0 && separators.Contains(c, StringComparison.Ordinal))
            {
                if (start >= 0)
                {
                    list.Add(text[start..i]);
                }
                start = -1;
                continue;
            }
            start = start < 0 ? i : start;
            depth += c == '{' ? 1 : c == '}' ? -1 : 0;
        }
        if (start >= 0)
        {
            list.Add(text[start..]);
        }
        return list;
    }
}
