using System.Collections.Concurrent;

namespace Facteur.Net.Dns;

/// <summary>
/// Answers of one record type for a short time, and one question at a time per name: those who ask meanwhile wait for the same answer.
/// Bounded: when full, what has ended goes, else everything.
/// </summary>
internal sealed class DnsCache<T>(Func<string, Task<(DnsAnswer<T> Answer, TimeSpan Life)>> ask, TimeProvider time)
{
    private const int EntryLimit = 10_000;

    private readonly ConcurrentDictionary<string, Entry> _entries = new(StringComparer.OrdinalIgnoreCase);

    internal async ValueTask<DnsAnswer<T>> GetAsync(string name, CancellationToken cancel)
    {
        var now = time.GetTimestamp();
        if (!_entries.TryGetValue(name, out var entry) || entry.EndedBy(now))
        {
            if (_entries.Count >= EntryLimit)
            {
                Trim(now);
            }
            var fresh = new Entry();
            entry = _entries.AddOrUpdate(name, fresh, (_, old) => old.EndedBy(now) ? fresh : old);
            if (entry == fresh)
            {
                _ = FillAsync(name, fresh);
            }
        }
        return entry.Answer.IsCompletedSuccessfully ? entry.Answer.Result : await entry.Answer.WaitAsync(cancel).ConfigureAwait(false);
    }

    private async Task FillAsync(string name, Entry entry)
    {
        var answer = DnsAnswer<T>.None(DnsStatus.TryAgain);
        var life = TimeSpan.Zero;
        try
        {
            (answer, life) = await ask(name).ConfigureAwait(false);
        }
        finally
        {
            entry.Set(answer, time.GetTimestamp() + (long)(life.TotalSeconds * time.TimestampFrequency));
        }
    }

    private void Trim(long now)
    {
        foreach (var (name, entry) in _entries)
        {
            if (entry.EndedBy(now))
            {
                _entries.TryRemove(new KeyValuePair<string, Entry>(name, entry));
            }
        }
        if (_entries.Count >= EntryLimit)
        {
            _entries.Clear();
        }
    }

    private sealed class Entry
    {
        private readonly TaskCompletionSource<DnsAnswer<T>> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private long _end = long.MaxValue;

        internal Task<DnsAnswer<T>> Answer => _answer.Task;

        internal bool EndedBy(long now) => Volatile.Read(ref _end) <= now;

        internal void Set(DnsAnswer<T> answer, long end)
        {
            Volatile.Write(ref _end, end);
            _answer.TrySetResult(answer);
        }
    }
}
