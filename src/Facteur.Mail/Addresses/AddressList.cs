using System.Buffers;
using System.Text;

namespace Facteur.Mail.Addresses;

/// <summary>The parts of an address list.</summary>
public enum AddressTokenKind : byte
{
    /// <summary>A word of a display name or group name.</summary>
    Word = 0,

    /// <summary>An address, without brackets; may hold blanks and comments as written.</summary>
    Address,

    /// <summary>A comment with its parentheses.</summary>
    Comment,

    /// <summary>"&lt;".</summary>
    Open,

    /// <summary>"&gt;".</summary>
    Close,

    /// <summary>","; of length 0 where it is missing between two addresses.</summary>
    Comma,

    /// <summary>":" behind a group's name.</summary>
    GroupStart,

    /// <summary>";" behind a group.</summary>
    GroupEnd,
}

/// <summary>One part of an address list: a range of the header's value.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Start">Where it starts.</param>
/// <param name="Length">Its bytes.</param>
public readonly record struct AddressToken(AddressTokenKind Kind, int Start, int Length);

/// <summary>
/// Parses the address list of a header (RFC 5322 3.4 with its obsolete forms) into ranges of the header's bytes, and prints it again with some
/// addresses replaced. Never recurses; takes any bytes. An instance is used again and again, by one thread at a time.
/// </summary>
public sealed class AddressList
{
    private const int LineTarget = 70;
    private static readonly SearchValues<byte> AtomEnd = SearchValues.Create(" \t\r\n()<>@,;:.[]\"\\"u8);
    private static readonly SearchValues<byte> NotQualified = SearchValues.Create(" \t\r\n()<>,;:[]\"\\%!"u8);
    private static readonly SearchValues<char> NotQualifiedText = SearchValues.Create(" \t\r\n()<>,;:[]\"\\%!");

    // A lexeme's kind is its operator, or one of these.
    private const byte Atom = (byte)'a';
    private const byte CommentText = (byte)'(';

    private readonly List<(byte Kind, int Start, int Length)> _lexemes = [];
    private readonly List<AddressToken> _tokens = [];
    private bool _hasAddress;
    private int _lastClose;

    /// <summary>What the last <see cref="Parse"/> found, in order.</summary>
    public IReadOnlyList<AddressToken> Tokens => _tokens;

    /// <summary>Parses a list.</summary>
    /// <param name="value">The header's value.</param>
    /// <param name="tokenLimit">header_address_token_limit: what is beyond it is not there.</param>
    public void Parse(ReadOnlySpan<byte> value, int tokenLimit)
    {
        _tokens.Clear();
        Lex(value, tokenLimit);
        _lastClose = _lexemes.FindLastIndex(static lexeme => lexeme.Kind == '>');
        _hasAddress = false;
        for (var start = 0; start < _lexemes.Count;)
        {
            var end = SegmentEnd(start);
            var delimiter = end < _lexemes.Count ? _lexemes[end] : default;
            Segment(start, end, delimiter.Kind == ':');
            if (end < _lexemes.Count)
            {
                Add(delimiter.Kind switch { (byte)',' => AddressTokenKind.Comma, (byte)':' => AddressTokenKind.GroupStart, _ => AddressTokenKind.GroupEnd }, end, end);
            }
            // A group needs a comma behind it as an address does.
            _hasAddress = delimiter.Kind == ';';
            start = end + 1;
        }
    }

    /// <summary>An address of the list in external form: no comments, no blanks outside of quotes, what is open closed. Null when it is not UTF-8.</summary>
    public static string? AddressText(ReadOnlySpan<byte> address)
    {
        var bare = Bare(address);
        if (!System.Text.Unicode.Utf8.IsValid(bare))
        {
            return null;
        }
        var text = Encoding.UTF8.GetString(bare);
        text = AddressOperator.Unclosed(text) is var closing && closing != 0 ? text.TrimEnd('\\') + closing : text;
        // Postfix: a domain has no quotes and no backslashes.
        return AddressOperator.Last(text, '@') is >= 0 and var at && (text.AsSpan(at).StartsWith("@\"") || text.AsSpan(at).Contains('\\')) && AddressParts.Unquote(text[(at + 1)..]).TrimEnd('\\') is var domain
            && HostName.IsValid(domain, international: true) ? $"{text.AsSpan(0, at + 1)}{domain}" : text;
    }

    /// <summary>Whether an address is user@domain.with.dots and nothing else, so that no rewriting to standard form can change it.</summary>
    public static bool IsQualified(ReadOnlySpan<byte> address)
    {
        var at = address.IndexOf((byte)'@');
        return at > 0 && address.IndexOfAny(NotQualified) < 0 && address[(at + 1)..] is var domain && domain.IndexOf((byte)'@') < 0
            && domain.IndexOf((byte)'.') > 0 && address[0] != '.' && address[at - 1] != '.' && address[^1] != '.' && address.IndexOf(".."u8) < 0;
    }

    /// <inheritdoc cref="IsQualified(ReadOnlySpan{byte})"/>
    public static bool IsQualified(ReadOnlySpan<char> address)
    {
        var at = address.IndexOf('@');
        return at > 0 && address.IndexOfAny(NotQualifiedText) < 0 && address[(at + 1)..] is var domain && !domain.Contains('@')
            && domain.IndexOf('.') > 0 && address[0] != '.' && address[at - 1] != '.' && address[^1] != '.' && address.IndexOf("..") < 0;
    }

    /// <summary>
    /// Prints the header with some addresses replaced, as Postfix does: all else keeps its text but for blanks, which stand where their kinds of
    /// tokens ask for them; lines are folded between addresses.
    /// </summary>
    /// <param name="name">Field name.</param>
    /// <param name="value">The value that was parsed.</param>
    /// <param name="replaced">For each token its new text, or null to keep it.</param>
    /// <param name="into">Gets the header without its last line end.</param>
    public void Write(ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, IReadOnlyList<string?> replaced, IBufferWriter<byte> into)
    {
        var text = new ArrayBufferWriter<byte>(value.Length + 64);
        text.Write(name);
        text.Write(": "u8);
        for (var i = 0; i < _tokens.Count; i++)
        {
            var token = _tokens[i];
            if (token.Kind == AddressTokenKind.Comma)
            {
                text.Write(",\n"u8);
                continue;
            }
            var raw = value.Slice(token.Start, token.Length);
            if (replaced[i] is { } other)
            {
                Encoding.UTF8.GetBytes(other, text);
            }
            else
            {
                text.Write(token.Kind == AddressTokenKind.Address ? Bare(raw) : raw);
            }
            if (i + 1 < _tokens.Count && NeedsSpace(value, token, _tokens[i + 1]))
            {
                text.Write(" "u8);
            }
        }
        Fold(text.WrittenSpan, into);
    }

    private static ReadOnlySpan<byte> Bare(ReadOnlySpan<byte> address)
    {
        if (address.IndexOfAny(" \t\r\n("u8) < 0)
        {
            return address;
        }
        var kept = new byte[address.Length];
        var length = 0;
        for (var at = 0; at < address.Length;)
        {
            var end = LexemeEnd(address, at);
            if (address[at] is not ((byte)'(' or (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n'))
            {
                address[at..end].CopyTo(kept.AsSpan(length));
                length += end - at;
            }
            at = end;
        }
        return kept.AsSpan(0, length);
    }

    // Postfix: blanks stand between words, around comments and before "<", wherever they were.
    private static bool NeedsSpace(ReadOnlySpan<byte> value, AddressToken token, AddressToken next) => token.Kind switch
    {
        AddressTokenKind.Open => false,
        AddressTokenKind.GroupStart => true,
        _ => next.Kind == AddressTokenKind.Open || (!IsOperator(value, token) && !IsOperator(value, next)),
    };

    private static bool IsOperator(ReadOnlySpan<byte> value, AddressToken token) =>
        token.Kind is not (AddressTokenKind.Word or AddressTokenKind.Comment or AddressTokenKind.Address)
        || (token.Kind == AddressTokenKind.Word && token.Length == 1 && value[token.Start] is (byte)'.' or (byte)'@' or (byte)':' or (byte)'>' or (byte)')' or (byte)']');

    // As many addresses as fit go on one line; their order is kept.
    private static void Fold(ReadOnlySpan<byte> text, IBufferWriter<byte> into)
    {
        var (start, at) = (0, 0);
        while (true)
        {
            var end = text[at..].IndexOf((byte)'\n') is var length && length < 0 ? text.Length : at + length;
            if (at > 0)
            {
                if (end - start < LineTarget)
                {
                    into.Write(" "u8);
                }
                else
                {
                    start = at;
                    into.Write("\n\t"u8);
                }
            }
            into.Write(text[at..end].TrimStart((byte)' '));
            if (end == text.Length)
            {
                return;
            }
            at = end + 1;
        }
    }

    private void Lex(ReadOnlySpan<byte> value, int limit)
    {
        _lexemes.Clear();
        for (var at = 0; at < value.Length && _lexemes.Count < limit;)
        {
            var c = value[at];
            var end = LexemeEnd(value, at);
            if (c is not ((byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n'))
            {
                _lexemes.Add((c is (byte)'\\' || !AtomEnd.Contains(c) ? Atom : c, at, end - at));
            }
            at = end;
        }
    }

    private static int LexemeEnd(ReadOnlySpan<byte> value, int at)
    {
        var c = value[at];
        if (c == '"')
        {
            return Enclosed(value, at, (byte)'"');
        }
        if (c == '[')
        {
            return Enclosed(value, at, (byte)']');
        }
        if (c == '(')
        {
            return CommentEnd(value, at);
        }
        if (c != '\\' && AtomEnd.Contains(c))
        {
            return at + 1;
        }
        while (true)
        {
            var length = value[at..].IndexOfAny(AtomEnd);
            if (length < 0)
            {
                return value.Length;
            }
            at += length;
            if (value[at] != '\\')
            {
                return at;
            }
            at = Math.Min(at + 2, value.Length);
        }
    }

    private static int Enclosed(ReadOnlySpan<byte> value, int at, byte closing)
    {
        for (at++; at < value.Length; at++)
        {
            if (value[at] == '\\')
            {
                at++;
            }
            else if (value[at] == closing)
            {
                return at + 1;
            }
        }
        return value.Length;
    }

    // RFC 5322 3.2.2: comments nest.
    private static int CommentEnd(ReadOnlySpan<byte> value, int at)
    {
        for (var depth = 0; at < value.Length; at++)
        {
            switch (value[at])
            {
                case (byte)'\\':
                    at++;
                    break;
                case (byte)'(':
                    depth++;
                    break;
                case (byte)')' when --depth == 0:
                    return at + 1;
            }
        }
        return value.Length;
    }

    private int SegmentEnd(int start)
    {
        var angle = false;
        // RFC 5322 4.4: a colon behind "@domain" ends a source route; the address comes after it.
        var route = _lexemes.FindIndex(start, static lexeme => lexeme.Kind != CommentText) is >= 0 and var first && _lexemes[first].Kind == '@';
        for (var i = start; i < _lexemes.Count; i++)
        {
            var kind = _lexemes[i].Kind;
            if (route && kind == ':')
            {
                route = false;
                continue;
            }
            angle = (kind == '<' && i < _lastClose) || (angle && kind != '>');
            if (!angle && (kind is (byte)',' or (byte)';' || (kind == ':' && StartsGroup(i))))
            {
                return i;
            }
        }
        return _lexemes.Count;
    }

    // Postfix: a colon is a group's when a semicolon ends the group before the next colon comes; else it belongs to the address.
    private bool StartsGroup(int colon)
    {
        var angle = false;
        for (var i = colon + 1; i < _lexemes.Count; i++)
        {
            var kind = _lexemes[i].Kind;
            angle = (kind == '<' && i < _lastClose) || (angle && kind != '>');
            if (!angle && kind is (byte)':' or (byte)';')
            {
                return kind == ';';
            }
        }
        return false;
    }

    private void Segment(int start, int end, bool groupName)
    {
        while (start < end)
        {
            var open = start < _lastClose ? IndexOf((byte)'<', start, end) : end;
            if (open == end || open > _lastClose)
            {
                if (groupName)
                {
                    Words(start, end);
                }
                else
                {
                    Bare(start, end);
                }
                return;
            }
            Words(start, open);
            Add(AddressTokenKind.Open, open, open);
            var close = IndexOf((byte)'>', open + 1, end);
            var (first, last) = (open + 1, close - 1);
            while (first <= last && _lexemes[first].Kind == CommentText)
            {
                first++;
            }
            while (last > first && _lexemes[last].Kind == CommentText)
            {
                last--;
            }
            if (first <= last)
            {
                Add(AddressTokenKind.Address, first, last);
            }
            Comments(open + 1, close);
            if (close < end)
            {
                Add(AddressTokenKind.Close, close, close);
            }
            _hasAddress = true;
            start = close + 1;
        }
    }

    private void Words(int start, int end)
    {
        for (var i = start; i < end; i++)
        {
            Add(_lexemes[i].Kind == CommentText ? AddressTokenKind.Comment : AddressTokenKind.Word, i, i);
        }
    }

    // Words without brackets: each run joined by "@" or "." is an address. Comments in front of it and in it go behind it.
    private void Bare(int start, int end)
    {
        var comments = start;
        while (start < end)
        {
            if (_lexemes[start].Kind == CommentText)
            {
                start++;
                continue;
            }
            if (_lexemes[start].Kind == '>')
            {
                // Postfix: one that closes nothing stays where it is.
                Comments(comments, start);
                Add(AddressTokenKind.Close, start, start);
                comments = ++start;
                continue;
            }
            var last = start;
            for (var next = start + 1; next < end && (_lexemes[next].Kind == CommentText || Joined(last, next)); next++)
            {
                last = _lexemes[next].Kind == CommentText ? last : next;
            }
            Separate();
            Add(AddressTokenKind.Address, start, last);
            Comments(comments, last);
            _hasAddress = true;
            start = comments = last + 1;
        }
        Comments(comments, end);
    }

    private void Comments(int start, int end)
    {
        for (var i = start; i < end; i++)
        {
            if (_lexemes[i].Kind == CommentText)
            {
                Add(AddressTokenKind.Comment, i, i);
            }
        }
    }

    // A "<" that nothing closes, and a ")" that nothing opens, are characters like any other; a colon that begins no group joins its neighbours.
    private bool Joined(int left, int right) => _lexemes[right].Kind != '>'
        && (Joins(_lexemes[left].Kind) || Joins(_lexemes[right].Kind) || (right == left + 1 && (_lexemes[left].Kind == ':' || _lexemes[right].Kind == ':')));

    private static bool Joins(byte kind) => kind is (byte)'@' or (byte)'.' or (byte)'<' or (byte)')';

    private void Separate()
    {
        if (_hasAddress)
        {
            _tokens.Add(new AddressToken(AddressTokenKind.Comma, 0, 0));
            _hasAddress = false;
        }
    }

    private int IndexOf(byte kind, int start, int end)
    {
        while (start < end && _lexemes[start].Kind != kind)
        {
            start++;
        }
        return start;
    }

    private void Add(AddressTokenKind kind, int first, int last) =>
        _tokens.Add(new AddressToken(kind, _lexemes[first].Start, _lexemes[last].Start + _lexemes[last].Length - _lexemes[first].Start));
}
