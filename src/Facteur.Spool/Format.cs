using System.Buffers.Binary;

namespace Facteur.Spool;

/// <summary>
/// The format number and feature words at the head of every segment and checkpoint. A reader that does not know a bit of
/// "ignore" goes on, of "read only" must not write the spool, of "refuse" must not open it.
/// </summary>
internal readonly record struct Format(ushort Number, uint Ignore, uint ReadOnly, uint Refuse)
{
    public const int Length = 16;

    public static Format Current { get; } = new(1, 0, 0, 0);

    public bool CanRead => Number == Current.Number && Refuse == 0;

    public bool CanWrite => CanRead && ReadOnly == 0;

    public void Write(Span<byte> at)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(at, Number);
        BinaryPrimitives.WriteUInt16LittleEndian(at[2..], 0);
        BinaryPrimitives.WriteUInt32LittleEndian(at[4..], Ignore);
        BinaryPrimitives.WriteUInt32LittleEndian(at[8..], ReadOnly);
        BinaryPrimitives.WriteUInt32LittleEndian(at[12..], Refuse);
    }

    public static Format Read(ReadOnlySpan<byte> at) => new(
        BinaryPrimitives.ReadUInt16LittleEndian(at), BinaryPrimitives.ReadUInt32LittleEndian(at[4..]),
        BinaryPrimitives.ReadUInt32LittleEndian(at[8..]), BinaryPrimitives.ReadUInt32LittleEndian(at[12..]));
}
