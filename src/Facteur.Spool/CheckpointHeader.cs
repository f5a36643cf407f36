using System.Buffers.Binary;

namespace Facteur.Spool;

/// <summary>
/// The first 64 bytes of a checkpoint: magic (8) · format and features (16) · sequence u64 · place from which records are replayed
/// (segment u32, offset u32) · end of handed-out numbers u64 · next segment number u32 · zeros.
/// </summary>
internal readonly record struct CheckpointHeader(Format Format, ulong Sequence, Location From, ulong IdEnd, uint NextSegment)
{
    public const int Length = 64;

    private static ReadOnlySpan<byte> Magic => "FACTCKP\n"u8;

    public void Write(Span<byte> at)
    {
        at[..Length].Clear();
        Magic.CopyTo(at);
        Format.Write(at[8..]);
        BinaryPrimitives.WriteUInt64LittleEndian(at[24..], Sequence);
        BinaryPrimitives.WriteUInt32LittleEndian(at[32..], From.Segment);
        BinaryPrimitives.WriteUInt32LittleEndian(at[36..], From.Offset);
        BinaryPrimitives.WriteUInt64LittleEndian(at[40..], IdEnd);
        BinaryPrimitives.WriteUInt32LittleEndian(at[48..], NextSegment);
    }

    public static bool TryRead(ReadOnlySpan<byte> at, out CheckpointHeader header)
    {
        header = default;
        if (at.Length < Length || !at.StartsWith(Magic))
        {
            return false;
        }
        header = new(Format.Read(at[8..]), BinaryPrimitives.ReadUInt64LittleEndian(at[24..]),
            new(BinaryPrimitives.ReadUInt32LittleEndian(at[32..]), BinaryPrimitives.ReadUInt32LittleEndian(at[36..])),
            BinaryPrimitives.ReadUInt64LittleEndian(at[40..]), BinaryPrimitives.ReadUInt32LittleEndian(at[48..]));
        return true;
    }
}

/// <summary>A message in a checkpoint: 56 bytes, the fields of <see cref="Entry"/> in order, without the tree's.</summary>
internal static class CheckpointEntry
{
    public const int Length = 56;

    public static void Write(Span<byte> at, in Entry entry)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(at, entry.Id);
        BinaryPrimitives.WriteInt64LittleEndian(at[8..], entry.Size);
        BinaryPrimitives.WriteUInt32LittleEndian(at[16..], entry.End.Segment);
        BinaryPrimitives.WriteUInt32LittleEndian(at[20..], entry.End.Offset);
        BinaryPrimitives.WriteUInt32LittleEndian(at[24..], entry.Chain.Segment);
        BinaryPrimitives.WriteUInt32LittleEndian(at[28..], entry.Chain.Offset);
        BinaryPrimitives.WriteUInt32LittleEndian(at[32..], entry.ChainOld);
        BinaryPrimitives.WriteUInt32LittleEndian(at[36..], entry.MinYoung);
        BinaryPrimitives.WriteUInt32LittleEndian(at[40..], entry.Arrival);
        BinaryPrimitives.WriteUInt32LittleEndian(at[44..], entry.Due);
        BinaryPrimitives.WriteUInt32LittleEndian(at[48..], entry.Destination);
        BinaryPrimitives.WriteUInt16LittleEndian(at[52..], entry.Attempts);
        at[54] = (byte)entry.State;
        at[55] = (byte)(entry.Flags & ~Entry.ClaimedFlag);
    }

    public static Entry Read(ReadOnlySpan<byte> at) => new()
    {
        Id = BinaryPrimitives.ReadUInt64LittleEndian(at),
        Size = BinaryPrimitives.ReadInt64LittleEndian(at[8..]),
        End = new(BinaryPrimitives.ReadUInt32LittleEndian(at[16..]), BinaryPrimitives.ReadUInt32LittleEndian(at[20..])),
        Chain = new(BinaryPrimitives.ReadUInt32LittleEndian(at[24..]), BinaryPrimitives.ReadUInt32LittleEndian(at[28..])),
        ChainOld = BinaryPrimitives.ReadUInt32LittleEndian(at[32..]),
        MinYoung = BinaryPrimitives.ReadUInt32LittleEndian(at[36..]),
        Arrival = BinaryPrimitives.ReadUInt32LittleEndian(at[40..]),
        Due = BinaryPrimitives.ReadUInt32LittleEndian(at[44..]),
        Destination = BinaryPrimitives.ReadUInt32LittleEndian(at[48..]),
        Attempts = BinaryPrimitives.ReadUInt16LittleEndian(at[52..]),
        State = (QueueState)at[54],
        Flags = at[55],
    };
}
