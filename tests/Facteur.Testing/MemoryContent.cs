using System.Text;
using Facteur.Mail.Envelopes;
using Facteur.Spool;

namespace Facteur.Testing;

/// <summary>Content in memory, one journal extent per piece.</summary>
public sealed class MemoryContent : ISpoolReader
{
    private readonly byte[][] _pieces;

    public MemoryContent(params string[] pieces)
    {
        _pieces = [.. pieces.Select(Encoding.UTF8.GetBytes)];
        Layout = new ContentLayout([.. _pieces.Select((p, i) => new Extent(ExtentKind.Journal, 1, i * 100_000L, p.Length))]);
    }

    public ContentLayout Layout { get; }

    /// <summary>The extent whose reading fails, and how.</summary>
    public (int Extent, ContentRead Result)? Fails { get; set; }

    public ContentRead Read(ulong id, ContentLayout layout, int extent, long offset, Memory<byte> buffer, out ReadOnlyMemory<byte> content)
    {
        content = default;
        if (Fails is { } fails && fails.Extent == extent)
        {
            return fails.Result;
        }
        _pieces[extent].AsSpan((int)offset).CopyTo(buffer.Span);
        content = buffer[..(_pieces[extent].Length - (int)offset)];
        return ContentRead.Data;
    }

    public void Dispose()
    {
    }
}
