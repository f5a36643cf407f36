using Facteur.Unix;

namespace Facteur.Tables.Patterns;

/// <summary>
/// A POSIX expression with back-references, matched here: libc may take exponential time for such a one, and nothing can stop it
/// (docs/decisions/0018). The leftmost match counts, of those the longest, of those the one that takes the first way at each choice and
/// goes round a loop as often as it can. A match takes at most <see cref="StepLimit"/> steps. Safe for many threads.
/// </summary>
internal sealed class BoundedRegex : IExpression
{
    /// <summary>Far more than a match of ordinary mail takes, and little enough for a thread that serves others too.</summary>
    public const int StepLimit = 1_000_000;

    [ThreadStatic]
    private static Machine? _machine;

    private readonly (PosixStep Step, int A, int B)[] _steps;
    private readonly bool[][] _sets;
    private readonly int _registers;
    private readonly bool _ignoreCase, _newline;

    private BoundedRegex(PosixSyntax syntax, int flags)
    {
        _steps = syntax.Steps;
        _sets = syntax.Sets;
        _registers = syntax.Registers;
        Groups = syntax.Groups;
        _ignoreCase = (flags & PosixRegex.IgnoreCase) != 0;
        _newline = (flags & PosixRegex.Newline) != 0;
    }

    /// <summary>What a thread needs to match: registers, what to put back into them, and where to go on after a failure.</summary>
    private sealed class Machine
    {
        public int[] Registers = [];
        public int[] Best = [];
        public readonly Stack<(int Register, int Value)> Undo = new();
        public readonly Stack<(int Step, int Place, int Undo)> Ways = new();
    }

    public int Groups { get; }

    /// <summary>An expression that refers back to a group; null for one that does not, which libc matches in time.</summary>
    /// <param name="pattern">Its bytes, which regcomp has taken.</param>
    /// <param name="flags">Those of <see cref="PosixRegex"/>.</param>
    /// <exception cref="TableException">It is larger than any that makes sense.</exception>
    public static BoundedRegex? Of(ReadOnlySpan<byte> pattern, int flags)
    {
        for (var i = 0; i + 1 < pattern.Length; i++)
        {
            if (pattern[i] == '\\' && pattern[i + 1] is >= (byte)'1' and <= (byte)'9')
            {
                return PosixSyntax.Read(pattern, flags) is { HasReference: true } syntax ? new BoundedRegex(syntax, flags) : null;
            }
        }
        return null;
    }

    public Matched Match(ReadOnlySpan<byte> text, Span<Libc.RegMatch> matches, out string error)
    {
        error = "";
        // libc's text ends at the first NUL.
        text = text[..text.IndexOf((byte)0)];
        var machine = _machine ??= new Machine();
        if (machine.Registers.Length < _registers)
        {
            (machine.Registers, machine.Best) = (new int[_registers], new int[_registers]);
        }
        var left = StepLimit;
        for (var start = 0; start <= text.Length; start++)
        {
            var end = Run(machine, text, start, matches.Length == 0, ref left);
            if (left < 0)
            {
                error = $"more than {StepLimit} steps for a pattern with a back-reference";
                return Matched.Failed;
            }
            if (end < 0)
            {
                continue;
            }
            for (var group = 0; group < matches.Length; group++)
            {
                matches[group] = group == 0 ? new() { Start = start, End = end }
                    : group > Groups || machine.Best[(2 * group) + 1] < 0 ? new() { Start = -1, End = -1 }
                    : new() { Start = machine.Best[2 * group], End = machine.Best[(2 * group) + 1] };
            }
            return Matched.Yes;
        }
        return Matched.No;
    }

    /// <summary>Where the longest match from a place ends; -1 when there is none. Any match will do when nobody asks for groups.</summary>
    private int Run(Machine machine, ReadOnlySpan<byte> text, int start, bool any, ref int left)
    {
        var registers = machine.Registers.AsSpan(0, _registers);
        registers.Fill(-1);
        machine.Undo.Clear();
        machine.Ways.Clear();
        var best = -1;
        var (step, place) = (0, start);
        while (--left >= 0)
        {
            var (what, a, b) = _steps[step];
            var going = true;
            switch (what)
            {
                case PosixStep.Set:
                    going = place < text.Length && _sets[a][text[place]];
                    place++;
                    step++;
                    break;
                case PosixStep.Split:
                    machine.Ways.Push((b, place, machine.Undo.Count));
                    step = a;
                    break;
                case PosixStep.Jump:
                    step = a;
                    break;
                case PosixStep.Keep:
                    machine.Undo.Push((a, registers[a]));
                    registers[a] = place;
                    step++;
                    break;
                case PosixStep.Moved:
                    going = registers[a] != place;
                    step++;
                    break;
                case PosixStep.At:
                    going = IsAt((PosixPlace)a, text, place);
                    step++;
                    break;
                case PosixStep.Same:
                    going = TakeSame(registers[2 * a], registers[(2 * a) + 1], text, ref place, ref left);
                    step++;
                    break;
                default:
                    if (place > best)
                    {
                        best = place;
                        registers.CopyTo(machine.Best);
                    }
                    if (any || best == text.Length)
                    {
                        return best;
                    }
                    going = false;
                    break;
            }
            if (!going)
            {
                if (!machine.Ways.TryPop(out var way))
                {
                    return best;
                }
                while (machine.Undo.Count > way.Undo)
                {
                    var (register, value) = machine.Undo.Pop();
                    registers[register] = value;
                }
                (step, place) = (way.Step, way.Place);
            }
        }
        return -1;
    }

    private bool TakeSame(int from, int to, ReadOnlySpan<byte> text, ref int place, ref int left)
    {
        // A group that took no part matches nothing, not even nothing.
        if (from < 0 || to < from || to - from > text.Length - place)
        {
            return false;
        }
        left -= (to - from) / 16;
        var group = text[from..to];
        var here = text.Slice(place, to - from);
        place += to - from;
        return _ignoreCase ? AreEqual(group, here) : group.SequenceEqual(here);
    }

    // Of bytes, of which those beyond ASCII have no case.
    private static bool AreEqual(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        for (var i = 0; i < one.Length; i++)
        {
            if (Upper(one[i]) != Upper(other[i]))
            {
                return false;
            }
        }
        return true;
    }

    private static int Upper(byte b) => b is >= (byte)'a' and <= (byte)'z' ? b - 0x20 : b;

    private bool IsAt(PosixPlace condition, ReadOnlySpan<byte> text, int place)
    {
        var before = place > 0 && PosixSyntax.IsWord(text[place - 1]);
        var after = place < text.Length && PosixSyntax.IsWord(text[place]);
        return condition switch
        {
            PosixPlace.LineStart => place == 0 || (_newline && text[place - 1] == '\n'),
            PosixPlace.LineEnd => place == text.Length || (_newline && text[place] == '\n'),
            PosixPlace.TextStart => place == 0,
            PosixPlace.TextEnd => place == text.Length,
            PosixPlace.WordEdge => before != after,
            PosixPlace.NoWordEdge => before == after,
            PosixPlace.WordStart => !before && after,
            _ => before && !after,
        };
    }
}
