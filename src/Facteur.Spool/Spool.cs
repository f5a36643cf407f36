using System.Diagnostics.CodeAnalysis;
using Facteur.Mail.Envelopes;

namespace Facteur.Spool;

/// <summary>
/// The journal's only writer. Invariants:
/// the index changes only by <see cref="SpoolState.Apply"/> of records that were written; an end record is written only when all content it
/// names is written before it, and large files are synced before it; after a failed sync nothing more goes to that segment, and the next
/// segment's first record names its end; what was written without a sync is kept in memory until a sync covers it, to be written again;
/// so is what a failed commit staged of messages that exist, which the next batch begins with.
/// </summary>
public sealed partial class Spool : ISpool
{
    private readonly SpoolOptions _options;
    private readonly IDisk _disk;
    private readonly TimeProvider _time;
    private readonly ISpoolEvents _events;
    private readonly SpoolPaths _paths;
    private readonly SpoolState _state;
    private readonly SegmentWriter _young;
    private readonly LargeBodies _large;
    private readonly Reserve _reserve;
    private readonly Descriptors _segments;
    private readonly Dictionary<ulong, OpenMessage> _open = [];
    private readonly Stack<OpenMessage> _pool = [];
    private readonly List<OpenMessage> _ended = [];
    private readonly List<(ulong Id, long Size)> _unlinks = [];
    private readonly List<ulong> _refused = [];
    private readonly SealList _seals = new();
    private readonly KeptRecords _unsynced = new();
    private readonly KeptRecords _carried = new();
    private readonly List<OpenMessage> _arrived = [];
    private readonly Dictionary<ulong, Pending> _pending = [];
    private int _lock;
    private uint _nextSegment;
    private long _batch = 1;
    private int _batchHead;
    private int _arrivedNext;
    private bool _mustSync;
    private bool _stagedMail;
    private byte[] _buffer = new byte[4096];
    private ulong _idNext;
    private ulong _idBlockEnd;

    private Spool(SpoolOptions options, IDisk disk, TimeProvider time, ISpoolEvents events, SpoolPaths paths, int lockFile, Recovery recovery)
    {
        _options = options;
        _disk = disk;
        _time = time;
        _events = events;
        _paths = paths;
        _lock = lockFile;
        _state = recovery.State;
        _nextSegment = recovery.NextSegment;
        _young = new SegmentWriter(paths, disk, options.StagingBytes, options.FillBytes);
        _old = new SegmentWriter(paths, disk, Math.Min(options.StagingBytes, 64 << 10), 0);
        _large = new LargeBodies(paths, disk, time);
        _reserve = new Reserve(paths, disk, options.ReserveBytes);
        _segments = new Descriptors(paths, disk);
        _checkpoints = recovery.Checkpoints;
    }

    /// <inheritdoc/>
    public long StagedBytes => _young.Staged.Length + _carried.Length;

    /// <inheritdoc/>
    public bool HasUnsynced => _young.HasUnsynced || !_unsynced.IsEmpty;

    /// <inheritdoc/>
    public bool RefusedForSpace { get; private set; }

    /// <inheritdoc/>
    public bool OnReserve => _reserve.InUse;

    /// <inheritdoc/>
    public long FreeBytes => Math.Max(0, _disk.FreeBytes(_paths.Root));

    /// <inheritdoc/>
    public long NextDueSeconds
    {
        get
        {
            var slot = _state.Index.After(QueueState.Deferred, 0, 0);
            return slot == 0 ? long.MaxValue : _state.Index[slot].Due;
        }
    }

    /// <inheritdoc/>
    public bool TryTakeIds(int count, out ulong first)
    {
        first = 0;
        if (_idNext + (ulong)count > _idBlockEnd && !NextBlock(count))
        {
            return false;
        }
        first = _idNext;
        _idNext += (ulong)count;
        return true;
    }

    /// <inheritdoc/>
    public bool Content(ulong id, ReadOnlySpan<byte> content)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(content.Length, ContentLayout.PieceLimit, nameof(content));
        if (!_open.TryGetValue(id, out var message))
        {
            message = _pool.TryPop(out var pooled) ? pooled : new OpenMessage();
            message.Id = id;
            _open.Add(id, message);
        }
        if (OnReserve || message.Extents.Count >= ContentLayout.ExtentLimit - 8)
        {
            message.Failed = true;
        }
        if (message.Failed)
        {
            return Refuse(message);
        }
        if (content.IsEmpty)
        {
            return true;
        }
        if (message.File is not null || message.JournalBytes + content.Length > _options.LargeBytes)
        {
            return AppendLarge(message, content);
        }
        BeginRecord(RecordType.Content, id);
        content.CopyTo(_young.Staged.Take(content.Length));
        var at = _young.Finish();
        message.Extents.Add(new Extent(ExtentKind.Journal, at.Segment, at.Offset, content.Length));
        message.JournalBytes += content.Length;
        message.Batch = _batch;
        _stagedMail = true;
        return true;
    }

    /// <inheritdoc/>
    public void WriteAside(Action settled) => _large.WorkAside(settled);

    /// <inheritdoc/>
    public bool IsBehind => _large.IsBehind;

    /// <inheritdoc/>
    public bool Settle(ulong id)
    {
        if (!_open.TryGetValue(id, out var message) || message.File is not { } file)
        {
            return true;
        }
        file.Finish();
        return file.IsSettled;
    }

    /// <inheritdoc/>
    public bool End(ulong id, Envelope envelope, QueueState state, long dueSeconds)
    {
        if (!_open.Remove(id, out var message))
        {
            message = _pool.TryPop(out var pooled) ? pooled : new OpenMessage();
            message.Id = id;
        }
        if (message.Failed || OnReserve || (message.File is { } file && !Complete(message, file)) || !StageEnd(message, envelope, state, dueSeconds))
        {
            Refuse(message);
            Discard(message);
            return false;
        }
        _ended.Add(message);
        _mustSync = _stagedMail = true;
        return true;
    }

    /// <inheritdoc/>
    public void Abort(ulong id)
    {
        if (_open.Remove(id, out var message))
        {
            Discard(message);
        }
    }

    /// <inheritdoc/>
    public void Outcome(ulong id, in SpoolOutcome outcome)
    {
        BeginRecord(RecordType.Outcome, id);
        Payloads.WritePrevious(_young.Staged.Take(Payloads.PreviousLength), ChainOf(id));
        var writer = new FieldWriter(_young.Staged);
        WriteOutcome(ref writer, outcome);
        Link(id, _young.Finish());
    }

    /// <inheritdoc/>
    public void Reported(ulong id, IReadOnlyList<int> recipients)
    {
        BeginRecord(RecordType.Reported, id);
        Payloads.WritePrevious(_young.Staged.Take(Payloads.PreviousLength), ChainOf(id));
        var writer = new FieldWriter(_young.Staged);
        writer.Length(recipients.Count);
        foreach (var recipient in recipients)
        {
            writer.Length(recipient);
        }
        Link(id, _young.Finish());
    }

    /// <inheritdoc/>
    public void Move(ulong id, QueueState state, long dueSeconds)
    {
        BeginRecord(RecordType.Move, id);
        var pending = PendingOf(id);
        var attempts = state == QueueState.Deferred ? (ushort)Math.Min(ushort.MaxValue, pending.Attempts + 1) : pending.Attempts;
        Payloads.WriteMove(_young.Staged.Take(Payloads.MoveLength), state, attempts, dueSeconds);
        _young.Finish();
        _pending[id] = pending with { Attempts = attempts };
    }

    /// <inheritdoc/>
    public void Expire(ulong id)
    {
        BeginRecord(RecordType.Expire, id);
        _young.Finish();
    }

    /// <inheritdoc/>
    public void Delete(ulong id)
    {
        BeginRecord(RecordType.Delete, id);
        _young.Finish();
    }

    /// <inheritdoc/>
    public bool Claim(ulong id)
    {
        var slot = _state.Index.Find(id);
        if (slot == 0 || _state.Index.IsClaimed(slot))
        {
            return false;
        }
        _state.Index.Claim(slot);
        return true;
    }

    /// <inheritdoc/>
    public bool TryTakeArrived(ulong id, [NotNullWhen(true)] out SpoolMessage? message)
    {
        message = null;
        for (var i = 0; i < _arrived.Count; i++)
        {
            // Asked for in their order, each is found at once.
            var at = (_arrivedNext + i) % _arrived.Count;
            if (_arrived[at].Id == id)
            {
                _arrivedNext = at + 1;
                var slot = _state.Index.Find(id);
                if (slot != 0 && _state.Index[slot].Chain.IsNone)
                {
                    message = new SpoolMessage(_state.Index[slot].ToPublic(), _arrived[at].Envelope!, _arrived[at].Layout!, []);
                }
                break;
            }
        }
        return message is not null;
    }

    /// <inheritdoc/>
    public bool TryGet(ulong id, out SpoolEntry entry)
    {
        var slot = _state.Index.Find(id);
        entry = slot == 0 ? default : _state.Index[slot].ToPublic();
        return slot != 0;
    }

    /// <inheritdoc/>
    public long Count(QueueState state) => _state.Index.CountOf(state);

    /// <inheritdoc/>
    public int Next(QueueState state, long dueBeforeSeconds, ref SpoolCursor cursor, Span<SpoolEntry> into)
    {
        var n = 0;
        while (n < into.Length)
        {
            var slot = _state.Index.After(state, cursor.Key, cursor.Id);
            if (slot == 0 || (state == QueueState.Deferred && _state.Index[slot].Due > dueBeforeSeconds))
            {
                break;
            }
            ref var entry = ref _state.Index[slot];
            cursor = new SpoolCursor(entry.Key, entry.Id);
            into[n++] = entry.ToPublic();
        }
        return n;
    }

    /// <inheritdoc/>
    public int Previous(QueueState state, ref SpoolCursor cursor, Span<SpoolEntry> into)
    {
        var n = 0;
        for (int slot; n < into.Length && (slot = _state.Index.Before(state, cursor.Key, cursor.Id)) != 0; n++)
        {
            ref var entry = ref _state.Index[slot];
            cursor = new SpoolCursor(entry.Key, entry.Id);
            into[n] = entry.ToPublic();
        }
        return n;
    }

    /// <inheritdoc/>
    public bool Scan(ref int place, Span<SpoolEntry> into, out int count)
    {
        count = 0;
        place = Math.Max(place, 1);
        for (var end = Math.Min(_state.Index.SlotEnd, place + into.Length); place < end; place++)
        {
            ref var entry = ref _state.Index[place];
            if (entry.Id != 0 && (entry.Flags & Entry.ClaimedFlag) == 0)
            {
                into[count++] = entry.ToPublic();
            }
        }
        return place < _state.Index.SlotEnd;
    }

    /// <inheritdoc/>
    public ISpoolReader OpenReader() => new SpoolReader(_paths, _disk);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_lock < 0)
        {
            return;
        }
        _checkpoint?.Dispose();
        _young.Dispose();
        _old.Dispose();
        _segments.Dispose();
        foreach (var message in _open.Values)
        {
            message.File?.Drop();
        }
        _large.Dispose();
        _ = _disk.Close(_lock);
        _lock = -1;
    }

    private static void WriteOutcome(ref FieldWriter writer, in SpoolOutcome outcome)
    {
        writer.Length(outcome.Recipient);
        writer.Byte(Payloads.Flags(outcome));
        writer.Bytes(outcome.Detail.Span);
    }

    private bool StageEnd(OpenMessage message, Envelope envelope, QueueState state, long dueSeconds)
    {
        BeginBatch();
        var closes = envelope.Closes;
        var head = new EndHead(state, message.File is not null, message.MinSegment, dueSeconds, envelope.ArrivalMicros, envelope.ContentSize,
            DestinationHash.Of(envelope), closes is null ? default : ChainOf(closes.MessageId), closes?.MessageId ?? 0);
        BeginRecord(RecordType.End, message.Id);
        head.Write(_young.Staged.Take(EndHead.Length));
        var writer = new FieldWriter(_young.Staged);
        message.Envelope = envelope;
        message.Layout = new ContentLayout(message.Extents.ToArray());
        message.Layout.Write(ref writer);
        EnvelopeCodec.Write(envelope, ref writer);
        if (_young.Staged.PayloadLength > Record.PayloadLimit)
        {
            _young.Staged.Cancel();
            return false;
        }
        var at = _young.Finish();
        if (closes is not null)
        {
            Link(closes.MessageId, at);
        }
        return true;
    }

    private bool AppendLarge(OpenMessage message, ReadOnlySpan<byte> content)
    {
        message.File ??= new LargeFile(_large, message.Id);
        message.File.Append(content);
        message.Failed = message.File.Errno != 0;
        return !message.Failed || Refuse(message);
    }

    private bool Refuse(OpenMessage message)
    {
        RefusedForSpace = message.File is { } file && DiskWrites.IsNoSpace(file.Errno);
        return false;
    }

    private bool Complete(OpenMessage message, LargeFile file)
    {
        file.Finish();
        _large.WaitFor(file);
        const int piece = 1 << 30;
        for (long at = 0; at < file.ContentLength; at += piece)
        {
            message.Extents.Add(new Extent(ExtentKind.File, 0, at, (int)Math.Min(piece, file.ContentLength - at)));
        }
        return file.Errno == 0;
    }

    private void Discard(OpenMessage message)
    {
        message.File?.Drop();
        Recycle(message);
    }

    private void Recycle(OpenMessage message)
    {
        message.Clear();
        if (_pool.Count < 1024)
        {
            _pool.Push(message);
        }
    }

    private Pending PendingOf(ulong id)
    {
        if (_pending.TryGetValue(id, out var pending))
        {
            return pending;
        }
        var slot = _state.Index.Find(id);
        return slot == 0 ? default : new Pending(_state.Index[slot].Chain, _state.Index[slot].Attempts);
    }

    private Location ChainOf(ulong id) => PendingOf(id).Chain;

    private void Link(ulong id, Location at) => _pending[id] = PendingOf(id) with { Chain = at };

    // What staged records of a message will have made of it.
    private readonly record struct Pending(Location Chain, ushort Attempts);
}
