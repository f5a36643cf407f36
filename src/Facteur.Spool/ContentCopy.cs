using System.Buffers;
using Facteur.Mail.Envelopes;

namespace Facteur.Spool;

/// <summary>Copies a message's whole content out of the spool, a piece at a time.</summary>
public static class ContentCopy
{
    /// <summary>Copies all extents.</summary>
    /// <param name="reader">The reader; used by this call alone while it runs.</param>
    /// <param name="id">The message.</param>
    /// <param name="layout">Its layout.</param>
    /// <param name="sink">Takes each piece; its memory is valid during the call.</param>
    /// <returns>False when the content could not be read whole.</returns>
    public static async ValueTask<bool> CopyAsync(ISpoolReader reader, ulong id, ContentLayout layout, Func<ReadOnlyMemory<byte>, ValueTask> sink)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(ContentLayout.BufferLength);
        try
        {
            for (var i = 0; i < layout.Extents.Count; i++)
            {
                for (long offset = 0; offset < layout.Extents[i].Length;)
                {
                    if (reader.Read(id, layout, i, offset, buffer.AsMemory(0, ContentLayout.BufferLength), out var content) != ContentRead.Data || content.IsEmpty)
                    {
                        return false;
                    }
                    await sink(content).ConfigureAwait(false);
                    offset += content.Length;
                }
            }
            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
