using Facteur.Contracts;
using Facteur.Contracts.Wire;
using Facteur.Services.Queue.Qmgr;
using Facteur.Spool;
using Facteur.Testing;

namespace Facteur.Services.Tests.Queue.Qmgr;

/// <summary>The engine on its thread with a clock that stands still: how long outcomes wait when no mail comes that they could ride with.</summary>
public sealed class OutcomeTimeTests : EngineRoom, IDeliveryAgent, IDisposable
{
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
        _queue = new QmgrService(new TestConfig(), _spool, new Bell(), false, this, this, _ => default, log, Time);
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
        var id = await SubmitAsync(_incoming, "c@first.example", "d@second.example");

        // One has it, the other is still being delivered: the message stays, and with it the outcome.
        await Until(() => _spool.StagedBytes > 0);
        await Turns();
        Time.Advance(TimeSpan.FromMilliseconds(9));
        await Turns();
        Assert.True(_spool.StagedBytes > 0);
        Assert.Empty(await Outcomes(id));
        Time.Advance(TimeSpan.FromMilliseconds(1));
        await Until(() => _spool.StagedBytes == 0);
        Assert.True(Assert.Single(await Outcomes(id)).Done);

        Time.Advance(TimeSpan.FromMilliseconds(89));
        await Turns();
        Assert.True(_spool.HasUnsynced);
        Time.Advance(TimeSpan.FromMilliseconds(1));
        await Until(() => !_spool.HasUnsynced);
        _second.Release();
        await Until(() => _spool.StagedBytes > 0);
        await Turns();
        Time.Advance(TimeSpan.FromMilliseconds(10));
        await Until(() => _spool.Ids.Count == 0);
    }

    [Fact]
    public async Task Agents_are_told_of_few_results_in_the_journal_when_the_queue_stops()
    {
        await SubmitAsync(_incoming, "c@first.example");
        await Until(() => _spool.StagedBytes > 0);
        await Turns();
        Time.Advance(TimeSpan.FromMilliseconds(10));
        await Until(() => _spool.Ids.Count == 0);
        // So few are not worth a frame while all goes on.
        Assert.Equal(1, _agents.Kept);
        Assert.False(_agents.TryEnd(begins: false));
        _queue.Stop();
        await Turns();
        Time.Advance(TimeSpan.FromMilliseconds(100));
        await Until(() => _agents.TryEnd(begins: false));
    }

    async ValueTask<DeliveryResult> IDeliveryAgent.DeliverAsync(DeliveryRequest request, CancellationToken cancel)
    {
        if (request.Nexthop == "second.example")
        {
            await _second.WaitAsync(cancel);
        }
        return QmgrSimulation.Ok(request);
    }

    /// <summary>The second question is asked in a later turn than the first: that one has come to its commit.</summary>
    private async Task Turns()
    {
        await _queue.ReadAsync(1, TestContext.Current.CancellationToken);
        await _queue.ReadAsync(1, TestContext.Current.CancellationToken);
    }

    private async Task<IReadOnlyList<SpoolOutcome>> Outcomes(ulong id) => (await _queue.ReadAsync(id, TestContext.Current.CancellationToken)).Message!.Outcomes;
}
