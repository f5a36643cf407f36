using System.Globalization;

namespace Facteur.Config.Expansion;

/// <summary>The operators of ${{left} operator {right} ? … }: by number when both are digits, else by text; "level" ones compare releases.</summary>
internal static class Comparison
{
    private static readonly string[] Operators = ["==", "!=", "<", "<=", ">=", ">"];

    /// <summary>Whether a word is an operator.</summary>
    internal static bool IsOperator(string word) => Operators.Contains(Plain(word));

    /// <summary>Whether the comparison holds.</summary>
    internal static bool Holds(string left, string op, string right, out string? wrong)
    {
        wrong = null;
        int order;
        if (op.EndsWith("level", StringComparison.Ordinal))
        {
            if (CompatibilityLevel.Parse(left) is not { } a || CompatibilityLevel.Parse(right) is not { } b)
            {
                wrong = $"malformed compatibility level: {{{left}}} {op} {{{right}}}";
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
        return Plain(op) switch { "==" => order == 0, "!=" => order != 0, "<" => order < 0, "<=" => order <= 0, ">=" => order >= 0, _ => order > 0 };
    }

    private static string Plain(string word) => word.EndsWith("level", StringComparison.Ordinal) ? word[..^5] : word;

    private static long? Number(string text) => long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : null;
}
