using Facteur.Spool;

namespace Facteur.Services.Deliver;

/// <summary>A message's content in pieces: from the spool, or through a helper's socket.</summary>
internal interface IContentSource
{
    /// <summary>Bytes of content.</summary>
    long Length { get; }

    /// <summary>Starts again at the beginning.</summary>
    void Rewind();

    /// <summary>The next piece; valid until the next call.</summary>
    ContentRead Read(out ReadOnlyMemory<byte> piece);
}
