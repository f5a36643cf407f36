namespace Facteur.Mail.Envelopes;

/// <summary>Where a piece of a message's content lies.</summary>
public enum ExtentKind : byte
{
    /// <summary>A content record of a journal segment.</summary>
    Journal = 0,

    /// <summary>A range of the message's own file.</summary>
    File = 1,
}

/// <summary>One piece of content.</summary>
/// <param name="Kind">Journal or file.</param>
/// <param name="Segment">Number of the journal segment; 0 for a file.</param>
/// <param name="Offset">Journal: offset of the content record's header in the segment. File: offset in the message's own file.</param>
/// <param name="Length">Bytes of content.</param>
public readonly record struct Extent(ExtentKind Kind, uint Segment, long Offset, int Length);

/// <summary>The content of a message as an ordered list of extents. Content has LF line ends and always ends with LF.</summary>
/// <param name="Extents">In reading order.</param>
public sealed record ContentLayout(IReadOnlyList<Extent> Extents)
{
    /// <summary>Most bytes of content given to the queue at once: with the heads it gets on its way it fits buffers of 64 KiB, and it fills one block of a long message's own file.</summary>
    public const int PieceLimit = (60 << 10) - 32;

    /// <summary>Length of a buffer into which any piece can be read.</summary>
    public const int BufferLength = 64 << 10;

    /// <summary>Most extents of one message; a writer joins pieces before it gets there.</summary>
    public const int ExtentLimit = 65_536;

    /// <summary>Bytes of all extents.</summary>
    public long Length
    {
        get
        {
            long sum = 0;
            for (var i = 0; i < Extents.Count; i++)
            {
                sum += Extents[i].Length;
            }
            return sum;
        }
    }

    /// <summary>Appends the layout's bytes.</summary>
    public void Write(ref FieldWriter writer)
    {
        writer.Length(Extents.Count);
        for (var i = 0; i < Extents.Count; i++)
        {
            var extent = Extents[i];
            writer.Byte((byte)extent.Kind);
            writer.UInt32(extent.Segment);
            writer.Int64(extent.Offset);
            writer.Length(extent.Length);
        }
    }

    /// <summary>Reads a layout; on anything invalid the reader has failed and null comes back.</summary>
    public static ContentLayout? Read(ref FieldReader reader)
    {
        var count = reader.Length(ExtentLimit);
        if (reader.Failed || count > reader.Remaining / 14)
        {
            reader.Fail();
            return null;
        }
        var extents = new Extent[count];
        for (var i = 0; i < count; i++)
        {
            extents[i] = new Extent((ExtentKind)reader.Byte(), reader.UInt32(), reader.Int64(), reader.Length(int.MaxValue));
            if (extents[i].Kind > ExtentKind.File || extents[i].Offset < 0)
            {
                reader.Fail();
            }
        }
        return reader.Failed ? null : new ContentLayout(extents);
    }
}
