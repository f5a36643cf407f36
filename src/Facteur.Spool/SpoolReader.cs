using Facteur.Mail.Envelopes;
using Facteur.Unix;

namespace Facteur.Spool;

/// <summary>
/// Reads content for one thread at a time, in the spool's process or another. Bytes are copied first, checked on the copy, then handed out.
/// </summary>
public sealed class SpoolReader : ISpoolReader
{
    private readonly SpoolPaths _paths;
    private readonly IDisk _disk;
    private readonly Descriptors _segments;
    private int _largeFile = -1;
    private ulong _largeId;

    internal SpoolReader(SpoolPaths paths, IDisk disk)
    {
        _paths = paths;
        _disk = disk;
        _segments = new Descriptors(paths, disk);
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
        var result = _segments.FetchContent(id, new Location(piece.Segment, (uint)piece.Offset), buffer.Span[..length], out _);
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
        _segments.Dispose();
        CloseLarge();
    }

    private ContentRead ReadBlock(ulong id, in Extent piece, long offset, Memory<byte> buffer, out ReadOnlyMemory<byte> content)
    {
        content = default;
        if (offset >= piece.Length)
        {
            return ContentRead.End;
        }
        if (_largeId != id || _largeFile < 0)
        {
            CloseLarge();
            _largeFile = _disk.Open(_paths.LargeFile(id), DiskOpen.Read);
            _largeId = id;
            if (_largeFile < 0)
            {
                return _largeFile == -Libc.ENOENT ? ContentRead.Moved : ContentRead.Failed;
            }
        }
        var at = piece.Offset + offset;
        var number = at / LargeFile.BlockContent;
        var within = (int)(at % LargeFile.BlockContent);
        var n = _disk.Read(_largeFile, buffer.Span[..LargeFile.BlockLength], number * LargeFile.BlockLength);
        if (n < 0)
        {
            return ContentRead.Failed;
        }
        var bytes = buffer.Span[..n];
        if (!Record.TryLength(bytes, LargeFile.Mark(id), out var length) || length > n || !Record.IsWhole(bytes[..length])
            || Record.Type(bytes) != RecordType.Block || Record.Id(bytes) != id || Record.Sequence(bytes) != (uint)number
            || within >= length - Record.HeaderLength)
        {
            return ContentRead.Damaged;
        }
        var take = (int)Math.Min(length - Record.HeaderLength - within, piece.Length - offset);
        content = buffer.Slice(Record.HeaderLength + within, take);
        return ContentRead.Data;
    }

    private void CloseLarge()
    {
        if (_largeFile >= 0)
        {
            _ = _disk.Close(_largeFile);
            _largeFile = -1;
        }
    }
}
