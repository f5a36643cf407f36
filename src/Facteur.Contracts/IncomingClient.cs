using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Threading.Tasks.Sources;
using Facteur.Contracts.Wire;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts;

/// <summary>Frames of the arrow cleanup → incoming. Version 1.</summary>
public static class IncomingFrames
{
    /// <summary>The contract's version.</summary>
    public const ushort Version = 1;

    /// <summary>→ queue: id is how many numbers are wanted.</summary>
    public const ushort TakeIds = 1;

    /// <summary>← queue: id is the first number, one u32 how many; 0 when none can be given now.</summary>
    public const ushort Ids = 2;

    /// <summary>→ queue: content of message id.</summary>
    public const ushort Content = 3;

    /// <summary>→ queue: last content and envelope of message id.</summary>
    public const ushort End = 4;

    /// <summary>→ queue: message id is forgotten.</summary>
    public const ushort Abort = 5;

    /// <summary>← queue: id is how many pairs follow: number u64, <see cref="CleanupStatus"/> u8.</summary>
    public const ushort Done = 6;

    /// <summary>← queue: id is how many bytes of Content were taken; perhaps 0: more may be sent.</summary>
    public const ushort Credit = 7;

    /// <summary>Bytes of content a client may have under way: beyond it, it waits. Enough for what arrives while one batch is synced, and no more than a link's window.</summary>
    public const long CreditLimit = 1 << 19;

    /// <summary>Numbers asked for at a time.</summary>
    public const int IdBlock = 4096;
}

/// <summary>The client of the arrow cleanup → incoming. Sessions wait here for "durable"; they go on upon the link's thread.</summary>
public sealed class IncomingClient : IIncoming, IFrameHandler, IDisposable
{
    /// <summary>Ended messages that are sent without waiting for the queue's answer to those before.</summary>
    private const int BatchBytes = 64 << 10;

    private readonly LinkWriter _writer;
    private readonly LinkPump _pump;
    private readonly ConcurrentDictionary<ulong, Waiter> _waiters = new();
    private readonly ConcurrentQueue<Waiter> _pool = new();
    private readonly Lock _gate = new();

    /// <summary>Held for each frame until it is known what was sent with it.</summary>
    private readonly Lock _sending = new();

    private readonly Queue<TaskCompletionSource> _credit = new();
    private TaskCompletionSource _ids = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private ulong _next;
    private ulong _end;
    private ulong _spare;
    private ulong _spareEnd;
    private bool _asked;
    private bool _refused;
    private long _underWay;

    /// <summary>An end was sent, and no sign for the next batch has come since.</summary>
    private bool _sent;

    /// <summary>An end was written and not sent.</summary>
    private bool _collected;

    private volatile bool _closed;

    /// <summary>The client over a link.</summary>
    public IncomingClient(IDuplexPipe link)
    {
        _writer = new LinkWriter(link.Output);
        _pump = new LinkPump(link.Input, this, "incoming");
        lock (_gate)
        {
            Ask();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<ulong> TakeIdAsync(CancellationToken cancel)
    {
        while (true)
        {
            Task wait;
            lock (_gate)
            {
                if (_next == _end && _spare != _spareEnd)
                {
                    (_next, _end, _spare, _spareEnd) = (_spare, _spareEnd, 0, 0);
                }
                if (_spare == _spareEnd && _end - _next < IncomingFrames.IdBlock / 2)
                {
                    Ask();
                }
                if (_next != _end)
                {
                    return _next++;
                }
                if (_closed || _refused)
                {
                    _refused = false;
                    return 0;
                }
                Ask();
                wait = _ids.Task;
            }
            await wait.WaitAsync(cancel).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async ValueTask ContentAsync(ulong id, ReadOnlyMemory<byte> content, CancellationToken cancel)
    {
        while (Interlocked.Read(ref _underWay) > IncomingFrames.CreditLimit && !_closed)
        {
            TaskCompletionSource wait;
            lock (_gate)
            {
                if (Interlocked.Read(ref _underWay) <= IncomingFrames.CreditLimit || _closed)
                {
                    break;
                }
                _credit.Enqueue(wait = new TaskCompletionSource());
            }
            await wait.Task.WaitAsync(cancel).ConfigureAwait(false);
        }
        Interlocked.Add(ref _underWay, content.Length);
        lock (_sending)
        {
            _writer.Write(IncomingFrames.Content, IncomingFrames.Version, id, content.Span);
            Send();
        }
    }

    // While the queue is at work on a batch, what ends meanwhile is collected for the next: it could be synced no sooner, and each send of its
    // own would wake the queue. What it says "durable" with, or credit, is the sign for the next batch. Only an end is sure to have such a
    // sign: where something else that was sent passed for a batch, the next end would wait for a sign that never comes. So all is sent under one lock.
    private void Send()
    {
        (_sent, _collected) = (_sent || _collected, false);
        _writer.Flush();
    }

    private void NextBatch()
    {
        lock (_sending)
        {
            _sent = false;
            if (_collected)
            {
                Send();
            }
        }
    }

    /// <inheritdoc/>
    public ValueTask<CleanupStatus> EndAsync(ulong id, ReadOnlyMemory<byte> lastContent, Envelope envelope, CancellationToken cancel)
    {
        if (!EnvelopeCodec.Fits(envelope))
        {
            // The queue would take it for a broken link and end it, and all other mail with it.
            Abort(id);
            return new ValueTask<CleanupStatus>(CleanupStatus.TooLarge);
        }
        if (!_pool.TryDequeue(out var waiter))
        {
            waiter = new Waiter(this);
        }
        var result = waiter.Start();
        _waiters[id] = waiter;
        lock (_sending)
        {
            _writer.Write(IncomingFrames.End, IncomingFrames.Version, id, (lastContent, envelope), static ((ReadOnlyMemory<byte> Content, Envelope Envelope) end, ref FieldWriter writer) =>
            {
                writer.Bytes(end.Content.Span);
                EnvelopeCodec.Write(end.Envelope, ref writer);
            });
            _collected = true;
            if (!_sent || _writer.Waiting >= BatchBytes)
            {
                Send();
            }
        }
        if (_closed && _waiters.TryRemove(id, out var lost))
        {
            lost.Complete(CleanupStatus.WriteError);
        }
        return result;
    }

    /// <inheritdoc/>
    public void Abort(ulong id)
    {
        lock (_sending)
        {
            _writer.Write(IncomingFrames.Abort, IncomingFrames.Version, id);
            Send();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _writer.Complete();
        _pump.Dispose();
    }

    bool IFrameHandler.OnFrame(in Frame frame)
    {
        var reader = new FieldReader(frame.Payload);
        switch (frame.Type)
        {
            case IncomingFrames.Ids:
                OnIds(frame.Id, reader.UInt32());
                return !reader.Failed;
            case IncomingFrames.Credit:
                NextBatch();
                OnCredit((long)Math.Min(frame.Id, long.MaxValue));
                return true;
            case IncomingFrames.Done:
                // Before the sessions go on: the queue can begin with what they have sent meanwhile.
                NextBatch();
                for (ulong i = 0; i < frame.Id && !reader.Failed; i++)
                {
                    var id = reader.UInt64();
                    var status = (CleanupStatus)reader.Byte();
                    // The waiter is taken out before it runs: the message may be delivered and gone by then.
                    if (!reader.Failed && _waiters.TryRemove(id, out var waiter))
                    {
                        waiter.Complete(status);
                    }
                }
                return !reader.Failed;
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
        lock (_gate)
        {
            _ids.TrySetResult();
        }
        GiveCredit();
        foreach (var id in _waiters.Keys)
        {
            if (_waiters.TryRemove(id, out var waiter))
            {
                waiter.Complete(CleanupStatus.WriteError);
            }
        }
    }

    private void Ask()
    {
        if (!_asked && !_closed)
        {
            _asked = true;
            lock (_sending)
            {
                _writer.Write(IncomingFrames.TakeIds, IncomingFrames.Version, IncomingFrames.IdBlock);
                Send();
            }
        }
    }

    private void OnIds(ulong first, uint count)
    {
        TaskCompletionSource done;
        lock (_gate)
        {
            _asked = false;
            _refused = count == 0;
            if (_next == _end)
            {
                (_next, _end) = (first, first + count);
            }
            else
            {
                (_spare, _spareEnd) = (first, first + count);
            }
            done = _ids;
            _ids = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        done.TrySetResult();
    }

    private void OnCredit(long bytes)
    {
        if (Interlocked.Add(ref _underWay, -bytes) > IncomingFrames.CreditLimit / 2)
        {
            return;
        }
        GiveCredit();
    }

    // Sessions go on here, on the link's thread, and so outside the gate; one that uses up the credit leaves the others waiting.
    private void GiveCredit()
    {
        while (_closed || Interlocked.Read(ref _underWay) <= IncomingFrames.CreditLimit)
        {
            TaskCompletionSource? wait;
            lock (_gate)
            {
                if (!_credit.TryDequeue(out wait))
                {
                    return;
                }
            }
            wait.TrySetResult();
        }
    }

    private sealed class Waiter(IncomingClient owner) : IValueTaskSource<CleanupStatus>
    {
        private ManualResetValueTaskSourceCore<CleanupStatus> _core;

        public ValueTask<CleanupStatus> Start()
        {
            _core.Reset();
            return new ValueTask<CleanupStatus>(this, _core.Version);
        }

        public void Complete(CleanupStatus status) => _core.SetResult(status);

        public CleanupStatus GetResult(short token)
        {
            var result = _core.GetResult(token);
            owner._pool.Enqueue(this);
            return result;
        }

        public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);
    }
}
