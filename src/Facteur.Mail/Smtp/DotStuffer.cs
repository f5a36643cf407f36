namespace Facteur.Mail.Smtp;

/// <summary>
/// Content with LF line ends as DATA carries it: CRLF line ends, a dot in front of a line that begins with one (RFC 5321 4.5.2), lines cut at a length
/// with CRLF and a space (Postfix: smtp_line_length_limit). Keeps its place between pieces. Cuts avoid the inside of a UTF-8 sequence.
/// </summary>
/// <param name="lineLimit">Bytes of a line, 0 for no limit; at least 8 are taken.</param>
public struct DotStuffer(int lineLimit)
{
    /// <summary>Bytes of room that one call needs at least to get on.</summary>
    public const int LeastRoom = 16;

    private readonly int _lineLimit = lineLimit > 0 ? Math.Max(lineLimit, 8) : int.MaxValue;
    private int _column;
    private bool _started;

    /// <summary>Whether the next byte begins a line.</summary>
    public readonly bool AtLineStart => !_started;

    /// <summary>Whether a line was cut.</summary>
    public bool HasCut { get; private set; }

    /// <summary>Encodes as much as fits.</summary>
    /// <param name="content">Content.</param>
    /// <param name="into">At least <see cref="LeastRoom"/> bytes.</param>
    /// <param name="consumed">Bytes of content used.</param>
    /// <returns>Bytes written.</returns>
    public int Encode(ReadOnlySpan<byte> content, Span<byte> into, out int consumed)
    {
        var written = 0;
        consumed = 0;
        while (consumed < content.Length && into.Length - written >= LeastRoom)
        {
            var rest = content[consumed..];
            if (!_started && rest[0] == '.')
            {
                into[written++] = (byte)'.';
            }
            var feed = rest.IndexOf((byte)'\n');
            var length = feed < 0 ? rest.Length : feed;
            // Room for the line's end or a cut is kept back.
            var room = into.Length - written - 3;
            var allowed = _lineLimit - _column;
            var cut = length > allowed && allowed <= room;
            var take = cut ? Boundary(rest, allowed) : Math.Min(length, room);
            rest[..take].CopyTo(into[written..]);
            written += take;
            consumed += take;
            _column += take;
            _started |= take > 0;
            if (cut || (take == length && feed >= 0))
            {
                into[written++] = (byte)'\r';
                into[written++] = (byte)'\n';
                // Postfix: the space that begins the next line counts.
                _column = cut ? 1 : 0;
                HasCut |= cut;
                _started = cut;
                if (cut)
                {
                    into[written++] = (byte)' ';
                }
                else
                {
                    consumed++;
                }
            }
        }
        return written;
    }

    private static int Boundary(ReadOnlySpan<byte> bytes, int at)
    {
        for (var back = 0; back < 4 && at - back >= 0; back++)
        {
            if ((bytes[at - back] & 0xC0) != 0x80)
            {
                return at - back;
            }
        }
        return at;
    }
}
