using Facteur.Contracts;
using Facteur.Contracts.Wire;
using Facteur.Services.Queue.Qmgr;
using Facteur.Testing;

namespace Facteur.Services.Tests.Queue.Qmgr;

/// <summary>A queue that starts: deliveries begin when it is known what agents do for the queue before it.</summary>
public sealed class AgentsWaitTests : EngineRoom, IDeliveryAgent, IDisposable
{
    private readonly MemorySpool _spool = new();
    private readonly ServiceLog _log = new(new TestLog(), "postfix/qmgr");
    private readonly QmgrService _queue;
    private readonly DeliveryServer _agents;
    private readonly RewriteServer _rewrite;
    private DeliveryServer? _local;
    private int _delivered;

    public AgentsWaitTests()
    {
        var (asks, answers) = PipePair.Create();
        _rewrite = new RewriteServer(answers, this);
        _queue = new QmgrService(new TestConfig(), _spool, new Bell(), false, this, this, _ => default, _log, Time);
        _queue.AttachRewrite(asks);
        var (engine, agents) = PipePair.Create();
        _agents = new DeliveryServer(_ => this, _log).Attach(agents);
        _queue.AttachAgents(engine, local: false);
    }

    public void Dispose()
    {
        _queue.Dispose();
        _agents.Dispose();
        _local?.Dispose();
        _rewrite.Dispose();
    }

    [Fact]
    public async Task Agents_that_are_there_are_waited_for_until_they_have_said_what_they_do()
    {
        var (engine, local) = PipePair.Create();
        _queue.AttachAgents(engine, local: true);
        await Submit();
        await Pass(29);
        Assert.Equal(0, _delivered);
        _local = new DeliveryServer(_ => this, _log).Attach(local);
        await Until(() => _delivered == 1);
    }

    [Theory]
    [InlineData(true, 28, 3)]
    [InlineData(false, 1, 2)]
    public async Task Agents_that_say_nothing_or_do_not_come_are_not_waited_for_for_ever(bool there, int before, int more)
    {
        if (there)
        {
            _queue.AttachAgents(PipePair.Create().Item1, local: true);
        }
        await Submit();
        await Pass(before);
        Assert.Equal(0, _delivered);
        await Pass(more);
        await Until(() => _delivered == 1);
    }

    async ValueTask<DeliveryResult> IDeliveryAgent.DeliverAsync(DeliveryRequest request, CancellationToken cancel)
    {
        Interlocked.Increment(ref _delivered);
        await Task.Yield();
        return QmgrSimulation.Ok(request);
    }

    private async Task Submit()
    {
        _queue.Start(static _ => false);
        var (server, client) = PipePair.Create();
        _queue.Accept(server);
        using var incoming = new IncomingClient(client);
        await SubmitAsync(incoming, "c@first.example");
    }

    /// <summary>Time passes, and the engine has turns in it.</summary>
    private async Task Pass(int seconds)
    {
        for (var i = 0; i < 2 * seconds; i++)
        {
            Time.Advance(TimeSpan.FromMilliseconds(500));
            await _queue.ReadAsync(1, TestContext.Current.CancellationToken);
            await _queue.ReadAsync(1, TestContext.Current.CancellationToken);
        }
    }
}
