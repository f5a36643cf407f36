namespace Facteur.Spool;

/// <summary>Records written without a sync, kept until a sync covers them: when the sync fails they are written again elsewhere.</summary>
internal sealed class Unsynced
{
    private readonly Dictionary<ulong, Location> _moved = [];
    private byte[] _bytes = new byte[4096];

    public int Length { get; private set; }

    public bool IsEmpty => Length == 0;

    public void Add(ReadOnlySpan<byte> batch)
    {
        if (_bytes.Length < Length + batch.Length)
        {
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, Length + batch.Length));
        }
        batch.CopyTo(_bytes.AsSpan(Length));
        Length += batch.Length;
    }

    public void Clear() => Length = 0;

    /// <summary>
    /// Stages the records again. Content is left out: its messages were not ended and have failed. A record's "previous" that lies
    /// among these records is their new place.
    /// </summary>
    public void Restage(SegmentWriter writer)
    {
        _moved.Clear();
        for (var rest = _bytes.AsSpan(0, Length); !rest.IsEmpty;)
        {
            var record = rest[..(Record.HeaderLength + System.Buffers.Binary.BinaryPrimitives.ReadInt32LittleEndian(rest[12..]))];
            rest = rest[record.Length..];
            var type = Record.Type(record);
            if (type is not (RecordType.Outcome or RecordType.Reported or RecordType.Move or RecordType.Expire or RecordType.Delete))
            {
                continue;
            }
            var id = Record.Id(record);
            writer.Begin(type, id);
            var payload = writer.Staged.Take(record.Length - Record.HeaderLength);
            Record.Payload(record).CopyTo(payload);
            var chained = type is RecordType.Outcome or RecordType.Reported;
            if (chained && _moved.TryGetValue(id, out var previous))
            {
                Payloads.WritePrevious(payload, previous);
            }
            var at = writer.Finish();
            if (chained)
            {
                _moved[id] = at;
            }
        }
    }
}
