using Facteur.Tables;

namespace Facteur.Testing;

/// <summary>Tables by name; a name that was not added answers every lookup with an error.</summary>
public sealed class MemoryTables : ITableSet
{
    private readonly Dictionary<string, ITable> _tables = [];

    /// <summary>Adds a table of fixed strings, any case.</summary>
    public MemoryTables Add(string name, params (string Key, string Value)[] entries)
    {
        _tables[name] = new MemoryTable(name, entries.ToDictionary(e => e.Key, e => (string?)e.Value, StringComparer.OrdinalIgnoreCase));
        return this;
    }

    /// <summary>A table that was added can't answer for one key.</summary>
    public void FailOn(string name, string key) => _tables[name] = new MemoryTable(name, new(((MemoryTable)_tables[name]).Entries, StringComparer.OrdinalIgnoreCase) { [key] = null });

    /// <summary>Adds a table of patterns that is a function.</summary>
    public MemoryTables AddPattern(string name, Func<string, string?> lookup)
    {
        _tables[name] = new FunctionTable(name, lookup);
        return this;
    }

    public ITable Open(string name) => _tables.TryGetValue(name, out var table) ? table : new FailingTable(name);

    private sealed class MemoryTable(string name, Dictionary<string, string?> entries) : ITable
    {
        public Dictionary<string, string?> Entries => entries;

        public string Name => name;

        public bool IsPattern => false;

        public bool CanBlock => false;

        public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel) => new(!entries.TryGetValue(key, out var value) ? Lookup.NotFound : value is null ? Lookup.Error("can't answer") : Lookup.Found(value));

        public void Dispose()
        {
        }
    }

    private sealed class FunctionTable(string name, Func<string, string?> lookup) : ITable
    {
        public string Name => name;

        public bool IsPattern => true;

        public bool CanBlock => false;

        public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel) => new(lookup(key) is { } value ? Lookup.Found(value) : Lookup.NotFound);

        public void Dispose()
        {
        }
    }

    private sealed class FailingTable(string name) : ITable
    {
        public string Name => name;

        public bool IsPattern => false;

        public bool CanBlock => false;

        public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel) => new(Lookup.Error("no such table"));

        public void Dispose()
        {
        }
    }
}
