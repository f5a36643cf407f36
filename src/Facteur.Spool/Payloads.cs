using System.Buffers.Binary;

namespace Facteur.Spool;

/// <summary>
/// The fixed head of an end record's payload; layout and envelope follow it.
/// state u8 · flags u8 (1: has a file of its own) · zero u16 · lowest segment of the content u32 · due seconds i64 · arrival micros i64 ·
/// size i64 · destination u32 · previous record of the closed message's chain (segment u32, offset u32) · closed message u64.
/// </summary>
internal readonly record struct EndHead(
    QueueState State, bool Large, uint MinSegment, long DueSeconds, long ArrivalMicros, long Size, uint Destination, Location Previous, ulong ClosedId)
{
    public const int Length = 52;

    public void Write(Span<byte> at)
    {
        at[0] = (byte)State;
        at[1] = Large ? (byte)1 : (byte)0;
        at[2] = at[3] = 0;
        BinaryPrimitives.WriteUInt32LittleEndian(at[4..], MinSegment);
        BinaryPrimitives.WriteInt64LittleEndian(at[8..], DueSeconds);
        BinaryPrimitives.WriteInt64LittleEndian(at[16..], ArrivalMicros);
        BinaryPrimitives.WriteInt64LittleEndian(at[24..], Size);
        BinaryPrimitives.WriteUInt32LittleEndian(at[32..], Destination);
        BinaryPrimitives.WriteUInt32LittleEndian(at[36..], Previous.Segment);
        BinaryPrimitives.WriteUInt32LittleEndian(at[40..], Previous.Offset);
        BinaryPrimitives.WriteUInt64LittleEndian(at[44..], ClosedId);
    }

    public static EndHead Read(ReadOnlySpan<byte> at) => new(
        (QueueState)at[0], (at[1] & 1) != 0, BinaryPrimitives.ReadUInt32LittleEndian(at[4..]), BinaryPrimitives.ReadInt64LittleEndian(at[8..]),
        BinaryPrimitives.ReadInt64LittleEndian(at[16..]), BinaryPrimitives.ReadInt64LittleEndian(at[24..]), BinaryPrimitives.ReadUInt32LittleEndian(at[32..]),
        new(BinaryPrimitives.ReadUInt32LittleEndian(at[36..]), BinaryPrimitives.ReadUInt32LittleEndian(at[40..])), BinaryPrimitives.ReadUInt64LittleEndian(at[44..]));
}

/// <summary>Payloads of the short records, and the least length of each type: what passed the checksum but is shorter was never written by this format.</summary>
internal static class Payloads
{
    public const int BatchLength = 12;
    public const int MoveLength = 12;
    public const int IdBlockLength = 16;
    public const int PreviousLength = 8;

    public const byte DoneFlag = 1;
    public const byte UnreportedFlag = 2;

    public static int LeastLength(RecordType type) => type switch
    {
        RecordType.Batch => BatchLength,
        RecordType.Seal => 4,
        RecordType.IdBlock => IdBlockLength,
        RecordType.End => EndHead.Length,
        RecordType.Outcome or RecordType.Reported or RecordType.Outcomes => PreviousLength,
        RecordType.Move => MoveLength,
        _ => 0,
    };

    public static Location Previous(ReadOnlySpan<byte> payload) =>
        new(BinaryPrimitives.ReadUInt32LittleEndian(payload), BinaryPrimitives.ReadUInt32LittleEndian(payload[4..]));

    public static void WritePrevious(Span<byte> payload, Location previous)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(payload, previous.Segment);
        BinaryPrimitives.WriteUInt32LittleEndian(payload[4..], previous.Offset);
    }

    public static void WriteMove(Span<byte> payload, QueueState state, ushort attempts, long dueSeconds)
    {
        payload[0] = (byte)state;
        payload[1] = 0;
        BinaryPrimitives.WriteUInt16LittleEndian(payload[2..], attempts);
        BinaryPrimitives.WriteInt64LittleEndian(payload[4..], dueSeconds);
    }

    public static ushort Attempts(ReadOnlySpan<byte> move) => BinaryPrimitives.ReadUInt16LittleEndian(move[2..]);

    public static byte Flags(in SpoolOutcome outcome) => (byte)((outcome.Done ? DoneFlag : 0) | (outcome.Unreported ? UnreportedFlag : 0));
}
