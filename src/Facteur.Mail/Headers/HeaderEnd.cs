using System.Buffers;

namespace Facteur.Mail.Headers;

/// <summary>
/// Finds where the header of a message ends in content that comes in pieces: a header is lines "name: value" and lines that begin with
/// white space. Also keeps the value of Message-ID.
/// </summary>
public sealed class HeaderEnd
{
    // RFC 5322 2.1.1: a line has at most 998 characters, so a name is shorter.
    private const int NameLimit = 998;
    private readonly ArrayBufferWriter<byte> _start = new(64);
    private readonly ArrayBufferWriter<byte> _value = new(64);
    private bool _inLine;
    private bool _atFirst = true;
    private bool _keep;

    /// <summary>The header has ended.</summary>
    public bool Ended { get; private set; }

    /// <summary>The Message-ID with its brackets, or null; valid once the header has ended.</summary>
    public string? MessageId
    {
        get
        {
            var value = System.Text.Encoding.Latin1.GetString(_value.WrittenSpan).Trim();
            return value is ['<', .., '>'] && !value.AsSpan().ContainsAnyExceptInRange('!', '~') ? value : null;
        }
    }

    /// <summary>Bytes held back because they may begin a header line; once the header has ended they are the start of the body.</summary>
    public ReadOnlyMemory<byte> Pending => _start.WrittenMemory;

    /// <summary>Takes the next piece and appends what of it belongs to the header.</summary>
    /// <returns>Bytes taken; what follows them belongs to the body.</returns>
    public int Take(ReadOnlySpan<byte> piece, IBufferWriter<byte> output)
    {
        var length = piece.Length;
        while (!piece.IsEmpty && !Ended)
        {
            if (_inLine)
            {
                var end = piece.IndexOf((byte)'\n');
                var rest = piece[..(end < 0 ? piece.Length : end + 1)];
                Copy(rest, output);
                _inLine = end < 0;
                piece = piece[rest.Length..];
            }
            else
            {
                piece = piece[TakeStart(piece, output)..];
            }
        }
        return length - piece.Length;
    }

    // A line's start is held back until it shows what the line is.
    private int TakeStart(ReadOnlySpan<byte> piece, IBufferWriter<byte> output)
    {
        var b = piece[0];
        if (_start.WrittenCount == 0 && !_atFirst && b is (byte)' ' or (byte)'\t')
        {
            _inLine = true;
            return 0;
        }
        var colon = piece.IndexOfAny((byte)':', (byte)'\n');
        var length = colon < 0 ? piece.Length : colon + 1;
        _start.Write(piece[..length]);
        if (colon < 0 && _start.WrittenCount <= NameLimit)
        {
            return length;
        }
        var name = _start.WrittenSpan[..^1].TrimEnd(" \t"u8);
        if (colon < 0 || piece[colon] != (byte)':' || name.IsEmpty || name.Length > NameLimit || name.ContainsAnyExceptInRange((byte)'!', (byte)'~'))
        {
            Ended = true;
            return length;
        }
        _keep = System.Text.Ascii.EqualsIgnoreCase(name, "message-id"u8) && _value.WrittenCount == 0;
        output.Write(_start.WrittenSpan);
        _start.ResetWrittenCount();
        _inLine = true;
        _atFirst = false;
        return length;
    }

    private void Copy(ReadOnlySpan<byte> bytes, IBufferWriter<byte> output)
    {
        output.Write(bytes);
        if (_keep && _value.WrittenCount + bytes.Length <= NameLimit)
        {
            _value.Write(bytes);
        }
    }
}
