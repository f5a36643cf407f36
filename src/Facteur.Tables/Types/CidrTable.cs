using System.Net;
using Facteur.Config;
using Facteur.Tables.Patterns;
using Facteur.Tables.Text;

namespace Facteur.Tables.Types;

/// <summary>cidr: networks in order, the first that holds the address answers (cidr_table(5)).</summary>
internal sealed class CidrTable : TableContent
{
    private readonly PatternRules<CidrRule> _rules = new();
    private readonly TableRequest _request;

    private CidrTable(TableRequest request) => _request = request;

    // Answer: the result, when it is text.
    private readonly record struct CidrRule(CidrPattern Pattern, bool Negated, string Result, string? Answer)
    {
        public bool Matches(IPAddress address) => Pattern.IsOfFamily(address) && Pattern.Contains(address) != Negated;
    }

    public static ITable Open(TableRequest request) =>
        TableSource.Inline("cidr", request.Argument) is { } rules
            ? new FixedTable(request.FullName, Parse(request, rules), isPattern: true)
            : new FileTable(request, isPattern: true, Load);

    public override Lookup Find(string key) => Find(key, out _);

    public override int LineOf(string key)
    {
        _ = Find(key, out var line);
        return line;
    }

    private Lookup Find(string key, out int line)
    {
        line = 0;
        if (!CidrPattern.TryParseAddress(key, out var address))
        {
            return Lookup.NotFound;
        }
        var rules = _rules.Rules;
        for (var i = 0; i < rules.Length; i++)
        {
            ref readonly var rule = ref rules[i];
            if (rule.Kind == RuleKind.Endif || rule.Pattern.Matches(address) == (rule.Kind == RuleKind.If))
            {
                continue;
            }
            if (rule.Kind == RuleKind.Match)
            {
                line = rule.Line;
                return rule.Pattern.Answer is { } answer ? Lookup.Found(answer) : ByteText.Answer(_request.FullName, key, rule.Pattern.Result, utf8: true);
            }
            i = _rules.After(rule);
        }
        return Lookup.NotFound;
    }

    private static FileContent Load(TableRequest request)
    {
        var stamp = FileStamp.Of(request.Argument);
        return new FileContent(Parse(request, TableSource.Read(request.Argument, "open", out var owner)), [(request.Argument, stamp)], IsText: true, owner);
    }

    private static CidrTable Parse(TableRequest request, byte[] content)
    {
        var table = new CidrTable(request);
        foreach (var (line, text) in LogicalLines.Read(content, request.Argument, utf8: false, request.Events))
        {
            if (table.Add(line, text) is { } wrong)
            {
                request.Events.Warning($"cidr map {request.Argument}, line {line}: {ByteText.Shown(wrong, request.Options.Utf8)}: skipping this rule");
            }
        }
        foreach (var line in table._rules.OpenLines)
        {
            request.Events.Warning($"cidr map {request.Argument}, line {line}: IF has no matching ENDIF");
        }
        return table;
    }

    private string? Add(int line, string text)
    {
        if (RuleWords.TryTake(text, "endif", out var rest))
        {
            return rest.Length > 0 ? "garbage after ENDIF" : _rules.AddEndif(line) ? null : "ENDIF without IF";
        }
        var isIf = RuleWords.TryTake(text, "if", out rest);
        rest = isIf ? rest : Spaces.Trim(text);
        var negated = RuleWords.TakeNot(ref rest);
        var end = isIf ? -1 : rest.AsSpan().IndexOfAny(" \t\r\v\f");
        var word = end < 0 ? rest : rest[..end];
        if (word.Length == 0)
        {
            return "no address pattern";
        }
        if (CidrPattern.Parse(word, out var pattern) is { } wrong)
        {
            return wrong;
        }
        if (isIf)
        {
            _rules.AddIf(line, new CidrRule(pattern, negated, "", ""));
            return null;
        }
        if (end < 0)
        {
            return "no lookup result";
        }
        var result = Spaces.Trim(rest[end..]);
        _rules.AddMatch(line, new CidrRule(pattern, negated, result, ByteText.Decode(result, _request.Options.Utf8)));
        return null;
    }
}
