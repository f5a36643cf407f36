using System.Globalization;
using System.Text;

namespace Facteur.Services.Check;

/// <summary>A text that a pattern of a regexp: or pcre: table matches, where it is one of the simple ones that people write. It is a guess: who uses it tries it.</summary>
internal static class PatternExample
{
    /// <summary>An example; null when none is found.</summary>
    /// <param name="rule">The pattern with its delimiters: "/@example\.com$/i".</param>
    public static string? Of(string rule)
    {
        var end = rule.Length < 2 || char.IsAsciiLetterOrDigit(rule[0]) ? 0 : rule.LastIndexOf(rule[0]);
        if (end < 1)
        {
            return null;
        }
        var text = new StringBuilder();
        // Where each open group began, and whether its first alternative is over.
        var groups = new Stack<(int Start, bool Over)>();
        var over = false;
        var atom = 0;
        for (var at = 1; at < end; at++)
        {
            var c = rule[at];
            switch (c)
            {
                case '^' or '$':
                    continue;
                case '(':
                    groups.Push((text.Length, over));
                    if (at + 1 < end && rule[at + 1] == '?')
                    {
                        if (at + 2 >= end || rule[at + 2] != ':')
                        {
                            return null;
                        }
                        at += 2;
                    }
                    continue;
                case ')' when groups.TryPop(out var group):
                    (atom, over) = (group.Start, group.Over);
                    continue;
                case '|':
                    over = true;
                    continue;
                // Once is as often as * and ? ask for.
                case '*' or '+' or '?':
                    continue;
                case '{':
                    var close = rule.IndexOf('}', at);
                    if (close < 0 || close > end)
                    {
                        return null;
                    }
                    var least = rule[(at + 1)..close].Split(',')[0];
                    if (!over && int.TryParse(least, NumberStyles.None, CultureInfo.InvariantCulture, out var times) && times is > 1 and <= 64 && text.Length < 1024)
                    {
                        var one = text.ToString(atom, text.Length - atom);
                        text.Insert(text.Length, one, times - 1);
                    }
                    at = close;
                    continue;
            }
            if (One(rule, ref at, end) is not { } example)
            {
                return null;
            }
            if (!over)
            {
                atom = text.Length;
                text.Append(example);
            }
        }
        return text.Length == 0 || groups.Count > 0 ? null : text.ToString();
    }

    // A character that an element stands for: itself, a class, an escape, or any.
    private static char? One(string rule, ref int at, int end)
    {
        switch (rule[at])
        {
            case '.':
                return 'x';
            case '\\':
                return ++at >= end ? null : rule[at] switch { 'd' => '1', 'w' or 'S' or 'D' => 'x', var c when char.IsAsciiLetterOrDigit(c) => null, var c => c };
            case '[':
                var close = rule.IndexOf(']', Math.Min(at + (rule[at + 1] == '^' ? 3 : 2), end));
                while (close > 0 && close < end && rule[close - 1] == ':')
                {
                    close = rule.IndexOf(']', close + 1);
                }
                if (close < 0 || close >= end)
                {
                    return null;
                }
                var inner = rule[(at + 1)..close];
                at = close;
                return inner switch
                {
                    ['^', ..] => !inner.Contains('x') ? 'x' : !inner.Contains('1') ? '1' : null,
                    ['[', ':', 'd', ..] => '1',
                    ['[', ':', ..] => 'x',
                    ['\\', 'd', ..] => '1',
                    ['\\', 'w', ..] => 'x',
                    ['\\', var c, ..] => c,
                    _ => inner[0],
                };
            default:
                return rule[at];
        }
    }
}
