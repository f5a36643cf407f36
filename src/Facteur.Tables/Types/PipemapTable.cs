namespace Facteur.Tables.Types;

/// <summary>pipemap:{type:name, …}: each table's answer is the next one's key.</summary>
internal sealed class PipemapTable : CombinedTable
{
    private PipemapTable(string name, IReadOnlyList<ITable> tables)
        : base(name, tables)
    {
    }

    public static ITable Open(TableRequest request) => new PipemapTable(request.FullName, OpenParts(request));

    public override async ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel)
    {
        foreach (var table in Tables)
        {
            var lookup = await table.LookupAsync(key, cancel).ConfigureAwait(false);
            if (lookup.Status != LookupStatus.Found)
            {
                return lookup;
            }
            key = lookup.Value;
        }
        return Lookup.Found(key);
    }
}
