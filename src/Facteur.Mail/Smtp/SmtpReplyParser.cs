using System.Buffers;

namespace Facteur.Mail.Smtp;

/// <summary>What a parser found at the start of some bytes.</summary>
public enum ReplyParse : byte
{
    /// <summary>A whole reply.</summary>
    Done = 0,

    /// <summary>More bytes are needed.</summary>
    More = 1,

    /// <summary>Not a reply: no three digits, a line or a reply that is too long.</summary>
    Malformed = 2,
}

/// <summary>
/// Reads replies (RFC 5321 4.2) from bytes. The usual one-line reply makes no text unless asked. A reply is taken whole or not at all, and nothing behind it
/// is touched, so that pipelined replies are counted exactly. RFC 5321 4.2.1: all lines have the same code; where they don't, the last one's counts, as in Postfix.
/// </summary>
public static class SmtpReplyParser
{
    /// <summary>Most bytes of one reply.</summary>
    public const int ReplyLimit = 64 * 1024;

    /// <summary>Reads one reply.</summary>
    /// <param name="buffer">What the peer sent.</param>
    /// <param name="wantText">Whether the text is wanted even of a 2xx reply.</param>
    /// <param name="code">200 to 599.</param>
    /// <param name="text">All lines with their codes, joined by line feeds, printable, bounded; "" when not made. Of what is not a reply the line that is none.</param>
    /// <param name="end">Behind the reply.</param>
    public static ReplyParse Parse(in ReadOnlySequence<byte> buffer, bool wantText, out int code, out string text, out SequencePosition end)
    {
        (code, text, end) = (0, "", buffer.Start);
        if (buffer.IsSingleSegment)
        {
            var found = Scan(buffer.FirstSpan, out code, out var length);
            return Finish(found, buffer.FirstSpan, length, wantText, ref code, ref text, ref end, buffer);
        }
        var whole = ArrayPool<byte>.Shared.Rent((int)Math.Min(buffer.Length, ReplyLimit + 1));
        try
        {
            var head = buffer.Slice(0, Math.Min(buffer.Length, ReplyLimit + 1));
            head.CopyTo(whole);
            var span = whole.AsSpan(0, (int)head.Length);
            var found = Scan(span, out code, out var length);
            return Finish(found, span, length, wantText, ref code, ref text, ref end, buffer);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(whole);
        }
    }

    /// <summary>Reads the code of one line of a reply.</summary>
    /// <param name="line">The line.</param>
    /// <param name="code">200 to 599.</param>
    /// <param name="more">Whether another line follows.</param>
    /// <returns>False when it is no line of a reply.</returns>
    public static bool TryCode(ReadOnlySpan<char> line, out int code, out bool more)
    {
        (code, more) = (0, line is [_, _, _, '-', ..]);
        if (line is not [>= '2' and <= '5', var tens, var units, ..] || !char.IsAsciiDigit(tens) || !char.IsAsciiDigit(units) || (line.Length > 3 && line[3] is not (' ' or '-')))
        {
            return false;
        }
        code = (line[0] - '0') * 100 + (tens - '0') * 10 + (units - '0');
        return true;
    }

    private static ReplyParse Finish(
        ReplyParse found, ReadOnlySpan<byte> bytes, int length, bool wantText, ref int code, ref string text, ref SequencePosition end,
        in ReadOnlySequence<byte> buffer)
    {
        if (found == ReplyParse.Done)
        {
            end = buffer.GetPosition(length);
            text = wantText || code >= 300 ? SmtpReplyText.Make(bytes[..length]) : "";
        }
        else if (found == ReplyParse.More && bytes.Length > ReplyLimit)
        {
            found = ReplyParse.Malformed;
        }
        if (found == ReplyParse.Malformed)
        {
            code = 0;
            var line = bytes[length..];
            line = line[..(line.IndexOf((byte)'\n') is var feed and >= 0 ? feed : line.Length)];
            text = SmtpReplyText.Make(line[..Math.Min(line.Length, 100)]);
        }
        return found;
    }

    /// <param name="bytes">What the peer sent.</param>
    /// <param name="code">The reply's code.</param>
    /// <param name="length">Of the reply; or where the line begins that is none.</param>
    private static ReplyParse Scan(ReadOnlySpan<byte> bytes, out int code, out int length)
    {
        code = 0;
        length = 0;
        while (true)
        {
            var line = bytes[length..];
            var feed = line.IndexOf((byte)'\n');
            if (feed < 0)
            {
                return ReplyParse.More;
            }
            line = line[..feed];
            line = line is [.., (byte)'\r'] ? line[..^1] : line;
            if (line.Length < 3 || line[0] is < (byte)'2' or > (byte)'5' || !char.IsAsciiDigit((char)line[1]) || !char.IsAsciiDigit((char)line[2]))
            {
                return ReplyParse.Malformed;
            }
            code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
            var sign = line.Length == 3 ? (byte)' ' : line[3];
            if (sign is not ((byte)' ' or (byte)'-'))
            {
                return ReplyParse.Malformed;
            }
            length += feed + 1;
            if (sign == ' ')
            {
                return ReplyParse.Done;
            }
        }
    }
}
