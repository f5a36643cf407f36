namespace Facteur.Tables.Types;

/// <summary>What was read, and the files by which a change of it is seen.</summary>
/// <param name="Content">The content.</param>
/// <param name="Watched">Files and their stamps from before they were read.</param>
/// <param name="IsText">People edit what was read: it is read again only when it has come to rest.</param>
internal sealed record FileContent(TableContent Content, IReadOnlyList<(string Path, FileStamp Stamp)> Watched, bool IsText);

/// <summary>
/// A table read from a file, and read again when the file has changed: looked at once a second, by the lookup that comes then.
/// A change that can't be read is told once and leaves the old content; it is tried again every few seconds, for chmod changes no stamp.
/// </summary>
internal sealed class FileTable : IListableTable
{
    /// <summary>An editor writes in pieces: half a text must not become policy.</summary>
    private const int RestSeconds = 2;

    private static readonly TimeSpan Usual = TimeSpan.FromSeconds(1), AfterFailure = TimeSpan.FromSeconds(5);

    private readonly TableRequest _request;
    private readonly Func<TableRequest, FileContent> _load;
    private readonly Lock _lock = new();
    private FileContent _current;
    private long _looked;
    private TimeSpan _pause = Usual;
    private (string Reason, List<(string Path, FileStamp Stamp)> Stamps)? _told;

    public FileTable(TableRequest request, bool isPattern, Func<TableRequest, FileContent> load)
    {
        _request = request;
        IsPattern = isPattern;
        _load = load;
        _looked = request.Set.Time.GetTimestamp();
        _current = load(request);
    }

    public string Name => _request.FullName;

    public bool IsPattern { get; }

    public bool CanBlock => false;

    public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel) => new(Current().Content.Find(key));

    public IEnumerable<KeyValuePair<string, string>> Entries() =>
        Current().Content.Entries ?? throw new TableException($"table {Name}: sequence operation is not supported");

    public void Dispose()
    {
        // Content is memory.
    }

    private FileContent Current()
    {
        var time = _request.Set.Time;
        if (_current.Watched.Count > 0 && time.GetElapsedTime(Volatile.Read(ref _looked)) >= _pause && _lock.TryEnter())
        {
            try
            {
                Volatile.Write(ref _looked, time.GetTimestamp());
                _pause = Look(time) ? Usual : AfterFailure;
            }
            finally
            {
                _lock.Exit();
            }
        }
        return Volatile.Read(ref _current);
    }

    /// <returns>Whether there is nothing that could not be read.</returns>
    private bool Look(TimeProvider time)
    {
        var now = _current.Watched.Select(w => (w.Path, FileStamp.Of(w.Path))).ToList();
        if (now.SequenceEqual(_current.Watched))
        {
            _told = null;
            return true;
        }
        if (_current.IsText && now.Exists(w => Math.Abs(time.GetUtcNow().ToUnixTimeSeconds() - w.Item2.Seconds) < RestSeconds))
        {
            return true;
        }
        try
        {
            Volatile.Write(ref _current, _load(_request));
            _request.Events.Info($"table {Name} has changed -- reloaded");
            _told = null;
            return true;
        }
        catch (TableException e)
        {
            if (_told is not var (reason, stamps) || reason != e.Message || !now.SequenceEqual(stamps))
            {
                _request.Events.Warning($"table {Name} has changed, but: {e.Message}; its old content stays in use");
                _told = (e.Message, now);
            }
            return false;
        }
    }
}
