using System.Buffers;
using System.Text;
using Facteur.Mail.Headers;

namespace Facteur.Mail.Mime;

/// <summary>
/// Makes 8-bit MIME content fit for a server that takes 7 bits only (RFC 6152 3): a part that says 8bit or binary is encoded as quoted-printable, a
/// multipart or message/rfc822 that says so then says 7bit. All else passes as it is, 8-bit bytes that no header speaks of included (Postfix: the same).
/// A multipart that nests too deep passes as it is too, which is right while it has 7 bits. Of a header longer than its limit the rest goes away.
/// Content with LF line ends comes in pieces of any size; at most one header, one line and the open boundaries are kept.
/// </summary>
public sealed class MimeDowngrade(MimeLimits limits) : IDisposable
{
    private readonly MimeScanner _scanner = new(limits);
    private readonly QuotedPrintable _encoder = new();
    private readonly ArrayBufferWriter<byte> _output = new();

    /// <summary>There are 8-bit bytes in parts that nest deeper than mime_nesting_limit: what came since is not converted and must not be used.</summary>
    public bool TooDeep { get; private set; }

    /// <summary>Converts the next piece.</summary>
    /// <returns>What can be said of it by now; valid until the next call.</returns>
    public ReadOnlyMemory<byte> Convert(ReadOnlyMemory<byte> content)
    {
        _output.ResetWrittenCount();
        for (var found = _scanner.Next(ref content); found != MimeScan.NeedInput; found = _scanner.Next(ref content))
        {
            Take(found);
        }
        return _output.WrittenMemory;
    }

    /// <summary>The content is over.</summary>
    /// <returns>What was held back.</returns>
    public ReadOnlyMemory<byte> Finish()
    {
        _output.ResetWrittenCount();
        for (var found = _scanner.Finish(); found != MimeScan.End; found = _scanner.Finish())
        {
            Take(found);
        }
        _encoder.Finish(_output);
        return _output.WrittenMemory;
    }

    /// <inheritdoc/>
    public void Dispose() => _scanner.Dispose();

    private void Take(MimeScan found)
    {
        var text = _scanner.Text.Span;
        var eightBit = _scanner.Encoding == MimeEncoding.EightBit;
        switch (found)
        {
            // What takes its place depends on the type, which may follow.
            case MimeScan.Header when eightBit && Ascii.EqualsIgnoreCase(text[..HeaderField.NameLength(text)], "Content-Transfer-Encoding"u8):
                break;
            case MimeScan.Header or MimeScan.MailboxLine:
                Line(text);
                break;
            case MimeScan.EndOfHeaders:
                if (eightBit)
                {
                    Line(_scanner.IsComposite ? "Content-Transfer-Encoding: 7bit"u8 : "Content-Transfer-Encoding: quoted-printable"u8);
                }
                // Postfix: an empty line that is missing is put in only behind the message's own headers; parts may be signed.
                if (_scanner.BlankLine || (_scanner.Place == HeaderPlace.Primary && _scanner.BodyFollows))
                {
                    Line(default);
                }
                break;
            case MimeScan.Body:
                Body(text, eightBit);
                break;
        }
    }

    private void Body(ReadOnlySpan<byte> text, bool eightBit)
    {
        var end = _scanner.EndsLine ? "\n"u8 : default;
        if (eightBit)
        {
            _encoder.Write(text, _output);
            _encoder.Write(end, _output);
            return;
        }
        TooDeep |= _scanner.IsBlind && !Ascii.IsValid(text);
        _output.Write(text);
        _output.Write(end);
    }

    private void Line(ReadOnlySpan<byte> text)
    {
        _output.Write(text);
        _output.Write("\n"u8);
    }
}
