using System.Buffers;
using System.IO.Pipelines;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts;

/// <summary>
/// The asking end of the control arrow: one request at a time over a connection. Every call throws a <see cref="ControlException"/>
/// when the request was not done.
/// </summary>
/// <param name="connection">The connection; closed with this object when it can be.</param>
public sealed class ControlClient(IDuplexPipe connection) : IQueueOperator
{
    private readonly ArrayBufferWriter<byte> _request = new(256);

    /// <inheritdoc/>
    public async ValueTask<(IReadOnlyList<ListedMessage> Messages, ulong Cursor)> ListAsync(ulong cursor, int limit, CancellationToken cancel)
    {
        await SendAsync(new ControlRequest(ControlRequestKind.List, cursor, Math.Clamp(limit, 1, ControlCodec.PageLimit)), cancel).ConfigureAwait(false);
        var messages = new List<ListedMessage>();
        List<ListedRecipient>? recipients = null;
        while (true)
        {
            var frame = await ReceiveAsync(cancel).ConfigureAwait(false);
            switch (Kind(frame))
            {
                case ControlReplyKind.Message:
                    recipients = [];
                    messages.Add(Message(frame, recipients));
                    break;
                case ControlReplyKind.Recipients when recipients is not null:
                    AddRecipients(frame, recipients);
                    break;
                case ControlReplyKind.PageEnd:
                    return (messages, Number(frame));
                default:
                    throw Malformed();
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask FlushAsync(CancellationToken cancel) => await AskAsync(new ControlRequest(ControlRequestKind.Flush), cancel).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask<bool> FlushMessageAsync(ulong id, CancellationToken cancel) =>
        await AskAsync(new ControlRequest(ControlRequestKind.FlushMessage, id), cancel).ConfigureAwait(false) > 0;

    /// <inheritdoc/>
    public async ValueTask FlushSiteAsync(string domain, CancellationToken cancel) =>
        await AskAsync(new ControlRequest(ControlRequestKind.FlushSite, Text: domain), cancel).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask<bool> SuperAsync(SuperOperation operation, ulong id, CancellationToken cancel) =>
        await AskAsync(new ControlRequest(ControlRequestKind.Super, id, Operation: operation), cancel).ConfigureAwait(false) > 0;

    /// <inheritdoc/>
    public async ValueTask<int> SuperAllAsync(SuperOperation operation, string? queueName, CancellationToken cancel) =>
        (int)Math.Min(int.MaxValue, await AskAsync(new ControlRequest(ControlRequestKind.SuperAll, Operation: operation, Text: queueName), cancel).ConfigureAwait(false));

    /// <inheritdoc/>
    public async ValueTask KickAsync(CancellationToken cancel) => await AskAsync(new ControlRequest(ControlRequestKind.Kick), cancel).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask<QueuedMessage?> FindAsync(ulong id, CancellationToken cancel)
    {
        await SendAsync(new ControlRequest(ControlRequestKind.Find, id), cancel).ConfigureAwait(false);
        QueuedMessage? message = null;
        var recipients = new List<EnvelopeRecipient>();
        var done = new List<int>();
        while (true)
        {
            var frame = await ReceiveAsync(cancel).ConfigureAwait(false);
            switch (Kind(frame))
            {
                case ControlReplyKind.Envelope when message is null:
                    message = Queued(frame) with { Done = done };
                    message.Envelope.Recipients = recipients;
                    break;
                case ControlReplyKind.EnvelopeRecipients when message is not null:
                    AddEnvelopeRecipients(frame, recipients, done);
                    break;
                case ControlReplyKind.Done:
                    return message;
                default:
                    throw Malformed();
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> CopyAsync(QueuedMessage message, Func<ReadOnlyMemory<byte>, ValueTask> sink, CancellationToken cancel)
    {
        await SendAsync(new ControlRequest(ControlRequestKind.Content, message.Id), cancel).ConfigureAwait(false);
        while (true)
        {
            var frame = await ReceiveAsync(cancel).ConfigureAwait(false);
            switch (Kind(frame))
            {
                case ControlReplyKind.Content:
                    await sink(frame.AsMemory(2)).ConfigureAwait(false);
                    break;
                case ControlReplyKind.Done:
                    return Number(frame) > 0;
                default:
                    throw Malformed();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        connection.Output.Complete();
        connection.Input.Complete();
        (connection as IDisposable)?.Dispose();
    }

    private async ValueTask<ulong> AskAsync(ControlRequest request, CancellationToken cancel)
    {
        await SendAsync(request, cancel).ConfigureAwait(false);
        var frame = await ReceiveAsync(cancel).ConfigureAwait(false);
        return Kind(frame) == ControlReplyKind.Done ? Number(frame) : throw Malformed();
    }

    private async ValueTask SendAsync(ControlRequest request, CancellationToken cancel)
    {
        _request.ResetWrittenCount();
        ControlCodec.Write(request, _request);
        ControlFrames.Write(connection.Output, _request.WrittenSpan);
        try
        {
            await connection.Output.FlushAsync(cancel).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            throw new ControlException(ControlFailure.Unavailable, e.Message);
        }
    }

    private async ValueTask<byte[]> ReceiveAsync(CancellationToken cancel)
    {
        var frame = await ControlFrames.ReadAsync(connection.Input, ControlCodec.ReplyLimit, cancel).ConfigureAwait(false)
            ?? throw new ControlException(ControlFailure.Unavailable, "the connection to the queue ended");
        if (Kind(frame) == ControlReplyKind.Failed)
        {
            var reader = Body(frame);
            var (failure, text) = ((ControlFailure)reader.Byte(), reader.Text(1024));
            throw reader.Complete ? new ControlException(failure, text) : Malformed();
        }
        return frame;
    }

    private static FieldReader Body(byte[] frame) => new(frame.AsSpan(2));

    private static ControlReplyKind Kind(byte[] frame)
    {
        var reader = new FieldReader(frame);
        return ControlCodec.ReadKind(ref reader);
    }

    private static ulong Number(byte[] frame)
    {
        var reader = Body(frame);
        var number = reader.UInt64();
        return reader.Complete ? number : throw Malformed();
    }

    private static ListedMessage Message(byte[] frame, List<ListedRecipient> recipients)
    {
        var reader = Body(frame);
        var message = ControlCodec.ReadMessage(ref reader, recipients);
        return reader.Complete ? message : throw Malformed();
    }

    private static QueuedMessage Queued(byte[] frame)
    {
        var reader = Body(frame);
        var message = ControlCodec.ReadQueued(ref reader);
        return reader.Complete && message is not null ? message : throw Malformed();
    }

    private static void AddRecipients(byte[] frame, List<ListedRecipient> recipients)
    {
        var reader = Body(frame);
        while (reader.Remaining > 0 && !reader.Failed && recipients.Count < EnvelopeCodec.RecipientLimit)
        {
            recipients.Add(ControlCodec.ReadRecipient(ref reader));
        }
        if (!reader.Complete)
        {
            throw Malformed();
        }
    }

    private static void AddEnvelopeRecipients(byte[] frame, List<EnvelopeRecipient> recipients, List<int> done)
    {
        var reader = Body(frame);
        while (reader.Remaining > 0 && !reader.Failed && recipients.Count < EnvelopeCodec.RecipientLimit)
        {
            if (reader.Byte() != 0)
            {
                done.Add(recipients.Count);
            }
            recipients.Add(EnvelopeCodec.ReadRecipient(ref reader));
        }
        if (!reader.Complete)
        {
            throw Malformed();
        }
    }

    private static ControlException Malformed() => new(ControlFailure.Unavailable, "the queue's answer makes no sense: is it of another version?");
}
