using System.Buffers.Binary;

namespace Facteur.Spool;

/// <summary>What a record says. The numbers are on disk (docs/formats/spool.md).</summary>
internal enum RecordType : byte
{
    /// <summary>First of every batch: how far the segment was durable when the batch was written.</summary>
    Batch = 1,

    /// <summary>First of every segment: which segments end where.</summary>
    Seal = 2,

    /// <summary>A block of message numbers.</summary>
    IdBlock = 3,

    /// <summary>A piece of a message's content.</summary>
    Content = 4,

    /// <summary>The end of a message: with it the message exists.</summary>
    End = 5,

    /// <summary>What became of one recipient.</summary>
    Outcome = 6,

    /// <summary>Recipients whose report is made.</summary>
    Reported = 7,

    /// <summary>The latest outcomes of a message, joined when it moved to an old segment.</summary>
    Outcomes = 8,

    /// <summary>The message's queue.</summary>
    Move = 9,

    /// <summary>Expire at the next attempt.</summary>
    Expire = 10,

    /// <summary>The message is gone.</summary>
    Delete = 11,

    /// <summary>A block of a message's own file.</summary>
    Block = 12,
}

/// <summary>
/// A record: 32 bytes of header, then the payload.
/// mark u64 · crc32c u32 of all that follows · payload length u32 · type u8 · 3 zero bytes · batch sequence u32 · message id u64; little-endian.
/// The mark is random per segment, so no content can look like a record; the sequence ties a record to its batch, so bytes left over
/// by a batch that failed are never taken for part of the one written over it.
/// </summary>
internal static class Record
{
    public const int HeaderLength = 32;

    /// <summary>Longest payload.</summary>
    public const int PayloadLimit = 32 << 20;

    public static void WriteHeader(Span<byte> at, ulong mark, uint sequence, RecordType type, ulong id)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(at, mark);
        BinaryPrimitives.WriteUInt32LittleEndian(at[16..], (byte)type);
        BinaryPrimitives.WriteUInt32LittleEndian(at[20..], sequence);
        BinaryPrimitives.WriteUInt64LittleEndian(at[24..], id);
    }

    /// <summary>Completes a record whose payload is in place.</summary>
    public static void Finish(Span<byte> record)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(record[12..], (uint)(record.Length - HeaderLength));
        BinaryPrimitives.WriteUInt32LittleEndian(record[8..], Crc32C.Of(record[12..]));
    }

    /// <summary>Whether the header has the mark and a possible length; the whole record is then so long.</summary>
    public static bool TryLength(ReadOnlySpan<byte> at, ulong mark, out int length)
    {
        length = 0;
        if (at.Length < HeaderLength || BinaryPrimitives.ReadUInt64LittleEndian(at) != mark)
        {
            return false;
        }
        var payload = BinaryPrimitives.ReadUInt32LittleEndian(at[12..]);
        length = (int)payload + HeaderLength;
        return payload <= PayloadLimit;
    }

    /// <summary>Whether a whole record's checksum holds.</summary>
    public static bool IsWhole(ReadOnlySpan<byte> record) =>
        BinaryPrimitives.ReadUInt32LittleEndian(record[8..]) == Crc32C.Of(record[12..]);

    /// <summary>Takes the first of whole records that lie one after the other.</summary>
    public static Span<byte> TakeFirst(ref Span<byte> rest)
    {
        var record = rest[..(HeaderLength + BinaryPrimitives.ReadInt32LittleEndian(rest[12..]))];
        rest = rest[record.Length..];
        return record;
    }

    public static RecordType Type(ReadOnlySpan<byte> record) => (RecordType)record[16];

    public static uint Sequence(ReadOnlySpan<byte> record) => BinaryPrimitives.ReadUInt32LittleEndian(record[20..]);

    public static ulong Id(ReadOnlySpan<byte> record) => BinaryPrimitives.ReadUInt64LittleEndian(record[24..]);

    public static ReadOnlySpan<byte> Payload(ReadOnlySpan<byte> record) => record[HeaderLength..];
}
