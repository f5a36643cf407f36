namespace Facteur.Spool;

/// <summary>Where a record begins. Segment 0 is nowhere.</summary>
internal readonly record struct Location(uint Segment, uint Offset)
{
    public bool IsNone => Segment == 0;
}
