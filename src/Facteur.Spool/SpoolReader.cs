using Facteur.Mail.Envelopes;
using Facteur.Unix;

namespace Facteur.Spool;

/// <summary>
/// Reads content, in the spool's process or another, from any thread. Bytes are copied first, checked on the copy, then handed out.
/// What is open is borrowed for one read and given back: no two reads ever share a descriptor list, and a long message's file stays open
/// between its pieces, also when many are read in turn.
/// </summary>
public sealed class SpoolReader : ISpoolReader
{
    /// <summary>Files of long messages kept open; the one given back longest ago is closed first (its delivery may have been given up).</summary>
    private const int LargeLimit = 64;

    private readonly SpoolPaths _paths;
    private readonly IDisk _disk;
    private readonly Lock _gate = new();
    private readonly Stack<Descriptors> _segments = [];
    private readonly List<(ulong Id, int File)> _large = [];
    private bool _disposed;

    internal SpoolReader(SpoolPaths paths, IDisk disk)
    {
        _paths = paths;
        _disk = disk;
    }

    /// <summary>A reader of the spool in a directory; opens nothing yet.</summary>
    public static SpoolReader Open(string directory, IDisk disk) => new(new SpoolPaths(directory), disk);

    /// <inheritdoc/>
    public ContentRead Read(ulong id, ContentLayout layout, int extent, long offset, Memory<byte> buffer, out ReadOnlyMemory<byte> content)
    {
        content = default;
        if (extent >= layout.Extents.Count)
        {
            return ContentRead.End;
        }
        var piece = layout.Extents[extent];
        if (piece.Kind == ExtentKind.File)
        {
            return ReadBlock(id, piece, offset, buffer, out content);
        }
        var length = piece.Length + Record.HeaderLength;
        if (length > buffer.Length || piece.Offset > uint.MaxValue)
        {
            return ContentRead.Damaged;
        }
        var segments = BorrowSegments();
        var result = segments.FetchContent(id, new Location(piece.Segment, (uint)piece.Offset), buffer.Span[..length], out _);
        GiveBack(segments);
        if (result != FetchResult.Whole)
        {
            return result switch { FetchResult.Gone => ContentRead.Moved, FetchResult.Damaged => ContentRead.Damaged, _ => ContentRead.Failed };
        }
        content = buffer[Record.HeaderLength..length];
        return ContentRead.Data;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            while (_segments.TryPop(out var segments))
            {
                segments.Dispose();
            }
            foreach (var (_, file) in _large)
            {
                _ = _disk.Close(file);
            }
            _large.Clear();
        }
    }

    private ContentRead ReadBlock(ulong id, in Extent piece, long offset, Memory<byte> buffer, out ReadOnlyMemory<byte> content)
    {
        content = default;
        if (offset >= piece.Length)
        {
            return ContentRead.End;
        }
        var file = BorrowLarge(id);
        if (file < 0)
        {
            file = _disk.Open(_paths.LargeFile(id), DiskOpen.Read);
            if (file < 0)
            {
                return file == -Libc.ENOENT ? ContentRead.Moved : ContentRead.Failed;
            }
        }
        var result = ReadBlock(file, id, piece, offset, buffer, out content);
        // After the last piece the file is closed: an unlinked one would go on taking room on the disk.
        if (result != ContentRead.Data || offset + content.Length >= piece.Length)
        {
            _ = _disk.Close(file);
        }
        else
        {
            GiveBack(id, file);
        }
        return result;
    }

    private ContentRead ReadBlock(int file, ulong id, in Extent piece, long offset, Memory<byte> buffer, out ReadOnlyMemory<byte> content)
    {
        content = default;
        var at = piece.Offset + offset;
        var number = at / LargeFile.BlockContent;
        var within = (int)(at % LargeFile.BlockContent);
        var n = _disk.Read(file, buffer.Span[..LargeFile.BlockLength], number * LargeFile.BlockLength);
        if (n < 0)
        {
            return ContentRead.Failed;
        }
        var bytes = buffer.Span[..n];
        if (!Record.TryLength(bytes, LargeFile.Mark(id), out var length) || length > n || !Record.IsWhole(bytes[..length])
            || Record.Type(bytes) != RecordType.Block || Record.Id(bytes) != id || Record.Sequence(bytes) != (uint)number
            || within >= length - Record.HeaderLength)
        {
            // A file that was opened before its message was deleted may be another's by now: it lost its name first.
            var named = _disk.Open(_paths.LargeFile(id), DiskOpen.Read);
            _ = named < 0 ? 0 : _disk.Close(named);
            return named == -Libc.ENOENT ? ContentRead.Moved : ContentRead.Damaged;
        }
        var take = (int)Math.Min(length - Record.HeaderLength - within, piece.Length - offset);
        content = buffer.Slice(Record.HeaderLength + within, take);
        return ContentRead.Data;
    }

    private Descriptors BorrowSegments()
    {
        lock (_gate)
        {
            return _segments.TryPop(out var segments) ? segments : new Descriptors(_paths, _disk);
        }
    }

    private void GiveBack(Descriptors segments)
    {
        lock (_gate)
        {
            if (!_disposed)
            {
                _segments.Push(segments);
                return;
            }
        }
        segments.Dispose();
    }

    private int BorrowLarge(ulong id)
    {
        lock (_gate)
        {
            for (var i = _large.Count - 1; i >= 0; i--)
            {
                if (_large[i].Id == id)
                {
                    var file = _large[i].File;
                    _large.RemoveAt(i);
                    return file;
                }
            }
            return -1;
        }
    }

    private void GiveBack(ulong id, int file)
    {
        lock (_gate)
        {
            if (!_disposed)
            {
                _large.Add((id, file));
                if (_large.Count <= LargeLimit)
                {
                    return;
                }
                file = _large[0].File;
                _large.RemoveAt(0);
            }
        }
        _ = _disk.Close(file);
    }
}
