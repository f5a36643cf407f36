using System.Text;
using Facteur.Tables.Text;

namespace Facteur.Tables.Databases;

/// <summary>Option files of MySQL and MariaDB (my.cnf): "name = value" in [groups], with !include and !includedir.</summary>
internal static class MysqlOptions
{
    private const int MaxFiles = 100;

    /// <summary>Where clients look when no file is named.</summary>
    private static readonly string[] Usual = ["/etc/my.cnf", "/etc/mysql/my.cnf"];

    /// <summary>The options of some groups; a later one wins.</summary>
    /// <param name="file">The file; empty: the usual ones, if they are there.</param>
    /// <param name="groups">The groups.</param>
    /// <exception cref="TableException">A named file can't be read.</exception>
    public static Dictionary<string, string> Read(string file, IReadOnlyCollection<string> groups)
    {
        var options = new Dictionary<string, string>(StringComparer.Ordinal);
        var waiting = new Stack<string>(file.Length > 0 ? [file] : Usual.Where(File.Exists).Reverse());
        var optional = file.Length == 0;
        for (var files = 0; files < MaxFiles && waiting.TryPop(out var path); files++)
        {
            string text;
            try
            {
                text = Encoding.UTF8.GetString(TableSource.Read(path));
            }
            catch (TableException) when (optional)
            {
                continue;
            }
            optional = true;
            Parse(text, groups, options, waiting);
        }
        return options;
    }

    private static void Parse(string text, IReadOnlyCollection<string> groups, Dictionary<string, string> options, Stack<string> waiting)
    {
        var wanted = false;
        var included = new List<string>();
        foreach (var line in text.Split('\n').Select(l => l.Trim()))
        {
            if (line is "" or ['#' or ';', ..])
            {
                continue;
            }
            if (line is ['[', .. var group, ']'])
            {
                wanted = groups.Contains(group.Trim());
            }
            else if (line.StartsWith("!includedir ", StringComparison.Ordinal) && Directory.Exists(line[12..].Trim()))
            {
                included.AddRange(Directory.EnumerateFiles(line[12..].Trim(), "*.cnf").Order(StringComparer.Ordinal));
            }
            else if (line.StartsWith("!include ", StringComparison.Ordinal))
            {
                included.Add(line[9..].Trim());
            }
            else if (wanted)
            {
                var equals = line.IndexOf('=', StringComparison.Ordinal);
                var value = equals < 0 ? "" : line[(equals + 1)..].Trim();
                options[(equals < 0 ? line : line[..equals]).Trim().Replace('_', '-')] = value.Length > 1 && (value[0] is '"' or '\'') && value[^1] == value[0] ? value[1..^1] : value;
            }
        }
        included.Reverse();
        included.ForEach(waiting.Push);
    }
}
