namespace Facteur.Tables.Types;

/// <summary>A table that could not be opened: whoever asks defers.</summary>
/// <param name="name">"type:name".</param>
/// <param name="reason">Why.</param>
internal sealed class UnavailableTable(string name, string reason) : ITable
{
    public string Name { get; } = name;

    public bool IsPattern => false;

    public bool CanBlock => false;

    public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel) => new(Lookup.Error(reason));

    public void Dispose()
    {
        // Nothing is open.
    }
}
