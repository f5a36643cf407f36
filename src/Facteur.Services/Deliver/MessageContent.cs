using System.Buffers;
using Facteur.Mail.Envelopes;
using Facteur.Spool;
using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>
/// A message's content in pieces, for deliveries that read it once per recipient. Small messages, one extent, stay in the buffer between readings.
/// Not for several threads at once.
/// </summary>
internal sealed class MessageContent(ISpoolReader reader, ulong id, ContentLayout layout) : IContentSource, IDisposable
{
    private readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(ContentLayout.BufferLength);
    private ReadOnlyMemory<byte> _kept;
    private int _extent;
    private long _offset;

    /// <inheritdoc/>
    public long Length { get; } = layout.Length;

    /// <inheritdoc/>
    public void Rewind() => (_extent, _offset) = (0, 0);

    /// <inheritdoc/>
    public ContentRead Read(out ReadOnlyMemory<byte> piece)
    {
        piece = default;
        var extents = layout.Extents;
        while (_extent < extents.Count && extents[_extent].Length == 0)
        {
            _extent++;
        }
        if (_extent >= extents.Count)
        {
            return ContentRead.End;
        }
        if (_extent == 0 && _offset == 0 && !_kept.IsEmpty)
        {
            piece = _kept;
            _extent++;
            return ContentRead.Data;
        }
        var length = extents[_extent].Length;
        ContentRead read;
        using (FileIdentity.Own())
        {
            read = reader.Read(id, layout, _extent, _offset, _buffer, out piece);
        }
        if (read != ContentRead.Data)
        {
            // The layout promised this extent: content that ends before it is not whole.
            return read == ContentRead.End ? ContentRead.Damaged : read;
        }
        if (extents.Count == 1 && piece.Length == length)
        {
            _kept = piece;
        }
        _offset += piece.Length;
        if (_offset >= length)
        {
            _extent++;
            _offset = 0;
        }
        return ContentRead.Data;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _kept = default;
        ArrayPool<byte>.Shared.Return(_buffer);
    }
}
