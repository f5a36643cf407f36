using static Facteur.Config.LineEditor;

namespace Facteur.Config.MainCf;

/// <summary>Changes settings in the text of a main.cf and keeps all else: comments, blank lines, order.</summary>
public static class MainCfEditor
{
    /// <summary>Sets values, in each place where a name is set; names that are not there are added at the end.</summary>
    public static string Set(string text, IReadOnlyList<KeyValuePair<string, string>> values)
    {
        var wanted = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in values)
        {
            wanted[name] = value;
        }
        var found = new HashSet<string>(StringComparer.Ordinal);
        var edited = Edit(text, (line, _) =>
        {
            if (NameOf(line) is not { } name || !wanted.TryGetValue(name, out var value))
            {
                return (Verdict.Keep, null);
            }
            found.Add(name);
            return (Verdict.Replace, $"{name} = {value}");
        });
        foreach (var (name, value) in wanted.Where(w => !found.Contains(w.Key)))
        {
            edited.Append(name).Append(" = ").Append(value).Append('\n');
        }
        return edited.ToString();
    }

    /// <summary>Removes settings.</summary>
    public static string Remove(string text, IReadOnlySet<string> names) =>
        Edit(text, (line, _) => (NameOf(line) is { } name && names.Contains(name) ? Verdict.Replace : Verdict.Keep, null)).ToString();

    /// <summary>Turns settings into comments.</summary>
    public static string CommentOut(string text, IReadOnlySet<string> names) =>
        Edit(text, (line, _) => (NameOf(line) is { } name && names.Contains(name) ? Verdict.CommentOut : Verdict.Keep, null)).ToString();

    // A first line that starts with white space continues none, and sets nothing. A line without "=" has a name, too: it can be mended or removed (Postfix).
    private static string? NameOf(string line) => line.IndexOfAny([' ', '\t', '\r', '\v', '\f', '=']) switch
    {
        0 => null,
        < 0 => line,
        var end => line[..end],
    };
}
