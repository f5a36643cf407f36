using System.Globalization;

namespace Facteur.Config.Expansion;

/// <summary>The operators of ${{left} operator {right} ? … }: by number when both are digits, else by text; "level" ones compare releases.</summary>
internal static class Comparison
{
    private static readonly string[] Operators = ["==", "!=", "<", "<=", ">=", ">"];

    /// <summary>The operator that a text starts with; empty when there is none.</summary>
    internal static string OperatorAt(ReadOnlySpan<char> text)
    {
        var end = 0;
        while (end < text.Length && text[end] is '=' or '!' or '<' or '>')
        {
            end++;
        }
        var word = text[..end].ToString();
        return Operators.Contains(word) ? word : "";
    }

    /// <summary>Whether the comparison holds.</summary>
    internal static bool Holds(string left, string op, string right, bool byLevel, out string? wrong)
    {
        wrong = null;
        int order;
        if (byLevel)
        {
            if (CompatibilityLevel.Parse(left) is not { } a || CompatibilityLevel.Parse(right) is not { } b)
            {
                wrong = $"malformed compatibility level syntax: \"{(CompatibilityLevel.Parse(left) is null ? left : right)}\"";
                return false;
            }
            order = a.CompareTo(b);
        }
        else if (Number(left) is { } a && Number(right) is { } b)
        {
            order = a.CompareTo(b);
        }
        else
        {
            order = string.CompareOrdinal(left, right);
        }
        return op switch { "==" => order == 0, "!=" => order != 0, "<" => order < 0, "<=" => order <= 0, ">=" => order >= 0, _ => order > 0 };
    }

    private static long? Number(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
