namespace Facteur.Tables.Types;

/// <summary>debug:type:name: a table whose every lookup is told.</summary>
internal sealed class DebugTable : IOwnedTable
{
    private readonly ITable _table;
    private readonly ITableEvents _events;

    private DebugTable(string name, ITable table, ITableEvents events)
    {
        Name = name;
        _table = table;
        _events = events;
    }

    public string Name { get; }

    public bool IsPattern => _table.IsPattern;

    public bool CanBlock => _table.CanBlock;

    public IReadOnlyList<string> Files => (_table as IOwnedTable)?.Files ?? [];

    public (Lookup Lookup, uint Owner) FindOwned(string key) =>
        _table is IOwnedTable owned ? owned.FindOwned(key) : (LookupAsync(key, CancellationToken.None).AsTask().GetAwaiter().GetResult(), 0);

    public static ITable Open(TableRequest request) => new DebugTable(request.FullName, request.Set.OpenOrThrow(request.Argument), request.Events);

    public async ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel)
    {
        var lookup = await _table.LookupAsync(key, cancel).ConfigureAwait(false);
        _events.Info($"{_table.Name} lookup: \"{key}\" = {lookup.Status switch
        {
            LookupStatus.Found => $"\"{lookup.Value}\"",
            LookupStatus.NotFound => "\"not_found\"",
            _ => "\"error\"",
        }}");
        return lookup;
    }

    public void Dispose()
    {
        // The set disposes the table.
    }
}
