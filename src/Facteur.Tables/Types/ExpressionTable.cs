using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using Facteur.Config;
using Facteur.Tables.Patterns;
using Facteur.Tables.Text;
using Facteur.Unix;

namespace Facteur.Tables.Types;

/// <summary>What regexp: and pcre: tables share: expressions in order, the first that matches answers. A character is a byte, as in Postfix, also of UTF-8.</summary>
internal abstract class ExpressionTable : TableContent
{
    /// <summary>With fewer it costs less to match them all than to look what the text holds.</summary>
    private const int ManyRules = 4;

    private readonly PatternRules<ExpressionRule> _rules = new();
    private readonly TableRequest _request;
    private readonly bool _utf8;
    private readonly Encoding _encoding;
    private int _withTrigrams;

    private protected ExpressionTable(TableRequest request)
    {
        _request = request;
        _utf8 = request.Options.Utf8;
        _encoding = _utf8 ? Encoding.UTF8 : Encoding.Latin1;
    }

    private sealed record ExpressionRule(IExpression Expression, bool Negated, string? Literal, Replacement? Result);

    /// <summary>"regexp" or "pcre".</summary>
    protected abstract string Type { get; }

    /// <summary>Options of an expression that has no flags.</summary>
    protected abstract uint DefaultOptions { get; }

    /// <summary>What Postfix does to a rule without end of its expression, in its words.</summary>
    protected abstract string Unclosed { get; }

    /// <summary>A character that ends the flags as white space does.</summary>
    protected virtual char? EndsFlags => null;

    /// <summary>Postfix's words for $0.</summary>
    protected abstract string OutOfRange { get; }

    private protected static ITable Open(TableRequest request, string type, Func<TableRequest, ExpressionTable> make) =>
        TableSource.Inline(type, request.Argument) is { } rules
            ? new FixedTable(request.FullName, make(request).Parse(rules), isPattern: true)
            : new FileTable(request, isPattern: true, r => Load(r, make));

    /// <summary>Turns an option on or off.</summary>
    /// <returns>False for a flag that is not known; null for one that has no meaning any more.</returns>
    protected abstract bool? Toggle(char flag, ref uint options);

    /// <summary>Compiles an expression.</summary>
    private protected abstract IExpression? Compile(ReadOnlySpan<byte> pattern, uint options, out string error);

    public override Lookup Find(string key) => Find(key, out _);

    public override int LineOf(string key)
    {
        _ = Find(key, out var line);
        return line;
    }

    private Lookup Find(string key, out int line)
    {
        var rented = ArrayPool<byte>.Shared.Rent(_encoding.GetMaxByteCount(key.Length) + 1);
        try
        {
            var length = _encoding.GetBytes(key, rented);
            rented[length] = 0;
            return FindText(rented.AsSpan(0, length + 1), out line);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    public override Lookup Find(ReadOnlySpan<byte> key)
    {
        var rented = ArrayPool<byte>.Shared.Rent(key.Length + 1);
        try
        {
            key.CopyTo(rented);
            rented[key.Length] = 0;
            return FindText(rented.AsSpan(0, key.Length + 1), out _);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    [SkipLocalsInit]
    private Lookup FindText(ReadOnlySpan<byte> text, out int line)
    {
        line = 0;
        Span<Libc.RegMatch> matches = stackalloc Libc.RegMatch[256];
        Span<ulong> room = stackalloc ulong[TrigramSet.Words];
        var hasTrigrams = _withTrigrams >= ManyRules;
        var trigrams = hasTrigrams ? new TrigramSet(room, text[..^1]) : default;
        var rules = _rules.Rules;
        for (var i = 0; i < rules.Length; i++)
        {
            ref readonly var rule = ref rules[i];
            if (rule.Kind == RuleKind.Endif)
            {
                continue;
            }
            var pattern = rule.Pattern!;
            // Groups cost libc time: only those that the result names are asked for.
            var wanted = matches[..(pattern.Result is null ? 0 : pattern.Result.HighestGroup + 1)];
            var error = "";
            var end = hasTrigrams && pattern.Expression.Trigrams is { } query && !query.MayMatch(trigrams) ? Matched.No : pattern.Expression.Match(text, wanted, out error);
            if (end == Matched.Failed)
            {
                // Postfix goes on as if it did not match, so that whoever reaches the limit passes; here the table can't answer.
                error = $"{Type} map {_request.Argument}, line {rule.Line}: {error}";
                _request.Events.Warning(error);
                return Lookup.Error(error);
            }
            var matched = (end == Matched.Yes) != pattern.Negated;
            if (matched == (rule.Kind == RuleKind.If))
            {
                continue;
            }
            if (rule.Kind == RuleKind.Match)
            {
                line = rule.Line;
                return pattern.Literal is { } literal ? Lookup.Found(literal) : Expand(pattern.Result!, text, wanted);
            }
            i = _rules.After(rule);
        }
        return Lookup.NotFound;
    }

    private Lookup Expand(Replacement result, ReadOnlySpan<byte> text, ReadOnlySpan<Libc.RegMatch> matches)
    {
        var groups = new string[matches.Length];
        for (var i = 0; i < groups.Length; i++)
        {
            groups[i] = matches[i].Start < 0 ? "" : Encoding.Latin1.GetString(text[matches[i].Start..matches[i].End]);
        }
        return ByteText.Answer(_request.FullName, _encoding.GetString(text[..^1]), result.Expand(number => groups[number]), _utf8);
    }

    private static FileContent Load(TableRequest request, Func<TableRequest, ExpressionTable> make)
    {
        var stamp = FileStamp.Of(request.Argument);
        return new FileContent(make(request).Parse(TableSource.Read(request.Argument, "open", out var owner)), [(request.Argument, stamp)], IsText: true, owner);
    }

    private ExpressionTable Parse(byte[] content)
    {
        foreach (var (line, text) in LogicalLines.Read(content, _request.Argument, utf8: false, _request.Events))
        {
            if (Add(line, Spaces.TrimEnd(text)) is { } wrong)
            {
                Warn(line, wrong);
            }
        }
        foreach (var line in _rules.OpenLines)
        {
            Warn(line, "IF has no matching ENDIF");
        }
        return this;
    }

    private void Warn(int line, string text) => _request.Events.Warning($"{Type} map {_request.Argument}, line {line}: {ByteText.Shown(text, _utf8)}");

    private string? Add(int line, string text)
    {
        // Trimmed of what is white space in Unicode alone, a line may be empty.
        if (text.Length == 0 || !char.IsAsciiLetterOrDigit(text[0]))
        {
            return AddMatch(line, text);
        }
        if (RuleWords.TryTake(text, "if", out var rest))
        {
            return AddIf(line, rest);
        }
        if (!RuleWords.TryTake(text, "endif", out rest))
        {
            return "ignoring unrecognized request";
        }
        if (!_rules.AddEndif(line))
        {
            return "ignoring ENDIF without matching IF";
        }
        if (rest.Length > 0)
        {
            Warn(line, "ignoring extra text after ENDIF");
        }
        return null;
    }

    private string? AddMatch(int line, string text)
    {
        var wrong = TakeExpression(line, ref text, out var regex, out var negated);
        if (wrong is not null)
        {
            return wrong;
        }
        if (text.Length == 0)
        {
            Warn(line, "no replacement text: using empty string");
        }
        if (Replacement.Parse(text, OutOfRange, out var error) is not { } result)
        {
            // Postfix: these come from the macro parser, some without the name of the map.
            if (error.StartsWith("truncated", StringComparison.Ordinal) || error.StartsWith("empty", StringComparison.Ordinal))
            {
                _request.Events.Warning(ByteText.Shown(error, _utf8));
            }
            else
            {
                Warn(line, error);
            }
            return "bad replacement syntax: skipping this rule";
        }
        if (result.HighestGroup > 0 && negated)
        {
            return "$number found in negative match replacement text: skipping this rule";
        }
        if (result.HighestGroup > 0 && (_request.Options.SecuritySensitive || _request.Options.FixedResults))
        {
            return "regular expression substitution is not allowed: skipping this rule";
        }
        if (result.HighestGroup > regex!.Groups)
        {
            return $"out of range replacement index \"{result.HighestGroup}\": skipping this rule";
        }
        var literal = result.HighestGroup == 0 ? ByteText.Decode(result.Literal, _utf8) : null;
        _rules.AddMatch(line, new(regex, negated, literal, literal is null ? result : null));
        return null;
    }

    private string? AddIf(int line, string text)
    {
        var wrong = TakeExpression(line, ref text, out var regex, out var negated);
        if (wrong is not null)
        {
            return wrong;
        }
        if (text.Length > 0)
        {
            Warn(line, $"ignoring extra text after IF statement: \"{text}\"");
            Warn(line, "do not prepend whitespace to statements between IF and ENDIF");
        }
        _rules.AddIf(line, new(regex!, negated, "", null));
        return null;
    }

    /// <summary>Takes !/pattern/flags and the white space after it off the text.</summary>
    private string? TakeExpression(int line, ref string text, out IExpression? regex, out bool negated)
    {
        regex = null;
        negated = RuleWords.TakeNot(ref text);
        if (text.Length == 0)
        {
            return "no regexp: skipping this rule";
        }
        var end = 1;
        // Postfix: no backslash is a delimiter, not even of a pattern that starts with one.
        while (end < text.Length && (text[end] == '\\' || text[end] != text[0]))
        {
            end += text[end] == '\\' ? 2 : 1;
        }
        if (end >= text.Length)
        {
            return $"no closing regexp delimiter \"{text[0]}\": {Unclosed} this rule";
        }
        var pattern = text[1..end];
        var options = DefaultOptions;
        for (end++; end < text.Length && !LogicalLines.IsSpace(text[end]) && EndsFlags != text[end]; end++)
        {
            switch (Toggle(text[end], ref options))
            {
                case false:
                    return $"unknown regexp option \"{text[end]}\": skipping this rule";
                case null:
                    Warn(line, $"ignoring obsolete regexp option \"{text[end]}\"");
                    break;
            }
        }
        text = Spaces.TrimStart(text[end..]);
        regex = Compile(Encoding.Latin1.GetBytes(pattern), options, out var error);
        _withTrigrams += regex?.Trigrams is null ? 0 : 1;
        return regex is null ? error : null;
    }
}
