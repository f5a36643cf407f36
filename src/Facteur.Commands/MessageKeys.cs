using System.Text;

namespace Facteur.Commands;

/// <summary>
/// The lookup keys in a message as header_checks(5) and body_checks(5) see them: whole headers, with their newlines, and lines of the body.
/// With MIME, headers of parts and of attached messages are headers; without, only those at the top.
/// </summary>
internal sealed class MessageKeys
{
    /// <summary>Parts nested deeper are body (mime_nesting_limit); headers longer are cut (header_size_limit).</summary>
    private const int MaxNesting = 100, MaxHeader = 102_400;

    private readonly bool _headers, _body, _mime;
    private readonly List<string> _boundaries = [];
    private readonly List<byte> _header = [];
    private bool _inHeaders = true, _plainPart = true, _attachedMessage;
    private string? _boundary;

    private MessageKeys(bool headers, bool body, bool mime)
    {
        _headers = headers;
        _body = body;
        _mime = mime;
    }

    /// <summary>The keys of a message.</summary>
    /// <param name="lines">The message.</param>
    /// <param name="headers">Headers are keys.</param>
    /// <param name="body">Lines of the body are keys.</param>
    /// <param name="mime">MIME is read.</param>
    public static IEnumerable<byte[]> Read(IEnumerable<byte[]> lines, bool headers, bool body, bool mime)
    {
        var state = new MessageKeys(headers, body, mime);
        foreach (var line in lines)
        {
            foreach (var key in state.Next(line))
            {
                yield return key;
            }
            if (!body && !mime && !state._inHeaders)
            {
                yield break;
            }
        }
        if (state.EndHeader() is { } last)
        {
            yield return last;
        }
    }

    private IEnumerable<byte[]> Next(byte[] line)
    {
        if (_inHeaders)
        {
            if (_header.Count > 0 && line is [(byte)' ' or (byte)'\t', ..])
            {
                if (_header.Count + line.Length < MaxHeader)
                {
                    _header.Add((byte)'\n');
                    _header.AddRange(line);
                }
                yield break;
            }
            if (EndHeader() is { } key)
            {
                yield return key;
            }
            if (IsHeader(line))
            {
                _header.AddRange(Normal(line.AsSpan(0, Math.Min(line.Length, MaxHeader))));
                yield break;
            }
            EndHeaders();
            // Postfix: where a line of the body ends the headers, an empty one comes before it.
            if (line.Length > 0 && _body)
            {
                yield return [];
            }
            // Postfix: the empty line after headers is a line of the body.
            if (line.Length == 0)
            {
                if (_body)
                {
                    yield return line;
                }
                yield break;
            }
        }
        if (_mime && BoundaryOf(line) is { } depth)
        {
            EnterPart(line, depth);
        }
        if (_body)
        {
            yield return line;
        }
    }

    private byte[]? EndHeader()
    {
        if (_header.Count == 0)
        {
            return null;
        }
        var header = _header.ToArray();
        _header.Clear();
        if (_mime)
        {
            ReadContentType(Encoding.Latin1.GetString(header));
        }
        return _headers ? header : null;
    }

    private static bool IsHeader(ReadOnlySpan<byte> line)
    {
        var colon = line.IndexOf((byte)':');
        return colon > 0 && line[..colon].TrimEnd(" \t"u8).IndexOfAnyExceptInRange((byte)33, (byte)126) < 0;
    }

    // RFC 822's blanks between a name and its colon are not seen by rules (Postfix: mime_state).
    private static byte[] Normal(ReadOnlySpan<byte> header)
    {
        var colon = header.IndexOf((byte)':');
        return colon < 0 ? header.ToArray() : [.. header[..colon].TrimEnd(" \t"u8), .. header[colon..]];
    }

    private void EndHeaders()
    {
        _inHeaders = false;
        if (_boundary is not null && _boundaries.Count < MaxNesting)
        {
            _boundaries.Add(_boundary);
        }
        else if (_attachedMessage && !_plainPart)
        {
            _inHeaders = true;
        }
        _boundary = null;
        _attachedMessage = false;
        _plainPart = true;
    }

    private void ReadContentType(string header)
    {
        if (!header.StartsWith("Content-Type:", StringComparison.OrdinalIgnoreCase))
        {
            return;
        }
        var value = header["Content-Type:".Length..].Replace('\n', ' ').Trim();
        _attachedMessage = value.StartsWith("message/rfc822", StringComparison.OrdinalIgnoreCase);
        _plainPart = !_attachedMessage;
        if (!value.StartsWith("multipart/", StringComparison.OrdinalIgnoreCase))
        {
            return;
        }
        var at = value.IndexOf("boundary=", StringComparison.OrdinalIgnoreCase);
        if (at >= 0)
        {
            var text = value[(at + "boundary=".Length)..].TrimStart();
            var end = text is ['"', ..] ? text.IndexOf('"', 1) : text.AsSpan().IndexOfAny(" ;\t");
            _boundary = text is ['"', ..] ? text[1..(end < 0 ? text.Length : end)] : text[..(end < 0 ? text.Length : end)];
        }
    }

    /// <summary>Which open multipart a line delimits; RFC 2046 5.1.1.</summary>
    private int? BoundaryOf(ReadOnlySpan<byte> line)
    {
        if (!line.StartsWith("--"u8))
        {
            return null;
        }
        var text = Encoding.Latin1.GetString(line[2..]);
        for (var i = _boundaries.Count - 1; i >= 0; i--)
        {
            if (text.StartsWith(_boundaries[i], StringComparison.Ordinal))
            {
                return i;
            }
        }
        return null;
    }

    private void EnterPart(ReadOnlySpan<byte> line, int depth)
    {
        _boundaries.RemoveRange(depth + 1, _boundaries.Count - depth - 1);
        if (line[(2 + _boundaries[depth].Length)..].StartsWith("--"u8))
        {
            _boundaries.RemoveAt(depth);
            return;
        }
        _inHeaders = true;
    }
}
