using System.Buffers;
using System.Text;
using Facteur.Mail.Headers;

namespace Facteur.Mail.Mime;

/// <summary>What <see cref="MimeScanner"/> found.</summary>
public enum MimeScan : byte
{
    /// <summary>All input is taken; more is needed.</summary>
    NeedInput = 0,

    /// <summary>A logical header.</summary>
    Header = 1,

    /// <summary>A mailbox separator ("From " line) in front of the message's headers.</summary>
    MailboxLine = 2,

    /// <summary>A header section is over; <see cref="MimeScanner.BlankLine"/> says whether with an empty line.</summary>
    EndOfHeaders = 3,

    /// <summary>A line of a body, or a piece of one that is longer than the line limit. Boundaries are body.</summary>
    Body = 4,

    /// <summary>The message is over.</summary>
    End = 5,
}

/// <summary>Whose headers they are.</summary>
public enum HeaderPlace : byte
{
    /// <summary>The message's.</summary>
    Primary = 0,

    /// <summary>A part's.</summary>
    Part = 1,

    /// <summary>Those of a message in the message.</summary>
    Nested = 2,
}

/// <summary>Content-Transfer-Encoding (RFC 2045 6).</summary>
public enum MimeEncoding : byte
{
    /// <summary>7bit, or not said.</summary>
    SevenBit = 0,

    /// <summary>8bit or binary.</summary>
    EightBit = 1,

    /// <summary>base64.</summary>
    Base64 = 2,

    /// <summary>quoted-printable.</summary>
    QuotedPrintable = 3,
}

/// <summary>
/// Reads a message with LF line ends as a sequence of headers and lines of bodies, through all its parts (RFC 2045, 2046), from pieces of any size. Bytes are not changed: what is
/// found, each with its line end, is the message. Of a header longer than its limit the rest goes away. At most one header, one line and the open boundaries are kept.
/// </summary>
public sealed class MimeScanner : IDisposable
{
    private readonly HeaderScanner _scanner;
    private readonly MimeBoundaries _boundaries;
    private readonly ArrayBufferWriter<byte> _line = new(256);
    private readonly int _lineLimit;
    private readonly bool _structure;
    private ReadOnlyMemory<byte> _text;
    private Where _where;
    private Entity _entity;

    // The line found last: its length, whether it is a piece behind which its line goes on, whether it begins a part.
    private int _length;
    private bool _continued;
    private bool _beginsPart;

    // What was found last is to be left: a line, or the end of headers.
    private bool _taken;
    private bool _endedHeaders;

    /// <summary>Ready for one message.</summary>
    /// <param name="limits">What is kept.</param>
    /// <param name="structure">Parts are looked for; else all that follows the message's headers is body.</param>
    public MimeScanner(MimeLimits limits, bool structure = true)
    {
        _scanner = new HeaderScanner(limits.HeaderSize, limits.LineLength);
        _boundaries = new MimeBoundaries(limits);
        _lineLimit = limits.LineLength;
        _structure = structure;
    }

    private enum Where : byte
    {
        Headers,
        Body,
        Over,
    }

    private enum Entity : byte
    {
        Leaf,
        Message,
        Multipart,
    }

    /// <summary>The header, with its continuation lines, or the line, without its line end; valid until the next call.</summary>
    public ReadOnlyMemory<byte> Text => _where == Where.Headers ? _scanner.Text : _text;

    /// <inheritdoc cref="HeaderScanner.Whole"/>
    public ReadOnlyMemory<byte> Whole => _scanner.Whole;

    /// <summary>Where a header stands.</summary>
    public HeaderPlace Place { get; private set; }

    /// <summary>An empty line ended the headers.</summary>
    public bool BlankLine { get; private set; }

    /// <summary>The headers ended without an empty line, but not with the message: text of a body follows them at once.</summary>
    public bool BodyFollows { get; private set; }

    /// <summary>A line end follows the text.</summary>
    public bool EndsLine { get; private set; }

    /// <summary>Bytes of the body, without line ends, in front of the text.</summary>
    public long Offset { get; private set; }

    /// <summary>The encoding that the headers of the moment's entity have said so far.</summary>
    public MimeEncoding Encoding { get; private set; }

    /// <summary>The entity of the moment is a multipart or message/rfc822, into which is looked; valid for its headers and their end.</summary>
    public bool IsComposite => _entity is Entity.Multipart or Entity.Message;

    /// <summary>What follows the headers that have just ended is the body of one part: whatever its lines are, none of them begins another.</summary>
    public bool BodyIsLast => _endedHeaders && BlankLine && !BodyFollows && !IsComposite && _boundaries.Count == 0;

    /// <summary>In a multipart whose boundary is one too many: its parts are not seen.</summary>
    public bool IsBlind { get; private set; }

    /// <summary>Goes on.</summary>
    /// <param name="input">What is left of the input; taken bytes are cut off its front.</param>
    public MimeScan Next(ref ReadOnlyMemory<byte> input)
    {
        Step();
        if (_where == Where.Headers)
        {
            var left = input.Span;
            var found = _scanner.Next(ref left);
            input = input[^left.Length..];
            return found == HeaderScan.NeedInput ? MimeScan.NeedInput : Found(found);
        }
        if (_line.WrittenCount >= _lineLimit)
        {
            return Line(_line.WrittenMemory, ends: false);
        }
        if (input.IsEmpty)
        {
            return MimeScan.NeedInput;
        }
        var window = input[..Math.Min(input.Length, _lineLimit - _line.WrittenCount)];
        var end = window.Span.IndexOf((byte)'\n');
        window = end < 0 ? window : window[..end];
        input = input[(end < 0 ? window.Length : end + 1)..];
        if (end < 0 && _line.WrittenCount + window.Length < _lineLimit)
        {
            _line.Write(window.Span);
            return MimeScan.NeedInput;
        }
        if (_line.WrittenCount > 0)
        {
            _line.Write(window.Span);
            window = _line.WrittenMemory;
        }
        return Line(window, end >= 0);
    }

    /// <summary>The input is over: what is left, until <see cref="MimeScan.End"/>.</summary>
    public MimeScan Finish()
    {
        Step();
        if (_where == Where.Headers)
        {
            return Found(_scanner.Finish());
        }
        if (_where == Where.Body && _line.WrittenCount > 0)
        {
            return Line(_line.WrittenMemory, ends: false);
        }
        _where = Where.Over;
        return MimeScan.End;
    }

    /// <inheritdoc/>
    public void Dispose() => _scanner.Dispose();

    /// <summary>Leaves what was found last.</summary>
    private void Step()
    {
        if (!_taken)
        {
            return;
        }
        _taken = false;
        Offset += _length;
        _length = 0;
        if (_endedHeaders)
        {
            // What looked like the next header and was none begins a line of the body.
            _endedHeaders = false;
            _line.ResetWrittenCount();
            _line.Write(_scanner.Text.Span);
            AfterHeaders();
            return;
        }
        _line.ResetWrittenCount();
        if (_beginsPart && EndsLine)
        {
            _beginsPart = false;
            BeginHeaders(HeaderPlace.Part);
        }
    }

    private MimeScan Found(HeaderScan found)
    {
        switch (found)
        {
            case HeaderScan.Header:
                Header();
                return MimeScan.Header;
            case HeaderScan.MailboxLine:
                return MimeScan.MailboxLine;
        }
        BlankLine = _scanner.BlankLine;
        BodyFollows = !_scanner.Text.IsEmpty;
        _endedHeaders = _taken = true;
        _where = Where.Body;
        return MimeScan.EndOfHeaders;
    }

    private void AfterHeaders()
    {
        Offset = 0;
        _continued = false;
        // A message/* that is not message/rfc822 or message/global (RFC 6532 3.7) is no structure that is looked into.
        if (_entity == Entity.Message && BlankLine)
        {
            Begin(Entity.Leaf);
            BeginHeaders(HeaderPlace.Nested);
        }
        else if (IsComposite)
        {
            Begin(Entity.Leaf);
        }
    }

    private void Header()
    {
        if (!_structure)
        {
            return;
        }
        var header = _scanner.Text.Span;
        var name = header[..HeaderField.NameLength(header)];
        if (Ascii.EqualsIgnoreCase(name, "Content-Type"u8))
        {
            ContentType(new MimeTokens(HeaderField.Value(header)));
        }
        else if (Ascii.EqualsIgnoreCase(name, "Content-Transfer-Encoding"u8))
        {
            // Postfix: the last one counts, and what is not known says nothing.
            var word = new MimeTokens(HeaderField.Value(header)).Next();
            Encoding = word.Is("8bit"u8) || word.Is("binary"u8) ? MimeEncoding.EightBit
                : word.Is("7bit"u8) ? MimeEncoding.SevenBit
                : word.Is("base64"u8) ? MimeEncoding.Base64
                : word.Is("quoted-printable"u8) ? MimeEncoding.QuotedPrintable : Encoding;
        }
    }

    private void ContentType(MimeTokens tokens)
    {
        tokens.NextPart(out var type, out var slash, out var subtype);
        if (type.Kind == 0)
        {
            return;
        }
        _entity = type.Is("multipart"u8) ? Entity.Multipart
            : type.Is("message"u8) && slash.Kind == '/' && (subtype.Is("rfc822"u8) || subtype.Is("global"u8)) ? Entity.Message : Entity.Leaf;
        var digest = slash.Kind == '/' && subtype.Is("digest"u8);
        // Postfix: of several boundaries each is one, so that no reader finds parts that we do not.
        while (_entity == Entity.Multipart && tokens.NextPart(out var name, out var equals, out var boundary))
        {
            if (name.Is("boundary"u8) && equals.Kind == '=' && boundary.Kind != 0)
            {
                IsBlind |= !_boundaries.Open(boundary, digest);
            }
        }
    }

    private MimeScan Line(ReadOnlyMemory<byte> text, bool ends)
    {
        (_text, EndsLine, _taken) = (text, ends, true);
        _length = text.Length;
        if (!_continued && _boundaries.Count > 0)
        {
            var boundary = _boundaries.Match(text.Span);
            if (boundary != BoundaryLine.None)
            {
                IsBlind = false;
                Begin(boundary == BoundaryLine.DigestPart ? Entity.Message : Entity.Leaf);
                _beginsPart = boundary != BoundaryLine.End;
                Offset = _beginsPart ? Offset : 0;
            }
        }
        _continued = !ends;
        return MimeScan.Body;
    }

    /// <summary>An entity begins, or what is around parts: nothing says 8bit yet.</summary>
    private void Begin(Entity entity)
    {
        _entity = entity;
        Encoding = MimeEncoding.SevenBit;
    }

    private void BeginHeaders(HeaderPlace place)
    {
        Place = place;
        _scanner.Reset();
        _line.ResetWrittenCount();
        _where = Where.Headers;
    }
}
