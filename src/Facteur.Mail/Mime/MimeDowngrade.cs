using System.Buffers;
using Facteur.Mail.Headers;

namespace Facteur.Mail.Mime;

/// <summary>
/// Makes 8-bit MIME content fit for a server that takes 7 bits only (RFC 6152 3): a part that says 8bit or binary is encoded as quoted-printable, a
/// multipart or message/rfc822 that says so then says 7bit. All else passes as it is, 8-bit bytes that no header speaks of included (Postfix: the same).
/// A multipart that nests too deep passes as it is too, which is right while it has 7 bits. Of a header longer than its limit the rest goes away.
/// Content with LF line ends comes in pieces of any size; at most one header, one line's start and the open boundaries are kept.
/// </summary>
public sealed class MimeDowngrade : IDisposable
{
    private readonly HeaderScanner _scanner;
    private readonly MimeBoundaries _boundaries;
    private readonly QuotedPrintable _encoder = new();
    private readonly ArrayBufferWriter<byte> _output = new();
    private readonly ArrayBufferWriter<byte> _lineStart = new(128);
    private Where _where = Where.Headers;
    private Entity _entity;
    private bool _eightBit;
    private bool _primary = true;

    // In a multipart whose boundary is one too many: its parts are not seen.
    private bool _blind;

    /// <summary>Ready for one message.</summary>
    public MimeDowngrade(MimeLimits limits)
    {
        _scanner = new HeaderScanner(limits.HeaderSize, limits.LineLength);
        _boundaries = new MimeBoundaries(limits);
    }

    private enum Where : byte
    {
        Headers,
        LineStart,
        Line,

        /// <summary>In the rest of a boundary's line; headers follow.</summary>
        Boundary,
    }

    private enum Entity : byte
    {
        Leaf,
        Message,
        Multipart,
    }

    /// <summary>There are 8-bit bytes in parts that nest deeper than mime_nesting_limit: what came since is not converted and must not be used.</summary>
    public bool TooDeep { get; private set; }

    /// <summary>Converts the next piece.</summary>
    /// <returns>What can be said of it by now; valid until the next call.</returns>
    public ReadOnlySpan<byte> Convert(ReadOnlySpan<byte> content)
    {
        _output.ResetWrittenCount();
        while (!content.IsEmpty)
        {
            if (_where == Where.Headers)
            {
                Headers(ref content);
            }
            else
            {
                Body(ref content);
            }
        }
        return _output.WrittenSpan;
    }

    /// <summary>The content is over.</summary>
    /// <returns>What was held back.</returns>
    public ReadOnlySpan<byte> Finish()
    {
        _output.ResetWrittenCount();
        if (_where == Where.Headers)
        {
            if (_scanner.Finish() == HeaderScan.Header)
            {
                Header();
                _scanner.Finish();
            }
            EndHeaders();
        }
        if (_where == Where.LineStart)
        {
            LookAtLineStart();
        }
        _encoder.Finish(_output);
        return _output.WrittenSpan;
    }

    /// <inheritdoc/>
    public void Dispose() => _scanner.Dispose();

    private void Headers(ref ReadOnlySpan<byte> content)
    {
        switch (_scanner.Next(ref content))
        {
            case HeaderScan.Header:
                Header();
                break;
            case HeaderScan.MailboxLine:
                Line(_scanner.Text.Span);
                break;
            case HeaderScan.EndOfHeaders:
                EndHeaders();
                break;
        }
    }

    private void Header()
    {
        var header = _scanner.Text.Span;
        var name = header[..HeaderField.NameLength(header)];
        if (System.Text.Ascii.EqualsIgnoreCase(name, "Content-Type"u8))
        {
            ContentType(new MimeTokens(HeaderField.Value(header)));
        }
        else if (System.Text.Ascii.EqualsIgnoreCase(name, "Content-Transfer-Encoding"u8))
        {
            // Postfix: the last one counts, and what is not known says nothing.
            var word = new MimeTokens(HeaderField.Value(header)).Next();
            _eightBit = word.Is("8bit"u8) || word.Is("binary"u8) || (_eightBit && !word.Is("7bit"u8) && !word.Is("base64"u8) && !word.Is("quoted-printable"u8));
            if (_eightBit)
            {
                // What takes its place depends on the type, which may follow.
                return;
            }
        }
        Line(header);
    }

    private void ContentType(MimeTokens tokens)
    {
        tokens.NextPart(out var type, out var slash, out var subtype);
        if (type.Kind == 0)
        {
            return;
        }
        // A message/* that is not message/rfc822 is no structure that is looked into: it is encoded as a whole, and says so, where Postfix has it say 7bit.
        _entity = type.Is("multipart"u8) ? Entity.Multipart
            : type.Is("message"u8) && slash.Kind == '/' && subtype.Is("rfc822"u8) ? Entity.Message : Entity.Leaf;
        var digest = slash.Kind == '/' && subtype.Is("digest"u8);
        // Postfix: of several boundaries each is one, so that no reader finds parts that we do not.
        while (_entity == Entity.Multipart && tokens.NextPart(out var name, out var equals, out var boundary))
        {
            if (name.Is("boundary"u8) && equals.Kind == '=' && boundary.Kind != 0)
            {
                _blind |= !_boundaries.Open(boundary, digest);
            }
        }
    }

    private void EndHeaders()
    {
        if (_eightBit)
        {
            Line(_entity == Entity.Leaf ? "Content-Transfer-Encoding: quoted-printable"u8 : "Content-Transfer-Encoding: 7bit"u8);
        }
        // Postfix: an empty line that is missing is put in only behind the message's own headers; parts may be signed.
        if (_scanner.BlankLine || (_primary && !_scanner.Text.IsEmpty))
        {
            Line(default);
        }
        _primary = false;
        _where = Where.LineStart;
        var isMessage = _entity == Entity.Message && _scanner.BlankLine;
        if (_entity != Entity.Leaf)
        {
            Begin(Entity.Leaf);
        }
        var body = _scanner.Text.Span;
        while (!body.IsEmpty)
        {
            Body(ref body);
        }
        if (isMessage)
        {
            BeginHeaders(Entity.Leaf);
        }
    }

    private void Body(ref ReadOnlySpan<byte> content)
    {
        if (_where == Where.LineStart && !TakeLineStart(ref content))
        {
            return;
        }
        var end = _boundaries.Count == 0 && _where == Where.Line ? -1 : content.IndexOf((byte)'\n');
        var rest = end < 0 ? content : content[..(end + 1)];
        Text(rest);
        content = content[rest.Length..];
        if (end < 0)
        {
            return;
        }
        if (_where == Where.Boundary)
        {
            BeginHeaders(_entity);
        }
        else
        {
            _where = Where.LineStart;
        }
    }

    /// <summary>Holds a line's start back until it is known whether it is a boundary.</summary>
    /// <returns>Whether it is known.</returns>
    private bool TakeLineStart(ref ReadOnlySpan<byte> content)
    {
        if (_lineStart.WrittenCount == 0 && (_boundaries.Count == 0 || content[0] != '-'))
        {
            _where = Where.Line;
            return true;
        }
        var piece = content[..Math.Min(content.Length, _boundaries.Look - _lineStart.WrittenCount)];
        var end = piece.IndexOf((byte)'\n');
        piece = end < 0 ? piece : piece[..end];
        _lineStart.Write(piece);
        content = content[piece.Length..];
        if (end < 0 && _lineStart.WrittenCount < _boundaries.Look)
        {
            return false;
        }
        LookAtLineStart();
        return true;
    }

    private void LookAtLineStart()
    {
        var line = _boundaries.Match(_lineStart.WrittenSpan);
        _where = line is BoundaryLine.Part or BoundaryLine.DigestPart ? Where.Boundary : Where.Line;
        if (line != BoundaryLine.None)
        {
            _blind = false;
            Begin(line == BoundaryLine.DigestPart ? Entity.Message : Entity.Leaf);
        }
        Text(_lineStart.WrittenSpan);
        _lineStart.ResetWrittenCount();
    }

    /// <summary>An entity begins, or what is around parts: nothing says 8bit yet.</summary>
    private void Begin(Entity entity)
    {
        _entity = entity;
        _eightBit = false;
    }

    private void BeginHeaders(Entity entity)
    {
        Begin(entity);
        _scanner.Reset();
        _where = Where.Headers;
    }

    private void Text(ReadOnlySpan<byte> text)
    {
        if (_eightBit)
        {
            _encoder.Write(text, _output);
        }
        else
        {
            TooDeep |= _blind && !System.Text.Ascii.IsValid(text);
            _output.Write(text);
        }
    }

    private void Line(ReadOnlySpan<byte> text)
    {
        _output.Write(text);
        _output.Write("\n"u8);
    }
}
