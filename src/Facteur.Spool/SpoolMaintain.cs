namespace Facteur.Spool;

// Background work in small steps. A checkpoint and the moving of messages never overlap: the places in a checkpoint are then those of one
// moment, and the records after it replay onto them.
public sealed partial class Spool
{
    private readonly List<ulong> _checkpoints;
    private CheckpointWriter? _checkpoint;
    private long _journalBytes;
    private long _checkpointDue = -1;
    private long _lookAt;

    /// <inheritdoc/>
    public bool Maintain()
    {
        ForgetArrived();
        if (_young.Staged.Length != 0)
        {
            return false;
        }
        _large.Tidy();
        if (OnReserve && _reserve.Restore())
        {
            _events.OffReserve();
        }
        if (_checkpoint is not null)
        {
            return StepCheckpoint();
        }
        if (_cleaning is not null)
        {
            return StepCleaning();
        }
        if (LookForWork())
        {
            return true;
        }
        if (_checkpointDue < 0)
        {
            _checkpointDue = _journalBytes + Math.Max(_options.CheckpointBytes, _state.Index.Count * CheckpointEntry.Length);
        }
        if (_journalBytes >= _checkpointDue)
        {
            return BeginCheckpoint();
        }
        return false;
    }

    // Not at every call: looking costs more than most commits.
    private bool LookForWork()
    {
        if (_journalBytes < _lookAt)
        {
            return false;
        }
        if (FreeDead())
        {
            return true;
        }
        _lookAt = _journalBytes + _options.SegmentBytes / 8;
        return FindCleaning();
    }

    private ulong NextCheckpoint => (_checkpoints.Count == 0 ? 0 : _checkpoints[^1]) + 1;

    private void CheckpointNow()
    {
        for (var more = BeginCheckpoint(); more && _checkpoint is not null;)
        {
            more = StepCheckpoint();
        }
    }

    private bool BeginCheckpoint()
    {
        _checkpointDue = -1;
        PlanSegment();
        var header = new CheckpointHeader(Format.Current, NextCheckpoint, new(_young.Segment!.Number, (uint)_young.Append), _state.IdEnd, _nextSegment);
        _checkpoint = new CheckpointWriter(_paths, _disk, header);
        return CheckpointResult(_checkpoint.Begin());
    }

    private bool StepCheckpoint()
    {
        if (!_checkpoint!.IsFilled)
        {
            if (!CheckpointResult(_checkpoint.Step(_state.Index, _options.StepEntries)) || !_checkpoint.IsFilled)
            {
                return true;
            }
            // The entries may point to records not synced yet, and the place says that what is before it is durable: so it must be, before the name.
            if (!SyncYoung() || _checkpoint is null)
            {
                AbandonCheckpoint();
                return false;
            }
            return true;
        }
        if (!CheckpointResult(_checkpoint.Complete()))
        {
            return false;
        }
        _checkpoints.Add(_checkpoint.Sequence);
        _checkpoint.Dispose();
        _checkpoint = null;
        while (_checkpoints.Count > 2)
        {
            _ = _disk.Unlink(_paths.Checkpoint(_checkpoints[0]));
            _checkpoints.RemoveAt(0);
        }
        // Marks what is dead from here on, and frees what may go.
        _lookAt = 0;
        return true;
    }

    private bool CheckpointResult(int errno)
    {
        if (errno != 0)
        {
            _events.MaintenanceFailed("checkpoint", errno);
            AbandonCheckpoint();
        }
        return errno == 0;
    }

    private void AbandonCheckpoint()
    {
        _checkpoint?.Dispose();
        _checkpoint = null;
    }

    // A segment is freed only when the older kept checkpoint knows that nothing in it is needed: it then holds no record newer than that either.
    // Young segments go in order, for a message keeps all from its lowest one on. One at a time: to unlink a whole segment takes milliseconds.
    private bool FreeDead()
    {
        var lowestOpen = uint.MaxValue;
        foreach (var message in _open.Values)
        {
            lowestOpen = Math.Min(lowestOpen, message.MinSegment is var min and not 0 ? min : uint.MaxValue);
        }
        var inOrder = true;
        uint freed = 0;
        foreach (var segment in _state.Segments.All)
        {
            var dead = segment.References <= 0 && segment != _young.Segment && segment != _old.Segment
                && (segment.Old || (inOrder && segment.Number < lowestOpen));
            if (!dead)
            {
                segment.DeadSince = 0;
                inOrder &= segment.Old;
                continue;
            }
            if (segment.DeadSince == 0)
            {
                segment.DeadSince = NextCheckpoint + (_checkpoint is null ? 0u : 1u);
            }
            if (freed == 0 && _checkpoints.Count == 2 && segment.DeadSince <= _checkpoints[0])
            {
                freed = segment.Number;
            }
        }
        if (freed != 0)
        {
            _ = _disk.Unlink(_paths.Segment(freed));
            _state.Segments.Remove(freed);
        }
        return freed != 0;
    }
}
