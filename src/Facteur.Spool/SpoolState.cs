using System.Buffers.Binary;

namespace Facteur.Spool;

/// <summary>
/// What the journal says, in memory. A record changes it in one place, <see cref="Apply"/>, for a commit and for recovery alike;
/// applying a record a second time, in order, ends in the same state, which is what a checkpoint written in steps needs.
/// </summary>
internal sealed class SpoolState
{
    public Index Index { get; } = new();

    public Segments Segments { get; } = new();

    /// <summary>The last block of message numbers that is on disk.</summary>
    public ulong IdBlockFirst { get; private set; }

    /// <summary>No number from here on was ever handed out.</summary>
    public ulong IdEnd { get; private set; } = 1;

    /// <summary>Content bytes of messages whose body lies in young segments, with their records, roughly.</summary>
    public long YoungLive { get; private set; }

    public void RaiseIdEnd(ulong end) => IdEnd = Math.Max(IdEnd, end);

    /// <summary>Applies one whole record that lies at a place of a young segment.</summary>
    public void Apply(ReadOnlySpan<byte> record, Location at)
    {
        var id = Record.Id(record);
        var payload = Record.Payload(record);
        switch (Record.Type(record))
        {
            case RecordType.End:
                ApplyEnd(id, payload, at);
                break;
            case RecordType.Outcome or RecordType.Reported or RecordType.Outcomes:
                ApplyChain(id, Payloads.Previous(payload), at);
                break;
            case RecordType.Move:
                ApplyMove(id, payload);
                break;
            case RecordType.Expire:
                if (Index.Find(id) is var slot and not 0)
                {
                    Index[slot].Flags |= Entry.ExpireFlag;
                }
                break;
            case RecordType.Delete:
                Delete(id);
                break;
            case RecordType.IdBlock:
                IdBlockFirst = BinaryPrimitives.ReadUInt64LittleEndian(payload);
                RaiseIdEnd(BinaryPrimitives.ReadUInt64LittleEndian(payload[8..]));
                break;
        }
    }

    /// <summary>Adds an entry of a checkpoint; it stands in no order until <see cref="Index.Arrange"/>.</summary>
    public void Load(Entry entry)
    {
        if (Index.Find(entry.Id) is var old and not 0)
        {
            Remove(old);
        }
        entry.Flags |= Entry.ClaimedFlag;
        Index.Add(entry);
        AddReferences(entry);
        RaiseIdEnd(entry.Id + 1);
    }

    /// <summary>The message's body is now in an old segment.</summary>
    public void BodyMoved(int slot, Location end)
    {
        ref var entry = ref Index[slot];
        DropReferences(entry);
        entry.End = end;
        AddReferences(entry);
    }

    /// <summary>The message's outcomes are now joined in an old segment, or it has none.</summary>
    public void ChainMoved(int slot, Location chain)
    {
        ref var entry = ref Index[slot];
        DropReferences(entry);
        entry.Chain = chain;
        entry.ChainOld = chain.Segment;
        if (Segments.IsOld(entry.End.Segment))
        {
            entry.MinYoung = 0;
        }
        AddReferences(entry);
    }

    /// <summary>Marks a message as damaged whose records can't be moved; its bytes are kept elsewhere.</summary>
    public void Abandon(int slot)
    {
        ref var entry = ref Index[slot];
        DropReferences(entry);
        entry.End = entry.Chain = default;
        entry.ChainOld = entry.MinYoung = 0;
        Index.Move(slot, QueueState.Corrupt, 0);
    }

    private void ApplyEnd(ulong id, ReadOnlySpan<byte> payload, Location at)
    {
        var head = EndHead.Read(payload);
        if (Index.Find(id) is var old and not 0)
        {
            Remove(old);
        }
        var entry = new Entry
        {
            Id = id,
            Size = head.Size,
            End = at,
            MinYoung = head.MinSegment != 0 ? Math.Min(head.MinSegment, at.Segment) : at.Segment,
            Arrival = Entry.Seconds(head.ArrivalMicros / 1_000_000),
            Due = Entry.Seconds(head.DueSeconds),
            Destination = head.Destination,
            State = head.State,
            Flags = head.Large ? Entry.LargeFlag : (byte)0,
        };
        Index.Add(entry);
        AddReferences(entry);
        RaiseIdEnd(id + 1);
        if (head.ClosedId != 0)
        {
            ApplyChain(head.ClosedId, head.Previous, at);
        }
    }

    private void ApplyChain(ulong id, Location previous, Location at)
    {
        var slot = Index.Find(id);
        if (slot == 0)
        {
            return;
        }
        ref var entry = ref Index[slot];
        DropReferences(entry);
        entry.Chain = at;
        entry.MinYoung = entry.MinYoung == 0 ? at.Segment : Math.Min(entry.MinYoung, at.Segment);
        if (Segments.IsOld(previous.Segment))
        {
            entry.ChainOld = previous.Segment;
        }
        AddReferences(entry);
    }

    private void ApplyMove(ulong id, ReadOnlySpan<byte> payload)
    {
        var slot = Index.Find(id);
        var state = (QueueState)payload[0];
        if (slot != 0 && state is >= QueueState.Incoming and <= QueueState.Corrupt)
        {
            Index[slot].Attempts = BinaryPrimitives.ReadUInt16LittleEndian(payload[2..]);
            Index.Move(slot, state, Entry.Seconds(BinaryPrimitives.ReadInt64LittleEndian(payload[4..])));
        }
    }

    private void Delete(ulong id)
    {
        if (Index.Find(id) is var slot and not 0)
        {
            Remove(slot);
        }
    }

    private void Remove(int slot)
    {
        DropReferences(Index[slot]);
        Index.Remove(slot);
    }

    private void AddReferences(in Entry entry) => Count(entry, 1);

    private void DropReferences(in Entry entry) => Count(entry, -1);

    private void Count(in Entry entry, int sign)
    {
        if (Segments.IsOld(entry.End.Segment))
        {
            Segments.Count(entry.End.Segment, sign);
        }
        else
        {
            YoungLive += sign * (Math.Min(entry.Size, 256 << 10) + 512);
        }
        Segments.Count(entry.ChainOld, sign);
        Segments.Count(entry.MinYoung, sign);
    }
}
