using System.Buffers;
using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Smtp;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>
/// Content on its way from the pipe to cleanup: decoded straight into a pooled buffer that is handed on and given back before the session waits again.
/// </summary>
internal sealed class ContentIntake(ICleanupMessage message, DataDecoder decoder, long sizeLimit)
{
    private const int BufferLength = 32 * 1024;
    private const int Room = DataDecoder.Slack + 1024;

    private DataDecoder _decoder = decoder;
    private bool _behindHeader;

    /// <summary>The content passed message_size_limit; the rest is read and thrown away.</summary>
    public bool TooLarge { get; private set; }

    public bool SawBareLf => _decoder.SawBareLf;

    /// <summary>Bytes of content as the wire counts them.</summary>
    public long WireSize => _decoder.WireSize;

    /// <summary>Where <see cref="TakeAsync"/> stopped.</summary>
    public long Consumed { get; private set; }

    /// <summary>Passes on bytes that are no content of the client: headers in front.</summary>
    public ValueTask HeaderAsync(string header, CancellationToken cancel) => message.WriteAsync(Encoding.UTF8.GetBytes(header), cancel);

    /// <summary>Decodes and passes on.</summary>
    /// <param name="input">What was read.</param>
    /// <param name="header">Text in front of the first content, or null.</param>
    /// <param name="cancel">The session's end.</param>
    /// <returns>True when the end of the content was found.</returns>
    public async ValueTask<bool> TakeAsync(ReadOnlySequence<byte> input, string? header, CancellationToken cancel)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferLength);
        try
        {
            var filled = header is null ? 0 : Encoding.UTF8.GetBytes(header, buffer);
            _behindHeader |= header is not null;
            var ended = false;
            Consumed = 0;
            foreach (var segment in input)
            {
                for (var at = 0; at < segment.Length && !ended;)
                {
                    if (buffer.Length - filled < Room)
                    {
                        await PassAsync(buffer.AsMemory(0, filled), cancel).ConfigureAwait(false);
                        filled = 0;
                    }
                    var piece = segment.Span.Slice(at, Math.Min(segment.Length - at, buffer.Length - filled - DataDecoder.Slack - 1));
                    ended = _decoder.Decode(piece, buffer.AsSpan(filled), out var consumed, out var written) == DataProgress.End;
                    at += consumed;
                    if (_behindHeader && written > 0)
                    {
                        // Postfix: content that begins with a blank must not go on with our own Received: header.
                        if (buffer[filled] is (byte)' ' or (byte)'\t')
                        {
                            buffer.AsSpan(filled, written).CopyTo(buffer.AsSpan(filled + 1));
                            buffer[filled++] = (byte)'\n';
                        }
                        _behindHeader = false;
                    }
                    filled += written;
                    Consumed += consumed;
                }
                if (ended)
                {
                    break;
                }
            }
            await PassAsync(buffer.AsMemory(0, filled), cancel).ConfigureAwait(false);
            return ended;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Ends content whose length was counted (BDAT LAST).</summary>
    public async ValueTask FinishAsync(CancellationToken cancel)
    {
        var buffer = new byte[DataDecoder.Slack];
        await PassAsync(buffer.AsMemory(0, _decoder.Finish(buffer)), cancel).ConfigureAwait(false);
    }

    private ValueTask PassAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
    {
        TooLarge |= sizeLimit > 0 && WireSize > sizeLimit;
        return TooLarge || content.IsEmpty ? default : message.WriteAsync(content, cancel);
    }
}
