using System.Globalization;
using System.Text;

namespace Facteur.Tables.Patterns;

/// <summary>A result with $1, ${1}, $(1) and $$.</summary>
internal sealed class Replacement
{
    /// <summary>Literal text, or when it is null the number of a group.</summary>
    private readonly List<(string? Text, int Group)> _parts = [];

    private Replacement()
    {
    }

    /// <summary>The highest group named; 0 when none is.</summary>
    public int HighestGroup { get; private set; }

    /// <summary>The result when no group is named.</summary>
    public string Literal => HighestGroup == 0 ? string.Concat(_parts.Select(p => p.Text)) : throw new InvalidOperationException("the result has groups");

    /// <summary>Reads a result.</summary>
    /// <param name="text">Its text.</param>
    /// <param name="outOfRange">How the type of table says "out of range".</param>
    /// <param name="error">What is wrong with it.</param>
    public static Replacement? Parse(string text, string outOfRange, out string error)
    {
        var result = new Replacement();
        error = "";
        for (var at = 0; at < text.Length;)
        {
            var dollar = text.IndexOf('$', at);
            if (dollar < 0 || dollar > at)
            {
                result._parts.Add((dollar < 0 ? text[at..] : text[at..dollar], 0));
                at = dollar < 0 ? text.Length : dollar;
                continue;
            }
            if (text.AsSpan(at).StartsWith("$$"))
            {
                result._parts.Add(("$", 0));
                at += 2;
                continue;
            }
            if (!result.TakeGroup(text, outOfRange, ref at, out error))
            {
                return null;
            }
        }
        return result;
    }

    /// <summary>Puts the groups in.</summary>
    public string Expand(Func<int, string> group)
    {
        var text = new StringBuilder();
        foreach (var (literal, number) in _parts)
        {
            text.Append(literal ?? group(number));
        }
        return text.ToString();
    }

    private bool TakeGroup(string text, string outOfRange, ref int at, out string error)
    {
        var start = at + 1;
        var close = start < text.Length ? text[start] switch { '{' => '}', '(' => ')', _ => '\0' } : '\0';
        string name;
        if (close != '\0')
        {
            var end = text.IndexOf(close, start);
            if (end < 0)
            {
                error = $"truncated macro reference: \"{text[at..]}\"";
                return false;
            }
            name = text[(start + 1)..end];
            at = end + 1;
        }
        else
        {
            var end = start;
            while (end < text.Length && (char.IsAsciiLetterOrDigit(text[end]) || text[end] == '_'))
            {
                end++;
            }
            name = text[start..end];
            at = end;
        }
        error = name.Length == 0 ? $"empty macro name: \"{text}\""
            : !int.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? $"non-numeric replacement index \"{name}\""
            : number < 1 ? $"{outOfRange} replacement index \"{name}\""
            : "";
        if (error.Length > 0)
        {
            return false;
        }
        var group = int.Parse(name, CultureInfo.InvariantCulture);
        HighestGroup = Math.Max(HighestGroup, group);
        _parts.Add((null, group));
        return true;
    }
}
