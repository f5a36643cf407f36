using System.Numerics;
using System.Runtime.Intrinsics;

namespace Facteur.Mail.Smtp;

/// <summary>Where decoding stopped.</summary>
public enum DataProgress : byte
{
    /// <summary>No end yet; call again with what was not consumed and what follows.</summary>
    More = 0,

    /// <summary>The end of the content was found; what follows it was not taken.</summary>
    End = 1,
}

/// <summary>
/// Turns the bytes after DATA or BDAT into content with LF line ends. Input may be cut anywhere; between calls only a few bytes of state are kept.
/// DATA: dots are removed and only CR LF "." CR LF ends the content when <see cref="RequireStandardEnd"/> is set: a line "." that ends in a bare LF,
/// or follows one, is dropped (Postfix: smtpd_forbid_bare_newline = normalize). A CR that is not before LF stays in the content.
/// The first lines: "From " lines become X-Mailbox-Line headers, and content that begins with white space gets an empty line in front.
/// </summary>
public struct DataDecoder
{
    /// <summary>Bytes a call may write beyond its input's length.</summary>
    public const int Slack = MarkLimit + 64;

    // What one step may write beyond what it reads: a whole run of ">" with its header name.
    private const int StepLimit = MarkLimit + 32;

    // More ">" than this before "From " is taken as text.
    private const int MarkLimit = 128;
    private const byte Cr = (byte)'\r';
    private const byte Lf = (byte)'\n';
    private const byte Dot = (byte)'.';

    private readonly bool _dots;
    private State _state;
    private bool _previousBare;
    private bool _first;
    private int _marks;
    private int _matched;

    /// <summary>Makes a decoder.</summary>
    /// <param name="dots">DATA; false for BDAT, where the end is counted.</param>
    /// <param name="requireStandardEnd">Only CR LF "." CR LF ends.</param>
    public DataDecoder(bool dots, bool requireStandardEnd)
    {
        _dots = dots;
        RequireStandardEnd = requireStandardEnd;
        _first = true;
    }

    private enum State : byte
    {
        LineStart,
        Dot,
        DotCr,
        Body,
        BodyCr,
        Mark,
    }

    /// <summary>Only CR LF "." CR LF ends.</summary>
    public bool RequireStandardEnd { get; }

    /// <summary>A line ended in LF without CR.</summary>
    public bool SawBareLf { get; private set; }

    /// <summary>Bytes of content so far, line ends counted as two (Postfix: act_size).</summary>
    public long WireSize { get; private set; }

    /// <summary>Decodes.</summary>
    /// <param name="input">The next bytes.</param>
    /// <param name="output">At least as long as the input plus <see cref="Slack"/>.</param>
    /// <param name="consumed">Bytes taken.</param>
    /// <param name="written">Bytes of content made.</param>
    public DataProgress Decode(ReadOnlySpan<byte> input, Span<byte> output, out int consumed, out int written)
    {
        var writer = new Cursor(output);
        var at = 0;
        // A short "From " line grows: such input is taken in several calls.
        while (at < input.Length && output.Length - writer.Length >= input.Length - at + StepLimit)
        {
            switch (_state)
            {
                case State.LineStart:
                    if (_dots && input[at] == Dot)
                    {
                        _state = State.Dot;
                        at++;
                    }
                    else
                    {
                        BeginText(input[at], ref writer);
                    }
                    break;
                case State.Mark:
                    at += Match(input[at], ref writer) ? 1 : 0;
                    break;
                case State.Body:
                    if (!_first && input.Length - at >= Vector128<byte>.Count)
                    {
                        Lines(input, ref at, ref writer);
                        break;
                    }
                    Body(input, ref at, ref writer);
                    break;
                case State.BodyCr:
                    AfterCr(input, ref at, ref writer);
                    break;
                default:
                    if (AfterDot(input, ref at, ref writer))
                    {
                        consumed = at;
                        written = writer.Length;
                        return DataProgress.End;
                    }
                    break;
            }
        }
        consumed = at;
        written = writer.Length;
        return DataProgress.More;
    }

    /// <summary>Ends counted content: writes what is held back and a line end when the last line has none.</summary>
    /// <param name="output">At least <see cref="Slack"/> long.</param>
    /// <returns>Bytes written.</returns>
    public int Finish(Span<byte> output)
    {
        var writer = new Cursor(output);
        if (_state == State.Mark)
        {
            WriteMarks(ref writer);
            _state = State.Body;
        }
        if (_state == State.BodyCr)
        {
            writer.Add(Cr);
            WireSize++;
        }
        if (_state != State.LineStart)
        {
            EndLine(false, ref writer);
        }
        return writer.Length;
    }

    // Body and LineStart for whole vectors: each is written as it is read, and the next begins behind the line end found in it.
    private void Lines(ReadOnlySpan<byte> input, ref int at, ref Cursor writer)
    {
        var output = writer.Rest;
        var start = at;
        var written = 0;
        var size = 0;
        while (input.Length - at >= Vector128<byte>.Count)
        {
            var bytes = Vector128.Create(input.Slice(at, Vector128<byte>.Count));
            bytes.CopyTo(output[written..]);
            var ends = Vector128.Equals(bytes, Vector128.Create(Lf)).ExtractMostSignificantBits();
            if (ends == 0)
            {
                at += Vector128<byte>.Count;
                written += Vector128<byte>.Count;
                continue;
            }
            var length = BitOperations.TrailingZeroCount(ends);
            at += length + 1;
            written += length;
            // A CR before the start is not pending: that would be another state.
            var bare = at - 2 < start || input[at - 2] != Cr;
            if (bare)
            {
                SawBareLf = true;
                size++;
            }
            else
            {
                written--;
            }
            output[written++] = Lf;
            _previousBare = bare;
            if (at == input.Length)
            {
                _state = State.LineStart;
                break;
            }
            if (_dots && input[at] == Dot)
            {
                _state = State.Dot;
                at++;
                size--;
                break;
            }
        }
        if (_state == State.Body && at > start && input[at - 1] == Cr)
        {
            // It may belong to a line end.
            at--;
            written--;
        }
        WireSize += at - start + size;
        writer.Skip(written);
    }

    private void Body(ReadOnlySpan<byte> input, ref int at, ref Cursor writer)
    {
        var rest = input[at..];
        var end = rest.IndexOf(Lf);
        if (end < 0)
        {
            // A CR at the end of the input may belong to a line end.
            var held = rest[^1] == Cr ? 1 : 0;
            Copy(rest[..^held], ref writer);
            _state = held == 1 ? State.BodyCr : State.Body;
            at = input.Length;
            return;
        }
        var bare = end == 0 || rest[end - 1] != Cr;
        Copy(rest[..(bare ? end : end - 1)], ref writer);
        EndLine(bare, ref writer);
        at += end + 1;
    }

    private void AfterCr(ReadOnlySpan<byte> input, ref int at, ref Cursor writer)
    {
        if (input[at] == Lf)
        {
            EndLine(false, ref writer);
            at++;
            return;
        }
        writer.Add(Cr);
        WireSize++;
        if (input[at] == Cr)
        {
            at++;
            return;
        }
        _state = State.Body;
    }

    private bool AfterDot(ReadOnlySpan<byte> input, ref int at, ref Cursor writer)
    {
        var c = input[at];
        if (c == Lf)
        {
            var bare = _state == State.Dot;
            at++;
            SawBareLf |= bare;
            if (!RequireStandardEnd || (!bare && !_previousBare))
            {
                return true;
            }
            _previousBare = bare;
            _state = State.LineStart;
        }
        else if (c == Cr && _state == State.Dot)
        {
            _state = State.DotCr;
            at++;
        }
        else if (_state == State.DotCr)
        {
            _first = false;
            _state = State.BodyCr;
        }
        else
        {
            // RFC 5321 4.5.2: the first dot of a longer line is removed; what the line is, the byte behind it says.
            BeginText(c, ref writer);
        }
        return false;
    }

    private void EndLine(bool bare, ref Cursor writer)
    {
        writer.Add(Lf);
        WireSize += 2;
        SawBareLf |= bare;
        _previousBare = bare;
        _state = State.LineStart;
    }

    private void Copy(ReadOnlySpan<byte> bytes, ref Cursor writer)
    {
        writer.Add(bytes);
        WireSize += bytes.Length;
    }

    private void BeginText(byte next, ref Cursor writer)
    {
        if (_first && (next is (byte)'>' or (byte)'F'))
        {
            _state = State.Mark;
            return;
        }
        if (_first && (next is (byte)' ' or (byte)'\t'))
        {
            writer.Add(Lf);
        }
        _first = false;
        _state = State.Body;
    }

    // Postfix: a mailbox's "From " line, with any number of ">" in front, is no header.
    private bool Match(byte c, ref Cursor writer)
    {
        if (_matched == 0 && c == (byte)'>' && _marks < MarkLimit)
        {
            _marks++;
            return true;
        }
        if (c == "From "u8[_matched])
        {
            if (++_matched == 5)
            {
                writer.Add("X-Mailbox-Line: "u8);
                WriteMarks(ref writer);
                _state = State.Body;
            }
            return true;
        }
        _first = false;
        WriteMarks(ref writer);
        _state = State.Body;
        return false;
    }

    private void WriteMarks(ref Cursor writer)
    {
        WireSize += _marks + _matched;
        for (; _marks > 0; _marks--)
        {
            writer.Add((byte)'>');
        }
        writer.Add("From "u8[.._matched]);
        _matched = 0;
    }

    private ref struct Cursor(Span<byte> output)
    {
        private readonly Span<byte> _output = output;

        public int Length { get; private set; }

        public readonly Span<byte> Rest => _output[Length..];

        public void Skip(int count) => Length += count;

        public void Add(byte b) => _output[Length++] = b;

        public void Add(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(_output[Length..]);
            Length += bytes.Length;
        }
    }
}
