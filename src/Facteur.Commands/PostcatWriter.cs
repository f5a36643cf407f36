using System.Buffers;
using System.Globalization;
using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Headers;
using Facteur.Spool.PostfixQueue;

namespace Facteur.Commands;

/// <summary>Prints what postcat was asked for: envelope lines, header lines, body lines, each with its type and offset when wanted.</summary>
internal sealed class PostcatWriter : IDisposable
{
    private readonly TextWriter _text;
    private readonly Stream? _bytes;
    private readonly bool _envelope;
    private readonly bool _header;
    private readonly bool _body;
    private readonly bool _types;
    private readonly bool _offsets;
    private readonly QueueFileWriter _file = new();
    private readonly long _skip;
    private readonly ArrayBufferWriter<byte> _line = new(256);
    private long _offset;

    public PostcatWriter(TextWriter text, Stream? bytes, bool envelope, bool header, bool body, bool types, bool offsets, long skip)
    {
        (_text, _bytes, _envelope, _header, _body, _types, _offsets, _skip) = (text, bytes, envelope, header, body, types, offsets, skip);
    }

    public void Dispose()
    {
        _text.Flush();
        _bytes?.Flush();
    }

    /// <summary>Prints a queued message; false when its content can't be read whole.</summary>
    public async Task<bool> CopyAsync(IQueueOperator queue, QueuedMessage message, TimeZoneInfo zone)
    {
        var name = $"{message.QueueName}/{message.QueueId}";
        var done = message.Done.ToHashSet();
        _file.Begin(message.Envelope, message.QueueId, done.Contains, null);
        Envelope(message, name, zone);
        _offset = _file.ContentStart - 2;
        Marker('M', $"*** MESSAGE CONTENTS {name} ***");
        _offset = _file.ContentStart;
        var scan = new HeaderEnd();
        var header = new ArrayBufferWriter<byte>();
        var ended = false;
        var whole = await queue.CopyAsync(message, piece =>
        {
            header.ResetWrittenCount();
            var taken = ended ? 0 : scan.Take(piece.Span, header);
            Lines(header.WrittenSpan, _header);
            if (scan.Ended)
            {
                if (!ended)
                {
                    ended = true;
                    Lines(scan.Pending.Span, _body);
                }
                Lines(piece.Span[taken..], _body);
            }
            return ValueTask.CompletedTask;
        }, CancellationToken.None).ConfigureAwait(false);
        if (!whole)
        {
            return false;
        }
        Marker('X', $"*** HEADER EXTRACTED {name} ***");
        _offset += 2;
        if (_envelope && scan.MessageId is { } id)
        {
            Record('A', $"named_attribute: message_id={id}");
            _offset += RecordLength(Encoding.UTF8.GetByteCount(id) + "message_id=".Length);
        }
        Marker('E', $"*** MESSAGE FILE END {name} ***");
        return true;
    }

    /// <summary>Prints a file of records; a text when it is not valid, and whether it can't be read to its end.</summary>
    public (string? Wrong, bool IsCut) Copy(RecordFile file, string name)
    {
        string? error;
        var (started, inHeader, inContent, inLine) = (false, true, false, false);
        while (file.Read(out var data, out error) is not '\0' and var type)
        {
            if (!started)
            {
                // Postfix: what does not begin as a queue file is not shown.
                if (type is not ('C' or 'T'))
                {
                    return ("input is not a valid queue file", false);
                }
                Marker(' ', $"*** ENVELOPE RECORDS {name} ***", plain: true);
                started = true;
            }
            _offset = file.Offset;
            if (_offset < _skip)
            {
                continue;
            }
            switch (type)
            {
                case 'M':
                    inContent = true;
                    Marker('M', $"*** MESSAGE CONTENTS {name} ***");
                    break;
                case 'X':
                    if (inLine && (inHeader ? _header : _body))
                    {
                        Write("\n"u8);
                    }
                    inContent = false;
                    Marker('X', $"*** HEADER EXTRACTED {name} ***");
                    break;
                case 'E':
                    Marker('E', $"*** MESSAGE FILE END {name} ***");
                    return default;
                case 'N' or 'L' when inContent:
                    inHeader = inHeader && (inLine || data is [(byte)' ' or (byte)'\t', ..] || HeaderField.NameLength(data) > 0);
                    inLine = type == 'L';
                    if (inHeader ? _header : _body)
                    {
                        Line(data, type, ended: !inLine);
                    }
                    break;
                case 'p' or 'w':
                    // Postfix: they say nothing of the message.
                    break;
                case 'A' when data.AsSpan().StartsWith("create_time="u8):
                    if (_envelope)
                    {
                        Record(type, $"create_time: {Value('T', data["create_time=".Length..])}");
                    }
                    break;
                default:
                    if (_envelope)
                    {
                        Record(type, $"{RecordFile.Name(type, inContent)}: {Value(type, data)}");
                    }
                    break;
            }
        }
        return (error ?? (started ? "the file ends before its end record" : "input is not a valid queue file"), error is not null);
    }

    private static string Value(char type, byte[] data)
    {
        var text = Encoding.UTF8.GetString(data);
        var seconds = text.TrimStart(' ').Split(' ')[0];
        return type is 'T' or 'W' && long.TryParse(seconds, NumberStyles.None, CultureInfo.InvariantCulture, out var time) && time < 253_402_300_800
            ? Time(time, TimeZoneInfo.Local) : text;
    }

    private void Envelope(QueuedMessage message, string name, TimeZoneInfo zone)
    {
        if (!_envelope)
        {
            return;
        }
        var e = message.Envelope;
        var records = new RecordFile(new MemoryStream(_file.Output.WrittenSpan.ToArray()));
        Marker(' ', $"*** ENVELOPE RECORDS {name} ***", plain: true);
        while (records.Read(out var data, out _) is not ('\0' or 'M') and var type)
        {
            _offset = records.Offset;
            if (_offset < _skip)
            {
                continue;
            }
            var text = Encoding.UTF8.GetString(data);
            switch (type)
            {
                case 'C':
                    Record(type, string.Create(CultureInfo.InvariantCulture,
                        $"message_size: {e.ContentSize,15} {_file.ContentStart,15} {e.Recipients.Count,15} {0,15} {e.ContentSize,15} {((e.Flags & MessageFlags.SmtpUtf8) != 0 ? 1 : 0),15}"));
                    break;
                case 'T':
                    Record(type, $"message_arrival_time: {Time(e.ArrivalMicros / 1_000_000, zone)}");
                    break;
                case 'A' when text.StartsWith("create_time=", StringComparison.Ordinal):
                    Record('A', $"create_time: {Time(e.QueuedMicros / 1_000_000, zone)}");
                    break;
                case 'D':
                    Record(type, $"done_recipient: {text}");
                    break;
                default:
                    Record(type, $"{RecordFile.Name(type, inContent: false)}: {text}");
                    break;
            }
        }
    }

    private void Marker(char type, string text, bool plain = false)
    {
        if (!_envelope)
        {
            return;
        }
        if (plain)
        {
            Write(Encoding.UTF8.GetBytes(text + "\n"));
        }
        else
        {
            Record(type, text);
        }
    }

    // A type, a length in groups of seven bits, the bytes.
    private static int RecordLength(int bytes) => 1 + (bytes < 128 ? 1 : bytes < 1 << 14 ? 2 : 3) + bytes;

    private void Record(char type, string text) => Write(Encoding.UTF8.GetBytes($"{Prefix(type)}{text}\n"));

    private string Prefix(char type) =>
        string.Create(CultureInfo.InvariantCulture, $"{(_offsets ? $"{_offset,9} " : "")}{(_types ? $"{(int)type,3} " : "")}");

    // Content comes cut anywhere; a line is printed when it is whole.
    private void Lines(ReadOnlySpan<byte> bytes, bool wanted)
    {
        while (!bytes.IsEmpty)
        {
            var end = bytes.IndexOf((byte)'\n');
            _line.Write(bytes[..(end < 0 ? bytes.Length : end)]);
            if (end < 0)
            {
                return;
            }
            if (wanted && _offset >= _skip)
            {
                Line(_line.WrittenSpan, 'N', ended: true);
            }
            _offset += RecordLength(_line.WrittenCount);
            _line.ResetWrittenCount();
            bytes = bytes[(end + 1)..];
        }
    }

    private void Line(ReadOnlySpan<byte> line, char type, bool ended)
    {
        var prefix = Prefix(type);
        if (prefix.Length > 0)
        {
            Write(Encoding.UTF8.GetBytes(prefix));
        }
        Write(line);
        if (ended)
        {
            Write("\n"u8);
        }
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        if (_bytes is null)
        {
            _text.Write(Encoding.UTF8.GetString(bytes));
        }
        else
        {
            _bytes.Write(bytes);
        }
    }

    private static string Time(long seconds, TimeZoneInfo zone)
    {
        var time = TimeZoneInfo.ConvertTime(DateTimeOffset.FromUnixTimeSeconds(seconds), zone);
        return $"{time.ToString("ddd MMM", CultureInfo.InvariantCulture)} {time.Day,2} {time.ToString("HH:mm:ss yyyy", CultureInfo.InvariantCulture)}";
    }
}
