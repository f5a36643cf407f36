using System.Buffers.Binary;

namespace Facteur.Spool;

/// <summary>
/// The first 64 bytes of a segment file: magic (8) · format and features (16) · number u32 · generation u8 (0 young, 1 old) · 3 zero bytes ·
/// mark u64 · zeros · crc32c u32 of the 60 bytes before it.
/// </summary>
internal readonly record struct SegmentHeader(Format Format, uint Number, bool Old, ulong Mark)
{
    public const int Length = 64;

    private static ReadOnlySpan<byte> Magic => "FACTSEG\n"u8;

    public void Write(Span<byte> at)
    {
        at[..Length].Clear();
        Magic.CopyTo(at);
        Format.Write(at[8..]);
        BinaryPrimitives.WriteUInt32LittleEndian(at[24..], Number);
        at[28] = Old ? (byte)1 : (byte)0;
        BinaryPrimitives.WriteUInt64LittleEndian(at[32..], Mark);
        BinaryPrimitives.WriteUInt32LittleEndian(at[60..], Crc32C.Of(at[..60]));
    }

    public static bool TryRead(ReadOnlySpan<byte> at, out SegmentHeader header)
    {
        header = default;
        if (at.Length < Length || !at.StartsWith(Magic) || BinaryPrimitives.ReadUInt32LittleEndian(at[60..]) != Crc32C.Of(at[..60]))
        {
            return false;
        }
        header = new(Format.Read(at[8..]), BinaryPrimitives.ReadUInt32LittleEndian(at[24..]), at[28] == 1, BinaryPrimitives.ReadUInt64LittleEndian(at[32..]));
        return true;
    }
}
