using System.Buffers.Binary;

namespace Facteur.Spool;

/// <summary>Reads a checkpoint into a state; a wrong checksum is found at the end only, then the state must be thrown away.</summary>
internal static class CheckpointReader
{
    private const int ReadLength = CheckpointEntry.Length * 4096;

    /// <summary>Reads the header alone.</summary>
    /// <param name="disk">The disk.</param>
    /// <param name="path">The checkpoint.</param>
    /// <param name="header">Its header.</param>
    /// <param name="errno">Not 0 when the disk refused: then nothing is known of it.</param>
    public static bool TryReadHeader(IDisk disk, string path, out CheckpointHeader header, out int errno)
    {
        header = default;
        var file = disk.Open(path, DiskOpen.Read);
        errno = Math.Max(0, -file);
        if (file < 0)
        {
            return false;
        }
        Span<byte> head = stackalloc byte[CheckpointHeader.Length];
        var n = disk.Read(file, head, 0);
        _ = disk.Close(file);
        errno = Math.Max(0, -n);
        return n == head.Length && CheckpointHeader.TryRead(head, out header);
    }

    /// <summary>Reads all; false when anything is wrong, with an errno when the disk refused.</summary>
    public static bool TryLoad(IDisk disk, string path, SpoolState state, out int errno)
    {
        var file = disk.Open(path, DiskOpen.Read);
        errno = Math.Max(0, -file);
        if (file < 0)
        {
            return false;
        }
        var whole = Load(disk, file, state, ref errno);
        _ = disk.Close(file);
        return whole;
    }

    private static bool Load(IDisk disk, int file, SpoolState state, ref int errno)
    {
        var length = disk.Length(file);
        errno = (int)Math.Max(0, -length);
        var entries = (length - CheckpointHeader.Length - CheckpointWriter.FooterLength) / CheckpointEntry.Length;
        if (entries < 0 || CheckpointHeader.Length + entries * CheckpointEntry.Length + CheckpointWriter.FooterLength != length)
        {
            return false;
        }
        state.Index.Reserve(entries);
        var buffer = new byte[(int)Math.Min(ReadLength, Math.Max(entries, 2) * CheckpointEntry.Length)];
        if (!Read(disk, file, buffer.AsSpan(0, CheckpointHeader.Length), 0, ref errno))
        {
            return false;
        }
        var crc = Crc32C.Append(~0u, buffer.AsSpan(0, CheckpointHeader.Length));
        long at = CheckpointHeader.Length;
        for (var left = entries; left > 0;)
        {
            var count = (int)Math.Min(left, buffer.Length / CheckpointEntry.Length);
            var bytes = buffer.AsSpan(0, count * CheckpointEntry.Length);
            if (!Read(disk, file, bytes, at, ref errno))
            {
                return false;
            }
            crc = Crc32C.Append(crc, bytes);
            for (; !bytes.IsEmpty; bytes = bytes[CheckpointEntry.Length..])
            {
                var entry = CheckpointEntry.Read(bytes);
                if (entry.Id == 0 || entry.State is < QueueState.Incoming or > QueueState.Corrupt)
                {
                    return false;
                }
                state.Load(entry);
            }
            at += count * CheckpointEntry.Length;
            left -= count;
        }
        state.Index.Arrange();
        var footer = buffer.AsSpan(0, CheckpointWriter.FooterLength);
        return Read(disk, file, footer, at, ref errno)
            && BinaryPrimitives.ReadUInt64LittleEndian(footer) == ulong.MaxValue
            && BinaryPrimitives.ReadUInt64LittleEndian(footer[8..]) == (ulong)entries
            && BinaryPrimitives.ReadUInt32LittleEndian(footer[16..]) == ~Crc32C.Append(crc, footer[..16]);
    }

    private static bool Read(IDisk disk, int file, Span<byte> into, long at, ref int errno)
    {
        var n = disk.Read(file, into, at);
        errno = Math.Max(0, -n);
        return n == into.Length;
    }
}
