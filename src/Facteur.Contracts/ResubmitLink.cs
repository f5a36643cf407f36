using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Threading.Channels;
using Facteur.Contracts.Wire;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts;

/// <summary>Frames of the arrow → cleanup for mail made inside; the id is the caller's number of the message. Version 1.</summary>
public static class ResubmitFrames
{
    /// <summary>The contract's version.</summary>
    public const ushort Version = 1;

    /// <summary>→ cleanup: envelope.</summary>
    public const ushort Begin = 1;

    /// <summary>→ cleanup: content.</summary>
    public const ushort Content = 2;

    /// <summary>→ cleanup: the end.</summary>
    public const ushort End = 3;

    /// <summary>→ cleanup: forget it.</summary>
    public const ushort Abort = 4;

    /// <summary>← cleanup: status u8, text or absent, queue id.</summary>
    public const ushort Done = 5;

    /// <summary>← cleanup: one piece of content of the message was taken.</summary>
    public const ushort Taken = 6;

    /// <summary>→ cleanup: what a probe found: address, status u8, text. It has no answer.</summary>
    public const ushort Probed = 7;

    /// <summary>Pieces of content a message may have under way.</summary>
    public const int Window = 8;

    /// <summary>Longest piece of content.</summary>
    public const int PieceLimit = 64 << 10;

    /// <summary>Longest text of a probe's result, in characters.</summary>
    public const int ProbeTextLimit = 1000;
}

/// <summary>The client of the arrow → cleanup for mail made inside.</summary>
public sealed class ResubmitClient : IResubmit, IFrameHandler, IDisposable
{
    private readonly LinkWriter _writer;
    private readonly LinkPump _pump;
    private readonly ConcurrentDictionary<ulong, Message> _messages = new();
    private ulong _number;
    private volatile bool _closed;
    private volatile bool _retired;

    /// <summary>The client over a link.</summary>
    public ResubmitClient(IDuplexPipe link)
    {
        _writer = new LinkWriter(link.Output);
        _pump = new LinkPump(link.Input, this, "resubmit client");
    }

    /// <summary>The other end is gone.</summary>
    public bool IsClosed => _closed;

    /// <summary>No message is begun any more; when those under way have their results, the link ends.</summary>
    public void Retire()
    {
        _retired = true;
        Settle();
    }

    private void Settle()
    {
        if (_retired && _messages.IsEmpty)
        {
            Dispose();
        }
    }

    /// <inheritdoc/>
    public IResubmitMessage Begin(Envelope envelope)
    {
        var message = new Message(this, Interlocked.Increment(ref _number));
        if (!EnvelopeCodec.Fits(envelope))
        {
            // The other end would take it for a broken link.
            message.Refused();
            return message;
        }
        _messages[message.Number] = message;
        _writer.Write(ResubmitFrames.Begin, ResubmitFrames.Version, message.Number, envelope, EnvelopeCodec.Write);
        if (_closed)
        {
            message.Lost();
        }
        return message;
    }

    /// <inheritdoc/>
    public void Probed(string address, AddressVerdict verdict)
    {
        if (_closed || !EnvelopeCodec.Fits(address))
        {
            return;
        }
        // The other end bounds texts, in bytes.
        var text = verdict.Text.Length > ResubmitFrames.ProbeTextLimit ? verdict.Text[..ResubmitFrames.ProbeTextLimit] : verdict.Text;
        _writer.Write(ResubmitFrames.Probed, ResubmitFrames.Version, 0, (address, verdict.Status, text), static ((string Address, AddressStatus Status, string Text) probe, ref FieldWriter writer) =>
        {
            writer.Text(probe.Address);
            writer.Byte((byte)probe.Status);
            writer.Text(probe.Text);
        });
        _writer.Flush();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _writer.Complete();
        _pump.Dispose();
    }

    bool IFrameHandler.OnFrame(in Frame frame)
    {
        _messages.TryGetValue(frame.Id, out var message);
        switch (frame.Type)
        {
            case ResubmitFrames.Taken:
                message?.Taken();
                return true;
            case ResubmitFrames.Done:
                var reader = new FieldReader(frame.Payload);
                var result = new ResubmitResult(new CleanupResult((CleanupStatus)reader.Byte(), reader.OptionalText(4096)), reader.Text(QueueId.LengthLimit));
                if (reader.Failed)
                {
                    return false;
                }
                message?.Done(result);
                return true;
            default:
                return false;
        }
    }

    void IFrameHandler.OnBatchEnd()
    {
    }

    void IFrameHandler.OnClosed()
    {
        _closed = true;
        foreach (var message in _messages.Values)
        {
            message.Lost();
        }
    }

    private sealed class Message(ResubmitClient client, ulong number) : IResubmitMessage
    {
        private readonly TaskCompletionSource<ResubmitResult> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly SemaphoreSlim _window = new(ResubmitFrames.Window);
        private bool _ended;

        public ulong Number => number;

        public async ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
        {
            while (!content.IsEmpty && !_done.Task.IsCompleted)
            {
                var piece = content[..Math.Min(content.Length, ResubmitFrames.PieceLimit)];
                content = content[piece.Length..];
                await _window.WaitAsync(cancel).ConfigureAwait(false);
                client._writer.Write(ResubmitFrames.Content, ResubmitFrames.Version, number, piece, static (ReadOnlyMemory<byte> bytes, ref FieldWriter writer) => writer.Bytes(bytes.Span));
                client._writer.Flush();
            }
        }

        public async ValueTask<ResubmitResult> EndAsync(CancellationToken cancel)
        {
            _ended = true;
            client._writer.Write(ResubmitFrames.End, ResubmitFrames.Version, number);
            client._writer.Flush();
            try
            {
                return await _done.Task.WaitAsync(cancel).ConfigureAwait(false);
            }
            finally
            {
                client._messages.TryRemove(number, out _);
                client.Settle();
            }
        }

        public void Taken() => _window.Release();

        public void Done(ResubmitResult result)
        {
            _done.TrySetResult(result);
            _window.Release(ResubmitFrames.Window);
        }

        public void Refused() => Done(new ResubmitResult(new CleanupResult(CleanupStatus.TooLarge), ""));

        public void Lost() => Done(new ResubmitResult(new CleanupResult(CleanupStatus.WriteError), ""));

        public void Dispose()
        {
            if (!_ended)
            {
                client._messages.TryRemove(number, out _);
                client._writer.Write(ResubmitFrames.Abort, ResubmitFrames.Version, number);
                client._writer.Flush();
                client.Settle();
            }
        }
    }
}

/// <summary>cleanup's end of the arrow: each message made inside becomes one of <see cref="ICleanup"/>'s.</summary>
public sealed class ResubmitServer : IFrameHandler, IDisposable
{
    private const int TextLimit = 1000;
    private const int AddressBytes = 4096;
    private readonly ICleanup _cleanup;
    private readonly IProbeResults? _probes;
    private readonly LinkWriter _writer;
    private readonly LinkPump _pump;
    private readonly ServiceLog _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<ulong, Channel<byte[]?>> _open = [];
    private int _running;
    private volatile bool _closed;

    /// <summary>Serves a link.</summary>
    /// <param name="link">The link.</param>
    /// <param name="cleanup">Takes the messages.</param>
    /// <param name="log">The log.</param>
    /// <param name="probes">Takes what probes found, where that is wanted.</param>
    public ResubmitServer(IDuplexPipe link, ICleanup cleanup, ServiceLog log, IProbeResults? probes = null)
    {
        _probes = probes;
        _cleanup = cleanup;
        _log = log;
        _writer = new LinkWriter(link.Output);
        _pump = new LinkPump(link.Input, this, "resubmit server");
    }

    /// <summary>The other end is gone.</summary>
    public bool IsClosed => _closed;

    /// <summary>Messages under way.</summary>
    public bool IsBusy => Volatile.Read(ref _running) > 0;

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        _writer.Complete();
        _pump.Dispose();
        _stop.Dispose();
    }

    bool IFrameHandler.OnFrame(in Frame frame)
    {
        if (Take(frame))
        {
            return true;
        }
        // All mail made inside goes another way only when one of the two processes is begun anew: it must not end in silence.
        _log.Error($"a link for mail made inside ends: frame of type {frame.Type} and {frame.Payload.Length} bytes: expected one that the contract has");
        return false;
    }

    private bool Take(in Frame frame)
    {
        var reader = new FieldReader(frame.Payload);
        switch (frame.Type)
        {
            case ResubmitFrames.Begin:
                if (EnvelopeCodec.Read(ref reader) is not { } envelope || !reader.Complete)
                {
                    // The link is that of all mail made inside: it does not end for one message. What follows of this one is nobody's.
                    _log.Error($"mail made inside was not taken: an envelope of {frame.Payload.Length} bytes that can't be read");
                    Answer(frame.Id, new CleanupResult(CleanupStatus.WriteError), "");
                    return true;
                }
                // Bounded by the client's window; one more for the piece that was sent when the answer let it go on, and one for the end.
                var pieces = Channel.CreateBounded<byte[]?>(ResubmitFrames.Window + 2);
                if (!_open.TryAdd(frame.Id, pieces))
                {
                    return false;
                }
                Run(frame.Id, envelope, pieces.Reader);
                return true;
            case ResubmitFrames.Content:
                var content = reader.Bytes(ResubmitFrames.PieceLimit);
                return reader.Complete && (!_open.TryGetValue(frame.Id, out var to) || to.Writer.TryWrite(content.ToArray()));
            case ResubmitFrames.End:
                return !_open.Remove(frame.Id, out var ended) || (ended.Writer.TryWrite(null) && ended.Writer.TryComplete());
            case ResubmitFrames.Probed:
                var (probed, status, why) = (reader.Text(AddressBytes), (AddressStatus)reader.Byte(), reader.Text(ResubmitFrames.ProbeTextLimit * 3));
                if (!reader.Complete || status > AddressStatus.Bounced)
                {
                    return false;
                }
                _probes?.Probed(probed, new AddressVerdict(status, why));
                return true;
            case ResubmitFrames.Abort:
                if (_open.Remove(frame.Id, out var aborted))
                {
                    aborted.Writer.TryComplete();
                }
                return true;
            default:
                return false;
        }
    }

    void IFrameHandler.OnBatchEnd()
    {
    }

    void IFrameHandler.OnClosed()
    {
        _closed = true;
        foreach (var pieces in _open.Values)
        {
            pieces.Writer.TryComplete();
        }
        _open.Clear();
        if (!_stop.IsCancellationRequested)
        {
            // The client waits for answers; it must learn that none will come.
            _writer.Complete();
        }
    }

    private async void Run(ulong number, Envelope envelope, ChannelReader<byte[]?> pieces)
    {
        var (result, queueId) = (new CleanupResult(CleanupStatus.WriteError), "");
        Interlocked.Increment(ref _running);
        try
        {
            var recipients = envelope.Recipients;
            envelope.Recipients = [];
            var message = await _cleanup.OpenAsync(envelope, _stop.Token).ConfigureAwait(false);
            await using (message)
            {
                foreach (var recipient in recipients)
                {
                    message?.AddRecipient(recipient);
                }
                await foreach (var piece in pieces.ReadAllAsync(_stop.Token).ConfigureAwait(false))
                {
                    if (message is null)
                    {
                        // Told at the end; until then the client's window is kept moving.
                    }
                    else if (piece is null)
                    {
                        queueId = message.QueueId;
                        result = await message.CompleteAsync(_stop.Token).ConfigureAwait(false);
                    }
                    else
                    {
                        await message.WriteAsync(piece, _stop.Token).ConfigureAwait(false);
                    }
                    _writer.Write(ResubmitFrames.Taken, ResubmitFrames.Version, number);
                    _writer.Flush();
                }
            }
        }
        catch (OperationCanceledException)
        {
        }
        catch (Exception e)
        {
            _log.Error($"mail made inside was not taken: {e}");
        }
        if (result.Text is { Length: > TextLimit } text)
        {
            result = result with { Text = text[..TextLimit] };
        }
        Answer(number, result, queueId);
        Interlocked.Decrement(ref _running);
        await DrainAsync(pieces).ConfigureAwait(false);
    }

    private void Answer(ulong number, CleanupResult result, string queueId)
    {
        _writer.Write(ResubmitFrames.Done, ResubmitFrames.Version, number, (result, queueId), static ((CleanupResult Result, string QueueId) done, ref FieldWriter writer) =>
        {
            writer.Byte((byte)done.Result.Status);
            writer.OptionalText(done.Result.Text);
            writer.Text(done.QueueId);
        });
        _writer.Flush();
    }

    /// <summary>Takes what its client sent before it saw the answer: a full channel would be taken for a broken link.</summary>
    private static async ValueTask DrainAsync(ChannelReader<byte[]?> pieces)
    {
        while (await pieces.WaitToReadAsync().ConfigureAwait(false))
        {
            while (pieces.TryRead(out _))
            {
            }
        }
    }
}
