using System.Buffers;

namespace Facteur.Mail.Mime;

/// <summary>
/// Encodes text with LF line ends as quoted-printable (RFC 2045 6.7). No line gets longer than 76. What of a line is not written yet is kept between pieces.
/// </summary>
internal sealed class QuotedPrintable
{
    // Postfix: a line this full is continued in the next, so that three more, "=" and the line end still fit.
    private const int FullLine = 72;
    private readonly byte[] _line = new byte[FullLine + 5];
    private int _length;

    /// <summary>Encodes the next bytes.</summary>
    public void Write(ReadOnlySpan<byte> text, IBufferWriter<byte> output)
    {
        foreach (var b in text)
        {
            if (b == '\n')
            {
                EndLine(output);
                continue;
            }
            if (_length > FullLine)
            {
                _line[_length++] = (byte)'=';
                Flush(output);
            }
            if (b is >= (byte)' ' and <= (byte)'~' and not (byte)'=' or (byte)'\t')
            {
                _line[_length++] = b;
            }
            else
            {
                Escape(b);
            }
        }
    }

    /// <summary>The text is over: what is left of a line without end is written, with an end.</summary>
    public void Finish(IBufferWriter<byte> output)
    {
        if (_length > 0)
        {
            EndLine(output);
        }
    }

    private void EndLine(IBufferWriter<byte> output)
    {
        // RFC 2045 6.7, rule 3: white space at the end of a line does not survive.
        if (_length > 0 && _line[_length - 1] is (byte)' ' or (byte)'\t')
        {
            Escape(_line[--_length]);
        }
        Flush(output);
    }

    private void Escape(byte b)
    {
        var hex = "0123456789ABCDEF"u8;
        _line[_length++] = (byte)'=';
        _line[_length++] = hex[b >> 4];
        _line[_length++] = hex[b & 15];
    }

    private void Flush(IBufferWriter<byte> output)
    {
        _line[_length++] = (byte)'\n';
        output.Write(_line.AsSpan(0, _length));
        _length = 0;
    }
}
