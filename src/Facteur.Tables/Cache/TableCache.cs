using Facteur.Tables.Index;

namespace Facteur.Tables.Cache;

/// <summary>
/// A table that the system writes itself (address_verify_map): update, delete, sequence and expiry; in memory, bounded, and in a file that is
/// written a second behind. A file that can't be read or written costs what it held, never an answer: that is said once, the cache
/// goes on in memory, and each minute tries to write all of it anew. Where there is none yet, Postfix's cache of the same name is read once. Safe for many threads.
/// </summary>
public sealed class TableCache : IDisposable
{
    private const int RewriteSlack = 10_000;
    private static readonly TimeSpan WriteDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMinutes(1);

    private readonly Dictionary<string, (string Value, long Turn)> _entries = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private readonly Lock _writing = new();
    private string? _path;
    private readonly int _limit;
    private readonly bool _readOnly;
    private readonly ITableEvents _events;
    private readonly ITimer _timer;
    private List<string> _changes = [];
    private long _turn;
    private int _lines;
    private bool _rewrite;
    private bool _failed;
    private bool _armed;

    /// <summary>Opens a cache.</summary>
    /// <param name="map">"type:path" or "proxy:type:path", or empty to keep it in memory only. The type says where Postfix kept it; the file is the path with ".cache". A type that is no file's is told, and kept in memory.</param>
    /// <param name="limit">Most entries; beyond it a tenth goes, those that were updated longest ago.</param>
    /// <param name="events">Where warnings go.</param>
    /// <param name="time">The clock.</param>
    /// <param name="readOnly">The file is another process's: what changes is kept in memory.</param>
    public TableCache(string map, int limit, ITableEvents events, TimeProvider time, bool readOnly = false)
    {
        (_limit, _events, _readOnly) = (limit, events, readOnly);
        _timer = time.CreateTimer(static cache => ((TableCache)cache!).Write(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        if (map.Length == 0)
        {
            return;
        }
        var file = map.StartsWith("proxy:", StringComparison.Ordinal) ? map["proxy:".Length..] : map;
        var colon = file.IndexOf(':', StringComparison.Ordinal);
        var (type, name) = (file[..Math.Max(colon, 0)], file[(colon + 1)..]);
        if (type.Length > 0 && !TableTypes.IsIndexed(type))
        {
            if (type != "internal")
            {
                _events.Warning($"{map}: the cache is kept in memory only: expected btree:path, hash:path or lmdb:path");
            }
            return;
        }
        _path = name + CacheFile.Suffix;
        try
        {
            if (!File.Exists(_path))
            {
                Import(name);
            }
            else if (!CacheFile.Read(_path, Take, out _lines))
            {
                _events.Warning($"{_path}: the file is damaged and is written anew; {_entries.Count} entries could be read");
                _rewrite = true;
                Arm();
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Failed(e.Message);
        }
    }

    /// <summary>Entries known.</summary>
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

    /// <summary>A key's value.</summary>
    public bool TryGet(string key, out string value)
    {
        lock (_gate)
        {
            var found = _entries.TryGetValue(key, out var entry);
            value = found ? entry.Value : "";
            return found;
        }
    }

    /// <summary>All entries, as they are now.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Entries()
    {
        lock (_gate)
        {
            return [.. _entries.Select(e => KeyValuePair.Create(e.Key, e.Value.Value))];
        }
    }

    /// <summary>Keeps a value in place of the one before. What can't stand in a line of the file is kept in memory only.</summary>
    public void Update(string key, string value)
    {
        lock (_gate)
        {
            Take(key, value);
            Change(key, value);
        }
    }

    /// <summary>Forgets a key.</summary>
    public void Delete(string key)
    {
        lock (_gate)
        {
            if (_entries.Remove(key))
            {
                Change(key, null);
            }
        }
    }

    /// <summary>Takes out what is too old.</summary>
    /// <returns>How many stayed and how many went.</returns>
    public (int Retained, int Dropped) Clean(Func<string, string, bool> isOld)
    {
        lock (_gate)
        {
            var old = _entries.Where(e => isOld(e.Key, e.Value.Value)).Select(e => e.Key).ToArray();
            foreach (var key in old)
            {
                _entries.Remove(key);
            }
            if (old.Length > 0)
            {
                _rewrite = true;
                Arm();
            }
            return (_entries.Count, old.Length);
        }
    }

    /// <summary>Writes what is not in the file yet.</summary>
    public void Write()
    {
        lock (_writing)
        {
            List<string> changes;
            KeyValuePair<string, string>[]? all = null;
            lock (_gate)
            {
                _armed = false;
                _rewrite |= _failed;
                if (_path is null || _readOnly || (_changes.Count == 0 && !_rewrite))
                {
                    _changes.Clear();
                    return;
                }
                (changes, _changes) = (_changes, []);
                if (_rewrite || !File.Exists(_path) || _lines + changes.Count > 2 * _entries.Count + RewriteSlack)
                {
                    all = [.. _entries.Where(e => CacheFile.Fits(e.Key) && CacheFile.Fits(e.Value.Value)).Select(e => KeyValuePair.Create(e.Key, e.Value.Value))];
                    _rewrite = false;
                }
            }
            WriteFile(changes, all);
        }
    }

    /// <summary>Writes what is not in the file yet, and from now on nothing: the file is another's.</summary>
    public void Leave()
    {
        lock (_writing)
        {
            Write();
            lock (_gate)
            {
                _path = null;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _timer.Dispose();
        Write();
    }

    private void WriteFile(List<string> changes, KeyValuePair<string, string>[]? all)
    {
        try
        {
            if (all is not null)
            {
                CacheFile.Replace(_path!, all);
                _lines = all.Length;
            }
            else
            {
                CacheFile.Append(_path!, changes);
                _lines += changes.Count;
            }
            lock (_gate)
            {
                if (_failed)
                {
                    _failed = false;
                    _events.Info($"{_path}: is written again");
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Failed(e.Message);
        }
    }

    private void Import(string name)
    {
        foreach (var (file, read) in ((string, Func<string, IEntries>)[])[(name + ".lmdb", LmdbFile.Open), (name + ".db", BerkeleyFile.Open)])
        {
            if (!File.Exists(file))
            {
                continue;
            }
            try
            {
                var content = new Types.IndexContent(name, read(file), new TableOptions { FoldKeys = false });
                foreach (var (key, value) in content.Entries)
                {
                    // Postfix keeps the time of its last cleanup among the entries.
                    if (!key.StartsWith("_LAST_CACHE_", StringComparison.Ordinal))
                    {
                        Take(key, value);
                    }
                }
                _rewrite = true;
                Arm();
                _events.Info($"{_path}: {_entries.Count} entries are taken over from {file}");
                return;
            }
            catch (TableException e)
            {
                _events.Warning($"{e.Message}: nothing is taken over");
            }
        }
    }

    private void Failed(string reason)
    {
        lock (_gate)
        {
            if (!_failed)
            {
                _failed = true;
                _events.Warning($"{_path}: {reason}; its content is kept in memory only");
            }
            Arm();
        }
    }

    private void Change(string key, string? value)
    {
        // A file that failed is written whole.
        if (_path is not null && !_failed && !_readOnly && CacheFile.Fits(key) && CacheFile.Fits(value ?? ""))
        {
            _changes.Add(CacheFile.Line(key, value));
            Arm();
        }
    }

    private void Take(string key, string? value)
    {
        if (value is null)
        {
            _entries.Remove(key);
            return;
        }
        _entries[key] = (value, _turn++);
        if (_entries.Count > _limit)
        {
            foreach (var (oldest, _) in _entries.OrderBy(e => e.Value.Turn).Take(Math.Max(1, _limit / 10)).ToArray())
            {
                _entries.Remove(oldest);
            }
            _rewrite = true;
        }
    }

    private void Arm()
    {
        if (!_armed && !_readOnly && _path is not null)
        {
            _armed = true;
            _timer.Change(_failed ? RetryDelay : WriteDelay, Timeout.InfiniteTimeSpan);
        }
    }
}
