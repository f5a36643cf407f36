using Facteur.Contracts;
using Facteur.Contracts.Wire;
using Facteur.Mail.Envelopes;
using Facteur.Services.Queue.Qmgr;
using Facteur.Spool;
using Facteur.Testing;

namespace Facteur.Services.Tests.Queue.Qmgr;

/// <summary>The engine on its thread with a clock that stands still: how long outcomes wait when no mail comes that they could ride with.</summary>
public sealed class OutcomeTimeTests : IRewrite, IBounce, IResubmit, IDeliveryAgent, IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly ManualTime _time = new();
    private readonly MemorySpool _spool = new();
    private readonly SemaphoreSlim _second = new(0);
    private readonly QmgrService _queue;
    private readonly IncomingClient _incoming;
    private readonly DeliveryServer _agents;
    private readonly DeliveryServer _local;
    private readonly RewriteServer _rewrite;

    public OutcomeTimeTests()
    {
        var log = new ServiceLog(new TestLog(), "postfix/qmgr");
        var (asks, answers) = PipePair.Create();
        _rewrite = new RewriteServer(answers, this);
        _queue = new QmgrService(new TestConfig(), _spool, new Bell(), false, this, this, _ => default, log, _time);
        _queue.AttachRewrite(asks);
        var (engine, agents) = PipePair.Create();
        var (engineLocal, local) = PipePair.Create();
        _agents = new DeliveryServer(_ => this, log).Attach(agents);
        _local = new DeliveryServer(_ => this, log).Attach(local);
        _queue.AttachAgents(engine, local: false);
        _queue.AttachAgents(engineLocal, local: true);
        _queue.Start(static _ => false);
        var (server, client) = PipePair.Create();
        _queue.Accept(server);
        _incoming = new IncomingClient(client);
    }

    public void Dispose()
    {
        _queue.Dispose();
        _agents.Dispose();
        _local.Dispose();
        _rewrite.Dispose();
        _incoming.Dispose();
        _second.Dispose();
    }

    [Fact]
    public async Task An_outcome_is_written_within_10_milliseconds_and_synced_within_100()
    {
        var cancel = TestContext.Current.CancellationToken;
        var id = await _incoming.TakeIdAsync(cancel);
        var arrival = (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / 10;
        Assert.Equal(CleanupStatus.Ok, await _incoming.EndAsync(id, "x\n"u8.ToArray(), new Envelope
        {
            Sender = "a@b.example",
            ArrivalMicros = arrival,
            ContentSize = 2,
            Recipients = [new EnvelopeRecipient("c@first.example"), new EnvelopeRecipient("d@second.example")],
        }, cancel));

        // One has it, the other is still being delivered: the message stays, and with it the outcome.
        await Until(() => _spool.StagedBytes > 0);
        await Turns();
        _time.Advance(TimeSpan.FromMilliseconds(9));
        await Turns();
        Assert.True(_spool.StagedBytes > 0);
        Assert.Empty(await Outcomes(id));
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await Until(() => _spool.StagedBytes == 0);
        Assert.True(Assert.Single(await Outcomes(id)).Done);

        _time.Advance(TimeSpan.FromMilliseconds(89));
        await Turns();
        Assert.True(_spool.HasUnsynced);
        _time.Advance(TimeSpan.FromMilliseconds(1));
        await Until(() => !_spool.HasUnsynced);
        _second.Release();
        await Until(() => _spool.StagedBytes > 0);
        await Turns();
        _time.Advance(TimeSpan.FromMilliseconds(10));
        await Until(() => _spool.Ids.Count == 0);
    }

    async ValueTask<DeliveryResult> IDeliveryAgent.DeliverAsync(DeliveryRequest request, CancellationToken cancel)
    {
        if (request.Nexthop == "second.example")
        {
            await _second.WaitAsync(cancel);
        }
        return QmgrSimulation.Ok(request);
    }

    ValueTask<string?> IRewrite.RewriteAsync(bool local, string address, CancellationToken cancel) => new(address);

    ValueTask<Resolution> IRewrite.ResolveAsync(string sender, string recipient, CancellationToken cancel) =>
        new(new Resolution("smtp", recipient[2..], recipient, ResolveFlags.Default));

    ValueTask<ReportResult> IBounce.ReportAsync(ReportRequest request, CancellationToken cancel) => new(ReportResult.Discarded);

    IResubmitMessage IResubmit.Begin(Envelope envelope) => throw new InvalidOperationException("nothing was to be made");

    /// <summary>The second question is asked in a later turn than the first: that one has come to its commit.</summary>
    private async Task Turns()
    {
        await _queue.ReadAsync(1, TestContext.Current.CancellationToken);
        await _queue.ReadAsync(1, TestContext.Current.CancellationToken);
    }

    private async Task<IReadOnlyList<SpoolOutcome>> Outcomes(ulong id) => (await _queue.ReadAsync(id, TestContext.Current.CancellationToken)).Message!.Outcomes;

    private static async Task Until(Func<bool> holds)
    {
        var until = TimeProvider.System.GetUtcNow() + Limit;
        while (!holds())
        {
            Assert.True(TimeProvider.System.GetUtcNow() < until, "it did not come to this");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }
}
