using System.Buffers.Text;
using System.Globalization;

namespace Facteur.Services.Server;

/// <summary>
/// Puts lines of several processes into the order in which they were written. Each process hands over its lines in batches, and a message passes several
/// processes: its "removed" would else stand before its "status=sent". A line waits until older ones of the others must have come. Bounded: where there is
/// no more room, lines do not wait.
/// </summary>
/// <param name="log">Gets the lines.</param>
/// <param name="time">The clock, whose timestamps all processes of a machine share.</param>
internal sealed class LogOrder(MailLog log, TimeProvider time)
{
    /// <summary>What stands before a line: its timestamp as so many hexadecimal digits.</summary>
    public const int StampLength = 16;

    /// <summary>How often a line that waits is looked at, in milliseconds.</summary>
    public const int Step = 10;

    private const int Room = 512 * 1024;
    private static readonly TimeSpan Hold = TimeSpan.FromMilliseconds(30);

    /// <summary>How much longer the first of them waits: so many lines are put into their order at a time.</summary>
    private static readonly TimeSpan Batch = TimeSpan.FromMilliseconds(20);

    private readonly Lock _gate = new();
    private readonly List<(long Stamp, long Number, int Start, int Length)> _lines = [];
    private byte[] _bytes = GC.AllocateUninitializedArray<byte>(Room);
    private byte[] _spare = GC.AllocateUninitializedArray<byte>(Room);
    private int _length;
    private long _number;
    private long _oldest;

    /// <summary>Writes a line's stamp.</summary>
    /// <param name="into">At least <see cref="StampLength"/> bytes.</param>
    /// <param name="time">The clock.</param>
    public static void Stamp(Span<byte> into, TimeProvider time) => time.GetTimestamp().TryFormat(into, out _, "x16", CultureInfo.InvariantCulture);

    /// <summary>Takes lines, each with its stamp before it and a line feed behind it.</summary>
    public void Add(ReadOnlySpan<byte> lines)
    {
        var now = time.GetTimestamp();
        lock (_gate)
        {
            while (!lines.IsEmpty)
            {
                var end = lines.IndexOf((byte)'\n') is >= 0 and var at ? at + 1 : lines.Length;
                var stamped = end > StampLength && Utf8Parser.TryParse(lines[..StampLength], out long stamp, out var digits, 'x') && digits == StampLength ? stamp : (long?)null;
                var line = lines[(stamped is null ? 0 : StampLength)..end];
                if (line.Length > Room - _length)
                {
                    Write(long.MaxValue);
                }
                line.CopyTo(_bytes.AsSpan(_length));
                // What claims to be of later would wait till then.
                _lines.Add((Math.Min(stamped ?? now, now), _number++, _length, line.Length));
                _oldest = _lines.Count == 1 ? _lines[0].Stamp : Math.Min(_oldest, _lines[^1].Stamp);
                _length += line.Length;
                lines = lines[end..];
            }
        }
    }

    /// <summary>Hands over what has waited long enough.</summary>
    /// <returns>Whether lines go on waiting.</returns>
    public bool Turn()
    {
        lock (_gate)
        {
            var now = time.GetTimestamp();
            if (_lines.Count > 0 && time.GetElapsedTime(_oldest, now) >= Hold + Batch)
            {
                Write(now - (long)(Hold.TotalSeconds * time.TimestampFrequency));
            }
            return _lines.Count > 0;
        }
    }

    /// <summary>Hands over all.</summary>
    public void Flush()
    {
        lock (_gate)
        {
            Write(long.MaxValue);
        }
    }

    private void Write(long until)
    {
        _lines.Sort(static (a, b) => a.Stamp != b.Stamp ? a.Stamp.CompareTo(b.Stamp) : a.Number.CompareTo(b.Number));
        var due = 0;
        for (; due < _lines.Count && _lines[due].Stamp <= until; due++)
        {
            log.WriteLines(_bytes.AsSpan(_lines[due].Start, _lines[due].Length));
        }
        _lines.RemoveRange(0, due);
        _length = 0;
        for (var i = 0; i < _lines.Count; i++)
        {
            var (stamp, number, start, length) = _lines[i];
            _bytes.AsSpan(start, length).CopyTo(_spare.AsSpan(_length));
            _lines[i] = (stamp, number, _length, length);
            _length += length;
        }
        (_bytes, _spare) = (_spare, _bytes);
        _oldest = _lines.Count > 0 ? _lines[0].Stamp : 0;
    }
}
