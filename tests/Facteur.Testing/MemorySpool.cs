using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Facteur.Mail.Envelopes;
using Facteur.Spool;

namespace Facteur.Testing;

/// <summary>A spool in memory, with the meaning of <see cref="ISpool"/> and none of its durability. One thread.</summary>
public sealed class MemorySpool : ISpool
{
    private readonly Dictionary<ulong, Stored> _messages = [];
    private readonly Dictionary<ulong, List<byte>> _open = [];
    private readonly List<(Action Change, bool Mail)> _staged = [];
    private readonly SortedSet<(long Key, ulong Id)> _incoming = [];
    private readonly SortedSet<(long Key, ulong Id)> _deferred = [];
    private readonly HashSet<ulong> _claimed = [];
    private ulong _ids = 1;

    /// <summary>What the next commits answer; Durable when empty.</summary>
    public Queue<CommitResult> Answers { get; } = new();

    /// <summary>What all commits answer, from any thread; 0 for none.</summary>
    public CommitResult Failing { get; set; }

    /// <summary>Messages the disk refuses to read for now.</summary>
    public HashSet<ulong> Refusing { get; } = [];

    public int Commits { get; private set; }

    public long StagedBytes => _staged.Count * 100L;

    public bool HasUnsynced { get; private set; }

    public bool OnReserve { get; set; }

    public long FreeBytes { get; set; } = 1L << 40;

    public long NextDueSeconds => _deferred.Count == 0 ? long.MaxValue : _deferred.Min.Key;

    public IReadOnlyCollection<ulong> Ids => _messages.Keys;

    public bool TryTakeIds(int count, out ulong first)
    {
        first = _ids;
        _ids += (ulong)count;
        return true;
    }

    public bool Content(ulong id, ReadOnlySpan<byte> content)
    {
        if (!_open.TryGetValue(id, out var bytes))
        {
            _open.Add(id, bytes = []);
        }
        bytes.AddRange(content);
        return true;
    }

    public bool End(ulong id, Envelope envelope, QueueState state = QueueState.Incoming, long dueSeconds = 0)
    {
        _open.Remove(id, out var content);
        Ending?.Invoke();
        _staged.Add((() =>
        {
            var stored = new Stored { Envelope = envelope, Content = [.. content ?? []] };
            stored.Entry = new SpoolEntry(id, state, envelope.ContentSize, envelope.ArrivalMicros / 1_000_000, dueSeconds, 0, DestinationHash.Of(envelope), false);
            _messages.Add(id, stored);
            if (envelope.Closes is { } closes)
            {
                MarkReported(closes.MessageId, closes.Recipients);
            }
            Link(stored);
        }, true));
        return true;
    }

    /// <summary>Called when a message ends.</summary>
    public Action? Ending { get; set; }

    public bool RefusedForSpace => false;

    /// <summary>Messages whose own file is still being written; see <see cref="Settled"/>.</summary>
    public ConcurrentDictionary<ulong, bool> Unsettled { get; } = new();

    /// <summary>To be called when one of them is written.</summary>
    public Action? Settled { get; private set; }

    public void WriteAside(Action settled) => Settled = settled;

    public bool IsBehind => Behind;

    /// <summary>Long messages come faster than they are written.</summary>
    public volatile bool Behind;

    public bool Settle(ulong id) => !Unsettled.ContainsKey(id);

    public void Abort(ulong id) => _open.Remove(id);

    public void Outcome(ulong id, in SpoolOutcome outcome)
    {
        var kept = outcome with { Detail = outcome.Detail.ToArray() };
        Stage(() =>
        {
            if (_messages.TryGetValue(id, out var stored))
            {
                stored.Outcomes.RemoveAll(o => o.Recipient == kept.Recipient);
                stored.Outcomes.Add(kept);
            }
        });
    }

    public void Reported(ulong id, IReadOnlyList<int> recipients) => Stage(() => MarkReported(id, recipients));

    public void Move(ulong id, QueueState state, long dueSeconds) => Stage(() =>
    {
        if (_messages.TryGetValue(id, out var stored))
        {
            Unlink(stored);
            _claimed.Remove(id);
            stored.Entry = stored.Entry with { State = state, DueSeconds = dueSeconds, Attempts = stored.Entry.Attempts + (state == QueueState.Deferred ? 1 : 0) };
            Link(stored);
        }
    });

    public void Expire(ulong id) => Stage(() =>
    {
        if (_messages.TryGetValue(id, out var stored))
        {
            stored.Entry = stored.Entry with { Expire = true };
        }
    });

    public void Delete(ulong id) => Stage(() =>
    {
        if (_messages.Remove(id, out var stored))
        {
            Unlink(stored);
        }
    });

    public CommitResult Commit(bool sync)
    {
        Commits++;
        var answer = Failing != 0 ? Failing : Answers.TryDequeue(out var next) ? next : sync ? CommitResult.Durable : CommitResult.Written;
        if (answer is CommitResult.Durable or CommitResult.Written)
        {
            HasUnsynced = answer == CommitResult.Written && (HasUnsynced || _staged.Count > 0);
            foreach (var (change, _) in _staged)
            {
                change();
            }
            _staged.Clear();
        }
        else
        {
            _staged.RemoveAll(static s => s.Mail);
        }
        return answer;
    }

    public bool Maintain() => false;

    public bool TryGet(ulong id, out SpoolEntry entry)
    {
        var found = _messages.TryGetValue(id, out var stored);
        entry = stored?.Entry ?? default;
        return found;
    }

    public SpoolMessage? Read(ulong id) => Read(id, out _);

    public SpoolMessage? Read(ulong id, out bool refused) => !(refused = Refusing.Contains(id)) && _messages.TryGetValue(id, out var stored)
        ? new SpoolMessage(stored.Entry, stored.Envelope, new ContentLayout([new Extent(ExtentKind.Journal, 1, (long)id, stored.Content.Length)]), [.. stored.Outcomes])
        : null;

    public byte[] ContentOf(ulong id) => _messages[id].Content;

    public long Count(QueueState state) => _messages.Values.Count(m => m.Entry.State == state);

    public bool Claim(ulong id)
    {
        if (!_messages.TryGetValue(id, out var stored) || _claimed.Contains(id))
        {
            return false;
        }
        Unlink(stored);
        return _claimed.Add(id);
    }

    public bool TryTakeArrived(ulong id, [NotNullWhen(true)] out SpoolMessage? message) => (message = Refusing.Contains(id) ? null : Read(id)) is not null;

    public int Previous(QueueState state, ref SpoolCursor cursor, Span<SpoolEntry> into)
    {
        var end = cursor;
        var n = 0;
        SpoolCursor place = default;
        var all = new List<(SpoolCursor Place, SpoolEntry Entry)>();
        for (var one = new SpoolEntry[1]; Next(state, long.MaxValue, ref place, one) > 0;)
        {
            all.Add((place, one[0]));
        }
        foreach (var (at, entry) in Enumerable.Reverse(all).Where(x => (x.Place.Key, x.Place.Id).CompareTo((end.Key, end.Id)) < 0).Take(into.Length))
        {
            into[n++] = entry;
            cursor = at;
        }
        return n;
    }

    public int Next(QueueState state, long dueBeforeSeconds, ref SpoolCursor cursor, Span<SpoolEntry> into)
    {
        if (state is QueueState.Hold or QueueState.Corrupt)
        {
            var after = cursor.Id;
            var entries = _messages.Values.Select(m => m.Entry).Where(e => e.State == state && e.Id > after).OrderBy(e => e.Id).Take(into.Length).ToArray();
            entries.CopyTo(into);
            cursor = entries.Length > 0 ? new SpoolCursor(0, entries[^1].Id) : cursor;
            return entries.Length;
        }
        var order = state == QueueState.Incoming ? _incoming : _deferred;
        var n = 0;
        if (order.Count == 0)
        {
            return 0;
        }
        foreach (var (key, id) in order.GetViewBetween((cursor.Key, cursor.Id + 1), (long.MaxValue, ulong.MaxValue)))
        {
            if (n == into.Length || (state == QueueState.Deferred && key > dueBeforeSeconds))
            {
                break;
            }
            into[n++] = _messages[id].Entry;
            cursor = new SpoolCursor(key, id);
        }
        return n;
    }

    public bool Scan(ref int place, Span<SpoolEntry> into, out int count)
    {
        // The place is the number last looked at.
        var after = (ulong)place;
        var ids = _messages.Keys.Where(id => id > after).Order().Take(into.Length).ToArray();
        count = 0;
        foreach (var id in ids)
        {
            if (!_claimed.Contains(id))
            {
                into[count++] = _messages[id].Entry;
            }
            place = (int)id;
        }
        return ids.Length == into.Length;
    }

    public ISpoolReader OpenReader() => new Reader(this);

    public void Dispose()
    {

    }

    private void MarkReported(ulong id, IReadOnlyList<int> recipients)
    {
        if (_messages.TryGetValue(id, out var stored))
        {
            for (var i = 0; i < stored.Outcomes.Count; i++)
            {
                if (recipients.Contains(stored.Outcomes[i].Recipient))
                {
                    stored.Outcomes[i] = stored.Outcomes[i] with { Unreported = false };
                }
            }
        }
    }

    private void Link(Stored stored)
    {
        if (stored.Entry.State == QueueState.Incoming)
        {
            _incoming.Add((stored.Entry.ArrivalSeconds, stored.Entry.Id));
        }
        else if (stored.Entry.State == QueueState.Deferred)
        {
            _deferred.Add((stored.Entry.DueSeconds, stored.Entry.Id));
        }
    }

    private void Stage(Action change) => _staged.Add((change, false));

    private void Unlink(Stored stored)
    {
        _claimed.Remove(stored.Entry.Id);
        _incoming.Remove((stored.Entry.ArrivalSeconds, stored.Entry.Id));
        _deferred.Remove((stored.Entry.DueSeconds, stored.Entry.Id));
    }

    private sealed class Stored
    {
        public SpoolEntry Entry { get; set; }

        public required Envelope Envelope { get; init; }

        public required byte[] Content { get; init; }

        public List<SpoolOutcome> Outcomes { get; } = [];
    }

    private sealed class Reader(MemorySpool spool) : ISpoolReader
    {
        public ContentRead Read(ulong id, ContentLayout layout, int extent, long offset, Memory<byte> buffer, out ReadOnlyMemory<byte> content)
        {
            content = default;
            if (extent >= layout.Extents.Count)
            {
                return ContentRead.End;
            }
            if (!spool._messages.TryGetValue(id, out var stored))
            {
                return ContentRead.Moved;
            }
            var piece = stored.Content.AsMemory((int)offset);
            content = piece[..Math.Min(piece.Length, 65_536)];
            return ContentRead.Data;
        }

        public void Dispose()
        {
        }
    }
}
