using Facteur.Config;
using Facteur.Config.Parameters;

namespace Facteur.Commands.Check;

/// <summary>Names and values: what the loader says, each with its line; names that nothing uses, with the nearest parameter.</summary>
internal static class NameCheck
{
    private const string Deprecated = "support for parameter \"";

    public static void Run(ConfigLoad load, SettingPlaces places, Findings findings)
    {
        foreach (var error in load.Errors)
        {
            findings.AddSaid(FindingLevel.Error, error, (places.MainPath, 0));
        }
        foreach (var warning in load.Warnings)
        {
            if (Named(warning, "unused parameter: ", '=') is var (file, unused))
            {
                AddNamed(file, "unused", unused, places, findings);
            }
            else if (Named(warning, "undefined parameter: ", '=') is var (from, undefined))
            {
                AddNamed(from, "undefined", undefined, places, findings);
            }
            else if (Named(warning, Deprecated, '"') is var (of, old))
            {
                foreach (var place in Places(places, of, old, ""))
                {
                    findings.Add(FindingLevel.Warning, place, warning[(of.Length + 2)..]);
                }
            }
            else
            {
                findings.AddSaid(FindingLevel.Warning, warning, (places.MainPath, 0));
            }
        }
    }

    /// <summary>The parameter whose name is nearest, when it is near enough to be meant.</summary>
    public static string? Nearest(string name)
    {
        var (best, distance) = (default(string), Math.Max(2, name.Length / 6) + 1);
        foreach (var known in ParameterRegistry.All.Concat(FacteurParameters.All).Select(row => row.Name))
        {
            if (Math.Abs(known.Length - name.Length) < distance && Distance(known, name) is var d && d < distance)
            {
                (best, distance) = (known, d);
            }
        }
        return best;
    }

    private static void AddNamed(string file, string what, string name, SettingPlaces places, Findings findings)
    {
        var nearest = Nearest(name) is { } near ? $"; the nearest name is {near}" : "";
        foreach (var place in Places(places, file, name, what))
        {
            findings.Add(FindingLevel.Warning, place, what == "unused" ? $"unused parameter: {name}: no parameter has this name, and nothing refers to it{nearest}" : $"undefined parameter: {name}{nearest}");
        }
    }

    // A setting's own lines; of a name that is referred to the lines that do.
    private static List<(string File, int Line)> Places(SettingPlaces places, string file, string name, string what)
    {
        List<(string File, int Line)> found = file == places.MainPath
            ? [.. places.Main.Entries.Where(e => what == "undefined" ? Refers(e.Value.Value, name) : e.Key == name).Select(e => places.Of(null, e.Key, what == "undefined" ? name : ""))]
            : [.. places.Master.Lines.Where(l => l.Settings.Any(s => what == "undefined" ? Refers(s.Value, name) : s.Key == name)).Select(l => places.InMaster(l.Line, name))];
        return found.Count > 0 ? found : [(file, 0)];
    }

    // Levenshtein's, with two letters that changed places as one step.
    private static int Distance(string a, string b)
    {
        var rows = new int[3][];
        for (var i = 0; i < rows.Length; i++)
        {
            rows[i] = new int[b.Length + 1];
        }
        for (var j = 0; j <= b.Length; j++)
        {
            rows[0][j] = j;
        }
        for (var i = 1; i <= a.Length; i++)
        {
            var (row, above, two) = (rows[i % 3], rows[(i - 1) % 3], rows[(i + 1) % 3]);
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var same = a[i - 1] == b[j - 1];
                row[j] = Math.Min(Math.Min(above[j], row[j - 1]) + 1, above[j - 1] + (same ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    row[j] = Math.Min(row[j], two[j - 2] + 1);
                }
            }
        }
        return rows[a.Length % 3][b.Length];
    }

    /// <returns>Of "file: what name…" file and name.</returns>
    private static (string File, string Name)? Named(string warning, string what, char end)
    {
        var at = warning.IndexOf(": " + what, StringComparison.Ordinal);
        if (at < 0 || warning.AsSpan(0, at).Contains(' '))
        {
            return null;
        }
        var name = warning[(at + 2 + what.Length)..];
        return (warning[..at], name.IndexOf(end, StringComparison.Ordinal) is >= 0 and var to ? name[..to] : name);
    }

    // $name, ${name…, $(name…
    private static bool Refers(string value, string name)
    {
        for (var at = value.IndexOf(name, StringComparison.Ordinal); at > 0; at = value.IndexOf(name, at + 1, StringComparison.Ordinal))
        {
            var end = at + name.Length;
            if ((value[at - 1] == '$' || (at > 1 && value[at - 2] == '$' && value[at - 1] is '{' or '(')) && (end == value.Length || !(char.IsAsciiLetterOrDigit(value[end]) || value[end] == '_')))
            {
                return true;
            }
        }
        return false;
    }
}
