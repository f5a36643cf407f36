using System.Buffers;
using System.Globalization;
using System.Text;
using Facteur.Contracts;

namespace Facteur.Services.Server;

/// <summary>Formats log lines as UTF-8 straight into a buffer. Control characters and broken text become "?". One thread at a time.</summary>
/// <param name="syslog">syslog's form "&lt;PRI&gt;Nov  2 ..." without the host, instead of the file's.</param>
/// <param name="facility">syslog's facility, shifted.</param>
/// <param name="host">The host's name; its first label is logged.</param>
/// <param name="pid">The process.</param>
/// <param name="time">The clock; local time is logged.</param>
/// <param name="stamped">With a stamp before each line, for <see cref="LogOrder"/>.</param>
internal sealed class LogLine(bool syslog, int facility, string host, int pid, TimeProvider time, bool stamped = false)
{
    /// <summary>Characters of a line's text that are kept.</summary>
    internal const int TextLimit = 4096;

    private const int HeadLimit = 128;

    private static readonly SearchValues<char> Plain = SearchValues.Create(Enumerable.Range(' ', '~' - ' ' + 1).Select(c => (char)c).ToArray());

    private readonly byte[] _pid = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"[{pid}]: "));
    private readonly string _host = host.Split('.')[0] is { Length: > 0 and <= 63 } label ? label : "localhost";
    private readonly byte[] _head = new byte[HeadLimit];
    private int _headLength;
    private long _second = long.MinValue;

    /// <summary>Appends a line with its line feed.</summary>
    /// <returns>Bytes written; 0 when there was no room, and nothing was written.</returns>
    internal int Write(Span<byte> into, string tag, LogLevel level, ReadOnlySpan<char> text)
    {
        text = text.Length > TextLimit ? text[..TextLimit] : text;
        if (into.Length < LogOrder.StampLength + HeadLimit + 32 + 3 * (tag.Length + text.Length))
        {
            return 0;
        }
        var length = 0;
        if (stamped)
        {
            LogOrder.Stamp(into, time);
            length = LogOrder.StampLength;
        }
        if (syslog)
        {
            into[length++] = (byte)'<';
            (facility | Severity(level)).TryFormat(into[length..], out var digits, default, CultureInfo.InvariantCulture);
            length += digits;
            into[length++] = (byte)'>';
        }
        length += Put(into[length..], Head());
        length += Text(into[length..], tag);
        length += Put(into[length..], _pid);
        length += Put(into[length..], Word(level));
        length += Text(into[length..], text);
        into[length++] = (byte)'\n';
        return length;
    }

    /// <summary>Makes lines of another process whole: without control characters, a line feed at the end, for which there is room.</summary>
    /// <param name="lines">The lines; changed.</param>
    /// <param name="length">Their bytes.</param>
    internal static ReadOnlySpan<byte> Printable(Span<byte> lines, int length)
    {
        foreach (ref var at in lines[..length])
        {
            at = at is (>= (byte)' ' and not 0x7f) or (byte)'\n' ? at : (byte)'?';
        }
        if (length > 0 && lines[length - 1] != (byte)'\n')
        {
            lines[length++] = (byte)'\n';
        }
        return lines[..length];
    }

    private static int Put(Span<byte> into, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(into);
        return bytes.Length;
    }

    private static int Text(Span<byte> into, ReadOnlySpan<char> text)
    {
        var length = 0;
        while (!text.IsEmpty)
        {
            var plain = text.IndexOfAnyExcept(Plain);
            plain = plain < 0 ? text.Length : plain;
            Ascii.FromUtf16(text[..plain], into[length..], out var copied);
            length += copied;
            text = text[plain..];
            if (!text.IsEmpty)
            {
                var status = Rune.DecodeFromUtf16(text, out var rune, out var taken);
                length += status != OperationStatus.Done || Rune.IsControl(rune) ? Put(into[length..], "?"u8) : rune.EncodeToUtf8(into[length..]);
                text = text[taken..];
            }
        }
        return length;
    }

    /// <summary>Time and host, made once per second.</summary>
    private ReadOnlySpan<byte> Head()
    {
        var now = time.GetUtcNow();
        var second = now.ToUnixTimeSeconds();
        if (second != _second)
        {
            _second = second;
            var local = TimeZoneInfo.ConvertTime(now, time.LocalTimeZone);
            // Postfix: its own log file has the day with a zero, syslog with a space.
            var day = syslog && local.Day < 10 ? $" {local.Day}" : local.Day.ToString("00", CultureInfo.InvariantCulture);
            var text = local.ToString("MMM ", CultureInfo.InvariantCulture) + day + local.ToString(" HH:mm:ss ", CultureInfo.InvariantCulture)
                + (syslog ? "" : _host + " ");
            _headLength = Encoding.UTF8.GetBytes(text, _head);
        }
        return _head.AsSpan(0, _headLength);
    }

    private static ReadOnlySpan<byte> Word(LogLevel level) => level switch
    {
        LogLevel.Info => default,
        LogLevel.Warning => "warning: "u8,
        LogLevel.Error => "error: "u8,
        LogLevel.Fatal => "fatal: "u8,
        _ => "panic: "u8,
    };

    private static int Severity(LogLevel level) => level switch
    {
        LogLevel.Info => 6,
        LogLevel.Warning => 4,
        LogLevel.Error => 3,
        _ => 2,
    };
}
