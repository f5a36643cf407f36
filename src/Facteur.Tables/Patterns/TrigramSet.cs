namespace Facteur.Tables.Patterns;

/// <summary>
/// Which three bytes stand side by side in a text, upper case and lower case as one, its beginning as a character of its own. Made once per lookup; by it
/// a long table tells for nearly every rule that its literal text is not there (<see cref="TrigramQuery"/>). What it says is there may be another that
/// falls on the same bit; what it says is not there is not there.
/// </summary>
internal readonly ref struct TrigramSet
{
    /// <summary>The room it needs.</summary>
    public const int Words = 1 << (Bits - 6);

    private const int Bits = 13;

    /// <summary>The beginning of a text, which no byte is.</summary>
    private const int Start = 0x100;

    private readonly ReadOnlySpan<ulong> _bits;

    /// <summary>The trigrams of a text.</summary>
    /// <param name="room">Room for <see cref="Words"/>.</param>
    /// <param name="text">The text.</param>
    public TrigramSet(Span<ulong> room, ReadOnlySpan<byte> text)
    {
        room = room[..Words];
        room.Clear();
        var last = Run.AtStart.Last;
        var all = 0;
        foreach (var b in text)
        {
            all |= b;
            last = Run.Push(last, b);
            // With the first byte there are two characters only: a bit too many.
            var bit = Run.BitOf(last);
            room[bit >> 6] |= 1UL << bit;
        }
        _bits = room;
        IsAscii = all < 0x80;
    }

    /// <summary>Whether all bytes are below 128.</summary>
    public bool IsAscii { get; }

    /// <summary>False when the text does not hold a trigram.</summary>
    public bool MayHold(ushort bit) => (_bits[bit >> 6] >> bit & 1) != 0;

    /// <summary>The last three characters of a text that is read from left to right.</summary>
    internal readonly record struct Run(int Length, uint Last)
    {
        /// <summary>The run of one who stands at the beginning of the text.</summary>
        public static Run AtStart { get; } = default(Run).With(Start);

        /// <summary>Whether there are three of them.</summary>
        public bool IsTrigram => Length == 3;

        /// <summary>Where the last three are in a set.</summary>
        public ushort Bit => (ushort)BitOf(Last);

        /// <summary>With one character more.</summary>
        public Run With(int c) => new(Math.Min(Length + 1, 3), Push(Last, c));

        /// <summary>The last three with one more.</summary>
        public static uint Push(uint last, int c) => (last << 9 | (uint)(c is >= 'A' and <= 'Z' ? c | 0x20 : c)) & 0x7FF_FFFF;

        /// <summary>Where three are in a set.</summary>
        public static int BitOf(uint last) => (int)(last * 0x9E3779B1u >> (32 - Bits));
    }
}
