using System.Collections.Concurrent;
using Facteur.Contracts;
using Facteur.Contracts.Wire;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Services.Queue.Qmgr;
using Facteur.Spool;
using Facteur.Testing;

namespace Facteur.Services.Tests.Queue.Qmgr;

/// <summary>The engine on its thread while commits fail: senders are told, what was delivered is not delivered again, nothing spins.</summary>
public sealed class FailingCommitTests : IRewrite, IBounce, IResubmit, IDeliveryAgent, IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    private readonly MemorySpool _spool = new();
    private readonly TestLog _log = new();
    private readonly ConcurrentQueue<ulong> _delivered = new();
    private readonly SemaphoreSlim _gate = new(0);
    private readonly QmgrService _queue;
    private bool _damaged;
    private volatile bool _failing;
    private volatile bool _begun;
    private Envelope? _sentRound;
    private TimeSpan _age;
    private CleanupStatus _answer = CleanupStatus.Ok;
    private TaskCompletionSource? _answered;
    private Func<Task>? _atEnd;
    private readonly IncomingClient _incoming;
    private readonly DeliveryServer _agents;
    private readonly DeliveryServer _local;
    private readonly RewriteServer _rewrite;

    public FailingCommitTests()
    {
        var log = new ServiceLog(_log, "postfix/qmgr");
        var (asks, answers) = PipePair.Create();
        _rewrite = new RewriteServer(answers, this);
        _queue = new QmgrService(new TestConfig(), _spool, new Bell(), false, this, this, _ => default, log, TimeProvider.System);
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
        _gate.Dispose();
    }

    [Theory]
    [InlineData(CommitResult.NoSpace, CleanupStatus.NoSpace, "error: queue: no space left on device")]
    [InlineData(CommitResult.Failed, CleanupStatus.WriteError, "error: queue: write error: new mail is refused")]
    public async Task Senders_are_refused_and_what_was_delivered_is_not_delivered_again(CommitResult failing, CleanupStatus answer, string line)
    {
        Assert.Equal(CleanupStatus.Ok, await Submit());
        await Until(() => _delivered.Count == 1);
        _spool.Failing = failing;
        Assert.Equal(answer, await Submit());
        _gate.Release();
        await Until(() => _spool.StagedBytes > 0);
        var commits = _spool.Commits;
        await Task.Delay(600, TestContext.Current.CancellationToken);
        // One try in 100 ms.
        Assert.InRange(_spool.Commits - commits, 2, 8);
        Assert.True(await _queue.Control.FlushMessageAsync(_delivered.First(), default));
        Assert.Equal(answer, await Submit());
        Assert.Single(_spool.Ids);
        _spool.Failing = 0;
        await Until(() => _spool.Ids.Count == 0);
        _gate.Release(10);
        Assert.Equal(CleanupStatus.Ok, await Submit());
        await Until(() => _delivered.Count == 2 && _spool.Ids.Count == 0);
        Assert.Single(_log.Lines, l => l.Contains(line, StringComparison.Ordinal));
        Assert.Single(_log.Lines, l => l.Contains("can be written again", StringComparison.Ordinal));
        Assert.Single(_log.Lines, l => l.Contains(": error: ", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_long_message_that_is_still_being_written_stops_no_other()
    {
        var first = await _incoming.TakeIdAsync(default);
        _spool.Unsettled[first] = true;
        var slow = _incoming.EndAsync(first, new byte[10], Message(), default).AsTask();
        Assert.Equal(CleanupStatus.Ok, await Submit());
        Assert.False(slow.IsCompleted);
        Assert.DoesNotContain(first, _spool.Ids);
        _spool.Unsettled.Clear();
        _spool.Settled!();
        Assert.Equal(CleanupStatus.Ok, await slow.WaitAsync(Limit, TestContext.Current.CancellationToken));
        Assert.Contains(first, _spool.Ids);
    }

    [Fact]
    public async Task A_long_message_that_is_still_being_written_ends_with_the_engine()
    {
        var first = await _incoming.TakeIdAsync(default);
        _spool.Unsettled[first] = true;
        var slow = _incoming.EndAsync(first, new byte[10], Message(), default).AsTask();
        Assert.Equal(CleanupStatus.Ok, await Submit());
        _queue.Dispose();
        Assert.Equal(CleanupStatus.Ok, await slow.WaitAsync(Limit, TestContext.Current.CancellationToken));
        Assert.Contains(first, _spool.Ids);
    }

    [Fact]
    public async Task No_more_content_is_asked_for_than_is_written()
    {
        _spool.Behind = true;
        var id = await _incoming.TakeIdAsync(default);
        var sent = 0;
        var sending = Task.Run(async () =>
        {
            for (; sent < 64; sent++)
            {
                await _incoming.ContentAsync(id, new byte[60_000], default);
            }
        }, TestContext.Current.CancellationToken);
        await Task.Delay(300, TestContext.Current.CancellationToken);
        Assert.InRange(Volatile.Read(ref sent), 1, (int)(IncomingFrames.CreditLimit / 60_000) + 1);
        Assert.False(sending.IsCompleted);
        _spool.Behind = false;
        _spool.Settled!();
        await sending.WaitAsync(Limit, TestContext.Current.CancellationToken);
        Assert.Equal(64, sent);
    }

    [Fact]
    public async Task No_delivery_starts_while_outcomes_have_no_room()
    {
        Assert.Equal(CleanupStatus.Ok, await Submit());
        await Until(() => _delivered.Count == 1);
        Assert.Equal(CleanupStatus.Ok, await Submit());
        await Until(() => _delivered.Count == 2);
        _spool.OnReserve = true;
        _spool.FreeBytes = 0;
        Assert.Equal(CleanupStatus.Ok, await Submit());
        _gate.Release(10);
        await Until(() => _spool.Ids.Count == 1);
        await Task.Delay(200, TestContext.Current.CancellationToken);
        Assert.Equal(2, _delivered.Count);
        _spool.OnReserve = false;
        await Until(() => _delivered.Count == 3 && _spool.Ids.Count == 0);
    }

    [Fact]
    public async Task An_order_is_refused_while_the_queue_cannot_be_written_and_done_later()
    {
        Assert.Equal(CleanupStatus.Ok, await Submit(MessageFlags.Hold));
        var id = Assert.Single(_spool.Ids);
        _spool.Failing = CommitResult.Failed;
        await Assert.ThrowsAsync<IOException>(() => _queue.Control.SuperAsync(SuperOperation.Delete, id, default).AsTask());
        await Assert.ThrowsAsync<IOException>(() => _queue.Control.SuperAsync(SuperOperation.Expire, id, default).AsTask());
        Assert.Single(_spool.Ids);
        _spool.Failing = 0;
        await Until(() => _spool.Ids.Count == 0);
        Assert.False(await _queue.Control.SuperAsync(SuperOperation.Delete, id, default));
    }

    [Fact]
    public async Task A_listing_has_what_left_the_active_queue_while_that_cannot_be_written()
    {
        Assert.Equal(CleanupStatus.Ok, await Submit());
        await Until(() => _delivered.Count == 1);
        _spool.Failing = CommitResult.NoSpace;
        _gate.Release();
        await Until(() => _spool.StagedBytes > 0);
        var (messages, cursor) = await _queue.Control.ListAsync(0, 10, default);
        Assert.Single(messages);
        Assert.Equal(ulong.MaxValue, cursor);
        _spool.Failing = 0;
        await Until(() => _spool.Ids.Count == 0);
        Assert.Empty((await _queue.Control.ListAsync(0, 10, default)).Messages);
    }

    [Fact]
    public async Task A_listing_commits_nobodys_mail()
    {
        Task? listing = null;
        // Asked for while a message waits for its commit, which has no room.
        _spool.Ending = () =>
        {
            _spool.Answers.Enqueue(CommitResult.NoSpace);
            listing = _queue.Control.ListAsync(0, 10, default).AsTask();
        };
        Assert.Equal(CleanupStatus.NoSpace, await Submit());
        await listing!.WaitAsync(Limit, TestContext.Current.CancellationToken);
        Assert.Empty(_spool.Ids);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Who_waits_on_hold_for_nobody_is_deferred_when_it_cannot_be_requeued(bool held)
    {
        _answer = CleanupStatus.WriteError;
        Assert.Equal(CleanupStatus.Ok, await Submit(held ? MessageFlags.Hold : MessageFlags.None));
        var id = Assert.Single(_spool.Ids);
        if (!held)
        {
            await Until(() => _delivered.Count == 1);
        }
        var requeue = _queue.Control.SuperAsync(SuperOperation.Requeue, id, default).AsTask();
        if (!held)
        {
            // A delivery under way ends first; it failed, for there is no agent's result.
            _failing = true;
            _gate.Release();
        }
        Assert.False(await requeue.WaitAsync(Limit, TestContext.Current.CancellationToken));
        Assert.Equal(held ? QueueState.Hold : QueueState.Deferred, (await _queue.ReadAsync(id, default)).Message!.Entry.State);
    }

    [Fact]
    public async Task What_goes_through_cleanup_again_is_touched_by_nobody_meanwhile()
    {
        Assert.Equal(CleanupStatus.Ok, await Submit(MessageFlags.Hold));
        var id = Assert.Single(_spool.Ids);
        _answered = new TaskCompletionSource();
        var requeue = _queue.Control.SuperAsync(SuperOperation.Requeue, id, default).AsTask();
        await Until(() => _begun);
        Assert.False(await _queue.Control.FlushMessageAsync(id, default));
        Assert.False(await _queue.Control.SuperAsync(SuperOperation.Release, id, default));
        Assert.False(await _queue.Control.SuperAsync(SuperOperation.Delete, id, default));
        _answered.SetResult();
        Assert.True(await requeue.WaitAsync(Limit, TestContext.Current.CancellationToken));
        Assert.Empty(_spool.Ids);
        Assert.Empty(_delivered);
    }

    // postsuper(1): -r keeps the time of arrival; Postfix: the lifetime is that of the new file.
    [Fact]
    public async Task What_goes_through_cleanup_again_has_a_new_lifetime()
    {
        _age = TimeSpan.FromDays(4);
        Assert.Equal(CleanupStatus.Ok, await Submit(MessageFlags.Hold));
        Assert.True(await _queue.Control.SuperAsync(SuperOperation.Requeue, Assert.Single(_spool.Ids), default).AsTask().WaitAsync(Limit, TestContext.Current.CancellationToken));
        Assert.InRange(_sentRound!.QueuedMicros - _sentRound.ArrivalMicros, _age.TotalMicroseconds - 2_000_000, _age.TotalMicroseconds + 60_000_000);
    }

    [Fact]
    public async Task A_new_message_that_nobody_could_speak_of_any_more_replaces_the_old_one()
    {
        Assert.Equal(CleanupStatus.Ok, await Submit(MessageFlags.Hold));
        var id = Assert.Single(_spool.Ids);
        _answer = CleanupStatus.WriteError;
        // Its end is in the journal, and with it the recipients of the old one are closed; then receive dies.
        _atEnd = () => Submit(MessageFlags.Hold, new ClosedRecipients(id, [0]));
        Assert.True(await _queue.Control.SuperAsync(SuperOperation.Requeue, id, default).AsTask().WaitAsync(Limit, TestContext.Current.CancellationToken));
        Assert.NotEqual(id, Assert.Single(_spool.Ids));
    }

    [Fact]
    public async Task A_failure_that_is_not_reported_yet_outlives_the_requeue_of_the_others()
    {
        Assert.Equal(CleanupStatus.Ok, await Submit(MessageFlags.Hold, recipients: ["c@one.example", "d@one.example"]));
        var id = Assert.Single(_spool.Ids);
        // On the engine's thread, with another's end.
        _spool.Ending = () => _spool.Outcome(id, new SpoolOutcome(0, Done: true, Unreported: true, OutcomeDetail.Write(DeliveryStatus.Bounced(1, 1, "no"), warned: false)));
        Assert.Equal(CleanupStatus.Ok, await Submit(MessageFlags.Hold));
        _spool.Ending = null;
        _atEnd = () => Submit(MessageFlags.Hold, new ClosedRecipients(id, [1]));
        Assert.True(await _queue.Control.SuperAsync(SuperOperation.Requeue, id, default).AsTask().WaitAsync(Limit, TestContext.Current.CancellationToken));
        var left = (await _queue.ReadAsync(id, default)).Message!;
        Assert.Equal([(0, true), (1, false)], left.Outcomes.OrderBy(o => o.Recipient).Select(o => (o.Recipient, o.Unreported)));
        Assert.True(left.Outcomes.All(o => o.Done));
    }

    [Fact]
    public async Task Orders_for_all_leave_damaged_mail_to_who_can_rescue_it()
    {
        _damaged = true;
        Assert.Equal(CleanupStatus.Ok, await Submit());
        await Until(() => _delivered.Count == 1);
        _gate.Release();
        await Until(() => _queue.Control.ListAsync(0, 10, default).AsTask().GetAwaiter().GetResult().Messages is [{ QueueName: "corrupt" }]);
        Assert.Equal(CleanupStatus.Ok, await Submit(MessageFlags.Hold));
        Assert.Equal(1, await _queue.Control.SuperAllAsync(SuperOperation.Delete, null, default));
        Assert.Single(_spool.Ids);
        Assert.Equal(1, await _queue.Control.SuperAllAsync(SuperOperation.Delete, "corrupt", default));
        Assert.Empty(_spool.Ids);
    }

    [Fact]
    public async Task Abandoned_listings_end_no_listing_that_is_read()
    {
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(CleanupStatus.Ok, await Submit(MessageFlags.Hold));
        }
        var (_, read) = await _queue.Control.ListAsync(0, 1, default);
        var (_, abandoned) = await _queue.Control.ListAsync(0, 1, default);
        for (var i = 0; i < 90; i++)
        {
            Assert.Single((await _queue.Control.ListAsync(0, 1, default)).Messages);
            Assert.Single((await _queue.Control.ListAsync(read, 1, default)).Messages);
        }
        var given = await Assert.ThrowsAsync<ControlException>(() => _queue.Control.ListAsync(abandoned, 1, default).AsTask());
        Assert.Equal(ControlFailure.BadRequest, given.Failure);
    }

    [Fact]
    public async Task A_requeue_whose_first_step_is_refused_leaves_the_message_as_it_was()
    {
        Assert.Equal(CleanupStatus.Ok, await Submit(MessageFlags.Hold));
        var id = Assert.Single(_spool.Ids);
        _spool.Failing = CommitResult.NoSpace;
        await Assert.ThrowsAsync<IOException>(() => _queue.Control.SuperAsync(SuperOperation.Requeue, id, default).AsTask());
        _spool.Failing = 0;
        await Until(() => _queue.ReadAsync(id, default).GetAwaiter().GetResult().Message is { } message
            && message.Entry.State == QueueState.Hold && message.Outcomes.Count == 1 && !message.Outcomes[0].Done);
        Assert.Empty(_delivered);
        _gate.Release();
        Assert.True(await _queue.Control.SuperAsync(SuperOperation.Release, id, default));
        Assert.True(await _queue.Control.FlushMessageAsync(id, default));
        await Until(() => _spool.Ids.Count == 0);
    }

    [Theory]
    [InlineData(1, 0, 0)]
    [InlineData(100, 1, 1)]
    public async Task The_end_writes_what_is_staged_or_says_that_it_could_not(int failures, int left, int lines)
    {
        Assert.Equal(CleanupStatus.Ok, await Submit());
        await Until(() => _delivered.Count == 1);
        await _queue.ReadAsync(1, default);
        _spool.Failing = CommitResult.Failed;
        _gate.Release();
        await Until(() => _spool.StagedBytes > 0);
        if (failures == 1)
        {
            _spool.Failing = 0;
        }
        _queue.Dispose();
        Assert.Equal(left, _spool.Ids.Count);
        Assert.Equal(lines, _log.Lines.Count(l => l.Contains("write error at the stop", StringComparison.Ordinal)));
    }

    async ValueTask<DeliveryResult> IDeliveryAgent.DeliverAsync(DeliveryRequest request, CancellationToken cancel)
    {
        _delivered.Enqueue(request.MessageId);
        await _gate.WaitAsync(cancel);
        return _failing ? new DeliveryResult(request.RequestId, []) : _damaged ? new DeliveryResult(request.RequestId, [], Damaged: true) : QmgrSimulation.Ok(request);
    }

    ValueTask<string?> IRewrite.RewriteAsync(bool local, string address, CancellationToken cancel) => new(address);

    ValueTask<Resolution> IRewrite.ResolveAsync(string sender, string recipient, CancellationToken cancel) =>
        new(new Resolution("smtp", "one.example", recipient, ResolveFlags.Default));

    ValueTask<ReportResult> IBounce.ReportAsync(ReportRequest request, CancellationToken cancel) => new(ReportResult.Discarded);

    IResubmitMessage IResubmit.Begin(Envelope envelope)
    {
        _begun = true;
        _sentRound = envelope;
        return new Made(this);
    }

    private async Task Until(Func<bool> holds)
    {
        var until = TimeProvider.System.GetUtcNow() + Limit;
        while (!holds())
        {
            Assert.True(TimeProvider.System.GetUtcNow() < until, $"it did not come to this; the log: {string.Join("; ", _log.Lines)}");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }

    private async Task<CleanupStatus> Submit(MessageFlags flags = MessageFlags.None, ClosedRecipients? closes = null, params string[] recipients)
    {
        var cancel = TestContext.Current.CancellationToken;
        var id = await _incoming.TakeIdAsync(cancel);
        return await _incoming.EndAsync(id, "x\n"u8.ToArray(), Message(flags, closes, recipients, _age), cancel);
    }

    /// <summary>A message that goes through cleanup again.</summary>
    private sealed class Made(FailingCommitTests test) : IResubmitMessage
    {
        public ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel) => default;

        public async ValueTask<ResubmitResult> EndAsync(CancellationToken cancel)
        {
            await (test._answered?.Task ?? Task.CompletedTask);
            await (test._atEnd?.Invoke() ?? Task.CompletedTask);
            return new ResubmitResult(new CleanupResult(test._answer), "4QNEW");
        }

        public void Dispose()
        {
        }
    }

    private static Envelope Message(MessageFlags flags = MessageFlags.None, ClosedRecipients? closes = null, string[]? recipients = null, TimeSpan age = default) => new()
    {
        Sender = "a@b.example",
        ArrivalMicros = (TimeProvider.System.GetUtcNow() - age - DateTimeOffset.UnixEpoch).Ticks / 10,
        ContentSize = 2,
        Flags = flags,
        Closes = closes,
        Recipients = [.. (recipients ?? []).DefaultIfEmpty("c@one.example").Select(r => new EnvelopeRecipient(r))],
    };
}
