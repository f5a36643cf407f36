using System.Globalization;
using System.Text;

namespace Facteur.Config.Expansion;

/// <summary>
/// Expands $name, ${name}, $(name), ${name?text}, ${name:text}, ${name?{a}:{b}}, ${{left} operator {right} ? {a} : {b}}, ${function{text}} and $$ (postconf(5)).
/// Names' values are expanded in turn. Depth and length are bounded: a cycle is an error, not a hang.
/// </summary>
public sealed class Expander
{
    private const int MaxDepth = 100;
    private const int MaxLength = 1 << 20;
    private const int MaxReferences = 100_000;

    private readonly Func<string, string?> _valueOf;
    private readonly bool _allBranches;
    private string? _error;
    private int _references;

    private Expander(Func<string, string?> valueOf, bool allBranches)
    {
        _valueOf = valueOf;
        _allBranches = allBranches;
    }

    /// <summary>Expands a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="valueOf">The unexpanded value of a name; null when it has none.</param>
    public static Expanded Expand(string text, Func<string, string?> valueOf)
    {
        if (!text.Contains('$', StringComparison.Ordinal))
        {
            return new Expanded(text, null);
        }
        var expander = new Expander(valueOf, allBranches: false);
        var output = new StringBuilder(text.Length + 32);
        expander.Run(text, output, 0);
        return new Expanded(output.ToString(), expander._error);
    }

    /// <summary>Names that a text refers to itself, in all branches; not those in the names' values.</summary>
    /// <param name="text">The text.</param>
    /// <param name="visit">Called for each name.</param>
    /// <returns>What is wrong with the text, or null.</returns>
    public static string? Scan(string text, Action<string> visit)
    {
        if (!text.Contains('$', StringComparison.Ordinal))
        {
            return null;
        }
        var expander = new Expander(
            name =>
            {
                visit(name);
                return null;
            },
            allBranches: true);
        expander.Run(text, new StringBuilder(), 0);
        return expander._error;
    }

    private void Run(string text, StringBuilder output, int depth)
    {
        if (depth > MaxDepth)
        {
            Fail($"unreasonable macro call nesting: \"{text}\"");
            return;
        }
        for (var at = 0; at < text.Length && _error is null;)
        {
            var dollar = text.IndexOf('$', at);
            var literal = dollar < 0 ? text.Length : dollar;
            output.Append(text, at, literal - at);
            if (dollar < 0)
            {
                return;
            }
            if (output.Length > MaxLength || ++_references > MaxReferences)
            {
                Fail("the expanded text is too long");
                return;
            }
            at = Reference(text, dollar, output, depth);
        }
    }

    private int Reference(string text, int dollar, StringBuilder output, int depth)
    {
        var next = dollar + 1 < text.Length ? text[dollar + 1] : '\0';
        if (next == '$')
        {
            output.Append('$');
            return dollar + 2;
        }
        if (next is '{' or '(')
        {
            var close = Braces.Close(text, dollar + 1);
            if (close < 0)
            {
                Fail($"truncated macro reference: \"{text}\"");
                return text.Length;
            }
            Bracketed(text[(dollar + 2)..close], output, depth);
            return close + 1;
        }
        var end = EndOfName(text, dollar + 1);
        if (end == dollar + 1)
        {
            Fail($"empty macro name: \"{text}\"");
            return text.Length;
        }
        Append(text[(dollar + 1)..end], output, depth);
        return end;
    }

    private void Bracketed(string body, StringBuilder output, int depth)
    {
        var start = SkipSpace(body, 0);
        if (start < body.Length && body[start] == '{')
        {
            Relational(body, start, output, depth);
            return;
        }
        var end = EndOfName(body, start);
        var name = body[start..end];
        var at = SkipSpace(body, end);
        if (name.Length == 0 && (at >= body.Length || body[at] is '?' or ':'))
        {
            Fail($"empty macro name: \"${{{body}}}\"");
        }
        else if (at >= body.Length)
        {
            Append(name, output, depth);
        }
        else if (body[at] is '?' or ':')
        {
            // As in Postfix, the value as it is written counts, not what it stands for.
            Choose(body, at, _valueOf(name) is { Length: > 0 }, output, depth);
        }
        else if (body[at] == '{')
        {
            Call(name, body, at, output, depth);
        }
        else
        {
            Fail($"attribute name syntax error at: \"...{body[..end]}>>>{body[end..]}\"");
        }
    }

    // {left} operator {right} ? {a} : {b}; alone it stands for "true" or for nothing.
    private void Relational(string body, int start, StringBuilder output, int depth)
    {
        var at = start;
        if (!Operand(body, ref at, depth, out var left))
        {
            return;
        }
        var op = Comparison.OperatorAt(body.AsSpan(at));
        if (op.Length == 0)
        {
            // Postfix's own words, with its quotes.
            Fail($"\"==\" or \"!=\"\" or \"<\"\" or \"<=\"\" or \">=\"\" or \">\" expected at: \"...{left}}}>>>{body[at..]}\"");
            return;
        }
        at += op.Length;
        var end = at;
        while (end < body.Length && char.IsAsciiLetterOrDigit(body[end]))
        {
            end++;
        }
        var byLevel = body.AsSpan(at, end - at) is "level";
        if (end > at && !byLevel)
        {
            Fail($"bad operator suffix at: \"...{op}>>>{body[at..end]}\"");
            return;
        }
        at = end;
        if (!Operand(body, ref at, depth, out var right))
        {
            return;
        }
        var wrong = (string?)null;
        var holds = !_allBranches && Comparison.Holds(left, op, right, byLevel, out wrong);
        if (wrong is not null)
        {
            Fail(wrong);
        }
        else if (at >= body.Length)
        {
            output.Append(holds ? "true" : "");
        }
        else if (body[at] is not ('?' or ':'))
        {
            Fail($"\"?\" or \":\" expected at: \"...}}>>>{body[at..]}\"");
        }
        else
        {
            Choose(body, at, holds, output, depth);
        }
    }

    private bool Operand(string body, ref int at, int depth, out string value)
    {
        value = "";
        var open = SkipSpace(body, at);
        var close = open < body.Length && body[open] == '{' ? Braces.Close(body, open) : -1;
        if (close < 0)
        {
            Fail($"\"{{expression}}\" expected at: \"...{body[..at]}>>>{body[at..]}\"");
            return false;
        }
        var output = new StringBuilder();
        Run(body[(open + 1)..close], output, depth + 1);
        value = output.ToString();
        at = SkipSpace(body, close + 1);
        return _error is null;
    }

    // ?text, :text, ?{a}, :{b}, ?{a}:{b}
    private void Choose(string body, int at, bool holds, StringBuilder output, int depth)
    {
        var whenSet = body[at] == '?';
        var text = body[(at + 1)..];
        var trimmed = Spaces.TrimStart(text);
        string? other = null;
        if (trimmed is ['{', ..])
        {
            var close = Braces.Close(trimmed, 0);
            if (close < 0)
            {
                Fail($"missing '}}' in \"{trimmed}\"");
                return;
            }
            // As in Postfix, blanks inside the braces count.
            text = trimmed[1..close];
            var rest = Spaces.Trim(trimmed[(close + 1)..]);
            if (rest is [':', ..] && whenSet)
            {
                other = Spaces.TrimStart(rest[1..]);
                if (other is ['{', ..])
                {
                    var end = Braces.Close(other, 0);
                    if (end < 0 || !Spaces.Only(other.AsSpan(end + 1)))
                    {
                        Fail(end < 0 ? $"missing '}}' in \"{other}\"" : $"unexpected input at: \"...{other[1..end]}}}>>>{Spaces.Trim(other[(end + 1)..])}\"");
                        return;
                    }
                    other = other[1..end];
                }
            }
            else if (rest.Length > 0)
            {
                Fail(whenSet ? $"\":\" expected at: \"...{text}}}>>>{rest}\"" : $"unexpected input at: \"...{text}}}>>>{rest}\"");
                return;
            }
        }
        if (_allBranches || holds == whenSet)
        {
            Run(text, output, depth + 1);
        }
        if (other is not null && (_allBranches || holds != whenSet))
        {
            Run(other, output, depth + 1);
        }
    }

    private void Call(string name, string body, int at, StringBuilder output, int depth)
    {
        if (Braces.Strip(body[at..], out var argument) is { } wrong)
        {
            Fail(wrong);
            return;
        }
        var value = new StringBuilder();
        Run(argument, value, depth + 1);
        output.Append(name switch
        {
            "domain_to_ascii" => ToAscii(value.ToString()),
            _ => Unknown(name),
        });
    }

    private string Unknown(string name)
    {
        Fail($"unknown function \"{name}\": expected domain_to_ascii");
        return "";
    }

    private static string ToAscii(string domain)
    {
        try
        {
            return domain.Length == 0 ? "" : new IdnMapping().GetAscii(domain);
        }
        catch (ArgumentException)
        {
            return domain;
        }
    }

    private void Append(string name, StringBuilder output, int depth)
    {
        if (depth >= MaxDepth)
        {
            Fail($"unreasonable macro call nesting: \"{name}\"");
        }
        else if (_valueOf(name) is { Length: > 0 } value)
        {
            Run(value, output, depth + 1);
        }
    }

    private void Fail(string text) => _error ??= text;

    private static int EndOfName(string text, int at)
    {
        while (at < text.Length && (char.IsAsciiLetterOrDigit(text[at]) || text[at] == '_'))
        {
            at++;
        }
        return at;
    }

    private static int SkipSpace(string text, int at)
    {
        while (at < text.Length && Spaces.Is(text[at]))
        {
            at++;
        }
        return at;
    }
}
