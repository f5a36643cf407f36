using Facteur.Unix;

namespace Facteur.Tables.Databases;

/// <summary>
/// A database table whose file of parameters is looked at once a second, by the lookup that comes then: when it has changed, and rested for two seconds, the table is
/// opened anew from it. A file that can't be used is told once, and the table goes on as it was; it is tried again, for chmod changes no stamp.
/// </summary>
internal sealed class ConfiguredTable : IOwnedTable
{
    private static readonly TimeSpan Look = TimeSpan.FromSeconds(1);

    /// <summary>An editor writes in pieces.</summary>
    private static readonly TimeSpan Rest = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan AfterFailure = TimeSpan.FromSeconds(5);

    private readonly TableRequest _request;
    private readonly TableOpener _open;
    private readonly Lock _lock = new();
    private ITable _table;
    private FileStamp _stamp;
    private (FileStamp Stamp, string Reason)? _told;
    private TimeSpan _pause = Look;
    private long _looked;
    private bool _disposed;

    private ConfiguredTable(TableRequest request, TableOpener open)
    {
        (_request, _open, _stamp, _looked) = (request, open, Stamp(request), request.Set.Time.GetTimestamp());
        _table = open(request);
    }

    public string Name => _request.FullName;

    public bool IsPattern => _table.IsPattern;

    public bool CanBlock => true;

    /// <summary>The opener of a type whose tables are these.</summary>
    public static TableOpener Of(TableOpener open) => request => request.Argument is ['/' or '.', ..] ? new ConfiguredTable(request, open) : open(request);

    public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel)
    {
        var time = _request.Set.Time;
        if (time.GetElapsedTime(Volatile.Read(ref _looked)) >= _pause && _lock.TryEnter())
        {
            try
            {
                Volatile.Write(ref _looked, time.GetTimestamp());
                Renew(time.GetUtcNow());
            }
            finally
            {
                _lock.Exit();
            }
        }
        return Volatile.Read(ref _table).LookupAsync(key, cancel);
    }

    public (Lookup Lookup, uint Owner) FindOwned(string key) =>
        Volatile.Read(ref _table) is IOwnedTable table ? table.FindOwned(key) : throw new InvalidOperationException($"{Name} has no owner");

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            _table.Dispose();
        }
    }

    /// <summary>Of what is read: of a file for root alone, the copy that was handed over.</summary>
    private static FileStamp Stamp(TableRequest request) => FileStamp.Of(SealedFiles.PathOf(request.Argument));

    private void Renew(DateTimeOffset now)
    {
        var stamp = Stamp(_request);
        var age = now - DateTimeOffset.FromUnixTimeSeconds(stamp.Seconds);
        // A file from the future does not come to rest.
        if (_disposed || stamp == _stamp || !stamp.Exists || (age < Rest && age > TimeSpan.Zero))
        {
            return;
        }
        try
        {
            var old = _table;
            Volatile.Write(ref _table, _open(_request));
            (_stamp, _told, _pause) = (stamp, null, Look);
            // Who is asking it still is answered.
            old.Dispose();
        }
        catch (Exception e)
        {
            _pause = AfterFailure;
            if (_told != (stamp, e.Message))
            {
                _told = (stamp, e.Message);
                _request.Events.Error(e is TableException ? e.Message : $"table {Name}: {e}");
            }
        }
    }
}
