using Facteur.Mail.Envelopes;

namespace Facteur.Spool;

/// <summary>A message that is being written: content has come, the end has not. Pooled.</summary>
internal sealed class OpenMessage
{
    public List<Extent> Extents { get; } = [];

    public ulong Id { get; set; }

    public long JournalBytes { get; set; }

    /// <summary>The batch that holds content not written yet, or 0.</summary>
    public long Batch { get; set; }

    /// <summary>Some of it was lost with a failed commit.</summary>
    public bool Failed { get; set; }

    public LargeFile? File { get; set; }

    /// <summary>Once ended.</summary>
    public Envelope? Envelope { get; set; }

    /// <summary>Once ended.</summary>
    public ContentLayout? Layout { get; set; }

    /// <summary>The lowest segment with content of it, or 0.</summary>
    public uint MinSegment
    {
        get
        {
            var min = 0u;
            foreach (var extent in Extents)
            {
                if (extent.Kind == ExtentKind.Journal && (min == 0 || extent.Segment < min))
                {
                    min = extent.Segment;
                }
            }
            return min;
        }
    }

    public void Clear()
    {
        Extents.Clear();
        Id = 0;
        JournalBytes = Batch = 0;
        Failed = false;
        File = null;
        Envelope = null;
        Layout = null;
    }
}
