using System.IO.Pipelines;
using Facteur.Contracts.Wire;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts;

/// <summary>Frames of the arrow qmgr → delivery agents; the id is the request's number. Version 1.</summary>
public static class DeliveryFrames
{
    /// <summary>The contract's version.</summary>
    public const ushort Version = 1;

    /// <summary>→ deliver: a request.</summary>
    public const ushort Deliver = 1;

    /// <summary>← deliver: its result.</summary>
    public const ushort Result = 2;

    /// <summary>→ deliver: id is how many numbers (u64) follow: their results are in the journal.</summary>
    public const ushort Recorded = 3;

    /// <summary>← deliver, at first: a delivery for an earlier queue whose result that one may not have written. Message u64, indices of its recipients. The id is a number of deliver's own.</summary>
    public const ushort UnderWay = 4;

    /// <summary>← deliver: the result of such a delivery.</summary>
    public const ushort Replayed = 5;

    /// <summary>← deliver, after the last UnderWay: requests may come.</summary>
    public const ushort Ready = 6;

    /// <summary>Numbers in one Recorded.</summary>
    public const int RecordedLimit = 4096;

    private const int TextLimit = 8192;

    /// <summary>Appends a request's fields.</summary>
    public static void WriteRequest(DeliveryRequest request, ref FieldWriter writer)
    {
        writer.UInt64(request.MessageId);
        writer.Text(request.QueueId);
        writer.Text(request.Transport);
        writer.Text(request.Nexthop);
        writer.Int64(request.ActiveMicros);
        writer.Byte((byte)request.Flags);
        EnvelopeCodec.Write(request.Envelope, ref writer);
        request.Layout.Write(ref writer);
        writer.Length(request.Recipients.Count);
        for (var i = 0; i < request.Recipients.Count; i++)
        {
            writer.Length(request.Recipients[i].Index);
            EnvelopeCodec.WriteRecipient(request.Recipients[i].Recipient, ref writer);
        }
    }

    /// <summary>Reads a request; null when anything is invalid.</summary>
    public static DeliveryRequest? ReadRequest(in Frame frame)
    {
        var reader = new FieldReader(frame.Payload);
        var messageId = reader.UInt64();
        var (queueId, transport, nexthop) = (reader.Text(QueueId.LengthLimit), reader.Text(TextLimit), reader.Text(TextLimit));
        var active = reader.Int64();
        var flags = (DeliveryFlags)reader.Byte();
        if (EnvelopeCodec.Read(ref reader) is not { } envelope || ContentLayout.Read(ref reader) is not { } layout)
        {
            return null;
        }
        var count = reader.Length(EnvelopeCodec.RecipientLimit);
        if (reader.Failed || count == 0 || count > reader.Remaining / 5)
        {
            return null;
        }
        var recipients = new DeliveryRecipient[count];
        for (var i = 0; i < count; i++)
        {
            recipients[i] = new DeliveryRecipient(reader.Length(EnvelopeCodec.RecipientLimit), EnvelopeCodec.ReadRecipient(ref reader));
        }
        return !reader.Complete ? null : new DeliveryRequest
        {
            RequestId = frame.Id,
            MessageId = messageId,
            QueueId = queueId,
            Transport = transport,
            Nexthop = nexthop,
            Envelope = envelope,
            Recipients = recipients,
            Layout = layout,
            ActiveMicros = active,
            Flags = flags,
        };
    }

    /// <summary>Appends a result's fields.</summary>
    public static void WriteResult(DeliveryResult result, ref FieldWriter writer)
    {
        writer.Byte((byte)((result.Damaged ? 1 : 0) | (result.DestinationFailed is null ? 0 : 2) | (result.TransportFailed ? 4 : 0) | (result.Loops ? 8 : 0)));
        if (result.DestinationFailed is { } failed)
        {
            DeliveryStatusCodec.Write(failed, ref writer);
        }
        writer.Length(result.Recipients.Count);
        for (var i = 0; i < result.Recipients.Count; i++)
        {
            writer.Length(result.Recipients[i].Index);
            DeliveryStatusCodec.Write(result.Recipients[i].Status, ref writer);
        }
    }

    /// <summary>Reads a result; null when anything is invalid.</summary>
    public static DeliveryResult? ReadResult(in Frame frame)
    {
        var reader = new FieldReader(frame.Payload);
        var flags = reader.Byte();
        var failed = (flags & 2) == 0 ? null : DeliveryStatusCodec.Read(ref reader);
        var count = reader.Length(EnvelopeCodec.RecipientLimit);
        if (reader.Failed || count > reader.Remaining / 4)
        {
            return null;
        }
        var results = new RecipientResult[count];
        for (var i = 0; i < count; i++)
        {
            var index = reader.Length(EnvelopeCodec.RecipientLimit);
            if (DeliveryStatusCodec.Read(ref reader) is not { } status)
            {
                return null;
            }
            results[i] = new RecipientResult(index, status);
        }
        return reader.Complete ? new DeliveryResult(frame.Id, results, failed, (flags & 1) != 0, (flags & 4) != 0, (flags & 8) != 0) : null;
    }
}

/// <summary>What the queue does with what the agents say; called on the engine's thread.</summary>
public interface IDeliverySink
{
    /// <summary>A delivery ended.</summary>
    void Result(DeliveryResult result);

    /// <summary>A delivery for an earlier queue: these recipients are not to be tried before its result.</summary>
    void UnderWay(ulong number, ulong messageId, IReadOnlyList<int> recipients);

    /// <summary>The result of such a delivery; its request's id is the number.</summary>
    void Replayed(DeliveryResult result);
}

/// <summary>qmgr's end of the arrow to the delivery agents; polled by the engine.</summary>
public sealed class DeliveryClient(IDuplexPipe link, Action bell)
{
    private readonly LinkReader _reader = new(link.Input, bell);
    private readonly LinkWriter _writer = new(link.Output);

    /// <summary>The agents are gone.</summary>
    public bool Closed => _reader.Closed;

    /// <summary>All that is under way for an earlier queue has been told.</summary>
    public bool Ready { get; private set; }

    /// <summary>Sends a request with the next flush.</summary>
    public void Send(DeliveryRequest request) => _writer.Write(DeliveryFrames.Deliver, DeliveryFrames.Version, request.RequestId, request, DeliveryFrames.WriteRequest);

    /// <summary>Says that results are in the journal, with the next flush; the list is empty then.</summary>
    public void Recorded(List<ulong> numbers)
    {
        for (var from = 0; from < numbers.Count; from += DeliveryFrames.RecordedLimit)
        {
            var part = numbers.GetRange(from, Math.Min(DeliveryFrames.RecordedLimit, numbers.Count - from));
            _writer.Write(DeliveryFrames.Recorded, DeliveryFrames.Version, (ulong)part.Count, part, static (List<ulong> list, ref FieldWriter writer) =>
            {
                foreach (var number in list)
                {
                    writer.UInt64(number);
                }
            });
        }
        numbers.Clear();
    }

    /// <summary>Sends what was written.</summary>
    public void Flush() => _writer.Flush();

    /// <summary>Ends the link.</summary>
    public void Close()
    {
        _reader.Close();
        _writer.Complete();
    }

    /// <summary>Handles one frame, if one is there.</summary>
    public bool Poll(IDeliverySink sink)
    {
        if (!_reader.TryRead(out var frame))
        {
            return false;
        }
        if (frame.Version != DeliveryFrames.Version || !Handle(frame, sink))
        {
            Close();
        }
        return true;
    }

    private bool Handle(in Frame frame, IDeliverySink sink)
    {
        switch (frame.Type)
        {
            case DeliveryFrames.Result or DeliveryFrames.Replayed:
                // One that can't be read is no reason to lose all others with the link: it is a delivery without a result.
                var result = DeliveryFrames.ReadResult(frame) ?? new DeliveryResult(frame.Id, []);
                if (frame.Type == DeliveryFrames.Result)
                {
                    sink.Result(result);
                }
                else
                {
                    sink.Replayed(result);
                }
                return true;
            case DeliveryFrames.UnderWay:
                var reader = new FieldReader(frame.Payload);
                var message = reader.UInt64();
                var recipients = new int[Math.Min(reader.Length(EnvelopeCodec.RecipientLimit), reader.Remaining)];
                for (var i = 0; i < recipients.Length; i++)
                {
                    recipients[i] = reader.Length(EnvelopeCodec.RecipientLimit);
                }
                if (!reader.Complete)
                {
                    return false;
                }
                sink.UnderWay(frame.Id, message, recipients);
                return true;
            case DeliveryFrames.Ready:
                Ready = true;
                return true;
            default:
                return false;
        }
    }
}

/// <summary>
/// The agents' end: hands each request to the agent of its transport and sends the result back. A result is kept until the queue says that
/// it is in the journal, so that only the end of this process repeats deliveries: a new queue is told what is under way and how it ended.
/// </summary>
public sealed class DeliveryServer : IDisposable
{
    /// <summary>Numbers of deliveries that a queue did not ask for itself: beyond all its own.</summary>
    private const ulong OfEarlierQueues = 1UL << 63;

    /// <summary>How long after the queue this end may hear of another configuration.</summary>
    private static readonly TimeSpan ReloadLimit = TimeSpan.FromSeconds(2);

    private readonly Func<string, IDeliveryAgent?> _agents;
    private readonly ServiceLog _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly HashSet<Delivery> _open = [];
    private readonly bool _outlives;
    private Queue? _queue;
    private ulong _number;
    private int _underWay;
    private bool _ending;
    private bool _refuses;

    /// <summary>Makes the end; it serves once a link is attached.</summary>
    /// <param name="agents">The agent of a transport, null when there is none.</param>
    /// <param name="log">Where an agent's own failure is told.</param>
    /// <param name="outlives">Deliveries go on when the link ends: another queue will come. Else they are cut short.</param>
    /// <param name="time">The clock.</param>
    public DeliveryServer(Func<string, IDeliveryAgent?> agents, ServiceLog log, bool outlives = false, TimeProvider? time = null) =>
        (_agents, _log, _outlives, _time) = (agents, log, outlives, time ?? TimeProvider.System);

    /// <summary>Requests without a result.</summary>
    public int UnderWay => Volatile.Read(ref _underWay);

    /// <summary>Deliveries whose results are not in the journal, as far as this end knows.</summary>
    public int Kept
    {
        get
        {
            lock (_gate)
            {
                return _open.Count;
            }
        }
    }

    /// <summary>
    /// Ends the server when no delivery is under way and the queue has every result in its journal: it takes no request from then on. A result that is
    /// only sent would be lost with this process, and its mail delivered again.
    /// </summary>
    /// <param name="begins">Until then what the queue asks for is begun: no other agents have the place of these yet. Else it is left to the next ones.</param>
    /// <returns>Whether it has ended.</returns>
    public bool TryEnd(bool begins)
    {
        lock (_gate)
        {
            _ending = true;
            _refuses |= !begins || _open.Count == 0;
            return _refuses && _open.Count == 0;
        }
    }

    /// <summary>Serves a queue from now on; the one before is gone.</summary>
    public DeliveryServer Attach(IDuplexPipe link)
    {
        Queue? before;
        lock (_gate)
        {
            before = _queue;
            _queue = new Queue(this, link);
            foreach (var delivery in _open)
            {
                _queue.Announce(delivery, OfEarlierQueues | ++_number);
            }
            _queue.Writer.Write(DeliveryFrames.Ready, DeliveryFrames.Version, 0);
            _queue.Writer.Flush();
            _queue.Start();
        }
        before?.Dispose();
        return this;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        _queue?.Dispose();
        // The source itself stays: disposed on the pump's own thread, the pump still ends with OnClosed.
    }

    private async void Run(Delivery delivery)
    {
        Interlocked.Increment(ref _underWay);
        var request = delivery.Request;
        DeliveryResult result;
        try
        {
            result = (_agents(request.Transport) ?? await ComesAsync(request.Transport).ConfigureAwait(false)) is { } agent
                ? await agent.DeliverAsync(request, _stop.Token).ConfigureAwait(false)
                : NoTransport(request);
        }
        catch (OperationCanceledException)
        {
            result = new DeliveryResult(request.RequestId, []);
        }
        catch (Exception e)
        {
            // A fault of ours in one delivery is that delivery's deferral, never the end of the others.
            _log.Error($"{request.QueueId}: {request.Transport}: {e}");
            result = new DeliveryResult(request.RequestId, []);
        }
        lock (_gate)
        {
            delivery.Result = result;
            delivery.Queue.Send(delivery);
        }
        Interlocked.Decrement(ref _underWay);
    }

    /// <summary>The queue may have heard of a reload that this end is about to hear of.</summary>
    private async ValueTask<IDeliveryAgent?> ComesAsync(string transport)
    {
        var since = _time.GetTimestamp();
        IDeliveryAgent? agent = null;
        while (agent is null && !_ending && _time.GetElapsedTime(since) < ReloadLimit)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(50), _time, _stop.Token).ConfigureAwait(false);
            agent = _agents(transport);
        }
        return agent;
    }

    private DeliveryResult NoTransport(DeliveryRequest request)
    {
        if (_ending)
        {
            // Others know a newer configuration; it is sent again in a second.
            return new DeliveryResult(request.RequestId, []);
        }
        _log.Warning($"unknown mail transport \"{request.Transport}\": no such service in master.cf");
        return new DeliveryResult(request.RequestId, [], DeliveryStatus.Deferred(3, 0, "mail transport unavailable"), TransportFailed: true);
    }

    private sealed class Delivery(DeliveryRequest request, Queue queue)
    {
        public DeliveryRequest Request { get; } = request;

        public Queue Queue { get; set; } = queue;

        /// <summary>What its queue knows it by.</summary>
        public ulong Number { get; set; } = request.RequestId;

        public DeliveryResult? Result { get; set; }
    }

    /// <summary>One queue that asks, while it lives. Its fields are changed under the server's gate.</summary>
    private sealed class Queue(DeliveryServer server, IDuplexPipe link) : IFrameHandler, IDisposable
    {
        private readonly Dictionary<ulong, Delivery> _deliveries = [];
        private LinkPump? _pump;
        private volatile bool _closed;

        public LinkWriter Writer { get; } = new(link.Output);

        public bool Closed => _closed;

        public void Start() => _pump = new LinkPump(link.Input, this, "deliver");

        public void Announce(Delivery delivery, ulong number)
        {
            (delivery.Queue, delivery.Number) = (this, number);
            _deliveries[number] = delivery;
            Writer.Write(DeliveryFrames.UnderWay, DeliveryFrames.Version, number, delivery.Request, static (DeliveryRequest request, ref FieldWriter writer) =>
            {
                writer.UInt64(request.MessageId);
                writer.Length(request.Recipients.Count);
                for (var i = 0; i < request.Recipients.Count; i++)
                {
                    writer.Length(request.Recipients[i].Index);
                }
            });
            if (delivery.Result is not null)
            {
                Send(delivery);
            }
        }

        public void Send(Delivery delivery)
        {
            var type = delivery.Number >= OfEarlierQueues ? DeliveryFrames.Replayed : DeliveryFrames.Result;
            Writer.Write(type, DeliveryFrames.Version, delivery.Number, delivery.Result!, DeliveryFrames.WriteResult);
            Writer.Flush();
        }

        public void Dispose()
        {
            Writer.Complete();
            _pump?.Dispose();
        }

        bool IFrameHandler.OnFrame(in Frame frame)
        {
            if (frame.Version != DeliveryFrames.Version)
            {
                return false;
            }
            switch (frame.Type)
            {
                case DeliveryFrames.Deliver:
                    if (frame.Id >= OfEarlierQueues)
                    {
                        return false;
                    }
                    if (DeliveryFrames.ReadRequest(frame) is not { } request)
                    {
                        // The queue would wait for another process of ours while this one lives: its mail waits, all other goes on.
                        server._log.Error($"delivery request {frame.Id} can't be read");
                        Writer.Write(
                            DeliveryFrames.Result, DeliveryFrames.Version, frame.Id,
                            new DeliveryResult(frame.Id, [], DeliveryStatus.Deferred(3, 0, "the request can't be read by its delivery agent")), DeliveryFrames.WriteResult);
                        Writer.Flush();
                        return true;
                    }
                    var delivery = new Delivery(request, this);
                    lock (server._gate)
                    {
                        if (server._queue != this || server._refuses)
                        {
                            // Its queue is gone, and the next one was not told of this: that one sends it. Or this end ends: the next agents get it.
                            return server._queue == this;
                        }
                        _deliveries[request.RequestId] = delivery;
                        server._open.Add(delivery);
                    }
                    server.Run(delivery);
                    return true;
                case DeliveryFrames.Recorded:
                    var reader = new FieldReader(frame.Payload);
                    lock (server._gate)
                    {
                        for (var left = Math.Min(frame.Id, DeliveryFrames.RecordedLimit); left > 0; left--)
                        {
                            if (_deliveries.Remove(reader.UInt64(), out var recorded))
                            {
                                server._open.Remove(recorded);
                            }
                        }
                    }
                    return reader.Complete;
                default:
                    return false;
            }
        }

        void IFrameHandler.OnBatchEnd()
        {
        }

        void IFrameHandler.OnClosed()
        {
            if (!server._outlives)
            {
                server._stop.Cancel();
            }
            _closed = true;
            Writer.Complete();
        }
    }
}
