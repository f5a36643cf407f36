using System.Runtime.CompilerServices;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Services.Rewrite.TrivialRewrite;

namespace Facteur.Services.Master;

/// <summary>The generation of the moment. What asks it for something enters it, and leaves it when that is done: a reload disposes nothing that is in use.</summary>
internal sealed class CurrentGeneration
{
    private volatile Generation? _now;

    /// <summary>The generation that new work uses.</summary>
    public Generation Now
    {
        get => _now!;
        set => _now = value;
    }

    /// <summary>Enters the generation of the moment; whoever asked leaves it.</summary>
    /// <exception cref="OperationCanceledException">The system has stopped.</exception>
    public Generation Enter()
    {
        while (true)
        {
            var generation = Now;
            if (generation.TryEnter())
            {
                return generation;
            }
            // A reload names the next one before it leaves the old one: the same one again means that there is no next one.
            if (generation == Now)
            {
                throw new OperationCanceledException();
            }
        }
    }
}

/// <summary>cleanup of the current generation: a message stays with the one it began with.</summary>
internal sealed class CleanupSwitch(CurrentGeneration current) : ICleanup
{
    public async ValueTask<ICleanupMessage?> OpenAsync(Envelope envelope, CancellationToken cancel)
    {
        var generation = current.Enter();
        ICleanupMessage? message = null;
        try
        {
            message = await (envelope.Origin == MessageOrigin.Pickup ? generation.PickupCleanup : generation.DefaultCleanup).OpenAsync(envelope, cancel).ConfigureAwait(false);
            return message is null ? null : new Message(message, generation);
        }
        finally
        {
            if (message is null)
            {
                await generation.LeaveAsync().ConfigureAwait(false);
            }
        }
    }

    private sealed class Message(ICleanupMessage message, Generation generation) : ICleanupMessage
    {
        private bool _left;

        public ulong Id => message.Id;

        public string QueueId => message.QueueId;

        public bool RecipientsFromHeaders
        {
            get => message.RecipientsFromHeaders;
            set => message.RecipientsFromHeaders = value;
        }

        public void AddRecipient(EnvelopeRecipient recipient) => message.AddRecipient(recipient);

        public ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel) => message.WriteAsync(content, cancel);

        public ValueTask<CleanupResult> CompleteAsync(CancellationToken cancel) => message.CompleteAsync(cancel);

        public async ValueTask DisposeAsync()
        {
            if (_left)
            {
                return;
            }
            _left = true;
            try
            {
                await message.DisposeAsync().ConfigureAwait(false);
            }
            finally
            {
                await generation.LeaveAsync().ConfigureAwait(false);
            }
        }
    }
}

/// <summary>trivial-rewrite of the current generation. What completes at once, the usual case, allocates nothing here.</summary>
internal sealed class RewriteSwitch(CurrentGeneration current, bool queue = false) : IRewrite
{
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<string?> RewriteAsync(bool local, string address, CancellationToken cancel)
    {
        var generation = current.Enter();
        try
        {
            return await Of(generation).RewriteAsync(local, address, cancel).ConfigureAwait(false);
        }
        finally
        {
            await generation.LeaveAsync().ConfigureAwait(false);
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<Resolution> ResolveAsync(string sender, string recipient, CancellationToken cancel)
    {
        var generation = current.Enter();
        try
        {
            return await Of(generation).ResolveAsync(sender, recipient, cancel).ConfigureAwait(false);
        }
        finally
        {
            await generation.LeaveAsync().ConfigureAwait(false);
        }
    }

    public async ValueTask<Resolution> ResolveProbeAsync(string sender, string recipient, CancellationToken cancel)
    {
        var generation = current.Enter();
        try
        {
            return await Of(generation).ResolveProbeAsync(sender, recipient, cancel).ConfigureAwait(false);
        }
        finally
        {
            await generation.LeaveAsync().ConfigureAwait(false);
        }
    }

    private TrivialRewriteService Of(Generation generation) => queue ? generation.QueueRewrite : generation.Rewrite;
}

/// <summary>The delivery agents of the current generation: a delivery stays with the one it began with.</summary>
internal sealed class AgentSwitch(CurrentGeneration current) : IDeliveryAgent
{
    /// <summary>This, when there is an agent for a transport now.</summary>
    public IDeliveryAgent? Of(string transport) => current.Now.AgentOf(transport) is null ? null : this;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<DeliveryResult> DeliverAsync(DeliveryRequest request, CancellationToken cancel)
    {
        var generation = current.Enter();
        try
        {
            // Without an agent, because a reload came in between, it is as if the delivery had been interrupted: it is made again.
            return generation.AgentOf(request.Transport) is { } agent
                ? await agent.DeliverAsync(request, cancel).ConfigureAwait(false)
                : new DeliveryResult(request.RequestId, []);
        }
        finally
        {
            await generation.LeaveAsync().ConfigureAwait(false);
        }
    }
}

/// <summary>bounce of the current generation.</summary>
internal sealed class BounceSwitch(CurrentGeneration current) : IBounce
{
    public async ValueTask<ReportResult> ReportAsync(ReportRequest request, CancellationToken cancel)
    {
        var generation = current.Enter();
        try
        {
            return await generation.Bounce.ReportAsync(request, cancel).ConfigureAwait(false);
        }
        finally
        {
            await generation.LeaveAsync().ConfigureAwait(false);
        }
    }
}
