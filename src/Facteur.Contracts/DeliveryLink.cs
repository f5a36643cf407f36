using System.Collections.Concurrent;
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
        writer.Byte((byte)((result.Damaged ? 1 : 0) | (result.DestinationFailed is null ? 0 : 2) | (result.TransportFailed ? 4 : 0)));
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
        return reader.Complete ? new DeliveryResult(frame.Id, results, failed, (flags & 1) != 0, (flags & 4) != 0) : null;
    }
}

/// <summary>qmgr's end of the arrow to the delivery agents; polled by the engine.</summary>
public sealed class DeliveryClient(IDuplexPipe link, Action bell)
{
    private readonly LinkReader _reader = new(link.Input, bell);
    private readonly LinkWriter _writer = new(link.Output);

    /// <summary>The agents are gone: all requests without a result are to be made again.</summary>
    public bool Closed => _reader.Closed;

    /// <summary>Sends a request with the next flush.</summary>
    public void Send(DeliveryRequest request) => _writer.Write(DeliveryFrames.Deliver, DeliveryFrames.Version, request.RequestId, request, DeliveryFrames.WriteRequest);

    /// <summary>Sends what was written.</summary>
    public void Flush() => _writer.Flush();

    /// <summary>The next result, if one is there.</summary>
    public DeliveryResult? Poll()
    {
        if (!_reader.TryRead(out var frame))
        {
            return null;
        }
        var result = frame.Type == DeliveryFrames.Result && frame.Version == DeliveryFrames.Version ? DeliveryFrames.ReadResult(frame) : null;
        if (result is null)
        {
            _reader.Close();
        }
        return result;
    }
}

/// <summary>The agents' end: hands each request to the agent of its transport and sends the result back.</summary>
public sealed class DeliveryServer : IFrameHandler, IDisposable
{
    private readonly Func<string, IDeliveryAgent?> _agents;
    private readonly LinkWriter _writer;
    private readonly LinkPump _pump;
    private readonly ServiceLog _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly ConcurrentDictionary<ulong, byte> _underWay = new();

    /// <summary>Serves a link.</summary>
    /// <param name="link">The link.</param>
    /// <param name="agents">The agent of a transport, null when there is none.</param>
    /// <param name="log">Where an agent's own failure is told.</param>
    public DeliveryServer(IDuplexPipe link, Func<string, IDeliveryAgent?> agents, ServiceLog log)
    {
        _agents = agents;
        _log = log;
        _writer = new LinkWriter(link.Output);
        _pump = new LinkPump(link.Input, this, "deliver");
    }

    /// <summary>Requests without a result.</summary>
    public int UnderWay => _underWay.Count;

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        _writer.Complete();
        _pump.Dispose();
        // The source itself stays: disposed on the pump's own thread, the pump still ends with OnClosed.
    }

    bool IFrameHandler.OnFrame(in Frame frame)
    {
        if (frame.Type != DeliveryFrames.Deliver || frame.Version != DeliveryFrames.Version || DeliveryFrames.ReadRequest(frame) is not { } request)
        {
            return false;
        }
        Run(request);
        return true;
    }

    void IFrameHandler.OnBatchEnd()
    {
    }

    void IFrameHandler.OnClosed()
    {
        // qmgr defers what has no result once it knows that none will come.
        _stop.Cancel();
        _writer.Complete();
    }

    private async void Run(DeliveryRequest request)
    {
        _underWay[request.RequestId] = 0;
        DeliveryResult result;
        try
        {
            result = _agents(request.Transport) is { } agent
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
        _writer.Write(DeliveryFrames.Result, DeliveryFrames.Version, request.RequestId, result, DeliveryFrames.WriteResult);
        _writer.Flush();
        _underWay.TryRemove(request.RequestId, out _);
    }

    private DeliveryResult NoTransport(DeliveryRequest request)
    {
        _log.Warning($"unknown mail transport \"{request.Transport}\": no such service in master.cf");
        return new DeliveryResult(request.RequestId, [], DeliveryStatus.Deferred(3, 0, "mail transport unavailable"), TransportFailed: true);
    }
}
