using System.IO.Pipelines;
using Facteur.Contracts.Wire;
using Facteur.Mail.Dsn;

namespace Facteur.Contracts;

/// <summary>
/// local's way to agents that are in another process, for recipients that mailbox_transport and its kin make another transport's: the arrow
/// qmgr → delivery agents, on a link of its own. The agents may come and go; what is under way when they go is to be tried again.
/// </summary>
public sealed class DeliveryPass : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<ulong, TaskCompletionSource<DeliveryResult>> _open = [];
    private End? _end;
    private ulong _number;

    /// <summary>The agent of a transport; whether there is one is found out there.</summary>
    public IDeliveryAgent AgentOf(string transport) => new Remote(this, transport);

    /// <summary>Agents came; those before are gone.</summary>
    public void Attach(IDuplexPipe link)
    {
        End? before;
        var end = new End(this, link);
        lock (_gate)
        {
            (before, _end) = (_end, end);
        }
        before?.Dispose();
        end.Start();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        End? end;
        lock (_gate)
        {
            (end, _end) = (_end, null);
        }
        end?.Dispose();
    }

    private static DeliveryResult NotThere(ulong number) => new(number, [], DeliveryStatus.Deferred(3, 0, "mail transport unavailable"));

    private async ValueTask<DeliveryResult> DeliverAsync(DeliveryRequest request, string transport)
    {
        var done = new TaskCompletionSource<DeliveryResult>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            if (_end is null)
            {
                return NotThere(request.RequestId);
            }
            var number = ++_number;
            _open.Add(number, done);
            // Several recipients of one request may be on their way at once: the link has numbers of its own.
            _end.Send(new DeliveryRequest
            {
                RequestId = number,
                MessageId = request.MessageId,
                QueueId = request.QueueId,
                Transport = transport,
                Nexthop = request.Nexthop,
                Envelope = request.Envelope,
                Recipients = request.Recipients,
                Layout = request.Layout,
                ActiveMicros = request.ActiveMicros,
                Flags = request.Flags,
            });
        }
        return await done.Task.ConfigureAwait(false) with { RequestId = request.RequestId };
    }

    private void Ended(DeliveryResult result)
    {
        TaskCompletionSource<DeliveryResult>? done;
        lock (_gate)
        {
            _ = _open.Remove(result.RequestId, out done);
        }
        done?.TrySetResult(result);
    }

    private void Gone(End end)
    {
        KeyValuePair<ulong, TaskCompletionSource<DeliveryResult>>[] lost;
        lock (_gate)
        {
            if (_end == end)
            {
                _end = null;
            }
            lost = [.. _open.Where(o => end.Sent.Contains(o.Key))];
        }
        foreach (var (number, _) in lost)
        {
            Ended(NotThere(number));
        }
    }

    private sealed class Remote(DeliveryPass pass, string transport) : IDeliveryAgent
    {
        public ValueTask<DeliveryResult> DeliverAsync(DeliveryRequest request, CancellationToken cancel)
        {
            cancel.ThrowIfCancellationRequested();
            return pass.DeliverAsync(request, transport);
        }
    }

    /// <summary>The agents of the moment. Its fields are changed under the gate.</summary>
    private sealed class End(DeliveryPass pass, IDuplexPipe link) : IFrameHandler, IDisposable
    {
        private readonly LinkWriter _writer = new(link.Output);
        private LinkPump? _pump;

        public HashSet<ulong> Sent { get; } = [];

        public void Start() => _pump = new LinkPump(link.Input, this, "pass");

        public void Send(DeliveryRequest request)
        {
            Sent.Add(request.RequestId);
            _writer.Write(DeliveryFrames.Deliver, DeliveryFrames.Version, request.RequestId, request, DeliveryFrames.WriteRequest);
            _writer.Flush();
        }

        public void Dispose()
        {
            _writer.Complete();
            _pump?.Dispose();
        }

        bool IFrameHandler.OnFrame(in Frame frame)
        {
            if (frame.Version != DeliveryFrames.Version)
            {
                return false;
            }
            if (frame.Type is DeliveryFrames.UnderWay or DeliveryFrames.Ready)
            {
                return true;
            }
            if (frame.Type is not (DeliveryFrames.Result or DeliveryFrames.Replayed) || DeliveryFrames.ReadResult(frame) is not { } result)
            {
                return false;
            }
            lock (pass._gate)
            {
                // The queue journals it as local's: the agents need not keep it.
                Sent.Remove(result.RequestId);
                _writer.Write(DeliveryFrames.Recorded, DeliveryFrames.Version, 1, result.RequestId, static (ulong number, ref Mail.Envelopes.FieldWriter writer) => writer.UInt64(number));
                _writer.Flush();
            }
            if (frame.Type == DeliveryFrames.Result)
            {
                pass.Ended(result);
            }
            return true;
        }

        void IFrameHandler.OnBatchEnd()
        {
        }

        void IFrameHandler.OnClosed() => pass.Gone(this);
    }
}
