namespace Facteur.Contracts;

/// <summary>
/// The numbers that a writer was given and whose messages have not ended: it may speak of no others. Numbers of abandoned messages may stay;
/// beyond <see cref="BlockLimit"/> blocks the oldest is forgotten.
/// </summary>
internal sealed class GivenNumbers
{
    /// <summary>Blocks remembered: with <see cref="IncomingFrames.IdBlock"/> numbers each some 2 MB.</summary>
    internal const int BlockLimit = 4096;

    // By first number. Mostly one or two: a block goes with its last number.
    private readonly List<Block> _blocks = [];

    /// <summary>Adds numbers just given.</summary>
    public void Add(ulong first, int count)
    {
        if (count <= 0)
        {
            return;
        }
        if (_blocks.Count == BlockLimit)
        {
            _blocks.RemoveAt(0);
        }
        _blocks.Insert(IndexOf(first) + 1, new Block(first, count));
    }

    /// <summary>Whether a number was given and has not ended.</summary>
    public bool Has(ulong number) => IndexOf(number) is >= 0 and var at && _blocks[at].Has(number);

    /// <summary>A message ends or is forgotten, once.</summary>
    /// <returns>False when the number is none of these.</returns>
    public bool Remove(ulong number)
    {
        var at = IndexOf(number);
        if (at < 0 || !_blocks[at].Remove(number))
        {
            return false;
        }
        if (_blocks[at].Left == 0)
        {
            _blocks.RemoveAt(at);
        }
        return true;
    }

    // The last block that begins at or before the number, or -1.
    private int IndexOf(ulong number)
    {
        var (low, high) = (0, _blocks.Count);
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            (low, high) = _blocks[middle].First <= number ? (middle + 1, high) : (low, middle);
        }
        return low - 1;
    }

    private sealed class Block(ulong first, int count)
    {
        private readonly int _count = count;
        private readonly ulong[] _ended = new ulong[(count + 63) / 64];

        public ulong First => first;

        public int Left { get; private set; } = count;

        public bool Has(ulong number) => number - first < (ulong)_count && (_ended[(number - first) / 64] & Bit(number)) == 0;

        public bool Remove(ulong number)
        {
            if (!Has(number))
            {
                return false;
            }
            _ended[(number - first) / 64] |= Bit(number);
            Left--;
            return true;
        }

        private ulong Bit(ulong number) => 1UL << (int)((number - first) % 64);
    }
}
