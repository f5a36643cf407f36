using System.Buffers;
using Facteur.Unix;

namespace Facteur.Spool.Maildrop;

/// <summary>Reads one maildrop file through a buffer of fixed size.</summary>
/// <param name="file">The file, at its beginning.</param>
public sealed class MaildropReader(UnixFile file)
{
    private readonly byte[] _buffer = new byte[2 * MaildropRecord.SizeLimit];
    private int _start;
    private int _end;

    /// <summary>What the records said so far.</summary>
    public MaildropMessage Message { get; } = new();

    /// <summary>What is wrong with the file, or null.</summary>
    public string? Wrong { get; private set; }

    /// <summary>Why it can't be read, or 0.</summary>
    public int Errno { get; private set; }

    /// <summary>Reads up to the content.</summary>
    /// <returns>What is wrong, or null.</returns>
    public string? ReadEnvelope()
    {
        while (!Message.InContent && Next(out _))
        {
        }
        return Wrong ?? (Message.InContent ? null : "no content");
    }

    /// <summary>Reads content, with LF line ends, and what follows it.</summary>
    /// <param name="into">Where to.</param>
    /// <param name="piece">Stop after about so many bytes.</param>
    /// <returns>False at the end of the message or when it is wrong.</returns>
    public bool ReadContent(ArrayBufferWriter<byte> into, int piece)
    {
        while (into.WrittenCount < piece)
        {
            if (!Next(out var record))
            {
                return false;
            }
            if (record.Type is MaildropRecordType.Line or MaildropRecordType.LinePart)
            {
                into.Write(record.Data);
                if (record.Type == MaildropRecordType.Line)
                {
                    into.Write("\n"u8);
                }
            }
            if (Message.Ended)
            {
                return false;
            }
        }
        return true;
    }

    private bool Next(out MaildropRecord record)
    {
        while (true)
        {
            ReadOnlySpan<byte> input = _buffer.AsSpan(_start, _end - _start);
            var before = input.Length;
            if (MaildropRecord.TryTake(ref input, out record, out var invalid))
            {
                _start += before - input.Length;
                Wrong = Message.Accept(record);
                return Wrong is null;
            }
            if (invalid)
            {
                Wrong = "invalid record";
                return false;
            }
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
            Errno = file.Read(_buffer.AsSpan(_end), out var count);
            if (Errno != 0 || count == 0)
            {
                Wrong = Errno == 0 ? "no end record" : null;
                return false;
            }
            _end += count;
        }
    }
}
