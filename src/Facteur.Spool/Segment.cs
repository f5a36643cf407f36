namespace Facteur.Spool;

/// <summary>A segment file as the spool knows it in memory.</summary>
internal sealed class Segment(uint number, bool old, ulong mark)
{
    public uint Number { get; } = number;

    /// <summary>Of the old generation: holds copies of long-lived messages, is not replayed.</summary>
    public bool Old { get; } = old;

    public ulong Mark { get; } = mark;

    /// <summary>Nothing beyond this offset exists.</summary>
    public long End { get; set; } = SegmentHeader.Length;

    /// <summary>Young: messages whose lowest young record is here. Old: bodies and joined outcomes of living messages here.</summary>
    public int References { get; set; }

    /// <summary>References ever made: what a mostly dead old segment is measured against.</summary>
    public int Added { get; set; }

    /// <summary>The first checkpoint that knows the segment to be dead; 0 while it lives.</summary>
    public ulong DeadSince { get; set; }
}
