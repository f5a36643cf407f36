using System.Globalization;

namespace Facteur.Tables.Patterns;

/// <summary>What a step of a POSIX expression does.</summary>
internal enum PosixStep : byte
{
    /// <summary>The next byte is in set A.</summary>
    Set,

    /// <summary>Goes on at A; when that fails at B.</summary>
    Split,

    /// <summary>Goes on at A.</summary>
    Jump,

    /// <summary>Keeps the place in register A: groups' starts and ends, then loops' starts.</summary>
    Keep,

    /// <summary>The place is no longer that of register A: a round of a loop that took nothing is none.</summary>
    Moved,

    /// <summary>What group A matched stands here again.</summary>
    Same,

    /// <summary>The place is as condition A says.</summary>
    At,

    /// <summary>It has matched.</summary>
    End,
}

/// <summary>Conditions of a place.</summary>
internal enum PosixPlace : byte
{
    /// <summary>^</summary>
    LineStart,

    /// <summary>$</summary>
    LineEnd,

    /// <summary>\`</summary>
    TextStart,

    /// <summary>\'</summary>
    TextEnd,

    /// <summary>\b</summary>
    WordEdge,

    /// <summary>\B</summary>
    NoWordEdge,

    /// <summary>\&lt;</summary>
    WordStart,

    /// <summary>\&gt;</summary>
    WordEnd,
}

/// <summary>
/// Reads a POSIX expression as glibc's regcomp does in the C locale (basic or extended, with GNU's \w \s \b \&lt; \`) into steps. Only what
/// regcomp has taken is given to it: it finds no mistakes. Case is ignored by making everything upper case, as there.
/// </summary>
internal sealed class PosixSyntax
{
    private const int MaxDepth = 200, MaxSteps = 100_000;

    private readonly byte[] _pattern;
    private readonly bool _extended, _newline;
    private readonly bool _upper;
    private readonly List<(PosixStep Step, int A, int B)> _steps = [];
    private readonly List<bool[]> _sets = [];
    private int _at;
    private int _depth;
    private int _groups;
    private int _loops;

    private PosixSyntax(ReadOnlySpan<byte> pattern, int flags)
    {
        _pattern = pattern.ToArray();
        _extended = (flags & PosixRegex.Extended) != 0;
        _upper = (flags & PosixRegex.IgnoreCase) != 0;
        _newline = (flags & PosixRegex.Newline) != 0;
    }

    private abstract record Node;

    private sealed record Nothing : Node;

    private sealed record OneOf(int Set) : Node;

    private sealed record Place(PosixPlace Condition) : Node;

    private sealed record Reference(int Group) : Node;

    private sealed record Group(int Number, Node Inner) : Node;

    private sealed record Sequence(List<Node> Parts) : Node;

    private sealed record Choice(List<Node> Parts) : Node;

    private sealed record Repeat(Node Inner, int Least, int Most) : Node;

    /// <summary>The steps.</summary>
    public (PosixStep Step, int A, int B)[] Steps => [.. _steps];

    /// <summary>The sets of bytes that steps name.</summary>
    public bool[][] Sets => [.. _sets];

    /// <summary>How many groups there are.</summary>
    public int Groups => _groups;

    /// <summary>How many registers the steps use.</summary>
    public int Registers => (2 * (_groups + 1)) + _loops;

    /// <summary>Whether it refers back to a group.</summary>
    public bool HasReference { get; private set; }

    /// <summary>Reads an expression.</summary>
    /// <param name="pattern">Its bytes.</param>
    /// <param name="flags">Those of <see cref="PosixRegex"/>.</param>
    /// <exception cref="TableException">It is larger than any that makes sense.</exception>
    public static PosixSyntax Read(ReadOnlySpan<byte> pattern, int flags)
    {
        var syntax = new PosixSyntax(pattern, flags);
        var whole = syntax.ReadChoice(inner: false);
        syntax.Write(whole);
        syntax.Put(PosixStep.End, 0, 0);
        return syntax;
    }

    private Node ReadChoice(bool inner)
    {
        var parts = new List<Node>();
        while (true)
        {
            parts.Add(ReadSequence(inner));
            if (!TakeOperator('|'))
            {
                return parts.Count == 1 ? parts[0] : new Choice(parts);
            }
        }
    }

    private Node ReadSequence(bool inner)
    {
        var parts = new List<Node>();
        var first = true;
        while (_at < _pattern.Length && !IsOperator('|') && !(inner && IsOperator(')')))
        {
            parts.Add(ReadRepeated(first));
            first = false;
        }
        return parts.Count == 1 ? parts[0] : parts.Count == 0 ? new Nothing() : new Sequence(parts);
    }

    private Node ReadRepeated(bool first)
    {
        var node = ReadOne(first);
        // What follows an anchor is no repetition of it.
        while (node is not Place && ReadTimes() is var (least, most))
        {
            node = new Repeat(node, least, most);
        }
        return node;
    }

    private Node ReadOne(bool first)
    {
        if (TakeOperator('('))
        {
            if (++_depth > MaxDepth)
            {
                throw new TableException($"groups nested more than {MaxDepth} deep");
            }
            var number = ++_groups;
            var group = new Group(number, ReadChoice(inner: true));
            TakeOperator(')');
            _depth--;
            return group;
        }
        var c = (char)_pattern[_at++];
        switch (c)
        {
            case '.':
                return Set(b => b != 0 && !(_newline && b == '\n'));
            case '[':
                return ReadBracket();
            // In a basic expression only at the start or the end of something.
            case '^' when _extended || first:
                return new Place(PosixPlace.LineStart);
            case '$' when _extended || _at == _pattern.Length || IsOperator('|') || IsOperator(')'):
                return new Place(PosixPlace.LineEnd);
            case '\\' when _at < _pattern.Length:
                return ReadEscape((char)_pattern[_at++]);
            default:
                return Byte((byte)c);
        }
    }

    private Node ReadEscape(char c)
    {
        switch (c)
        {
            case >= '1' and <= '9':
                HasReference = true;
                return new Reference(c - '0');
            case 'w':
                return Set(IsWord);
            case 'W':
                return Set(b => !IsWord(b));
            case 's':
                return Set(b => IsIn("space", b));
            case 'S':
                return Set(b => !IsIn("space", b));
            default:
                return PlaceOf(c) is { } place ? new Place(place) : Byte((byte)c);
        }
    }

    private static PosixPlace? PlaceOf(char c) => c switch
    {
        '`' => PosixPlace.TextStart,
        '\'' => PosixPlace.TextEnd,
        'b' => PosixPlace.WordEdge,
        'B' => PosixPlace.NoWordEdge,
        '<' => PosixPlace.WordStart,
        '>' => PosixPlace.WordEnd,
        _ => null,
    };

    private (int Least, int Most)? ReadTimes()
    {
        if (_at < _pattern.Length && _pattern[_at] == '*')
        {
            _at++;
            return (0, -1);
        }
        if (TakeOperator('+'))
        {
            return (1, -1);
        }
        if (TakeOperator('?'))
        {
            return (0, 1);
        }
        if (!TakeOperator('{'))
        {
            return null;
        }
        var least = ReadNumber() ?? 0;
        var most = least;
        if (_at < _pattern.Length && _pattern[_at] == ',')
        {
            _at++;
            most = ReadNumber() ?? -1;
        }
        TakeOperator('}');
        return (least, most);
    }

    private int? ReadNumber()
    {
        var start = _at;
        while (_at < _pattern.Length && char.IsAsciiDigit((char)_pattern[_at]))
        {
            _at++;
        }
        return _at == start ? null : int.Parse(_pattern.AsSpan(start, _at - start), NumberStyles.None, CultureInfo.InvariantCulture);
    }

    private OneOf ReadBracket()
    {
        var set = new bool[256];
        var negated = _at < _pattern.Length && _pattern[_at] == '^';
        _at += negated ? 1 : 0;
        for (var first = true; _at < _pattern.Length && (first || _pattern[_at] != ']'); first = false)
        {
            if (ReadClass() is { } name)
            {
                // Postfix's default is to ignore case; then glibc takes both of these for letters.
                name = _upper && name is "upper" or "lower" ? "alpha" : name;
                for (var b = 0; b < 256; b++)
                {
                    set[b] |= IsIn(name, b);
                }
                continue;
            }
            var from = ReadMember();
            var to = from;
            if (_at + 1 < _pattern.Length && _pattern[_at] == '-' && _pattern[_at + 1] != ']')
            {
                _at++;
                to = ReadMember();
            }
            for (var b = from; b <= to; b++)
            {
                set[b] = true;
            }
        }
        _at++;
        return Set(b => negated ? !(set[b] || (_newline && b == '\n')) : set[b]);
    }

    /// <summary>The name in [:name:], or null.</summary>
    private string? ReadClass()
    {
        if (!_pattern.AsSpan(_at).StartsWith("[:"u8) || _pattern.AsSpan(_at).IndexOf(":]"u8) is not (> 0 and var end))
        {
            return null;
        }
        var name = System.Text.Encoding.Latin1.GetString(_pattern, _at + 2, end - 2);
        _at += end + 2;
        return name;
    }

    /// <summary>A byte, or one in [.x.] or [=x=].</summary>
    private int ReadMember()
    {
        var rest = _pattern.AsSpan(_at);
        if (rest.Length >= 5 && rest[0] == '[' && rest[1] is (byte)'.' or (byte)'=' && rest[3] == rest[1] && rest[4] == ']')
        {
            _at += 5;
            return Folded(rest[2]);
        }
        _at++;
        return Folded(rest[0]);
    }

    private static bool IsIn(string name, int b)
    {
        var c = (char)b;
        return name switch
        {
            "alpha" => char.IsAsciiLetter(c),
            "digit" => char.IsAsciiDigit(c),
            "alnum" => char.IsAsciiLetterOrDigit(c),
            "upper" => char.IsAsciiLetterUpper(c),
            "lower" => char.IsAsciiLetterLower(c),
            "space" => c is ' ' or (>= '\t' and <= '\r'),
            "blank" => c is ' ' or '\t',
            "punct" => c is > ' ' and < '\x7f' && !char.IsAsciiLetterOrDigit(c),
            "print" => c is >= ' ' and < '\x7f',
            "graph" => c is > ' ' and < '\x7f',
            "cntrl" => c is < ' ' or '\x7f',
            "xdigit" => char.IsAsciiHexDigit(c),
            _ => false,
        };
    }

    /// <summary>Whether a byte is of a word.</summary>
    public static bool IsWord(int b) => b == '_' || char.IsAsciiLetterOrDigit((char)b);

    private int Folded(byte b) => _upper && b is >= (byte)'a' and <= (byte)'z' ? b - 0x20 : b;

    private OneOf Byte(byte one) => Set(b => b == Folded(one));

    private OneOf Set(Func<int, bool> contains)
    {
        var set = new bool[256];
        for (var b = 0; b < 256; b++)
        {
            // The text is not made upper case: each byte stands for what it would be.
            set[b] = contains(Folded((byte)b));
        }
        _sets.Add(set);
        return new OneOf(_sets.Count - 1);
    }

    // In a basic expression operators have a backslash before them, in an extended one none.
    private bool IsOperator(char c) =>
        _extended ? _at < _pattern.Length && _pattern[_at] == c && !(c == ')' && _depth == 0)
            : _at + 1 < _pattern.Length && _pattern[_at] == '\\' && _pattern[_at + 1] == c;

    private bool TakeOperator(char c)
    {
        if (!IsOperator(c))
        {
            return false;
        }
        _at += _extended ? 1 : 2;
        return true;
    }

    private int Put(PosixStep step, int a, int b)
    {
        if (_steps.Count >= MaxSteps)
        {
            throw new TableException($"larger than {MaxSteps} steps");
        }
        _steps.Add((step, a, b));
        return _steps.Count - 1;
    }

    private void Write(Node node)
    {
        switch (node)
        {
            case OneOf one:
                Put(PosixStep.Set, one.Set, 0);
                break;
            case Place place:
                Put(PosixStep.At, (int)place.Condition, 0);
                break;
            case Reference reference:
                Put(PosixStep.Same, reference.Group, 0);
                break;
            case Group group:
                Put(PosixStep.Keep, 2 * group.Number, 0);
                Write(group.Inner);
                Put(PosixStep.Keep, (2 * group.Number) + 1, 0);
                break;
            case Sequence sequence:
                sequence.Parts.ForEach(Write);
                break;
            case Choice choice:
                WriteChoice(choice.Parts);
                break;
            case Repeat repeat:
                WriteRepeat(repeat);
                break;
        }
    }

    private void WriteChoice(List<Node> parts)
    {
        var ends = new List<int>();
        for (var i = 0; i < parts.Count; i++)
        {
            var split = i + 1 < parts.Count ? Put(PosixStep.Split, _steps.Count + 1, 0) : -1;
            Write(parts[i]);
            if (split >= 0)
            {
                ends.Add(Put(PosixStep.Jump, 0, 0));
                _steps[split] = _steps[split] with { B = _steps.Count };
            }
        }
        ends.ForEach(end => _steps[end] = (PosixStep.Jump, _steps.Count, 0));
    }

    private void WriteRepeat(Repeat repeat)
    {
        for (var i = 0; i < repeat.Least; i++)
        {
            Write(repeat.Inner);
        }
        if (repeat.Most == 0 || repeat.Most == repeat.Least)
        {
            return;
        }
        // As in glibc only the first round of * may take nothing, and no round that may be left out otherwise.
        var empty = CanBeEmpty(repeat.Inner);
        var splits = new List<int>();
        if (repeat.Most < 0)
        {
            if (empty && repeat.Least == 0)
            {
                splits.Add(Put(PosixStep.Split, _steps.Count + 1, 0));
                Write(repeat.Inner);
            }
            var start = _steps.Count;
            splits.Add(Put(PosixStep.Split, start + 1, 0));
            WriteRound(repeat.Inner, empty);
            Put(PosixStep.Jump, start, 0);
        }
        for (var i = repeat.Least; i < repeat.Most; i++)
        {
            splits.Add(Put(PosixStep.Split, _steps.Count + 1, 0));
            WriteRound(repeat.Inner, empty);
        }
        splits.ForEach(split => _steps[split] = _steps[split] with { B = _steps.Count });
    }

    private void WriteRound(Node inner, bool canBeEmpty)
    {
        if (!canBeEmpty)
        {
            Write(inner);
            return;
        }
        var register = (2 * (_groups + 1)) + _loops++;
        Put(PosixStep.Keep, register, 0);
        Write(inner);
        Put(PosixStep.Moved, register, 0);
    }

    private static bool CanBeEmpty(Node node) => node switch
    {
        OneOf => false,
        Group group => CanBeEmpty(group.Inner),
        Sequence sequence => sequence.Parts.TrueForAll(CanBeEmpty),
        Choice choice => choice.Parts.Exists(CanBeEmpty),
        Repeat repeat => repeat.Least == 0 || CanBeEmpty(repeat.Inner),
        _ => true,
    };
}
