using Facteur.Unix;

namespace Facteur.Spool;

/// <summary>
/// Open segments, at most 8, the one unused for longest closed first. An open segment stays readable after it was unlinked.
/// Fetches records by place: checksum, mark, type and message are checked on the copy in the caller's buffer.
/// </summary>
internal sealed class Descriptors(SpoolPaths paths, IDisk disk) : IDisposable
{
    private const int Limit = 8;

    private readonly List<(uint Segment, int File, ulong Mark)> _open = [];

    /// <summary>Reads one record into a buffer that grows up to the longest record.</summary>
    public FetchResult Fetch(ulong id, Location at, ref byte[] buffer, out ReadOnlySpan<byte> record)
    {
        record = default;
        var result = Open(at.Segment, out var file, out var mark);
        if (result != FetchResult.Whole)
        {
            return result;
        }
        var n = disk.Read(file, buffer, at.Offset);
        if (n < 0)
        {
            return FetchResult.Failed;
        }
        if (!Record.TryLength(buffer.AsSpan(0, n), mark, out var length))
        {
            return FetchResult.Damaged;
        }
        if (length > buffer.Length)
        {
            buffer = new byte[length];
            n = disk.Read(file, buffer, at.Offset);
            if (n < 0)
            {
                return FetchResult.Failed;
            }
        }
        return Check(id, buffer.AsSpan(0, n), length, out record);
    }

    /// <summary>Reads a content record of known length into a caller's buffer.</summary>
    public FetchResult FetchContent(ulong id, Location at, Span<byte> buffer, out ReadOnlySpan<byte> record)
    {
        record = default;
        var result = Open(at.Segment, out var file, out var mark);
        if (result != FetchResult.Whole)
        {
            return result;
        }
        var n = disk.Read(file, buffer, at.Offset);
        if (n < 0)
        {
            return FetchResult.Failed;
        }
        if (!Record.TryLength(buffer[..n], mark, out var length) || length != buffer.Length)
        {
            return FetchResult.Damaged;
        }
        result = Check(id, buffer[..n], length, out record);
        return result == FetchResult.Whole && Record.Type(record) != RecordType.Content ? FetchResult.Damaged : result;
    }

    public void Dispose()
    {
        foreach (var (_, file, _) in _open)
        {
            _ = disk.Close(file);
        }
        _open.Clear();
    }

    // The id of an end record that closes another message's recipients is the closing message's: 0 asks for any.
    private static FetchResult Check(ulong id, ReadOnlySpan<byte> bytes, int length, out ReadOnlySpan<byte> record)
    {
        record = default;
        if (bytes.Length < length || !Record.IsWhole(bytes[..length]) || (id != 0 && Record.Id(bytes) != id)
            || length - Record.HeaderLength < Payloads.LeastLength(Record.Type(bytes)))
        {
            return FetchResult.Damaged;
        }
        record = bytes[..length];
        return FetchResult.Whole;
    }

    private FetchResult Open(uint segment, out int file, out ulong mark)
    {
        for (var i = _open.Count - 1; i >= 0; i--)
        {
            if (_open[i].Segment == segment)
            {
                var found = _open[i];
                _open.RemoveAt(i);
                _open.Add(found);
                (file, mark) = (found.File, found.Mark);
                return FetchResult.Whole;
            }
        }
        mark = 0;
        file = disk.Open(paths.Segment(segment), DiskOpen.Read);
        if (file < 0)
        {
            return file == -Libc.ENOENT ? FetchResult.Gone : FetchResult.Failed;
        }
        Span<byte> head = stackalloc byte[SegmentHeader.Length];
        var n = disk.Read(file, head, 0);
        if (n != head.Length || !SegmentHeader.TryRead(head, out var header) || header.Number != segment)
        {
            _ = disk.Close(file);
            // What the disk refuses to read now it may read later.
            return n < 0 ? FetchResult.Failed : FetchResult.Damaged;
        }
        if (_open.Count == Limit)
        {
            _ = disk.Close(_open[0].File);
            _open.RemoveAt(0);
        }
        mark = header.Mark;
        _open.Add((segment, file, mark));
        return FetchResult.Whole;
    }
}
