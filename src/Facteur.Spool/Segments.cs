namespace Facteur.Spool;

/// <summary>All segments that exist, by number.</summary>
internal sealed class Segments
{
    private readonly SortedDictionary<uint, Segment> _byNumber = [];

    public IEnumerable<Segment> All => _byNumber.Values;

    public long YoungBytes
    {
        get
        {
            long sum = 0;
            foreach (var segment in _byNumber.Values)
            {
                sum += segment.Old ? 0 : segment.End;
            }
            return sum;
        }
    }

    public void Add(Segment segment) => _byNumber[segment.Number] = segment;

    public void Remove(uint number) => _byNumber.Remove(number);

    public Segment? Find(uint number) => _byNumber.GetValueOrDefault(number);

    public bool IsOld(uint number) => Find(number) is { Old: true };

    /// <summary>Counts a reference to a segment, or one less.</summary>
    public void Count(uint number, int sign)
    {
        if (number != 0 && Find(number) is { } segment)
        {
            segment.References += sign;
            segment.Added += Math.Max(0, sign);
        }
    }
}
