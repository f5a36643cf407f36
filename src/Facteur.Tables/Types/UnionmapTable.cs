namespace Facteur.Tables.Types;

/// <summary>unionmap:{type:name, …}: the answers of all, separated by commas.</summary>
internal sealed class UnionmapTable : CombinedTable
{
    private UnionmapTable(string name, IReadOnlyList<ITable> tables)
        : base(name, tables)
    {
    }

    public static ITable Open(TableRequest request) => new UnionmapTable(request.FullName, OpenParts(request));

    public override async ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel)
    {
        string? all = null;
        foreach (var table in Tables)
        {
            var lookup = await table.LookupAsync(key, cancel).ConfigureAwait(false);
            if (lookup.Status == LookupStatus.Error)
            {
                return lookup;
            }
            if (lookup is { Status: LookupStatus.Found, Value.Length: > 0 })
            {
                all = all is null ? lookup.Value : all + "," + lookup.Value;
            }
        }
        return all is null ? Lookup.NotFound : Lookup.Found(all);
    }
}
