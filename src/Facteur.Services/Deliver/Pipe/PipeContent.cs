using System.Buffers;
using System.Globalization;
using System.Text;
using Facteur.Spool;

namespace Facteur.Services.Deliver.Pipe;

/// <summary>
/// A message as its command reads it: with other line ends, ">" before "From ", a dot before a dot, an empty line at the end, as flags= and eol= say.
/// Content may be cut anywhere, also within "From ".
/// </summary>
/// <param name="content">The message.</param>
/// <param name="command">The service.</param>
internal sealed class PipeContent(IContentSource content, PipeCommand command) : IContentSource
{
    private const int NotAtLineStart = -1;

    private readonly ArrayBufferWriter<byte> _output = new(4096);
    private readonly byte[] _endOfLine = Encoding.Latin1.GetBytes(command.EndOfLine);
    private readonly bool _quoteFrom = command.Has(PipeFlags.QuoteFrom);
    private readonly bool _dot = command.Has(PipeFlags.Dot);

    // Bytes of "From " matched at the start of a line and not written yet.
    private int _held;
    private bool _ended;

    private static ReadOnlySpan<byte> From => "From "u8;

    /// <inheritdoc/>
    public long Length => content.Length;

    /// <summary>The lines in front of the content.</summary>
    /// <param name="command">The service.</param>
    /// <param name="sender">Envelope sender.</param>
    /// <param name="originalTo">For X-Original-To.</param>
    /// <param name="deliveredTo">For Delivered-To.</param>
    /// <param name="now">The local time.</param>
    public static byte[] Head(PipeCommand command, string sender, string originalTo, string deliveredTo, DateTimeOffset now)
    {
        var text = new StringBuilder(256);
        sender = sender.Length > 0 ? sender : command.NullSender;
        if (command.Has(PipeFlags.FromLine))
        {
            // ctime(3): the day of the month is padded with a space.
            text.Append("From ").Append(sender.Length > 0 ? sender : "MAILER-DAEMON")
                .Append(CultureInfo.InvariantCulture, $"  {now:ddd MMM} {now.Day,2} {now:HH:mm:ss yyyy}").Append(command.EndOfLine);
        }
        if (command.Has(PipeFlags.ReturnPath))
        {
            text.Append("Return-Path: <").Append(sender).Append('>').Append(command.EndOfLine);
        }
        if (command.Has(PipeFlags.OriginalTo))
        {
            text.Append("X-Original-To: ").Append(originalTo).Append(command.EndOfLine);
        }
        if (command.Has(PipeFlags.DeliveredTo))
        {
            text.Append("Delivered-To: ").Append(deliveredTo).Append(command.EndOfLine);
        }
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <inheritdoc/>
    public void Rewind()
    {
        content.Rewind();
        (_held, _ended) = (0, false);
    }

    /// <inheritdoc/>
    public ContentRead Read(out ReadOnlyMemory<byte> piece)
    {
        piece = default;
        if (_ended)
        {
            return ContentRead.End;
        }
        var read = content.Read(out piece);
        if (!_quoteFrom && !_dot && command is { EndOfLine: "\n" } && !command.Has(PipeFlags.BlankLine))
        {
            return read;
        }
        _output.ResetWrittenCount();
        for (; read == ContentRead.Data; read = content.Read(out piece))
        {
            Take(piece.Span);
            if (_output.WrittenCount > 0)
            {
                piece = _output.WrittenMemory;
                return read;
            }
        }
        if (read != ContentRead.End)
        {
            return read;
        }
        _ended = true;
        if (_held > 0)
        {
            _output.Write(From[.._held]);
        }
        if (command.Has(PipeFlags.BlankLine))
        {
            _output.Write(_endOfLine);
        }
        piece = _output.WrittenMemory;
        return piece.IsEmpty ? ContentRead.End : ContentRead.Data;
    }

    private void Take(ReadOnlySpan<byte> piece)
    {
        while (!piece.IsEmpty)
        {
            if (_held != NotAtLineStart)
            {
                if (!Begin(ref piece))
                {
                    return;
                }
                continue;
            }
            var lineEnd = piece.IndexOf((byte)'\n');
            if (lineEnd < 0)
            {
                _output.Write(piece);
                return;
            }
            _output.Write(piece[..lineEnd]);
            _output.Write(_endOfLine);
            piece = piece[(lineEnd + 1)..];
            _held = 0;
        }
    }

    /// <summary>The beginning of a line.</summary>
    /// <returns>False when more must be seen of it.</returns>
    private bool Begin(ref ReadOnlySpan<byte> piece)
    {
        while (_quoteFrom && _held < From.Length && !piece.IsEmpty && piece[0] == From[_held])
        {
            _held++;
            piece = piece[1..];
        }
        if (_held < From.Length && piece.IsEmpty)
        {
            return false;
        }
        if (_held == From.Length)
        {
            _output.Write(">"u8);
        }
        else if (_dot && _held == 0 && piece[0] == (byte)'.')
        {
            _output.Write("."u8);
        }
        _output.Write(From[.._held]);
        _held = NotAtLineStart;
        return true;
    }
}
