namespace Facteur.Services.Deliver;

/// <summary>
/// Puts "&gt;" in front of lines that begin with "From ", which in an mbox begin a message. Content may be cut anywhere, also within "From ".
/// </summary>
internal sealed class FromQuoter
{
    private const int NotAtLineStart = -1;

    // Bytes of "From " matched at the start of a line and not written yet.
    private int _held;

    private static ReadOnlySpan<byte> From => "From "u8;

    /// <summary>Writes a piece.</summary>
    public void Write(ReadOnlySpan<byte> piece, MailboxWriter output)
    {
        while (!piece.IsEmpty)
        {
            if (_held != NotAtLineStart)
            {
                piece = Match(piece, output);
                continue;
            }
            var lineEnd = piece.IndexOf("\nF"u8);
            if (lineEnd < 0)
            {
                output.Write(piece);
                _held = piece[^1] == '\n' ? 0 : NotAtLineStart;
                return;
            }
            output.Write(piece[..(lineEnd + 1)]);
            piece = piece[(lineEnd + 1)..];
            _held = 0;
        }
    }

    /// <summary>Writes what is held back.</summary>
    public void End(MailboxWriter output)
    {
        if (_held > 0)
        {
            output.Write(From[.._held]);
        }
        _held = 0;
    }

    private ReadOnlySpan<byte> Match(ReadOnlySpan<byte> piece, MailboxWriter output)
    {
        var at = 0;
        while (at < piece.Length && _held < From.Length && piece[at] == From[_held])
        {
            at++;
            _held++;
        }
        if (_held == From.Length)
        {
            output.Write(">From "u8);
            _held = NotAtLineStart;
        }
        else if (at < piece.Length)
        {
            output.Write(From[.._held]);
            _held = NotAtLineStart;
        }
        return piece[at..];
    }
}
