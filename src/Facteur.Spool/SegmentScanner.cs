using System.Buffers.Binary;
using Facteur.Unix;

namespace Facteur.Spool;

/// <summary>
/// Reads a segment from front to back through a window, and searches for the next whole record after a bad place. Pages that the disk can't read are
/// taken for zeros and remembered: what is missing then is damage and never the journal's end. Any other refusal, or too many such pages, ends the reading
/// with <see cref="Errno"/>: nothing may be concluded from it.
/// </summary>
internal sealed class SegmentScanner(IDisk disk, int file, ulong mark, long length)
{
    /// <summary>Pages of one segment that may be unreadable: 256 KiB. More is a disk that fails.</summary>
    private const int BadPageLimit = 64;
    private const int PageLength = 4096;

    private readonly HashSet<long> _badPages = [];
    private readonly byte[] _markBytes = BitConverter.GetBytes(mark);
    private byte[] _window = new byte[(int)Math.Min(1 << 20, Math.Max(length, 4096))];
    private long _start;
    private int _filled;

    public long Length { get; } = length;

    /// <summary>0, or why what was read says nothing.</summary>
    public int Errno { get; private set; }

    /// <summary>Whether a page that ends behind a place could not be read.</summary>
    public bool IsBadBehind(long place) => _badPages.Any(page => page + PageLength > place);

    /// <summary>The record at a place when it is whole.</summary>
    public bool TryRecord(long at, out ReadOnlySpan<byte> record)
    {
        record = default;
        if (!Record.TryLength(Bytes(at, Record.HeaderLength), mark, out var whole) || at + whole > Length)
        {
            return false;
        }
        var bytes = Bytes(at, whole);
        if (bytes.Length < whole || !Record.IsWhole(bytes) || whole - Record.HeaderLength < Payloads.LeastLength(Record.Type(bytes)))
        {
            return false;
        }
        record = bytes;
        return true;
    }

    /// <summary>The next whole record from a place on, or the length.</summary>
    public long NextRecord(long at)
    {
        while (at < Length)
        {
            var bytes = Bytes(at, (int)Math.Min(64 << 10, Length - at));
            var hit = bytes.IndexOf(_markBytes);
            if (hit >= 0)
            {
                if (TryRecord(at + hit, out _))
                {
                    return at + hit;
                }
                at += hit + 1;
            }
            else if (bytes.Length < _markBytes.Length)
            {
                break;
            }
            else
            {
                at += bytes.Length - _markBytes.Length + 1;
            }
        }
        return Length;
    }

    /// <summary>Whether any whole batch from a place on says that more than the place was durable.</summary>
    public bool SaysDurableBeyond(long place)
    {
        for (var at = NextRecord(place); at < Length; at = NextRecord(at + 1))
        {
            if (TryRecord(at, out var record) && Record.Type(record) == RecordType.Batch
                && BinaryPrimitives.ReadInt64LittleEndian(Record.Payload(record)) > place)
            {
                return true;
            }
        }
        return false;
    }

    /// <summary>Whether only zeros follow: room made for batches that never came.</summary>
    public bool IsEmptyFrom(long at)
    {
        while (at < Length)
        {
            var bytes = Bytes(at, (int)Math.Min(64 << 10, Length - at));
            if (bytes.IsEmpty || bytes.ContainsAnyExcept((byte)0))
            {
                return false;
            }
            at += bytes.Length;
        }
        return true;
    }

    private ReadOnlySpan<byte> Bytes(long at, int count)
    {
        if (at < _start || at + count > _start + _filled)
        {
            if (count > _window.Length)
            {
                _window = new byte[count];
            }
            _start = at;
            _filled = Fill();
        }
        var from = (int)(at - _start);
        return _window.AsSpan(from, Math.Min(count, Math.Max(0, _filled - from)));
    }

    private int Fill()
    {
        var n = disk.Read(file, _window, _start);
        if (n >= 0 || n != -Libc.EIO)
        {
            Errno = n < 0 ? -n : Errno;
            return Math.Max(0, n);
        }
        var filled = (int)Math.Min(_window.Length, Length - _start);
        for (int from = 0, to; from < filled && Errno == 0; from = to)
        {
            var page = (_start + from) / PageLength * PageLength;
            to = (int)Math.Min(filled, page + PageLength - _start);
            var part = _window.AsSpan(from, to - from);
            n = disk.Read(file, part, _start + from);
            part[Math.Clamp(n, 0, part.Length)..].Clear();
            if (n < 0 && (n != -Libc.EIO || (_badPages.Add(page) && _badPages.Count > BadPageLimit)))
            {
                Errno = -n;
            }
        }
        return Errno == 0 ? filled : 0;
    }
}
