using Facteur.Config.Expansion;

namespace Facteur.Tables;

/// <summary>Which tables may be named behind "proxy:": those that proxy_read_maps names so, and for tables that the system writes those of proxy_write_maps (Postfix: proxymap(8)).</summary>
public static class ProxiedTables
{
    private const string Prefix = "proxy:";

    /// <summary>The tables that a list approves, without their "proxy:".</summary>
    /// <param name="list">The value of proxy_read_maps or proxy_write_maps.</param>
    public static HashSet<string> In(string list)
    {
        var approved = new HashSet<string>(StringComparer.Ordinal);
        var waiting = new Stack<string>([list]);
        while (waiting.TryPop(out var text))
        {
            foreach (var word in Braces.Split(text, ", \t\r\n"))
            {
                if (word is ['{', ..])
                {
                    // { check_client_access proxy:type:name, … }
                    if (Braces.Strip(word, out var inner) is null)
                    {
                        waiting.Push(inner);
                    }
                }
                else if (word.StartsWith(Prefix, StringComparison.Ordinal) && Name(word) is var name && name.Contains(':', StringComparison.Ordinal))
                {
                    approved.Add(name);
                }
            }
        }
        return approved;
    }

    /// <summary>Whether a table that is written may be: it is not behind "proxy:", or proxy_write_maps names it.</summary>
    public static bool MayWrite(string table, string proxyWriteMaps) =>
        !table.StartsWith(Prefix, StringComparison.Ordinal) || In(proxyWriteMaps).Contains(Name(table));

    /// <summary>Says of a table that no list approves it, as Postfix words it.</summary>
    /// <param name="table">The table, with or without "proxy:".</param>
    /// <param name="access">read-only or read-write.</param>
    /// <param name="list">The list that should name it.</param>
    /// <param name="events">Takes the warnings.</param>
    public static void TellUnapproved(string table, string access, string list, ITableEvents events)
    {
        events.Warning($"request for unapproved table: \"{Name(table)}\"");
        events.Warning($"to approve this table for {access} access, list {Prefix}{Name(table)} in main.cf:{list}");
    }

    private static string Name(string word)
    {
        while (word.StartsWith(Prefix, StringComparison.Ordinal))
        {
            word = word[Prefix.Length..];
        }
        return word;
    }
}
