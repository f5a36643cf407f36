namespace Facteur.Services.Report.Verify;

/// <summary>
/// The results of probes: in memory, bounded, and in a file that is written a second behind. A file that can't be read or written costs probes,
/// never an answer: that is said once, and the cache goes on in memory. Safe for many threads.
/// </summary>
internal sealed class VerifyCache : IDisposable
{
    /// <summary>Most addresses; beyond it a tenth goes, those that were updated longest ago.</summary>
    public const int Limit = 100_000;

    private const int RewriteSlack = 10_000;
    private static readonly TimeSpan WriteDelay = TimeSpan.FromSeconds(1);

    private readonly Dictionary<string, VerifyEntry> _entries = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private readonly Lock _writing = new();
    private readonly string? _path;
    private readonly VerifyLog _log;
    private readonly ITimer _timer;
    private List<string> _changes = [];
    private int _lines;
    private bool _rewrite;
    private bool _failed;
    private bool _armed;

    /// <summary>Opens the cache.</summary>
    /// <param name="path">Its file, or null to keep it in memory only.</param>
    /// <param name="log">The log.</param>
    /// <param name="time">The clock.</param>
    public VerifyCache(string? path, VerifyLog log, TimeProvider time)
    {
        (_path, _log) = (path, log);
        _timer = time.CreateTimer(static cache => ((VerifyCache)cache!).Write(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        if (path is null)
        {
            return;
        }
        try
        {
            if (!VerifyFile.Read(path, Take, out _lines))
            {
                _log.Damaged(path, _entries.Count);
                _rewrite = true;
                Arm();
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _failed = true;
            _log.Unusable(path, e.Message);
        }
    }

    /// <summary>Addresses known.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _entries.Count;
            }
        }
    }

    /// <summary>What is known of an address.</summary>
    public bool TryGet(string address, out VerifyEntry entry)
    {
        lock (_gate)
        {
            return _entries.TryGetValue(address, out entry);
        }
    }

    /// <summary>Keeps an entry.</summary>
    public void Set(string address, in VerifyEntry entry)
    {
        lock (_gate)
        {
            Take(address, entry);
            if (_path is null || !VerifyFile.Fits(address) || !VerifyFile.Fits(entry.Text))
            {
                return;
            }
            _changes.Add(VerifyFile.Line(address, entry));
            Arm();
        }
    }

    /// <summary>Forgets an address that is too old; where its line is read once more, it is so again.</summary>
    public void Remove(string address)
    {
        lock (_gate)
        {
            _entries.Remove(address);
        }
    }

    /// <summary>Takes out what is too old.</summary>
    /// <returns>How many stayed and how many went.</returns>
    public (int Retained, int Dropped) Clean(Func<VerifyEntry, bool> isOld)
    {
        lock (_gate)
        {
            var before = _entries.Count;
            foreach (var (address, _) in _entries.Where(pair => isOld(pair.Value)).ToArray())
            {
                _entries.Remove(address);
            }
            if (_entries.Count < before)
            {
                _rewrite = true;
                Arm();
            }
            return (_entries.Count, before - _entries.Count);
        }
    }

    /// <summary>Writes what is not in the file yet.</summary>
    public void Write()
    {
        lock (_writing)
        {
            List<string> changes;
            KeyValuePair<string, VerifyEntry>[]? all = null;
            lock (_gate)
            {
                _armed = false;
                if (_path is null || _failed || (_changes.Count == 0 && !_rewrite))
                {
                    _changes.Clear();
                    return;
                }
                (changes, _changes) = (_changes, []);
                if (_rewrite || !File.Exists(_path) || _lines + changes.Count > 2 * _entries.Count + RewriteSlack)
                {
                    all = [.. _entries.Where(pair => VerifyFile.Fits(pair.Key) && VerifyFile.Fits(pair.Value.Text))];
                    _rewrite = false;
                }
            }
            WriteFile(changes, all);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _timer.Dispose();
        Write();
    }

    private void WriteFile(List<string> changes, KeyValuePair<string, VerifyEntry>[]? all)
    {
        try
        {
            if (all is not null)
            {
                VerifyFile.Replace(_path!, all);
                _lines = all.Length;
            }
            else
            {
                VerifyFile.Append(_path!, changes);
                _lines += changes.Count;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _failed = true;
            _log.Unusable(_path!, e.Message);
        }
    }

    private void Take(string address, VerifyEntry entry)
    {
        _entries[address] = entry;
        if (_entries.Count > Limit)
        {
            foreach (var (oldest, _) in _entries.OrderBy(pair => Math.Max(pair.Value.Updated, pair.Value.Probed)).Take(Limit / 10).ToArray())
            {
                _entries.Remove(oldest);
            }
            _rewrite = true;
        }
    }

    private void Arm()
    {
        if (!_armed && !_failed && _path is not null)
        {
            _armed = true;
            _timer.Change(WriteDelay, Timeout.InfiniteTimeSpan);
        }
    }
}
