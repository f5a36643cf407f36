using System.Text;

namespace Facteur.Services.Deliver.Local;

/// <summary>
/// Expands the $names of forward_path and luser_relay, which local(8) knows only per recipient: $name, ${name}, $(name), ${name?text},
/// ${name?{text}}, ${name:text}, ${name:{text}}, ${name?{a}:{b}}. One level: values are data and are not expanded again.
/// </summary>
internal static class LocalExpansion
{
    /// <summary>Expands a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="value">A name's value, or null when it is not defined.</param>
    /// <returns>The expanded text, or null when a name is not known or a brace is not closed.</returns>
    public static string? Expand(string text, Func<string, string?> value)
    {
        var output = new StringBuilder(text.Length + 32);
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] != '$')
            {
                output.Append(text[at]);
                continue;
            }
            at++;
            if (at < text.Length && text[at] == '$')
            {
                output.Append('$');
                continue;
            }
            string expression;
            if (at < text.Length && text[at] is '{' or '(')
            {
                var end = Close(text, at);
                if (end < 0)
                {
                    return null;
                }
                expression = text[(at + 1)..end];
                at = end;
            }
            else
            {
                var length = NameLength(text.AsSpan(at));
                if (length == 0)
                {
                    return null;
                }
                expression = text.Substring(at, length);
                at += length - 1;
            }
            if (!Append(expression, value, output))
            {
                return null;
            }
        }
        return output.ToString();
    }

    private static bool Append(string expression, Func<string, string?> value, StringBuilder output)
    {
        var length = NameLength(expression);
        var found = value(expression[..length]);
        var rest = expression[length..];
        if (length == 0)
        {
            return false;
        }
        if (rest.Length == 0)
        {
            output.Append(found);
            return true;
        }
        if (rest[0] is not ('?' or ':'))
        {
            return false;
        }
        var isDefined = !string.IsNullOrEmpty(found);
        var (yes, no) = Branches(rest[1..]);
        var chosen = rest[0] == '?' ? (isDefined ? yes : no) : isDefined ? "" : yes;
        // A branch may name values again; it holds no conditions of its own.
        for (var at = 0; at < chosen.Length; at++)
        {
            var name = chosen[at] == '$' ? NameLength(chosen.AsSpan(at + 1)) : 0;
            if (name > 0)
            {
                output.Append(value(chosen.Substring(at + 1, name)));
                at += name;
            }
            else
            {
                output.Append(chosen[at]);
            }
        }
        return true;
    }

    private static (string Yes, string No) Branches(string text)
    {
        if (text is not ['{', ..] || Close(text, 0) is not (> 0 and var end))
        {
            return (text, "");
        }
        var yes = text[1..end].Trim();
        var rest = text[(end + 1)..].TrimStart();
        var no = rest is [':', .. var branch] ? branch.Trim() : "";
        return (yes, no is ['{', .., '}'] ? no[1..^1].Trim() : no);
    }

    private static int Close(string text, int open)
    {
        var (left, right) = text[open] == '{' ? ('{', '}') : ('(', ')');
        var depth = 0;
        for (var at = open; at < text.Length; at++)
        {
            depth += text[at] == left ? 1 : text[at] == right ? -1 : 0;
            if (depth == 0)
            {
                return at;
            }
        }
        return -1;
    }

    private static int NameLength(ReadOnlySpan<char> text)
    {
        var length = 0;
        while (length < text.Length && (char.IsAsciiLetterOrDigit(text[length]) || text[length] == '_'))
        {
            length++;
        }
        return length;
    }
}
