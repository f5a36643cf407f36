namespace Facteur.Tables.Types;

/// <summary>
/// A table that could not be opened: whoever asks defers. The lookup that comes a few seconds later tries again (in Postfix, new processes
/// find what was missing); from then on it is the table.
/// </summary>
/// <param name="set">Opens it.</param>
/// <param name="name">"type:name".</param>
/// <param name="reason">Why not yet; already told.</param>
internal sealed class UnavailableTable(TableSet set, string name, string reason) : IOwnedTable
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private ITable? _table;
    private string _reason = reason;
    private long _tried = set.Time.GetTimestamp();

    public string Name { get; } = name;

    public bool IsPattern => Volatile.Read(ref _table)?.IsPattern ?? false;

    public bool CanBlock => Volatile.Read(ref _table)?.CanBlock ?? false;

    public IReadOnlyList<string> Files => (Volatile.Read(ref _table) as IOwnedTable)?.Files ?? [];

    public (Lookup Lookup, uint Owner) FindOwned(string key) =>
        Volatile.Read(ref _table) is IOwnedTable owned ? owned.FindOwned(key) : (LookupAsync(key, CancellationToken.None).AsTask().GetAwaiter().GetResult(), 0);

    public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel)
    {
        if (Volatile.Read(ref _table) is null && set.Time.GetElapsedTime(Volatile.Read(ref _tried)) >= Pause && _lock.TryEnter())
        {
            try
            {
                Retry();
            }
            finally
            {
                _lock.Exit();
            }
        }
        return Volatile.Read(ref _table)?.LookupAsync(key, cancel) ?? new(Lookup.Error($"{Name} is unavailable. {Volatile.Read(ref _reason)}"));
    }

    public void Dispose()
    {
        // The set disposes the table.
    }

    private void Retry()
    {
        if (_table is not null)
        {
            return;
        }
        Volatile.Write(ref _tried, set.Time.GetTimestamp());
        try
        {
            Volatile.Write(ref _table, set.OpenAgain(Name));
            set.Events.Info($"table {Name} is available now");
        }
        catch (TableException e)
        {
            if (e.Message != _reason)
            {
                set.Events.Error(e.Message);
                Volatile.Write(ref _reason, e.Message);
            }
        }
    }
}
