namespace Facteur.Tables.Types;

/// <summary>What was read, and the files by which a change of it is seen.</summary>
/// <param name="Content">The content.</param>
/// <param name="Watched">Files and their stamps from before they were read.</param>
/// <param name="IsText">People edit what was read: it is read again only when it has come to rest.</param>
/// <param name="Owner">Whose file it was when it was opened.</param>
internal sealed record FileContent(TableContent Content, IReadOnlyList<(string Path, FileStamp Stamp)> Watched, bool IsText, uint Owner);

/// <summary>
/// A table read from a file, and read again when the file has changed: looked at once a second, by the lookup that comes then. That one waits while a
/// thread of the pool looks and reads the new content, one at a time; all others go on with the old content until the new stands.
/// A change that can't be read is told once and leaves the old content; it is tried again every few seconds, for chmod changes no stamp.
/// </summary>
internal sealed class FileTable : IListableTable, IOwnedTable, IPlacedTable
{
    /// <summary>An editor writes in pieces: half a text must not become policy.</summary>
    private const int RestSeconds = 2;

    private static readonly TimeSpan Usual = TimeSpan.FromSeconds(1), AfterFailure = TimeSpan.FromSeconds(5);

    /// <summary>How long a lookup waits for new content: a disk that does not answer must not hold up mail that the old content can serve.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    private readonly TableRequest _request;
    private readonly Func<TableRequest, FileContent> _load;
    private readonly TextPlace? _text;
    private FileContent _current;
    private long _looked;
    private TimeSpan _pause = Usual;
    private (string Reason, List<(string Path, FileStamp Stamp)> Stamps)? _told;

    // 1 while one looks or reads; the fields above are its.
    private int _looking;

    public FileTable(TableRequest request, bool isPattern, Func<TableRequest, FileContent> load)
    {
        _request = request;
        IsPattern = isPattern;
        _load = load;
        _looked = request.Set.Time.GetTimestamp();
        _current = load(request);
        _text = isPattern || request.Options.Observer is null ? null : new TextPlace(request);
    }

    public string Name => _request.FullName;

    public bool IsPattern { get; }

    public bool CanBlock => false;

    private TableContent Content => Volatile.Read(ref _current).Content;

    public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel) =>
        Look() is { } reading ? LookupAsync(reading, key, cancel) : new(Content.Find(key));

    public ValueTask<Lookup> LookupAsync(ReadOnlyMemory<byte> key, CancellationToken cancel) =>
        Look() is { } reading ? LookupAsync(reading, System.Text.Encoding.Latin1.GetString(key.Span), cancel) : new(Content.Find(key.Span));

    public (Lookup Lookup, uint Owner) FindOwned(string key)
    {
        var now = Volatile.Read(ref _current);
        return (now.Content.Find(key), now.Owner);
    }

    public IEnumerable<KeyValuePair<string, string>> Entries() =>
        Content.Entries ?? throw new TableException($"table {Name}: sequence operation is not supported");

    public string? PlaceOf(string key) =>
        Content.LineOf(key) is > 0 and var line ? $"{_request.Argument}:{line}" : _text?.Find(key, Content.Find(key).Value);

    public void Dispose()
    {
        // Content is memory.
    }

    private async ValueTask<Lookup> LookupAsync(Task reading, string key, CancellationToken cancel)
    {
        try
        {
            await reading.WaitAsync(Patience, _request.Set.Time, cancel).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // Said once: until the file answers nobody looks again.
            _request.Events.Warning($"table {Name}: the file does not answer; the content from before stays in use until it does");
        }
        return Content.Find(key);
    }

    /// <returns>The look at the file and the reading of new content, when it is time.</returns>
    private Task? Look()
    {
        var time = _request.Set.Time;
        if (Volatile.Read(ref _current).Watched.Count == 0 || time.GetElapsedTime(Volatile.Read(ref _looked)) < _pause || Interlocked.Exchange(ref _looking, 1) != 0)
        {
            return null;
        }
        Volatile.Write(ref _looked, time.GetTimestamp());
        // Not here: it may take seconds, and who asks is served on the thread of a socket.
        return Task.Run(() =>
        {
            try
            {
                _pause = Usual;
                if (Changed(time) is { } stamps)
                {
                    Reload(stamps);
                }
            }
            finally
            {
                Volatile.Write(ref _looking, 0);
            }
        });
    }

    /// <returns>The stamps of a change that has come to rest, else null.</returns>
    private List<(string Path, FileStamp Stamp)>? Changed(TimeProvider time)
    {
        var now = _current.Watched.Select(w => (w.Path, Stamp: FileStamp.Of(w.Path))).ToList();
        if (now.SequenceEqual(_current.Watched))
        {
            _told = null;
            return null;
        }
        return _current.IsText && now.Exists(w => Math.Abs(time.GetUtcNow().ToUnixTimeSeconds() - w.Stamp.Seconds) < RestSeconds) ? null : now;
    }

    private void Reload(List<(string Path, FileStamp Stamp)> stamps)
    {
        try
        {
            Volatile.Write(ref _current, _load(_request));
            _request.Events.Info($"table {Name} has changed -- reloaded");
            _told = null;
        }
        catch (Exception e)
        {
            // Whatever it is, who asks is served from the old content.
            _pause = AfterFailure;
            if (_told is not var (reason, told) || reason != e.Message || !stamps.SequenceEqual(told))
            {
                _request.Events.Warning($"table {Name} has changed, but: {e.Message}; its old content stays in use");
                _told = (e.Message, stamps);
            }
        }
    }
}
