namespace Facteur.Mail.Mime;

/// <summary>What a line that begins with a boundary does.</summary>
internal enum BoundaryLine : byte
{
    /// <summary>It is no boundary.</summary>
    None = 0,

    /// <summary>A part of a multipart begins.</summary>
    Part = 1,

    /// <summary>The same, of a multipart/digest: without a type of its own the part is a message (RFC 2046 5.1.5).</summary>
    DigestPart = 2,

    /// <summary>A multipart ends.</summary>
    End = 3,
}

/// <summary>The boundaries of the multiparts that are open, innermost last.</summary>
internal sealed class MimeBoundaries(MimeLimits limits)
{
    private readonly List<(byte[] Text, bool Digest)> _open = [];

    public int Count => _open.Count;

    /// <summary>Opens a multipart.</summary>
    /// <returns>Whether the nesting limit allows it.</returns>
    public bool Open(in MimeToken boundary, bool digest)
    {
        // Postfix 3.7: with mime_nesting_limit = 100 the 103rd is too many.
        if (_open.Count - 1 > limits.Nesting)
        {
            return false;
        }
        _open.Add((Unquote(boundary, limits.Boundary), digest));
        return true;
    }

    /// <summary>Looks for a boundary at the start of a line; ends the multiparts within the one that it belongs to, and that one if it says so.</summary>
    /// <param name="line">The line without its end; of a long one the first piece.</param>
    public BoundaryLine Match(ReadOnlySpan<byte> line)
    {
        if (line.Length <= 2 || !line.StartsWith("--"u8))
        {
            return BoundaryLine.None;
        }
        for (var i = _open.Count - 1; i >= 0; i--)
        {
            // Postfix: what follows a boundary in its line is not looked at. A missing end of an inner multipart is put up with (RFC 2046 5.1.2).
            var (text, digest) = _open[i];
            if (line[2..].StartsWith(text))
            {
                var ends = line[(2 + text.Length)..].StartsWith("--"u8);
                var keep = ends ? i : i + 1;
                _open.RemoveRange(keep, _open.Count - keep);
                return ends ? BoundaryLine.End : digest ? BoundaryLine.DigestPart : BoundaryLine.Part;
            }
        }
        return BoundaryLine.None;
    }

    private static byte[] Unquote(in MimeToken token, int limit)
    {
        var text = new byte[Math.Min(token.Text.Length, limit)];
        var length = 0;
        for (var at = 0; at < token.Text.Length && length < limit; at++)
        {
            if (token.Kind == '"' && token.Text[at] == '\\' && at + 1 < token.Text.Length)
            {
                at++;
            }
            // A fold within the quotes is its blank, not its line end (RFC 5322 2.2.3).
            if (token.Text[at] != '\n')
            {
                text[length++] = token.Text[at];
            }
        }
        return text[..length];
    }
}
