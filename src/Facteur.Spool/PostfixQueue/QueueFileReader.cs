using System.Buffers.Text;
using Facteur.Spool.Maildrop;

namespace Facteur.Spool.PostfixQueue;

/// <summary>Reads bytes of a file.</summary>
/// <param name="offset">From where.</param>
/// <param name="into">Where to.</param>
/// <returns>How many; fewer than asked for only at the end; the negated errno when the disk refuses.</returns>
public delegate int ReadAt(long offset, Span<byte> into);

/// <summary>
/// The records of a Postfix queue file in the order of their meaning: pointer records are followed, padding is passed over. The bytes may be
/// anything: nothing throws, one window of 128 KiB is all the memory, and as no record means something twice, records that together are longer
/// than the file are a loop of pointers.
/// </summary>
public sealed class QueueFileReader
{
    private const int WindowLength = 128 << 10;

    private readonly byte[] _window = new byte[WindowLength];
    private ReadAt _read = static (_, _) => 0;
    private long _length;
    private long _start;
    private int _filled;
    private long _next;
    private long _taken;

    /// <summary>Where the last record begins.</summary>
    public long Offset { get; private set; }

    /// <summary>What is wrong with the file, or null.</summary>
    public string? Wrong { get; private set; }

    /// <summary>Why it can't be read, or 0.</summary>
    public int Errno { get; private set; }

    /// <summary>Begins with a file.</summary>
    /// <param name="read">Its bytes.</param>
    /// <param name="length">How many there are.</param>
    public void Open(ReadAt read, long length)
    {
        (_read, _length) = (read, length);
        (_start, _filled, _next, _taken) = (0, 0, 0, 0);
        (Offset, Wrong, Errno) = (0, null, 0);
    }

    /// <summary>Reads the next record.</summary>
    /// <param name="record">It; valid until the next call.</param>
    /// <returns>False at the end of the file, which has an end record before it, and where <see cref="Wrong"/> or <see cref="Errno"/> says why.</returns>
    public bool TryRead(out MaildropRecord record)
    {
        while (Take(out record))
        {
            switch ((char)record.Type)
            {
                case 'p' when !Jump(record.Data):
                    return false;
                case 'p' or 'w':
                    break;
                default:
                    return true;
            }
        }
        return false;
    }

    private bool Take(out MaildropRecord record)
    {
        record = default;
        if (Wrong is not null || Errno != 0)
        {
            return false;
        }
        for (var filled = false; ; filled = true)
        {
            var at = _next - _start;
            var rest = at >= 0 && at < _filled ? _window.AsSpan((int)at, _filled - (int)at) : default;
            ReadOnlySpan<byte> input = rest;
            if (MaildropRecord.TryTake(ref input, out record, out var invalid))
            {
                break;
            }
            if (invalid || filled)
            {
                Wrong = invalid ? $"record at {_next} is longer than {MaildropRecord.DataLimit} bytes" : "file ends without an end record";
                return false;
            }
            if (!Fill())
            {
                return false;
            }
        }
        (Offset, _next, _taken) = (_next, _next + record.Raw.Length, _taken + record.Raw.Length);
        if (_taken > _length)
        {
            Wrong = "pointer records go in a circle";
        }
        return Wrong is null;
    }

    private bool Fill()
    {
        (_start, _filled) = (_next, 0);
        var read = _read(_start, _window);
        (_filled, Errno) = (Math.Max(read, 0), Math.Max(-read, 0));
        return read >= 0;
    }

    // Postfix: a pointer to 0 is a place kept for one.
    private bool Jump(ReadOnlySpan<byte> data)
    {
        data = data.Trim((byte)' ');
        if (!Utf8Parser.TryParse(data, out long target, out var used) || used != data.Length || target < 0 || target > _length)
        {
            Wrong = $"pointer record at {Offset} points nowhere";
            return false;
        }
        _next = target == 0 ? _next : target;
        return true;
    }
}
