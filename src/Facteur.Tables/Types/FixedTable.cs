namespace Facteur.Tables.Types;

/// <summary>A table whose content never changes.</summary>
/// <param name="name">"type:name".</param>
/// <param name="content">Its content.</param>
/// <param name="isPattern">Its keys are patterns.</param>
internal sealed class FixedTable(string name, TableContent content, bool isPattern) : IListableTable, IPlacedTable
{
    public string Name { get; } = name;

    public bool IsPattern { get; } = isPattern;

    public bool CanBlock => false;

    public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel) => new(content.Find(key));

    public ValueTask<Lookup> LookupAsync(ReadOnlyMemory<byte> key, CancellationToken cancel) => new(content.Find(key.Span));

    // Rules that stand in main.cf itself: they are counted from 1.
    public string? PlaceOf(string key) => content.LineOf(key) is > 0 and var line ? $"rule {line}" : null;

    public IEnumerable<KeyValuePair<string, string>> Entries() => content.Entries ?? throw new TableException($"table {Name}: sequence operation is not supported");

    public void Dispose()
    {
        // Content is memory.
    }
}
