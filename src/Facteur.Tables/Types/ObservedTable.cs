namespace Facteur.Tables.Types;

/// <summary>A table whose every answer is shown to an observer.</summary>
internal sealed class ObservedTable(ITable table, ITableObserver observer) : ITable
{
    public string Name => table.Name;

    public bool IsPattern => table.IsPattern;

    public bool CanBlock => table.CanBlock;

    public async ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel)
    {
        var lookup = await table.LookupAsync(key, cancel).ConfigureAwait(false);
        observer.OnLookup(table.Name, key, lookup, lookup.Status == LookupStatus.Found ? (table as IPlacedTable)?.PlaceOf(key) : null);
        return lookup;
    }

    public void Dispose() => table.Dispose();
}
