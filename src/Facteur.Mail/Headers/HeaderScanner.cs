using System.Buffers;

namespace Facteur.Mail.Headers;

/// <summary>What <see cref="HeaderScanner.Next"/> found.</summary>
public enum HeaderScan : byte
{
    /// <summary>All input is taken; more is needed.</summary>
    NeedInput = 0,

    /// <summary>A logical header is in <see cref="HeaderScanner.Text"/>.</summary>
    Header = 1,

    /// <summary>A mailbox separator ("From " line) in front of the headers is in <see cref="HeaderScanner.Text"/>.</summary>
    MailboxLine = 2,

    /// <summary>The header section is over: <see cref="HeaderScanner.Text"/> and the rest of the input are body.</summary>
    EndOfHeaders = 3,
}

/// <summary>
/// Cuts a header section, fed in pieces, into logical headers. Holds at most one header: what a header has beyond the size limit is
/// dropped, at the end of a line where that is near, as Postfix does. Blanks between a name and its colon
/// go away, as in Postfix: no pattern is evaded by them.
/// </summary>
/// <param name="sizeLimit">header_size_limit.</param>
/// <param name="lineLimit">line_length_limit.</param>
public sealed class HeaderScanner(int sizeLimit, int lineLimit) : IDisposable
{
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(1024);
    private int _length;
    private int _whole;

    private int _linePosition;
    private int _headers;
    private bool _inLine;
    private bool _first;
    private bool _keep;
    private bool _taken;

    /// <summary>What was found, without its last line end; valid until the next call. Continuation lines follow a LF.</summary>
    public ReadOnlyMemory<byte> Text => _buffer.AsMemory(0, _length);

    /// <summary>The header as it was read: what is beyond the limit goes only at the end of a line, or of a piece of the length of one. Postfix: so rules see it.</summary>
    public ReadOnlyMemory<byte> Whole => _buffer.AsMemory(0, _whole);

    /// <summary>The length of a header within a limit. Postfix: it ends with the last line that fits, unless that loses more than a tenth of the limit: then it is cut at the byte.</summary>
    public static int Fit(ReadOnlySpan<byte> header, int limit)
    {
        if (header.Length <= limit)
        {
            return header.Length;
        }
        var lastLine = header[..(limit + 1)].LastIndexOf((byte)'\n') + 1;
        return lastLine * 10L > limit * 9L ? lastLine - 1 : limit;
    }

    /// <summary>Whether an empty line ended the section; it is taken from the input.</summary>
    public bool BlankLine { get; private set; }

    /// <summary>Goes on. What is returned stays valid until the next call.</summary>
    /// <param name="input">What is left of the input; taken bytes are cut off its front.</param>
    public HeaderScan Next(ref ReadOnlySpan<byte> input)
    {
        if (_taken)
        {
            _length = 0;
            _taken = false;
        }
        while (!input.IsEmpty)
        {
            if (!_inLine && !StartLine(ref input, out var found))
            {
                return found;
            }
            var room = lineLimit - _linePosition % lineLimit;
            if (_linePosition % lineLimit == 0 && _linePosition > 0)
            {
                _keep = _length < sizeLimit;
            }
            var piece = input[..Math.Min(room, input.Length)];
            var end = piece.IndexOf((byte)'\n');
            piece = end < 0 ? piece : piece[..end];
            Append(piece);
            _linePosition += piece.Length;
            input = input[piece.Length..];
            if (_first && (end >= 0 || _linePosition >= lineLimit))
            {
                _first = false;
                if (!DropBlanks())
                {
                    return NotHeader(ref input, end >= 0);
                }
            }
            if (end >= 0)
            {
                input = input[1..];
                _inLine = false;
            }
        }
        return HeaderScan.NeedInput;
    }

    /// <summary>The input is over: the last header, or the end with what is left as body.</summary>
    public HeaderScan Finish()
    {
        if (_taken)
        {
            _length = 0;
            _taken = false;
        }
        var isHeader = _length > 0 && (!_first || DropBlanks());
        if (isHeader)
        {
            _first = false;
            return Take(HeaderScan.Header);
        }
        return Take(HeaderScan.EndOfHeaders);
    }

    /// <summary>Ready for another message.</summary>
    public void Reset()
    {
        _length = _linePosition = _headers = 0;
        _inLine = _first = _keep = _taken = BlankLine = false;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
            _length = 0;
        }
    }

    private bool StartLine(ref ReadOnlySpan<byte> input, out HeaderScan found)
    {
        found = HeaderScan.NeedInput;
        var continued = input[0] is (byte)' ' or (byte)'\t';
        if (_length > 0 && !continued)
        {
            found = Take(HeaderScan.Header);
            return false;
        }
        if (_length == 0 && input[0] == '\n')
        {
            BlankLine = true;
            input = input[1..];
            found = Take(HeaderScan.EndOfHeaders);
            return false;
        }
        _keep = _length < sizeLimit;
        _first = _length == 0;
        if (!_first)
        {
            Append("\n"u8);
        }
        _inLine = true;
        _linePosition = 0;
        return true;
    }

    private HeaderScan NotHeader(ref ReadOnlySpan<byte> input, bool lineEnds)
    {
        // Only the receiving service's own Received: header may stand in front of it.
        if (lineEnds && _headers <= 1 && HeaderField.IsMailboxLine(_buffer.AsSpan(0, _length)))
        {
            input = input[1..];
            _inLine = false;
            _headers--;
            return Take(HeaderScan.MailboxLine);
        }
        return Take(HeaderScan.EndOfHeaders);
    }

    private HeaderScan Take(HeaderScan found)
    {
        _whole = _length;
        _length = found == HeaderScan.Header ? Fit(_buffer.AsSpan(0, _length), sizeLimit) : _length;
        _taken = true;
        _headers++;
        return found;
    }

    /// <returns>Whether what was read begins as a header does.</returns>
    private bool DropBlanks()
    {
        var line = _buffer.AsSpan(0, _length);
        var name = HeaderField.NameLength(line);
        if (name > 0 && line[name] != (byte)':')
        {
            var colon = line.IndexOf((byte)':');
            line[colon..].CopyTo(line[name..]);
            _length -= colon - name;
        }
        return name > 0;
    }

    private void Append(ReadOnlySpan<byte> piece)
    {
        if (!_keep)
        {
            return;
        }
        if (_length + piece.Length > _buffer.Length)
        {
            var grown = ArrayPool<byte>.Shared.Rent(_length + piece.Length);
            _buffer.AsSpan(0, _length).CopyTo(grown);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = grown;
        }
        piece.CopyTo(_buffer.AsSpan(_length));
        _length += piece.Length;
    }
}
