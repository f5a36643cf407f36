using Facteur.Mail.Envelopes;

namespace Facteur.Spool;

/// <summary>
/// Follows a message's chain of outcomes from the latest record back and keeps the latest outcome of each recipient.
/// A "reported" met on the way clears <see cref="SpoolOutcome.Unreported"/> of the outcomes before it.
/// </summary>
internal sealed class Chain(ulong id)
{
    // A chain this long can only be a loop made of damage.
    private const int StepLimit = 10_000_000;
    private const int DetailLimit = 1 << 20;

    private readonly Dictionary<int, SpoolOutcome> _outcomes = [];
    private readonly HashSet<int> _reported = [];

    public IReadOnlyList<SpoolOutcome> Outcomes => [.. _outcomes.Values.OrderBy(o => o.Recipient)];

    /// <summary>Reads the chain.</summary>
    public FetchResult Read(Descriptors segments, Location from, ref byte[] buffer)
    {
        for (var steps = 0; !from.IsNone; steps++)
        {
            var result = segments.Fetch(0, from, ref buffer, out var record);
            if (result != FetchResult.Whole)
            {
                return result;
            }
            if (steps > StepLimit || !Take(record, out from))
            {
                return FetchResult.Damaged;
            }
        }
        return FetchResult.Whole;
    }

    private bool Take(ReadOnlySpan<byte> record, out Location previous)
    {
        var payload = Record.Payload(record);
        var type = Record.Type(record);
        if (type == RecordType.End)
        {
            var head = EndHead.Read(payload);
            previous = head.Previous;
            return head.ClosedId == id && TakeClosed(payload[EndHead.Length..]);
        }
        previous = default;
        if (Record.Id(record) != id || type is not (RecordType.Outcome or RecordType.Reported or RecordType.Outcomes))
        {
            return false;
        }
        previous = Payloads.Previous(payload);
        var reader = new FieldReader(payload[Payloads.PreviousLength..]);
        var count = type == RecordType.Outcome ? 1 : reader.Length(EnvelopeCodec.RecipientLimit);
        for (var i = 0; i < count && !reader.Failed; i++)
        {
            if (type == RecordType.Reported)
            {
                _reported.Add(reader.Length(EnvelopeCodec.RecipientLimit));
            }
            else
            {
                TakeOutcome(ref reader);
            }
        }
        return reader.Complete;
    }

    private void TakeOutcome(ref FieldReader reader)
    {
        var recipient = reader.Length(EnvelopeCodec.RecipientLimit);
        var flags = reader.Byte();
        var detail = reader.Bytes(DetailLimit);
        if (!reader.Failed && !_outcomes.ContainsKey(recipient))
        {
            var unreported = (flags & Payloads.UnreportedFlag) != 0 && !_reported.Contains(recipient);
            _outcomes.Add(recipient, new SpoolOutcome(recipient, (flags & Payloads.DoneFlag) != 0, unreported, detail.ToArray()));
        }
    }

    private bool TakeClosed(ReadOnlySpan<byte> rest)
    {
        var reader = new FieldReader(rest);
        _ = ContentLayout.Read(ref reader);
        if (EnvelopeCodec.Read(ref reader)?.Closes is not { } closes)
        {
            return false;
        }
        _reported.UnionWith(closes.Recipients);
        return true;
    }
}
