using System.Buffers;
using System.IO.Pipelines;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Spool;
using Facteur.Tables;

namespace Facteur.Services.Queue.Showq;

/// <summary>
/// showq(8) and the queue's side of postqueue, postsuper, postcat and postkick: answers the requests of one connection after the other.
/// Listens on public/control (docs/formats/contracts-control.md). Bytes that make no sense end the connection and nothing else.
/// </summary>
/// <param name="control">The queue.</param>
/// <param name="lookup">Finds single messages.</param>
/// <param name="openReader">Opens a reader of contents for one request.</param>
/// <param name="access">What users may ask.</param>
/// <param name="fastFlush">fast_flush_domains.</param>
/// <param name="kick">Has maildrop looked into.</param>
/// <param name="limit">How long the peer may take to send a request or to take in a piece of its answer: ipc_timeout.</param>
/// <param name="time">The clock.</param>
public sealed class ControlService(
    IQueueControl control, IQueueLookup lookup, Func<ISpoolReader> openReader, ControlAccess access, IDomainList fastFlush, Action kick, TimeSpan limit, TimeProvider time)
{
    /// <summary>What Postfix's own commands ask.</summary>
    public PostfixSockets Postfix { get; } = new(control, access, fastFlush, limit, time);

    /// <summary>Serves a connection until the peer ends it, or is silent for too long.</summary>
    /// <param name="connection">The connection; not closed here.</param>
    /// <param name="uid">The peer's user id (SO_PEERCRED).</param>
    /// <param name="cancel">The service's end.</param>
    public async Task ServeAsync(IDuplexPipe connection, uint uid, CancellationToken cancel)
    {
        var rights = await access.RightsAsync(uid, cancel).ConfigureAwait(false);
        using var peer = new PeerWait(limit, time, cancel);
        var frames = new ReplyWriter(connection.Output, peer);
        try
        {
            while (await peer.ReadAsync(connection.Input).ConfigureAwait(false) is { } frame)
            {
                var request = ControlCodec.ReadRequest(frame);
                if (request is null)
                {
                    frames.Failed(ControlFailure.BadRequest, "the request makes no sense here: is the command of another version?");
                    await frames.FlushAsync().ConfigureAwait(false);
                    return;
                }
                if ((rights & Needed(request.Kind)) == Needed(request.Kind))
                {
                    try
                    {
                        await AnswerAsync(request, frames, cancel).ConfigureAwait(false);
                    }
                    catch (ControlException e)
                    {
                        frames.Failed(e.Failure, e.Message);
                    }
                }
                else
                {
                    frames.Failed(ControlFailure.NotPermitted, "not permitted");
                }
                await frames.FlushAsync().ConfigureAwait(false);
            }
        }
        catch (IOException)
        {
            // The peer went away while it was answered.
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            // It took too long.
        }
    }

    private static ControlRights Needed(ControlRequestKind kind) => kind switch
    {
        ControlRequestKind.List => ControlRights.List,
        ControlRequestKind.Flush or ControlRequestKind.FlushMessage or ControlRequestKind.FlushSite => ControlRights.Flush,
        ControlRequestKind.Kick => ControlRights.None,
        _ => ControlRights.Super,
    };

    private async ValueTask AnswerAsync(ControlRequest request, ReplyWriter frames, CancellationToken cancel)
    {
        switch (request.Kind)
        {
            case ControlRequestKind.List:
                await ListAsync(request, frames, cancel).ConfigureAwait(false);
                return;
            case ControlRequestKind.Find:
                await FindAsync(request.Id, frames, cancel).ConfigureAwait(false);
                return;
            case ControlRequestKind.FlushSite when await fastFlush.MatchAsync(request.Text ?? "", cancel).ConfigureAwait(false) != LookupStatus.Found:
                frames.Failed(ControlFailure.NotEligible, "not in fast_flush_domains");
                return;
            default:
                frames.Done(await DoAsync(request, frames, cancel).ConfigureAwait(false));
                return;
        }
    }

    private async ValueTask<ulong> DoAsync(ControlRequest request, ReplyWriter frames, CancellationToken cancel)
    {
        switch (request.Kind)
        {
            case ControlRequestKind.Flush:
                await control.FlushAsync(cancel).ConfigureAwait(false);
                // Postfix: what waits in maildrop is tried, too.
                kick();
                return 1;
            case ControlRequestKind.FlushSite:
                await control.FlushSiteAsync(request.Text ?? "", cancel).ConfigureAwait(false);
                return 1;
            case ControlRequestKind.FlushMessage:
                return await control.FlushMessageAsync(request.Id, cancel).ConfigureAwait(false) ? 1UL : 0;
            case ControlRequestKind.Super:
                return await control.SuperAsync(request.Operation, request.Id, cancel).ConfigureAwait(false) ? 1UL : 0;
            case ControlRequestKind.SuperAll:
                return (ulong)await control.SuperAllAsync(request.Operation, request.Text, cancel).ConfigureAwait(false);
            case ControlRequestKind.Content:
                return await CopyAsync(request.Id, frames, cancel).ConfigureAwait(false) ? 1UL : 0;
            default:
                kick();
                return 1;
        }
    }

    private async ValueTask ListAsync(ControlRequest request, ReplyWriter frames, CancellationToken cancel)
    {
        var (messages, cursor) = await control.ListAsync(request.Id, Math.Max(1, request.Count), cancel).ConfigureAwait(false);
        foreach (var message in messages)
        {
            frames.Message(message);
            await frames.FlushAsync().ConfigureAwait(false);
            var at = 0;
            while (at < message.Recipients.Count)
            {
                at = frames.Recipients(message.Recipients, at);
                await frames.FlushAsync().ConfigureAwait(false);
            }
        }
        frames.PageEnd(cursor);
    }

    private async ValueTask FindAsync(ulong id, ReplyWriter frames, CancellationToken cancel)
    {
        var message = await lookup.FindAsync(id, cancel).ConfigureAwait(false);
        if (message is not null)
        {
            frames.Queued(message);
            var done = message.Done.ToHashSet();
            var at = 0;
            while (at < message.Envelope.Recipients.Count)
            {
                at = frames.EnvelopeRecipients(message.Envelope.Recipients, done, at);
                await frames.FlushAsync().ConfigureAwait(false);
            }
        }
        frames.Done(message is null ? 0UL : 1);
    }

    private async ValueTask<bool> CopyAsync(ulong id, ReplyWriter frames, CancellationToken cancel)
    {
        if (await lookup.FindAsync(id, cancel).ConfigureAwait(false) is not { } message)
        {
            return false;
        }
        using var reader = openReader();
        return await ContentCopy.CopyAsync(reader, id, message.Layout, async piece =>
        {
            frames.Content(piece.Span);
            await frames.FlushAsync().ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    /// <summary>Waits for the peer, each time for no longer than the limit. The queue's own time does not count.</summary>
    private sealed class PeerWait : IDisposable
    {
        private readonly CancellationTokenSource _late;
        private readonly CancellationTokenSource _either;
        private readonly TimeSpan _limit;

        public PeerWait(TimeSpan limit, TimeProvider time, CancellationToken cancel)
        {
            _limit = limit;
            _late = new CancellationTokenSource(limit, time);
            _either = CancellationTokenSource.CreateLinkedTokenSource(cancel, _late.Token);
        }

        public async ValueTask<byte[]?> ReadAsync(PipeReader input)
        {
            _late.CancelAfter(_limit);
            var frame = await ControlFrames.ReadAsync(input, ControlCodec.RequestLimit, _either.Token).ConfigureAwait(false);
            _late.CancelAfter(Timeout.InfiniteTimeSpan);
            return frame;
        }

        public async ValueTask<FlushResult> FlushAsync(PipeWriter output)
        {
            _late.CancelAfter(_limit);
            var result = await output.FlushAsync(_either.Token).ConfigureAwait(false);
            _late.CancelAfter(Timeout.InfiniteTimeSpan);
            return result;
        }

        public void Dispose()
        {
            _either.Dispose();
            _late.Dispose();
        }
    }

    /// <summary>Writes replies; each frame is made in one reused buffer.</summary>
    private sealed class ReplyWriter(PipeWriter output, PeerWait peer)
    {
        private readonly ArrayBufferWriter<byte> _frame = new(1024);

        public async ValueTask FlushAsync()
        {
            if ((await peer.FlushAsync(output).ConfigureAwait(false)).IsCompleted)
            {
                throw new IOException("the peer reads no more");
            }
        }

        public void Message(ListedMessage message)
        {
            var writer = Start(ControlReplyKind.Message);
            ControlCodec.WriteMessage(message, ref writer);
            End();
        }

        public int Recipients(IReadOnlyList<ListedRecipient> recipients, int at)
        {
            var writer = Start(ControlReplyKind.Recipients);
            for (; at < recipients.Count && _frame.WrittenCount < ControlCodec.ChunkSize; at++)
            {
                ControlCodec.WriteRecipient(recipients[at], ref writer);
            }
            End();
            return at;
        }

        public void Queued(QueuedMessage message)
        {
            var writer = Start(ControlReplyKind.Envelope);
            ControlCodec.WriteQueued(message, ref writer);
            End();
        }

        public int EnvelopeRecipients(IReadOnlyList<EnvelopeRecipient> recipients, HashSet<int> done, int at)
        {
            var writer = Start(ControlReplyKind.EnvelopeRecipients);
            for (; at < recipients.Count && _frame.WrittenCount < ControlCodec.ChunkSize; at++)
            {
                writer.Byte(done.Contains(at) ? (byte)1 : (byte)0);
                EnvelopeCodec.WriteRecipient(recipients[at], ref writer);
            }
            End();
            return at;
        }

        public void Content(ReadOnlySpan<byte> bytes)
        {
            Start(ControlReplyKind.Content);
            _frame.Write(bytes);
            End();
        }

        public void PageEnd(ulong cursor) => Number(ControlReplyKind.PageEnd, cursor);

        public void Done(ulong number) => Number(ControlReplyKind.Done, number);

        public void Failed(ControlFailure failure, string text)
        {
            var writer = Start(ControlReplyKind.Failed);
            writer.Byte((byte)failure);
            writer.Text(text);
            End();
        }

        private void Number(ControlReplyKind kind, ulong number)
        {
            var writer = Start(kind);
            writer.UInt64(number);
            End();
        }

        private FieldWriter Start(ControlReplyKind kind)
        {
            _frame.ResetWrittenCount();
            return ControlCodec.Start(kind, _frame);
        }

        private void End() => ControlFrames.Write(output, _frame.WrittenSpan);
    }
}
