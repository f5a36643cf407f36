using Facteur.Mail.Envelopes;

namespace Facteur.Spool;

// Cleaning: the few living messages of a mostly dead segment are copied, with all their records, to an old-generation segment.
// A step copies, syncs, and only then changes the index.
public sealed partial class Spool
{
    private const int StepBytes = 128 << 10;

    /// <summary>A record of outcomes takes no more of them once it has this many bytes.</summary>
    private const int OutcomesBytes = 1 << 20;
    private const int OutcomeHead = 10;
    private const int StepMessages = 64;

    private readonly SegmentWriter _old;
    private readonly List<(ulong Id, Location End, Location Chain, bool Body, bool Outcomes)> _copies = [];
    private Segment? _cleaning;
    private int _cleaningSlot;

    // Young: the first segment, when the young ones together hold more than three times what lives. Old: one that is 70 % dead.
    private bool FindCleaning()
    {
        Segment? first = null;
        var young = 0;
        foreach (var segment in _state.Segments.All)
        {
            if (!segment.Old)
            {
                young++;
                first ??= segment.References > 0 && segment != _young.Segment ? segment : null;
            }
            else if (segment.References > 0 && segment != _old.Segment && segment.References * 10L < segment.Added * 3L)
            {
                return StartCleaning(segment);
            }
        }
        var limit = Math.Max((long)_options.YoungSegments * _options.SegmentBytes, _state.YoungLive * 10 / 3);
        return first is not null && young > _options.YoungSegments && _state.Segments.YoungBytes > limit && StartCleaning(first);
    }

    private bool StartCleaning(Segment segment)
    {
        _cleaning = segment;
        _cleaningSlot = 1;
        return true;
    }

    private bool StepCleaning()
    {
        _copies.Clear();
        // Records kept to be written again name the place before them, which the copies make free: there must be none.
        var errno = SyncYoung() ? 0 : Unix.Libc.EIO;
        for (var looked = 0; looked < _options.StepEntries && _cleaningSlot < _state.Index.SlotEnd && _old.Staged.Length < StepBytes && _copies.Count < StepMessages && errno == 0; looked++)
        {
            if (_state.Index.IsUsed(_cleaningSlot))
            {
                errno = Copy(_cleaningSlot);
            }
            _cleaningSlot++;
        }
        errno = errno != 0 ? errno : WriteCopies();
        if (errno != 0)
        {
            _events.MaintenanceFailed("cleaning", errno);
            LeaveOld();
            EndCleaning();
            return false;
        }
        if (_cleaningSlot >= _state.Index.SlotEnd)
        {
            EndCleaning();
            _lookAt = 0;
        }
        return true;
    }

    private void EndCleaning()
    {
        _cleaning = null;
        if (_old.Segment is not null && _old.Append >= _options.SegmentBytes)
        {
            LeaveOld();
        }
    }

    private void LeaveOld()
    {
        if (_old.Segment is { } segment && !_old.IsMade)
        {
            _state.Segments.Remove(segment.Number);
        }
        _old.Leave();
    }

    private int Copy(int slot)
    {
        ref var entry = ref _state.Index[slot];
        var target = _cleaning!;
        var body = target.Old ? entry.End.Segment == target.Number : entry.MinYoung != 0 && entry.MinYoung <= target.Number && !_state.Segments.IsOld(entry.End.Segment);
        var outcomes = !entry.Chain.IsNone && (target.Old ? entry.ChainOld == target.Number : entry.MinYoung != 0 && entry.MinYoung <= target.Number);
        if ((!body && !outcomes && (target.Old || entry.MinYoung != target.Number)) || entry.End.IsNone)
        {
            return 0;
        }
        if (_old.Segment is null)
        {
            var segment = new Segment(_nextSegment++, true, _options.NewMark());
            _state.Segments.Add(segment);
            _old.Plan(segment);
        }
        Location end = default, chain = default;
        var result = body ? CopyBody(entry, out end) : FetchResult.Whole;
        result = result == FetchResult.Whole && outcomes ? CopyOutcomes(entry, out chain) : result;
        if (result == FetchResult.Failed)
        {
            return Unix.Libc.EIO;
        }
        if (result != FetchResult.Whole)
        {
            KeepUnmovable(slot);
            return 0;
        }
        _copies.Add((entry.Id, end, chain, body, outcomes || entry.Chain.IsNone));
        return 0;
    }

    private FetchResult CopyBody(in Entry entry, out Location end)
    {
        end = default;
        var result = _segments.Fetch(entry.Id, entry.End, ref _buffer, out var record);
        if (result != FetchResult.Whole)
        {
            return result;
        }
        if (!TryParseEnd(record, out var head, out var layout, out var envelope))
        {
            return FetchResult.Damaged;
        }
        var extents = new List<Extent>(layout!.Extents.Count);
        foreach (var extent in layout.Extents)
        {
            if (extent.Kind == ExtentKind.File)
            {
                extents.Add(extent);
                continue;
            }
            result = _segments.Fetch(entry.Id, new Location(extent.Segment, (uint)extent.Offset), ref _buffer, out record);
            if (result != FetchResult.Whole || Record.Type(record) != RecordType.Content)
            {
                return result == FetchResult.Whole ? FetchResult.Damaged : result;
            }
            _old.Begin(RecordType.Content, entry.Id);
            Record.Payload(record).CopyTo(_old.Staged.Take(extent.Length));
            var at = _old.Finish();
            extents.Add(extent with { Segment = at.Segment, Offset = at.Offset });
        }
        _old.Begin(RecordType.End, entry.Id);
        (head with { MinSegment = 0, State = entry.State, DueSeconds = entry.Due, Previous = default, ClosedId = 0 }).Write(_old.Staged.Take(EndHead.Length));
        var writer = new FieldWriter(_old.Staged);
        new ContentLayout(extents).Write(ref writer);
        EnvelopeCodec.Write(envelope!, ref writer);
        end = _old.Finish();
        return FetchResult.Whole;
    }

    private FetchResult CopyOutcomes(in Entry entry, out Location at)
    {
        at = default;
        var chain = new Chain(entry.Id);
        var result = chain.Read(_segments, entry.Chain, ref _buffer);
        if (result != FetchResult.Whole)
        {
            return result;
        }
        // At least one record, also of no outcomes; each well within Record.PayloadLimit, for a record that can't be read would forget what was delivered.
        var outcomes = chain.Outcomes;
        var from = 0;
        do
        {
            var (to, bytes) = (from, 0);
            while (to < outcomes.Count && bytes < OutcomesBytes)
            {
                bytes += outcomes[to++].Detail.Length + OutcomeHead;
            }
            _old.Begin(RecordType.Outcomes, entry.Id);
            Payloads.WritePrevious(_old.Staged.Take(Payloads.PreviousLength), at);
            var writer = new FieldWriter(_old.Staged);
            writer.Length(to - from);
            for (; from < to; from++)
            {
                WriteOutcome(ref writer, outcomes[from]);
            }
            at = _old.Finish();
        }
        while (from < outcomes.Count);
        return FetchResult.Whole;
    }

    private int WriteCopies()
    {
        if (_old.Staged.Length == 0)
        {
            ApplyCopies();
            return 0;
        }
        var errno = _old.Write();
        errno = errno != 0 ? errno : _old.Sync();
        if (errno != 0)
        {
            return errno;
        }
        _old.Staged.Clear();
        ApplyCopies();
        return 0;
    }

    private void ApplyCopies()
    {
        foreach (var (id, end, chain, body, outcomes) in _copies)
        {
            var slot = _state.Index.Find(id);
            if (body)
            {
                _state.BodyMoved(slot, end);
            }
            if (outcomes)
            {
                _state.ChainMoved(slot, chain);
            }
        }
    }

    // Damage met while moving: the message stays in corrupt, its end record's raw bytes (as far as they can be read) in corrupt/.
    private void KeepUnmovable(int slot)
    {
        var entry = _state.Index[slot];
        var from = Math.Max(SegmentHeader.Length, (long)entry.End.Offset - (64 << 10));
        var kept = Keep(new BadRange(entry.End.Segment, from, (long)entry.End.Offset + (64 << 10), entry.Id, false));
        _events.Damage(entry.Id, $"{_paths.Segment(entry.End.Segment)} at {entry.End.Offset}", kept);
        _state.Abandon(slot);
    }
}
