using System.Text;
using Facteur.Config;
using Facteur.Tables.Patterns;
using Facteur.Tables.Text;

namespace Facteur.Tables.Lists;

/// <summary>
/// Reads match lists (postconf(5)): names, type:table, /file/name whose lines are put in its place, "!" for the opposite. Files in files
/// are worked off from a stack, not by recursion.
/// </summary>
internal sealed class ListParser(ITableSet tables, ITableEvents events)
{
    /// <summary>Files and elements a list may have: above that files surely name each other in a circle.</summary>
    private const int MaxFiles = 1000, MaxPatterns = 1_000_000;

    /// <summary>The elements, in order.</summary>
    /// <param name="parameter">The parameter, for warnings.</param>
    /// <param name="value">Its value.</param>
    /// <param name="networks">Elements may be networks.</param>
    public List<ListPattern> Parse(string parameter, string value, bool networks)
    {
        var patterns = new List<ListPattern>();
        var waiting = new Stack<(string Text, bool Negated)>();
        if (Push(waiting, value, false) is { } broken)
        {
            return [Broken(parameter, false, value.Trim(), broken)];
        }
        var files = 0;
        while (waiting.TryPop(out var next))
        {
            var (text, negated) = next;
            for (; text is ['!', ..]; text = text[1..])
            {
                negated = !negated;
            }
            if (text is ['/', ..])
            {
                if (++files > MaxFiles || patterns.Count > MaxPatterns || !TryReadFile(text, out var content))
                {
                    patterns.Add(Broken(parameter, negated, text, files > MaxFiles ? "too many files name each other" : "can't be read"));
                    continue;
                }
                if (Push(waiting, content, negated) is { } wrong)
                {
                    patterns.Add(Broken(parameter, negated, text, wrong));
                }
            }
            else if (text.Length > 0)
            {
                patterns.Add(Make(parameter, text, negated, networks));
            }
        }
        return patterns;
    }

    private ListPattern Make(string parameter, string text, bool negated, bool networks)
    {
        // "[" starts an IPv6 network: its colons name no table.
        if (text[0] != '[' && text.Contains(':'))
        {
            return new ListPattern(negated, text, tables.Open(text), null, null);
        }
        CidrPattern? network = null;
        return networks && CidrPattern.ParseInList(text, out network) is { } wrong ? Broken(parameter, negated, text, wrong) : new ListPattern(negated, text, null, network, null);
    }

    private ListPattern Broken(string parameter, bool negated, string text, string wrong)
    {
        events.Warning($"{parameter}: {text}: {wrong}");
        return new ListPattern(negated, text, null, null, wrong);
    }

    /// <returns>Why the text has no elements, or null.</returns>
    private static string? Push(Stack<(string Text, bool Negated)> waiting, string value, bool negated)
    {
        try
        {
            var elements = ListSyntax.Split(value);
            for (var i = elements.Count - 1; i >= 0; i--)
            {
                waiting.Push((elements[i], negated));
            }
            return null;
        }
        catch (ConfigException e)
        {
            return e.Message;
        }
    }

    private bool TryReadFile(string path, out string content)
    {
        content = "";
        try
        {
            var lines = Encoding.UTF8.GetString(TableSource.Read(path)).Split('\n').Select(l => Spaces.TrimStart(l) is ['#', ..] ? "" : l);
            content = string.Join('\n', lines);
            return true;
        }
        catch (TableException e)
        {
            events.Warning(e.Message);
            return false;
        }
    }
}
