using Facteur.Config;

namespace Facteur.Tables.Text;

/// <summary>Text in braces, as inline tables are written: "{ a, {b c} }".</summary>
internal static class BraceText
{
    /// <summary>What the outer braces hold, trimmed; null when the text does not start with "{" or has no matching "}" at its end.</summary>
    public static string? Inner(string text)
    {
        text = Spaces.Trim(text);
        if (text is not ['{', ..])
        {
            return null;
        }
        var depth = 0;
        for (var i = 0; i < text.Length; i++)
        {
            depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
            if (depth == 0)
            {
                return i == text.Length - 1 ? Spaces.Trim(text[1..^1]) : null;
            }
        }
        return null;
    }

    /// <summary>Why a text that starts with "{" has no inner text: the "}" is missing, or something follows it.</summary>
    public static string WhyNot(string text)
    {
        var depth = 0;
        foreach (var c in text)
        {
            depth += c == '{' ? 1 : c == '}' ? -1 : 0;
            if (depth == 0)
            {
                return $"syntax error after '}}' in \"{text}\"";
            }
        }
        return $"missing '}}' in \"{text}\"";
    }

    /// <summary>Elements separated by commas and white space outside braces, braces kept on.</summary>
    public static List<string> Elements(string text)
    {
        var list = new List<string>();
        var depth = 0;
        var start = -1;
        for (var i = 0; i <= text.Length; i++)
        {
            if (i == text.Length || (depth <= 0 && (text[i] == ',' || LogicalLines.IsSpace(text[i]))))
            {
                if (start >= 0)
                {
                    list.Add(text[start..i]);
                    start = -1;
                }
                continue;
            }
            start = start < 0 ? i : start;
            depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
        }
        return list;
    }
}
