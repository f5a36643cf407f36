using System.Buffers.Binary;

namespace Facteur.Contracts.Wire;

/// <summary>
/// A frame: 16 bytes of header (payload length u32, type u16, contract version u16, id u64, all little-endian), then the payload.
/// The same on a Unix socket and on a pair of in-memory pipes (docs/formats/contracts.md).
/// </summary>
/// <param name="type">Meaning, per contract.</param>
/// <param name="version">Version of the contract.</param>
/// <param name="id">Message, request or block, per type.</param>
/// <param name="payload">The fields; valid until the next frame is read.</param>
public readonly ref struct Frame(ushort type, ushort version, ulong id, ReadOnlySpan<byte> payload)
{
    /// <summary>Bytes of a header.</summary>
    public const int HeaderLength = 16;

    /// <summary>Longest payload; a longer one ends the link.</summary>
    public const int PayloadLimit = 64 << 20;

    /// <summary>Meaning, per contract.</summary>
    public ushort Type { get; } = type;

    /// <summary>Version of the contract.</summary>
    public ushort Version { get; } = version;

    /// <summary>Message, request or block, per type.</summary>
    public ulong Id { get; } = id;

    /// <summary>The fields; valid until the next frame is read.</summary>
    public ReadOnlySpan<byte> Payload { get; } = payload;

    /// <summary>Reads a header; false when the length is beyond the limit.</summary>
    public static bool TryReadHeader(ReadOnlySpan<byte> header, out int length, out ushort type, out ushort version, out ulong id)
    {
        var size = BinaryPrimitives.ReadUInt32LittleEndian(header);
        type = BinaryPrimitives.ReadUInt16LittleEndian(header[4..]);
        version = BinaryPrimitives.ReadUInt16LittleEndian(header[6..]);
        id = BinaryPrimitives.ReadUInt64LittleEndian(header[8..]);
        length = (int)Math.Min(size, int.MaxValue);
        return size <= PayloadLimit;
    }

    /// <summary>Writes a header.</summary>
    public static void WriteHeader(Span<byte> header, int length, ushort type, ushort version, ulong id)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(header, (uint)length);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], type);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], version);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], id);
    }
}
