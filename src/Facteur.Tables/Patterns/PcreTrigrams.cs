using System.Buffers;
using Facteur.Unix;

namespace Facteur.Tables.Patterns;

/// <summary>
/// Reads off a Perl-compatible pattern which literal text every match holds. It knows the plain part of the language; of a pattern with anything
/// else it says nothing, and such a pattern is matched against every text. Case does not count, so that (?i) changes nothing here.
/// </summary>
internal sealed class PcreTrigrams
{
    /// <summary>Escapes that stand for a character of several, or for a place. All others with letters or digits are not known here.</summary>
    private static readonly SearchValues<byte> PlainEscapes = SearchValues.Create("dDwWsShHvVRtnrfeabBzZ"u8);

    private readonly byte[] _pattern;
    private readonly bool _lines;
    private readonly Stack<Group> _groups = new();
    private int _at;
    private TrigramSet.Run _run;
    private bool _unknown;

    private PcreTrigrams(byte[] pattern, bool lines)
    {
        _pattern = pattern;
        _lines = lines;
        _groups.Push(new Group(default, IsPlace: false));
    }

    /// <summary>A group that is open; the pattern itself is the outermost.</summary>
    /// <param name="Before">What stands right before each of its alternatives.</param>
    /// <param name="IsPlace">It is a condition of a place and takes no text.</param>
    private sealed record Group(TrigramSet.Run Before, bool IsPlace)
    {
        /// <summary>What the alternative that is being read needs.</summary>
        public List<ushort> All { get; } = [];

        public List<ushort[][]> Any { get; } = [];

        /// <summary>What those before it need; null when one of them needs nothing.</summary>
        public List<ushort[]>? Alternatives { get; private set; } = [];

        public bool HasAlternatives { get; private set; }

        public void EndAlternative()
        {
            HasAlternatives = true;
            if (All.Count > 0)
            {
                Alternatives?.Add([.. All]);
            }
            else if (Any.Count > 0)
            {
                Alternatives?.AddRange(Any[0]);
            }
            else
            {
                Alternatives = null;
            }
            All.Clear();
            Any.Clear();
        }
    }

    /// <summary>What a text must hold to match; null when nothing is known.</summary>
    /// <param name="pattern">The pattern, which PCRE2 has compiled.</param>
    /// <param name="options">PCRE2's.</param>
    public static TrigramQuery? Of(ReadOnlySpan<byte> pattern, uint options)
    {
        if ((options & Pcre2.EXTENDED) != 0)
        {
            return null;
        }
        var reader = new PcreTrigrams(pattern.ToArray(), (options & Pcre2.MULTILINE) != 0);
        // In UTF-8, U+212A and U+017F are also K and S: what is said holds for texts of ASCII.
        return reader.Read() is var (all, any) && all.Length + any.Length > 0 ? new TrigramQuery(all, any, (options & Pcre2.UTF) != 0) : null;
    }

    private (ushort[] All, ushort[][][] Any)? Read()
    {
        while (_at < _pattern.Length && !_unknown)
        {
            var b = _pattern[_at++];
            switch (b)
            {
                case (byte)'(':
                    Open();
                    break;
                case (byte)')' when _groups.Count > 1:
                    Close();
                    break;
                case (byte)'|':
                    _groups.Peek().EndAlternative();
                    _run = _groups.Peek().Before;
                    break;
                case (byte)'[':
                    SkipClass();
                    TakeOther();
                    break;
                case (byte)'\\' when _at < _pattern.Length:
                    TakeEscape(_pattern[_at++]);
                    break;
                case (byte)'^' when !_lines:
                    TakeStart();
                    break;
                case (byte)'^' or (byte)'$' or (byte)'.' or >= 0x80:
                    TakeOther();
                    break;
                // Quantifiers are taken with what they repeat.
                case (byte)')' or (byte)'\\' or (byte)'*' or (byte)'+' or (byte)'?' or (byte)'{':
                    return null;
                default:
                    TakeLiteral(b);
                    break;
            }
        }
        if (_unknown || _groups.Count > 1)
        {
            return null;
        }
        var all = new Group(default, IsPlace: false);
        AddTo(all, _groups.Pop());
        return ([.. all.All.Distinct()], [.. all.Any]);
    }

    private void Open()
    {
        if (_at < _pattern.Length && _pattern[_at] == '*')
        {
            _unknown = true;
            return;
        }
        var isPlace = Skip("?="u8) || Skip("?!"u8) || Skip("?<="u8) || Skip("?<!"u8);
        if (!isPlace && !Skip("?:"u8) && !Skip("?>"u8) && !Skip("?i:"u8) && !Skip("?-i:"u8) && _at < _pattern.Length && _pattern[_at] == '?')
        {
            _unknown = !Skip("?i)"u8) && !Skip("?-i)"u8);
            return;
        }
        _groups.Push(new Group(_run, isPlace));
        _run = isPlace ? default : _run;
    }

    private void Close()
    {
        var group = _groups.Pop();
        var (optional, _) = TakeQuantifiers();
        if (!optional && !group.IsPlace)
        {
            AddTo(_groups.Peek(), group);
        }
        _run = group.IsPlace ? group.Before : default;
    }

    private static void AddTo(Group outer, Group group)
    {
        if (group.HasAlternatives)
        {
            group.EndAlternative();
        }
        outer.All.AddRange(group.All);
        outer.Any.AddRange(group.Any);
        if (group.Alternatives is { Count: > 0 } alternatives)
        {
            outer.Any.Add([.. alternatives]);
        }
    }

    private void TakeEscape(byte b)
    {
        if (b == 'A')
        {
            TakeStart();
        }
        else if (PlainEscapes.Contains(b) || b >= 0x80)
        {
            TakeOther();
        }
        else if (char.IsAsciiLetterOrDigit((char)b))
        {
            _unknown = true;
        }
        else
        {
            TakeLiteral(b);
        }
    }

    private void TakeLiteral(byte b)
    {
        var (optional, repeated) = TakeQuantifiers();
        _run = optional ? default : _run.With(b);
        if (_run.IsTrigram)
        {
            _groups.Peek().All.Add(_run.Bit);
        }
        _run = repeated ? default : _run;
    }

    /// <summary>The beginning of the text: nothing stands before it.</summary>
    private void TakeStart()
    {
        var (_, repeated) = TakeQuantifiers();
        _run = repeated ? default : TrigramSet.Run.AtStart;
    }

    /// <summary>Something that is no literal text.</summary>
    private void TakeOther()
    {
        _ = TakeQuantifiers();
        _run = default;
    }

    /// <summary>Quantifiers behind something, with what makes them lazy or possessive: whether it may be absent, and whether there is any.</summary>
    private (bool Optional, bool Repeated) TakeQuantifiers()
    {
        var (optional, repeated) = (false, false);
        while (_at < _pattern.Length && _pattern[_at] is (byte)'*' or (byte)'+' or (byte)'?' or (byte)'{')
        {
            repeated = true;
            if (_pattern[_at++] is var b && b == '{')
            {
                optional |= TakeBraces();
            }
            else
            {
                optional |= b != '+';
            }
            _at += _at < _pattern.Length && _pattern[_at] is (byte)'+' or (byte)'?' ? 1 : 0;
        }
        return (optional, repeated);
    }

    /// <summary>The rest of {2}, {2,} or {2,4}; whether it begins with 0. Whatever else begins with a brace is not known here.</summary>
    private bool TakeBraces()
    {
        var rest = _pattern.AsSpan(_at);
        var digits = CountOf(rest, (byte)'0', (byte)'9');
        var zeros = CountOf(rest, (byte)'0', (byte)'0');
        var end = digits;
        if (end < rest.Length && rest[end] == ',')
        {
            end++;
            end += CountOf(rest[end..], (byte)'0', (byte)'9');
        }
        _unknown |= digits == 0 || end >= rest.Length || rest[end] != '}';
        _at += end + 1;
        return zeros == digits;
    }

    private static int CountOf(ReadOnlySpan<byte> text, byte from, byte to)
    {
        var end = text.IndexOfAnyExceptInRange(from, to);
        return end < 0 ? text.Length : end;
    }

    /// <summary>Goes behind the bracket that ends the class which has begun.</summary>
    private void SkipClass()
    {
        _ = Skip("^"u8);
        _ = Skip("]"u8);
        while (_at < _pattern.Length && !_unknown)
        {
            switch (_pattern[_at++])
            {
                case (byte)']':
                    return;
                case (byte)'\\' when _at < _pattern.Length:
                    var b = _pattern[_at++];
                    _unknown |= char.IsAsciiLetterOrDigit((char)b) && !PlainEscapes.Contains(b);
                    break;
                case (byte)'[' when Skip(":"u8):
                    _ = Skip("^"u8);
                    _at += CountOf(_pattern.AsSpan(_at), (byte)'a', (byte)'z');
                    _unknown |= !Skip(":]"u8);
                    break;
                case (byte)'[' when Skip("."u8) || Skip("="u8):
                    _unknown = true;
                    break;
            }
        }
        _unknown = true;
    }

    private bool Skip(ReadOnlySpan<byte> word)
    {
        var there = _pattern.AsSpan(_at).StartsWith(word);
        _at += there ? word.Length : 0;
        return there;
    }
}
