using System.Buffers.Binary;

namespace Facteur.Spool;

// The commit: one write, one sync, then the index.
public sealed partial class Spool
{
    private static readonly TimeSpan SlowCommit = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    public CommitResult Commit(bool sync)
    {
        ForgetArrived();
        if (StagedBytes == 0)
        {
            return !sync || SyncYoung() ? CommitResult.Durable : CommitResult.Failed;
        }
        var started = _time.GetTimestamp();
        BeginBatch();
        var withMail = _stagedMail;
        var result = CommitStaged(sync || _mustSync || !_seals.IsEmpty || _unsynced.Length >= _options.UnsyncedBytes);
        if (result == CommitResult.NoSpace && withMail && !_carried.IsEmpty)
        {
            // Without the mail they fit, or may use the reserve.
            BeginBatch();
            _ = CommitStaged(true);
        }
        if (_time.GetElapsedTime(started) is var took && took > SlowCommit)
        {
            _events.SlowCommit(took);
        }
        if (_young.Segment is not null && _young.Append >= _options.SegmentBytes && SyncYoung())
        {
            RollYoung();
        }
        return result;
    }

    private CommitResult CommitStaged(bool sync)
    {
        if (sync)
        {
            StageIdBlock();
        }
        var errno = _young.Write();
        if (DiskWrites.IsNoSpace(errno) && _large.MakeRoom())
        {
            errno = _young.Write();
        }
        if (DiskWrites.IsNoSpace(errno) && !_stagedMail && _reserve.Release())
        {
            _events.OnReserve();
            errno = _young.Write();
        }
        if (errno != 0)
        {
            // Without room the segment is as good as before; after any other error nothing is known of it.
            return DiskWrites.IsNoSpace(errno) ? Drop(errno) : DropAndAbandon(errno);
        }
        if (sync && _young.Sync() is var failed and not 0)
        {
            return DropAndAbandon(failed);
        }
        ApplyBatch(_young.Staged.All);
        if (sync)
        {
            BecameDurable();
            UnlinkRefused();
        }
        else
        {
            Keep(_unsynced, _young.Staged.All);
        }
        EndBatch();
        return sync ? CommitResult.Durable : CommitResult.Written;
    }

    /// <summary>Applies the batch just written at the end of the segment.</summary>
    private void ApplyBatch(Span<byte> batch)
    {
        var start = (uint)(_young.Append - batch.Length);
        for (var rest = batch; !rest.IsEmpty;)
        {
            var offset = batch.Length - rest.Length;
            var record = Record.TakeFirst(ref rest);
            var id = Record.Id(record);
            if (Record.Type(record) == RecordType.Delete)
            {
                NoteUnlink(id);
            }
            // A move written again moves nothing a second time.
            var claimed = offset < _batchHead && _state.Index.Find(id) is var slot and not 0 && _state.Index.IsClaimed(slot);
            _state.Apply(record, new Location(_young.Segment!.Number, start + (uint)offset));
            if (claimed)
            {
                Claim(id);
            }
        }
        _journalBytes += batch.Length;
    }

    private void NoteUnlink(ulong id)
    {
        var slot = _state.Index.Find(id);
        if (slot != 0 && (_state.Index[slot].Flags & Entry.LargeFlag) != 0)
        {
            // The file of a damaged message may lie on bad blocks: no other is written over it.
            _unlinks.Add((id, _state.Index[slot].State == QueueState.Corrupt ? long.MaxValue : _state.Index[slot].Size));
        }
    }

    private void BecameDurable()
    {
        _seals.Clear();
        _unsynced.Clear();
        foreach (var (id, size) in _unlinks)
        {
            _large.Free(id, size);
        }
        _unlinks.Clear();
    }

    private void UnlinkRefused()
    {
        foreach (var id in _refused)
        {
            _large.Unlink(id);
        }
        _refused.Clear();
    }

    private void EndBatch()
    {
        _arrived.AddRange(_ended);
        _ended.Clear();
        ClearBatch();
    }

    // Ended messages are forgotten, messages with content in the batch fail at their end; what became of older messages goes into the next batch.
    private CommitResult Drop(int errno)
    {
        Keep(_carried, _young.Staged.All[_batchHead..]);
        foreach (var message in _open.Values)
        {
            message.Failed |= message.Batch == _batch;
        }
        foreach (var message in _ended)
        {
            // Its end record may be on disk all the same, until the next batch lies over it or the seal is durable.
            if (message.File is not null)
            {
                _refused.Add(message.Id);
            }
            Recycle(message);
        }
        _ended.Clear();
        ClearBatch();
        return DiskWrites.IsNoSpace(errno) ? CommitResult.NoSpace : CommitResult.Failed;
    }

    private CommitResult DropAndAbandon(int errno)
    {
        var result = Drop(errno);
        Abandon(errno);
        return result;
    }

    // Of a message that is not there (its end is dropped with this batch, or it was deleted) nothing is kept.
    private void Keep(KeptRecords kept, Span<byte> batch)
    {
        for (var rest = batch; !rest.IsEmpty;)
        {
            var record = Record.TakeFirst(ref rest);
            if (KeptRecords.Takes(Record.Type(record)) && (kept == _unsynced || _state.Index.Find(Record.Id(record)) != 0))
            {
                kept.Add(record);
            }
        }
    }

    private void ForgetArrived()
    {
        foreach (var message in _arrived)
        {
            Recycle(message);
        }
        _arrived.Clear();
        _arrivedNext = 0;
    }

    private void ClearBatch()
    {
        _young.Staged.Clear();
        _pending.Clear();
        _batchHead = 0;
        _mustSync = _stagedMail = false;
        _batch++;
    }

    // Seals the segment at its durable end, and at once says so in the next one, with what was written without a sync and what was not written.
    // When that fails too, the next batch says it.
    private bool Abandon(int errno)
    {
        for (var attempt = 0; attempt < 2; attempt++)
        {
            Seal(errno);
            if (_seals.IsEmpty && _carried.IsEmpty)
            {
                // The segment was not even made: there is nothing to say of it, nor anything else.
                return true;
            }
            BeginBatch();
            errno = _young.Write();
            var written = errno == 0;
            errno = written ? _young.Sync() : errno;
            if (errno == 0)
            {
                ApplyBatch(_young.Staged.All);
                BecameDurable();
                UnlinkRefused();
                ClearBatch();
                return true;
            }
            Keep(_carried, _young.Staged.All[_batchHead..]);
            ClearBatch();
            if (!written && DiskWrites.IsNoSpace(errno))
            {
                return false;
            }
        }
        Seal(errno);
        return false;
    }

    private void Seal(int errno)
    {
        var segment = _young.Segment!;
        if (_young.IsMade)
        {
            segment.End = _young.Durable;
            _seals.Add(segment.Number, _young.Durable);
            _events.Sealed(segment.Number, _young.Durable, errno);
        }
        else
        {
            _state.Segments.Remove(segment.Number);
        }
        foreach (var message in _open.Values)
        {
            foreach (var extent in message.Extents)
            {
                message.Failed |= extent.Segment == segment.Number && extent.Offset >= _young.Durable;
            }
        }
        AbandonCheckpoint();
        _young.Leave();
    }

    /// <summary>Makes everything written durable; true also when it had to be written again elsewhere.</summary>
    private bool SyncYoung()
    {
        if (!_young.HasUnsynced && _unsynced.IsEmpty)
        {
            return true;
        }
        if (_young.HasUnsynced && _young.Sync() is var errno and not 0)
        {
            return Abandon(errno);
        }
        if (_young.Segment is null || !_seals.IsEmpty)
        {
            // An earlier failure left records that are nowhere on disk.
            BeginBatch();
            return CommitStaged(true) == CommitResult.Durable;
        }
        BecameDurable();
        return true;
    }

    private void RollYoung()
    {
        _seals.Add(_young.Segment!.Number, _young.Append);
        _young.Leave();
    }

    private void BeginRecord(RecordType type, ulong id)
    {
        BeginBatch();
        _young.Begin(type, id);
    }

    // The first batch of a segment names the ends of those before it and repeats what a failed sync lost; any batch begins with what a failed commit left.
    private void BeginBatch()
    {
        if (_young.Staged.Length != 0)
        {
            return;
        }
        PlanSegment();
        if (!_seals.IsEmpty)
        {
            _young.Begin(RecordType.Seal, 0);
            _seals.Write(_young.Staged);
            _young.Finish();
            Restage(_unsynced, applied: true);
            _batchHead = _young.Staged.Length;
        }
        Restage(_carried, applied: false);
        _carried.Clear();
    }

    private void PlanSegment()
    {
        if (_young.Segment is null)
        {
            var segment = new Segment(_nextSegment++, false, _options.NewMark());
            _state.Segments.Add(segment);
            _young.Plan(segment);
        }
    }

    // Of records the index has applied, the first one of a chain keeps its "previous", which is durable; all others are linked anew.
    private void Restage(KeptRecords kept, bool applied)
    {
        for (var rest = kept.All; !rest.IsEmpty;)
        {
            var record = Record.TakeFirst(ref rest);
            var (type, id) = (Record.Type(record), Record.Id(record));
            _young.Begin(type, id);
            var payload = _young.Staged.Take(record.Length - Record.HeaderLength);
            Record.Payload(record).CopyTo(payload);
            if (type is RecordType.Outcome or RecordType.Reported)
            {
                if (!applied || _pending.ContainsKey(id))
                {
                    Payloads.WritePrevious(payload, ChainOf(id));
                }
                Link(id, _young.Finish());
                continue;
            }
            if (type == RecordType.Move && !applied)
            {
                _pending[id] = PendingOf(id) with { Attempts = Payloads.Attempts(payload) };
            }
            _young.Finish();
        }
    }

    private void StageIdBlock()
    {
        if (_idBlockEnd - _idNext < (ulong)_options.IdBlock / 2 && _state.IdEnd <= _idBlockEnd)
        {
            WriteIdBlock(0);
        }
    }

    private void WriteIdBlock(int count)
    {
        var first = Math.Max(_state.IdEnd, _options.TimedIds ? Micros() : _options.FirstId());
        BeginRecord(RecordType.IdBlock, 0);
        var payload = _young.Staged.Take(Payloads.IdBlockLength);
        BinaryPrimitives.WriteUInt64LittleEndian(payload, first);
        BinaryPrimitives.WriteUInt64LittleEndian(payload[8..], first + (ulong)Math.Max(_options.IdBlock, count));
        _young.Finish();
    }

    private ulong Micros() => (ulong)Math.Max(1, (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond);

    // The block made durable by an earlier commit, or one made now; the rest of the last block is given up.
    private bool NextBlock(int count)
    {
        if (_state.IdEnd - _state.IdBlockFirst < (ulong)count || _state.IdBlockFirst < _idBlockEnd || _idBlockEnd == 0)
        {
            if (_young.Staged.Length != 0)
            {
                return false;
            }
            WriteIdBlock(count);
            if (CommitStaged(true) != CommitResult.Durable)
            {
                return false;
            }
        }
        _idNext = _state.IdBlockFirst;
        _idBlockEnd = _state.IdEnd;
        return true;
    }
}
