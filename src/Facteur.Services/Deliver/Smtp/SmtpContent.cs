using Facteur.Contracts;
using Facteur.Services.Server;
using Facteur.Spool;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>A piece of a message's content, or why there is none.</summary>
/// <param name="End">Data, or how the reading ended.</param>
/// <param name="Bytes">The bytes; a slice of the caller's buffer.</param>
internal readonly record struct SmtpPiece(ContentRead End, ReadOnlyMemory<byte> Bytes);

/// <summary>
/// Reads contents for many deliveries. What has just arrived is in the page cache and is read in place; older mail may have to come from the disk, which
/// would stop the thread that serves the sockets, so that it is read on other threads.
/// </summary>
internal sealed class SmtpContent(ISpoolReader reader, BlockingThreads threads, TimeProvider time)
{
    /// <summary>What was written so recently leaves the page cache only where memory is very short.</summary>
    private const long RecentMicros = 30_000_000;

    /// <summary>Reads as <see cref="ISpoolReader.Read"/> does.</summary>
    internal ValueTask<SmtpPiece> ReadAsync(DeliveryRequest request, int extent, long offset, Memory<byte> buffer) =>
        DeliveryTimes.Now(time) - request.Envelope.ArrivalMicros < RecentMicros
            ? new ValueTask<SmtpPiece>(Read(request, extent, offset, buffer)) : ReadAsideAsync(request, extent, offset, buffer);

    private ValueTask<SmtpPiece> ReadAsideAsync(DeliveryRequest request, int extent, long offset, Memory<byte> buffer) =>
        new(threads.RunAsync(() => Read(request, extent, offset, buffer), CancellationToken.None));

    private SmtpPiece Read(DeliveryRequest request, int extent, long offset, Memory<byte> buffer) =>
        new(reader.Read(request.MessageId, request.Layout, extent, offset, buffer, out var bytes), bytes);
}
