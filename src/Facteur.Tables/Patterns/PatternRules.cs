using System.Runtime.InteropServices;

namespace Facteur.Tables.Patterns;

/// <summary>What a rule of a pattern table does.</summary>
internal enum RuleKind : byte
{
    /// <summary>Gives its result when its pattern matches.</summary>
    Match,

    /// <summary>Lets the rules up to its endif be tried when its pattern matches.</summary>
    If,

    /// <summary>Ends an if.</summary>
    Endif,
}

/// <summary>
/// The rules of a cidr: or regexp: table in order, with if and endif. Nesting is a number per rule (where its block ends), so that
/// neither reading nor matching recurses.
/// </summary>
/// <typeparam name="TPattern">What a rule matches by.</typeparam>
internal sealed class PatternRules<TPattern>
{
    private readonly List<Rule> _rules = [];
    private readonly Stack<int> _open = new();

    /// <summary>A rule.</summary>
    /// <param name="Kind">What it does.</param>
    /// <param name="Line">Its line.</param>
    /// <param name="Pattern">Its pattern; not set for endif.</param>
    /// <param name="BlockEnd">The index of an if's endif; -1 when there is none.</param>
    internal readonly record struct Rule(RuleKind Kind, int Line, TPattern? Pattern, int BlockEnd = -1);

    public ReadOnlySpan<Rule> Rules => CollectionsMarshal.AsSpan(_rules);

    /// <summary>Whether an if waits for its endif.</summary>
    public bool InBlock => _open.Count > 0;

    /// <summary>Lines of ifs without endif.</summary>
    public IEnumerable<int> OpenLines => _open.Select(i => _rules[i].Line);

    public void AddMatch(int line, TPattern pattern) => _rules.Add(new Rule(RuleKind.Match, line, pattern));

    public void AddIf(int line, TPattern pattern)
    {
        _open.Push(_rules.Count);
        _rules.Add(new Rule(RuleKind.If, line, pattern));
    }

    /// <summary>Adds an endif; false when no if is open.</summary>
    public bool AddEndif(int line)
    {
        if (!_open.TryPop(out var start))
        {
            return false;
        }
        _rules[start] = _rules[start] with { BlockEnd = _rules.Count };
        _rules.Add(new Rule(RuleKind.Endif, line, default));
        return true;
    }

    /// <summary>Where to go on after an if that did not match; past the end when it has no endif.</summary>
    public int After(Rule skipped) => skipped.BlockEnd < 0 ? _rules.Count : skipped.BlockEnd;
}
