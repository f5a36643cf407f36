using Facteur.Mail.Envelopes;

namespace Facteur.Spool;

// Reading a message back.
public sealed partial class Spool
{
    /// <inheritdoc/>
    public SpoolMessage? Read(ulong id) => Read(id, out _);

    /// <inheritdoc/>
    public SpoolMessage? Read(ulong id, out bool refused)
    {
        refused = false;
        var slot = _state.Index.Find(id);
        if (slot == 0)
        {
            return null;
        }
        var entry = _state.Index[slot];
        var chain = new Chain(id);
        Envelope? envelope = null;
        ContentLayout? layout = null;
        ReadOnlySpan<byte> record = default;
        var result = entry.End.IsNone ? FetchResult.Gone : _segments.Fetch(id, entry.End, ref _buffer, out record);
        if (result == FetchResult.Whole && !TryParseEnd(record, out _, out layout, out envelope))
        {
            result = FetchResult.Damaged;
        }
        if (result == FetchResult.Whole && layout!.Extents.Any(e => e.Kind == ExtentKind.Journal && _state.Segments.Find(e.Segment) is null))
        {
            result = FetchResult.Gone;
        }
        result = result == FetchResult.Whole ? chain.Read(_segments, entry.Chain, ref _buffer) : result;
        if (_buffer.Length > 1 << 20)
        {
            _buffer = new byte[4096];
        }
        if (result is FetchResult.Gone or FetchResult.Damaged && entry.State != QueueState.Corrupt)
        {
            _events.Damage(id, entry.End.IsNone ? "records" : $"{_paths.Segment(entry.End.Segment)} at {entry.End.Offset}", "");
            Move(id, QueueState.Corrupt, 0);
        }
        refused = result == FetchResult.Failed;
        return result == FetchResult.Whole ? new SpoolMessage(entry.ToPublic(), envelope!, layout!, chain.Outcomes) : null;
    }

    internal static bool TryParseEnd(ReadOnlySpan<byte> record, out EndHead head, out ContentLayout? layout, out Envelope? envelope)
    {
        head = default;
        layout = null;
        envelope = null;
        if (Record.Type(record) != RecordType.End)
        {
            return false;
        }
        head = EndHead.Read(Record.Payload(record));
        var reader = new FieldReader(Record.Payload(record)[EndHead.Length..]);
        layout = ContentLayout.Read(ref reader);
        envelope = layout is null ? null : EnvelopeCodec.Read(ref reader);
        return envelope is not null && reader.Complete;
    }
}
