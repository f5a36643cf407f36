namespace Facteur.Tables.Types;

/// <summary>fail:anything: an error to all, for tests of a configuration.</summary>
internal sealed class FailTable(string name) : ITable
{
    public string Name { get; } = name;

    public bool IsPattern => false;

    public bool CanBlock => false;

    public static ITable Open(TableRequest request) => new FailTable(request.FullName);

    public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel) => new(Lookup.Error("Application error"));

    public void Dispose()
    {
        // Nothing is open.
    }
}
