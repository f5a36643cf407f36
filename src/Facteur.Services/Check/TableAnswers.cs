using Facteur.Tables;
using Facteur.Tables.Text;

namespace Facteur.Services.Check;

/// <summary>What a table may answer.</summary>
/// <param name="Missing">Why it can't be opened; null when it can.</param>
/// <param name="Anything">Its answers stand nowhere here: a server, a program.</param>
/// <param name="IsPattern">Keys are patterns.</param>
/// <param name="Values">Each value once, with its first keys, and then those that are one word: a domain of the top, "unknown", "user@".</param>
internal sealed record TableAnswer(string? Missing, bool Anything, bool IsPattern, IReadOnlyDictionary<string, List<string>> Values);

/// <summary>The answers of tables, read once.</summary>
internal sealed class TableAnswers(TableSet tables)
{
    /// <summary>Keys of a value; anybody may have a name that one word stands for, so that more of these are looked at.</summary>
    private const int KeyLimit = 4, WordLimit = 40;

    private readonly Dictionary<string, TableAnswer> _known = new(StringComparer.Ordinal);
    private readonly Dictionary<string, WrittenTable?> _written = new(StringComparer.Ordinal);

    /// <summary>What a table may answer; a list of tables in front of it ("proxy:") makes no difference.</summary>
    public TableAnswer Of(string name)
    {
        if (_known.TryGetValue(name, out var known))
        {
            return known;
        }
        return _known[name] = Read(name);
    }

    /// <summary>"file:line" of a key, or the file, or the table.</summary>
    public string PlaceOf(string name, string key)
    {
        var written = Written(name);
        var entry = written?.Entries.FirstOrDefault(e => e.Key.Equals(key, StringComparison.OrdinalIgnoreCase)) ?? default;
        return written is null || written.Path.Length == 0 ? name : entry.Line > 0 ? $"{written.Path}:{entry.Line}" : written.Path;
    }

    private TableAnswer Read(string name)
    {
        var values = new Dictionary<string, List<string>>(StringComparer.Ordinal);
        ITable table;
        try
        {
            table = tables.OpenOrThrow(name);
        }
        catch (TableException e)
        {
            return new TableAnswer(e.Message, true, false, values);
        }
        // What is served counts: an index may be older than its text. Of memcache only the backup could be listed.
        if (!table.IsPattern && !name.Contains("memcache:", StringComparison.Ordinal) && Listed(table) is { } listed)
        {
            foreach (var (key, value) in listed)
            {
                Add(values, key, value);
            }
            return new TableAnswer(null, false, false, values);
        }
        if (Written(name) is not { } written)
        {
            return new TableAnswer(null, true, table.IsPattern, values);
        }
        foreach (var entry in written.Entries.Where(e => e.Value.Length > 0))
        {
            Add(values, entry.Key, entry.Value);
        }
        return new TableAnswer(null, false, written.IsPattern, values);
    }

    private WrittenTable? Written(string name)
    {
        if (!_written.TryGetValue(name, out var written))
        {
            try
            {
                written = WrittenTable.Read(name);
            }
            catch (TableException)
            {
                written = null;
            }
            _written[name] = written;
        }
        return written;
    }

    private static IEnumerable<KeyValuePair<string, string>>? Listed(ITable table)
    {
        try
        {
            return table is IListableTable listable ? listable.Entries() : null;
        }
        catch (TableException)
        {
            return null;
        }
    }

    private static void Add(Dictionary<string, List<string>> values, string key, string value)
    {
        if (!values.TryGetValue(value, out var keys))
        {
            values[value] = keys = [];
        }
        if (keys.Count < KeyLimit || (keys.Count < WordLimit && !key.AsSpan().ContainsAny(".:") && key.AsSpan().ContainsAnyExceptInRange('0', '9')))
        {
            keys.Add(key);
        }
    }
}
