using Facteur.Config;

namespace Facteur.Tables.Text;

/// <summary>
/// A table as it is written in a file or in its name: keys or patterns, values and lines, for those who judge a table and ask it nothing ("facteur
/// check").
/// </summary>
/// <param name="Path">The text's file; "" for rules in the table's name.</param>
/// <param name="IsPattern">The keys are patterns.</param>
/// <param name="Entries">The entries, in order; line 0 where there is none.</param>
public sealed record WrittenTable(string Path, bool IsPattern, IReadOnlyList<TableEntry> Entries)
{
    private const int MaxNesting = 16;

    /// <summary>Reads the text.</summary>
    /// <param name="name">"type:name".</param>
    /// <param name="aliases">Texts of indexes are in the form of aliases(5).</param>
    /// <returns>Null when its answers are written nowhere: a server's, a program's.</returns>
    /// <exception cref="TableException">The file can't be read.</exception>
    public static WrittenTable? Read(string name, bool aliases = false)
    {
        for (var depth = 0; depth < MaxNesting && name.StartsWith("proxy:", StringComparison.Ordinal); depth++)
        {
            name = name["proxy:".Length..];
        }
        var colon = name.IndexOf(':', StringComparison.Ordinal);
        var argument = name[(colon + 1)..];
        return (colon < 0 ? "" : name[..colon]) switch
        {
            "hash" or "btree" or "lmdb" or "cdb" or "dbm" or "sdbm" or "texthash" => new(argument, false, [.. aliases
                ? AliasText.Parse(TableSource.Read(argument), argument, true, NoEvents.Instance)
                : TableText.Parse(TableSource.Read(argument), argument, true, NoEvents.Instance)]),
            "cidr" => Rules("cidr", argument),
            "regexp" or "pcre" => Rules(name[..colon], argument),
            "static" => new("", false, [new(0, "*", BraceText.Inner(argument) ?? argument)]),
            "inline" => Inline(argument),
            "fail" => new("", false, []),
            _ => null,
        };
    }

    // Of a rule the pattern with its flags, as written; "if" and "endif" have no value.
    private static WrittenTable Rules(string type, string argument)
    {
        var inline = TableSource.Inline(type, argument);
        var entries = new List<TableEntry>();
        foreach (var (line, text) in LogicalLines.Read(inline ?? TableSource.Read(argument), argument, true, NoEvents.Instance))
        {
            var isIf = Patterns.RuleWords.TryTake(text, "if", out var rest);
            rest = isIf ? rest : Spaces.Trim(text);
            var end = EndOfPattern(type, rest);
            if (!Patterns.RuleWords.TryTake(text, "endif", out _))
            {
                entries.Add(new TableEntry(inline is null ? line : 0, rest[..end], isIf ? "" : Spaces.Trim(rest[end..])));
            }
        }
        return new(inline is null ? argument : "", true, entries);
    }

    private static int EndOfPattern(string type, string text)
    {
        var at = 0;
        while (at < text.Length && (text[at] == '!' || LogicalLines.IsSpace(text[at])))
        {
            at++;
        }
        if (type != "cidr" && at < text.Length)
        {
            var delimiter = text[at++];
            while (at < text.Length && text[at] != delimiter)
            {
                at += text[at] == '\\' ? 2 : 1;
            }
        }
        while (at < text.Length && !LogicalLines.IsSpace(text[at]))
        {
            at++;
        }
        return Math.Min(at, text.Length);
    }

    private static WrittenTable Inline(string argument)
    {
        var entries = new List<TableEntry>();
        foreach (var element in BraceText.Elements(BraceText.Inner(argument) ?? ""))
        {
            var text = BraceText.Inner(element) ?? element;
            var equals = text.IndexOf('=', StringComparison.Ordinal);
            if (equals > 0)
            {
                entries.Add(new TableEntry(0, Spaces.Trim(text[..equals]), Spaces.Trim(text[(equals + 1)..])));
            }
        }
        return new("", false, entries);
    }

    /// <summary>Who opens the table is told what is wrong with its text.</summary>
    private sealed class NoEvents : ITableEvents
    {
        public static NoEvents Instance { get; } = new();

        public void Info(string text)
        {
        }

        public void Warning(string text)
        {
        }

        public void Error(string text)
        {
        }
    }
}
