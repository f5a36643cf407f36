using System.Buffers.Binary;

namespace Facteur.Spool;

/// <summary>
/// Writes a checkpoint in steps while the index goes on changing: an entry is written as it is when its step comes, and replaying the
/// records after the header's place leads to the same state from any of these. Written under a ".new" name; <see cref="Complete"/>
/// syncs it, names it and syncs the directory.
/// After the header: entries of 56 bytes; footer: 8 bytes of 0xFF (no message has that number), count u64, crc32c u32 of everything before.
/// </summary>
internal sealed class CheckpointWriter(SpoolPaths paths, IDisk disk, CheckpointHeader header) : IDisposable
{
    public const int FooterLength = 20;

    private const int SyncBytes = 1 << 20;

    private int _file = -1;
    private long _length;
    private long _synced;
    private uint _crc = ~0u;
    private ulong _count;
    private int _slot = 1;
    private byte[] _buffer = [];

    public ulong Sequence => header.Sequence;

    public Location From => header.From;

    /// <summary>All slots were looked at.</summary>
    public bool IsFilled { get; private set; }

    /// <summary>Makes the file and writes the header; 0 or the errno.</summary>
    public int Begin()
    {
        var path = paths.NewCheckpoint(header.Sequence);
        _ = disk.Unlink(path);
        _file = disk.Open(path, DiskOpen.Create);
        if (_file < 0)
        {
            return -_file;
        }
        Span<byte> head = stackalloc byte[CheckpointHeader.Length];
        header.Write(head);
        return Append(head);
    }

    /// <summary>Writes the next entries; 0 or the errno.</summary>
    /// <param name="index">The index.</param>
    /// <param name="count">Slots to look at.</param>
    public int Step(Index index, int count)
    {
        if (_buffer.Length == 0)
        {
            _buffer = new byte[Math.Min(count, index.SlotEnd + 64) * CheckpointEntry.Length];
        }
        var filled = 0;
        for (var end = Math.Min(index.SlotEnd, _slot + _buffer.Length / CheckpointEntry.Length); _slot < end; _slot++)
        {
            if (index.IsUsed(_slot))
            {
                CheckpointEntry.Write(_buffer.AsSpan(filled), index[_slot]);
                filled += CheckpointEntry.Length;
                _count++;
            }
        }
        IsFilled = _slot >= index.SlotEnd;
        return filled == 0 ? 0 : Append(_buffer.AsSpan(0, filled));
    }

    /// <summary>Everything the entries point to is durable: makes the checkpoint the newest; 0 or the errno.</summary>
    public int Complete()
    {
        Span<byte> footer = stackalloc byte[FooterLength];
        footer[..8].Fill(0xff);
        BinaryPrimitives.WriteUInt64LittleEndian(footer[8..], _count);
        BinaryPrimitives.WriteUInt32LittleEndian(footer[16..], ~Crc32C.Append(_crc, footer[..16]));
        var errno = Append(footer);
        errno = errno != 0 ? errno : -disk.SyncData(_file);
        errno = errno != 0 ? errno : -disk.Rename(paths.NewCheckpoint(header.Sequence), paths.Checkpoint(header.Sequence));
        return errno != 0 ? errno : -disk.SyncDirectory(paths.Journal);
    }

    public void Dispose()
    {
        if (_file >= 0)
        {
            _ = disk.Close(_file);
            _ = disk.Unlink(paths.NewCheckpoint(header.Sequence));
            _file = -1;
        }
    }

    private int Append(ReadOnlySpan<byte> bytes)
    {
        _crc = Crc32C.Append(_crc, bytes);
        var errno = disk.WriteAll(_file, bytes, _length);
        _length += bytes.Length;
        if (errno == 0 && _length - _synced >= SyncBytes)
        {
            // Little by little, so that the last sync does not stop the mail for the time of a whole index.
            _synced = _length;
            errno = -disk.SyncData(_file);
        }
        return errno;
    }
}
