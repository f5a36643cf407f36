namespace Facteur.Mail.Mime;

/// <summary>One token of a structured MIME header (RFC 2045 5.1).</summary>
/// <param name="kind">'a' for a word, '"' for a quoted string, 0 for none, else the special character itself.</param>
/// <param name="text">The word or character, or what is between the quotes as it is written.</param>
internal readonly ref struct MimeToken(byte kind, ReadOnlySpan<byte> text)
{
    public byte Kind { get; } = kind;

    public ReadOnlySpan<byte> Text { get; } = text;

    public bool Is(ReadOnlySpan<byte> word) => Kind == 'a' && System.Text.Ascii.EqualsIgnoreCase(Text, word);
}

/// <summary>Cuts the value of a structured MIME header into tokens; blanks, line ends and comments are left out.</summary>
internal ref struct MimeTokens(ReadOnlySpan<byte> value)
{
    private ReadOnlySpan<byte> _rest = value;

    /// <summary>Reads to the next semicolon: the type, or a parameter.</summary>
    /// <param name="first">Its first token.</param>
    /// <param name="second">The next.</param>
    /// <param name="third">The next; what stands behind it is not looked at.</param>
    /// <returns>False at the end.</returns>
    public bool NextPart(out MimeToken first, out MimeToken second, out MimeToken third)
    {
        first = second = third = default;
        if (_rest.IsEmpty)
        {
            return false;
        }
        var count = 0;
        for (var token = Next(); token.Kind is not (0 or (byte)';'); token = Next())
        {
            switch (count++)
            {
                case 0:
                    first = token;
                    break;
                case 1:
                    second = token;
                    break;
                case 2:
                    third = token;
                    break;
            }
        }
        return true;
    }

    /// <summary>The next token.</summary>
    public MimeToken Next()
    {
        SkipBlank();
        if (_rest.IsEmpty)
        {
            return default;
        }
        var first = _rest[0];
        if (first == '"')
        {
            return Quoted();
        }
        var length = IsSpecial(first) ? 1 : WordLength();
        var token = new MimeToken(IsSpecial(first) ? first : (byte)'a', _rest[..length]);
        _rest = _rest[length..];
        return token;
    }

    private MimeToken Quoted()
    {
        var end = 1;
        while (end < _rest.Length && _rest[end] != '"')
        {
            end += _rest[end] == '\\' ? 2 : 1;
        }
        var token = new MimeToken((byte)'"', _rest[1..Math.Min(end, _rest.Length)]);
        _rest = _rest[Math.Min(end + 1, _rest.Length)..];
        return token;
    }

    private readonly int WordLength()
    {
        var length = 1;
        while (length < _rest.Length && !IsSpecial(_rest[length]) && !IsBlank(_rest[length]))
        {
            length++;
        }
        return length;
    }

    private void SkipBlank()
    {
        var at = 0;
        // Comments nest.
        for (var depth = 0; at < _rest.Length; at++)
        {
            var b = _rest[at];
            if (b == '(')
            {
                depth++;
            }
            else if (depth == 0 && !IsBlank(b))
            {
                break;
            }
            else if (b == ')')
            {
                depth--;
            }
            else if (b == '\\')
            {
                at++;
            }
        }
        _rest = _rest[Math.Min(at, _rest.Length)..];
    }

    private static bool IsBlank(byte b) => b is (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n';

    // RFC 2045 5.1: tspecials; a control character belongs to no word either.
    private static bool IsSpecial(byte b) => (b < 32 && !IsBlank(b)) || b == 127 || "()<>@,;:\\\"/[]?="u8.Contains(b);
}
