using System.Buffers;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Headers;
using Facteur.Spool;

namespace Facteur.Services.Report.Bounce;

/// <summary>Copies a message up to a limit of bytes, or its headers, into its report, one piece at a time.</summary>
internal sealed class OriginalCopy(ISpoolReader reader)
{
    private static readonly byte[] LineFeed = "\n"u8.ToArray();

    // One piece at a time is read by all reports: a read is short, and the reader is one.
    private readonly Lock _reading = new();

    /// <summary>Copies the content.</summary>
    /// <param name="request">The message.</param>
    /// <param name="headersOnly">Stop where the header ends.</param>
    /// <param name="limit">Most bytes of a whole message to read.</param>
    /// <param name="to">The report, or null to read for the Message-ID alone.</param>
    /// <param name="scan">Sees the header; needed for headersOnly.</param>
    /// <param name="cancel">The caller's end.</param>
    /// <returns>How the last read ended: End when all that was wanted was copied.</returns>
    public async ValueTask<ContentRead> CopyAsync(ReportRequest request, bool headersOnly, long limit, IResubmitMessage? to, HeaderEnd? scan, CancellationToken cancel)
    {
        // Postfix: a header is copied whole.
        limit = headersOnly ? long.MaxValue : limit;
        var buffer = ArrayPool<byte>.Shared.Rent(ContentLayout.BufferLength);
        var header = new ArrayBufferWriter<byte>();
        var endsLine = true;
        var done = false;
        try
        {
            for (var i = 0; i < request.Layout.Extents.Count && !done; i++)
            {
                for (long offset = 0; offset < request.Layout.Extents[i].Length && !done;)
                {
                    var read = Read(request, i, offset, buffer.AsMemory(0, ContentLayout.BufferLength), out var content);
                    if (read != ContentRead.Data || content.IsEmpty)
                    {
                        return read is ContentRead.End or ContentRead.Data ? ContentRead.Damaged : read;
                    }
                    offset += content.Length;
                    content = content[..(int)Math.Min(content.Length, limit)];
                    limit -= content.Length;
                    done = limit <= 0;
                    if (scan is not null && (headersOnly || !scan.Ended))
                    {
                        header.ResetWrittenCount();
                        scan.Take(content.Span, header);
                        done |= headersOnly && scan.Ended;
                    }
                    var copied = headersOnly ? header.WrittenMemory : content;
                    if (to is not null && !copied.IsEmpty)
                    {
                        await to.WriteAsync(copied, cancel).ConfigureAwait(false);
                        endsLine = copied.Span[^1] == (byte)'\n';
                    }
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
        if (!endsLine)
        {
            await to!.WriteAsync(LineFeed, cancel).ConfigureAwait(false);
        }
        return ContentRead.End;
    }

    private ContentRead Read(ReportRequest request, int extent, long offset, Memory<byte> buffer, out ReadOnlyMemory<byte> content)
    {
        lock (_reading)
        {
            return reader.Read(request.MessageId, request.Layout, extent, offset, buffer, out content);
        }
    }
}
