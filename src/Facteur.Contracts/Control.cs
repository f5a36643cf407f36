using System.Buffers;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts;

/// <summary>What an operator's command asks.</summary>
public enum ControlRequestKind : byte
{
    /// <summary>A page of the queue: Id is the cursor, Count the most messages. Replies: Message, Recipients…, PageEnd.</summary>
    List = 1,

    /// <summary>Try everything deferred now. Reply: Done.</summary>
    Flush = 2,

    /// <summary>Try message Id now. Reply: Done, 0 when there is none.</summary>
    FlushMessage = 3,

    /// <summary>Try all mail for the domain Text now. Reply: Done.</summary>
    FlushSite = 4,

    /// <summary>Operation on message Id. Reply: Done, 0 when it does not apply.</summary>
    Super = 5,

    /// <summary>Operation on all messages, or on those of queue Text. Reply: Done with their number.</summary>
    SuperAll = 6,

    /// <summary>The envelope of message Id. Replies: Envelope, EnvelopeRecipients…, then Done; Done alone when there is none.</summary>
    Find = 7,

    /// <summary>The content of message Id. Replies: Content…, then Done, 0 when it could not be read whole.</summary>
    Content = 8,

    /// <summary>Look into maildrop now. Reply: Done.</summary>
    Kick = 9,
}

/// <summary>Kinds of frames that answer a request.</summary>
public enum ControlReplyKind : byte
{
    /// <summary>A listed message; its recipients follow in Recipients frames.</summary>
    Message = 1,

    /// <summary>Recipients of the last Message.</summary>
    Recipients = 2,

    /// <summary>The end of a page, with the next cursor.</summary>
    PageEnd = 3,

    /// <summary>Done, with a number.</summary>
    Done = 4,

    /// <summary>A queued message without its recipients.</summary>
    Envelope = 5,

    /// <summary>Recipients of the last Envelope, with "done" marks.</summary>
    EnvelopeRecipients = 6,

    /// <summary>Content bytes.</summary>
    Content = 7,

    /// <summary>The request was not done: why, and a text.</summary>
    Failed = 8,
}

/// <summary>Why a request was not done.</summary>
public enum ControlFailure : byte
{
    /// <summary>The connection ended or its bytes make no sense: the mail system is down or of another version.</summary>
    Unavailable = 1,

    /// <summary>The user may not ask this.</summary>
    NotPermitted = 2,

    /// <summary>postqueue -s: not in fast_flush_domains.</summary>
    NotEligible = 3,

    /// <summary>The request's bytes make no sense to the server.</summary>
    BadRequest = 4,
}

/// <summary>A request to the queue was not done.</summary>
/// <param name="failure">Why.</param>
/// <param name="message">A text for the operator.</param>
public sealed class ControlException(ControlFailure failure, string message) : Exception(message)
{
    /// <summary>Why.</summary>
    public ControlFailure Failure { get; } = failure;
}

/// <summary>One request; which fields mean something depends on the kind.</summary>
/// <param name="Kind">What is asked.</param>
/// <param name="Id">A message, or a cursor.</param>
/// <param name="Count">Most messages of a page.</param>
/// <param name="Operation">Of Super and SuperAll.</param>
/// <param name="Text">A domain or a queue's name, or null.</param>
public sealed record ControlRequest(ControlRequestKind Kind, ulong Id = 0, int Count = 0, SuperOperation Operation = 0, string? Text = null);

/// <summary>A message as postcat shows it.</summary>
/// <param name="Id">Its number.</param>
/// <param name="QueueName">Its queue.</param>
/// <param name="QueueId">Its queue id as text.</param>
/// <param name="Envelope">Its envelope.</param>
/// <param name="Done">Indices of recipients that need no further delivery.</param>
/// <param name="Layout">Where its content lies; empty on the asking side of a connection.</param>
public sealed record QueuedMessage(ulong Id, string QueueName, string QueueId, Envelope Envelope, IReadOnlyList<int> Done, ContentLayout Layout);

/// <summary>Finds single messages for postcat.</summary>
public interface IQueueLookup
{
    /// <summary>Reads a message's envelope and layout; null when there is none.</summary>
    ValueTask<QueuedMessage?> FindAsync(ulong id, CancellationToken cancel);
}

/// <summary>The queue as an operator's command sees it: a connection to the running system, or the spool itself when the system is down.</summary>
public interface IQueueOperator : IQueueControl, IQueueLookup, IDisposable
{
    /// <summary>Copies a message's content in pieces.</summary>
    /// <returns>False when it could not be read whole.</returns>
    ValueTask<bool> CopyAsync(QueuedMessage message, Func<ReadOnlyMemory<byte>, ValueTask> sink, CancellationToken cancel);

    /// <summary>Has maildrop looked into now.</summary>
    ValueTask KickAsync(CancellationToken cancel);
}

/// <summary>
/// The bytes of operators' requests and their replies (docs/formats/contracts-control.md): a frame is its length (32 bits), then a version,
/// a kind, and fields. Requests and replies take turns on a connection.
/// </summary>
public static class ControlCodec
{
    /// <summary>Version of requests and replies.</summary>
    public const byte Version = 1;

    /// <summary>Longest request, in bytes after the length.</summary>
    public const int RequestLimit = 8 * 1024;

    /// <summary>Longest reply frame, in bytes after the length.</summary>
    public const int ReplyLimit = 256 * 1024;

    /// <summary>Most messages of a page.</summary>
    public const int PageLimit = 1000;

    /// <summary>Size at which a frame of recipients is full.</summary>
    public const int ChunkSize = 64 * 1024;

    private const int TextLimit = 16 * 1024;

    /// <summary>Writes a request's frame, its length aside.</summary>
    public static void Write(ControlRequest request, IBufferWriter<byte> output)
    {
        var writer = new FieldWriter(output);
        writer.Byte(Version);
        writer.Byte((byte)request.Kind);
        writer.UInt64(request.Id);
        writer.Length(request.Count);
        writer.Byte((byte)request.Operation);
        writer.OptionalText(request.Text);
    }

    /// <summary>Reads a request, or null when the bytes are none.</summary>
    public static ControlRequest? ReadRequest(ReadOnlySpan<byte> frame)
    {
        var reader = new FieldReader(frame);
        if (reader.Byte() != Version)
        {
            return null;
        }
        var request = new ControlRequest(
            (ControlRequestKind)reader.Byte(), reader.UInt64(), reader.Length(PageLimit), (SuperOperation)reader.Byte(), reader.OptionalText(RequestLimit));
        var known = request.Kind is >= ControlRequestKind.List and <= ControlRequestKind.Kick;
        var needsOperation = request.Kind is ControlRequestKind.Super or ControlRequestKind.SuperAll;
        var operation = request.Operation is >= SuperOperation.Delete and <= SuperOperation.ForceExpire;
        return reader.Complete && known && operation == needsOperation ? request : null;
    }

    /// <summary>Starts a reply's frame.</summary>
    public static FieldWriter Start(ControlReplyKind kind, IBufferWriter<byte> output)
    {
        var writer = new FieldWriter(output);
        writer.Byte(Version);
        writer.Byte((byte)kind);
        return writer;
    }

    /// <summary>The kind of a reply's frame, 0 when it is none; the reader stands behind it.</summary>
    public static ControlReplyKind ReadKind(ref FieldReader reader)
    {
        var version = reader.Byte();
        var kind = (ControlReplyKind)reader.Byte();
        return !reader.Failed && version == Version && kind is >= ControlReplyKind.Message and <= ControlReplyKind.Failed ? kind : 0;
    }

    /// <summary>Writes a listed message without its recipients.</summary>
    public static void WriteMessage(ListedMessage message, ref FieldWriter writer)
    {
        writer.Text(message.QueueName);
        writer.Text(message.QueueId);
        writer.Int64(message.ArrivalSeconds);
        writer.Int64(message.Size);
        writer.Byte(message.ForcedExpire ? (byte)1 : (byte)0);
        writer.Text(message.Sender);
    }

    /// <summary>Reads a listed message; its recipients are the list given.</summary>
    public static ListedMessage ReadMessage(ref FieldReader reader, IReadOnlyList<ListedRecipient> recipients) =>
        new(reader.Text(64), reader.Text(QueueId.LengthLimit), reader.Int64(), reader.Int64(), reader.Byte() != 0, reader.Text(TextLimit), recipients);

    /// <summary>Writes one recipient of a listing.</summary>
    public static void WriteRecipient(ListedRecipient recipient, ref FieldWriter writer)
    {
        writer.Text(recipient.Address);
        writer.Text(recipient.OriginalAddress);
        writer.OptionalText(recipient.Reason);
        writer.Byte(recipient.Bounced ? (byte)1 : (byte)0);
    }

    /// <summary>Reads one recipient of a listing.</summary>
    public static ListedRecipient ReadRecipient(ref FieldReader reader) =>
        new(reader.Text(TextLimit), reader.Text(TextLimit), reader.OptionalText(TextLimit), reader.Byte() != 0);

    /// <summary>Writes a queued message without its recipients.</summary>
    public static void WriteQueued(QueuedMessage message, ref FieldWriter writer)
    {
        writer.UInt64(message.Id);
        writer.Text(message.QueueName);
        writer.Text(message.QueueId);
        var e = message.Envelope;
        EnvelopeCodec.Write(
            new Envelope
            {
                Sender = e.Sender,
                ArrivalMicros = e.ArrivalMicros,
                ContentSize = e.ContentSize,
                EnvelopeId = e.EnvelopeId,
                Verp = e.Verp,
                Return = e.Return,
                Body = e.Body,
                Origin = e.Origin,
                Flags = e.Flags,
                Client = e.Client,
                Entry = e.Entry,
                FullName = e.FullName,
            },
            ref writer);
    }

    /// <summary>Reads a queued message; the reader has failed when the bytes are none.</summary>
    public static QueuedMessage? ReadQueued(ref FieldReader reader)
    {
        var (id, queue, queueId) = (reader.UInt64(), reader.Text(64), reader.Text(QueueId.LengthLimit));
        return EnvelopeCodec.Read(ref reader) is { } envelope ? new QueuedMessage(id, queue, queueId, envelope, [], new ContentLayout([])) : null;
    }
}
