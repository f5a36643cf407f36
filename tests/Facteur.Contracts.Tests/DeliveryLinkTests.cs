using System.Collections.Concurrent;
using Facteur.Contracts.Wire;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts.Tests;

/// <summary>The agents' end when queues come and go.</summary>
public sealed class DeliveryLinkTests : IDeliveryAgent, IDisposable
{
    private readonly ConcurrentQueue<ulong> _begun = new();
    private readonly ManualResetEventSlim _go = new();

    public void Dispose() => _go.Dispose();

    [Fact]
    public async Task Requests_of_a_dead_queue_that_were_not_read_are_left_to_the_next()
    {
        var cancel = TestContext.Current.CancellationToken;
        var (first, firstFar) = PipePair.Create();
        using var server = new DeliveryServer(_ => this, new ServiceLog(new NoLog(), "test"), outlives: true).Attach(first);
        var writer = new LinkWriter(firstFar.Output);
        for (ulong i = 1; i <= 3; i++)
        {
            writer.Write(DeliveryFrames.Deliver, DeliveryFrames.Version, i, Request(i), DeliveryFrames.WriteRequest);
        }
        writer.Flush();
        await Until(() => !_begun.IsEmpty);
        writer.Complete();
        var (next, nextFar) = PipePair.Create();
        // It waits for the thread of the link before, which is in the middle of the first request.
        var attached = Task.Run(() => server.Attach(next), cancel);
        var sink = new Sink();
        var queue = new DeliveryClient(nextFar, static () => { });
        await Until(() =>
        {
            queue.Poll(sink);
            return queue.Ready;
        });
        _go.Set();
        await attached.WaitAsync(TimeSpan.FromSeconds(20), cancel);
        await Until(() =>
        {
            queue.Poll(sink);
            return sink.Ended.Count == 1;
        });
        Assert.Equal([1UL], sink.Begun);
        Assert.Equal([1UL], _begun);
        Assert.Equal(1, server.Kept);
    }

    [Fact]
    public async Task It_ends_when_a_queue_has_the_results_in_its_journal_and_takes_nothing_more()
    {
        var (near, far) = PipePair.Create();
        using var server = new DeliveryServer(_ => this, new ServiceLog(new NoLog(), "test"), outlives: true).Attach(near);
        var writer = new LinkWriter(far.Output);
        Ask(writer, 1);
        await Until(() => _begun.Count == 1);
        Assert.False(server.TryEnd(begins: true));
        // The queue is gone when it ends: the next one hears of it.
        writer.Complete();
        _go.Set();
        await Until(() => server.UnderWay == 0);
        await Task.Delay(50, TestContext.Current.CancellationToken);
        Assert.False(server.TryEnd(begins: true));
        var (next, nextFar) = PipePair.Create();
        server.Attach(next);
        var sink = new Sink();
        var queue = new DeliveryClient(nextFar, static () => { });
        await Until(() =>
        {
            queue.Poll(sink);
            return sink.Ended.Count == 1;
        });
        Assert.False(server.TryEnd(begins: true));
        queue.Recorded(sink.Ended);
        queue.Flush();
        await Until(() => server.TryEnd(begins: true));
        queue.Send(Request(2));
        queue.Flush();
        await Task.Delay(100, TestContext.Current.CancellationToken);
        Assert.Equal([1UL], _begun);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task While_it_ends_it_begins_what_the_next_agents_do_not_have(bool begins)
    {
        var (near, far) = PipePair.Create();
        using var server = new DeliveryServer(_ => new Slow(this), new ServiceLog(new NoLog(), "test"), outlives: true).Attach(near);
        var writer = new LinkWriter(far.Output);
        Ask(writer, 1);
        await Until(() => _begun.Count == 1);
        Assert.False(server.TryEnd(begins));
        Ask(writer, 2);
        if (begins)
        {
            await Until(() => _begun.Count == 2);
        }
        else
        {
            await Task.Delay(100, TestContext.Current.CancellationToken);
            Assert.Equal([1UL], _begun);
        }
        _go.Set();
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public async Task A_transport_that_is_not_known_may_be_known_in_a_moment(bool ends, bool failed)
    {
        var (near, far) = PipePair.Create();
        var known = false;
        using var server = new DeliveryServer(t => t == "new" && Volatile.Read(ref known) ? this : null, new ServiceLog(new NoLog(), "test"), outlives: true).Attach(near);
        var queue = new DeliveryClient(far, static () => { });
        queue.Send(Request(1, "new"));
        queue.Send(Request(2, "none"));
        queue.Flush();
        _go.Set();
        await Task.Delay(100, TestContext.Current.CancellationToken);
        Volatile.Write(ref known, true);
        await Until(() => _begun.Count == 1);
        if (ends)
        {
            server.TryEnd(begins: true);
        }
        var results = new Results();
        await Until(() =>
        {
            queue.Poll(results);
            return results.All.Count == 2;
        });
        Assert.Equal([1UL], _begun);
        Assert.Equal(failed, results.All.Single(r => r.RequestId == 2).TransportFailed);
    }

    private static void Ask(LinkWriter writer, ulong number)
    {
        writer.Write(DeliveryFrames.Deliver, DeliveryFrames.Version, number, Request(number), DeliveryFrames.WriteRequest);
        writer.Flush();
    }

    private sealed class Results : IDeliverySink
    {
        public List<DeliveryResult> All { get; } = [];

        public void Result(DeliveryResult result) => All.Add(result);

        public void UnderWay(ulong number, ulong messageId, IReadOnlyList<int> recipients)
        {
        }

        public void Replayed(DeliveryResult result)
        {
        }
    }

    [Fact]
    public async Task A_request_that_can_not_be_read_waits_and_the_link_goes_on()
    {
        var (near, far) = PipePair.Create();
        using var server = new DeliveryServer(_ => this, new ServiceLog(new NoLog(), "test"), outlives: true).Attach(near);
        var queue = new DeliveryClient(far, static () => { });
        _go.Set();
        var bad = Request(1);
        bad.Envelope.Sender = new string('a', 4097);
        queue.Send(bad);
        queue.Send(Request(2));
        queue.Flush();
        var sink = new Results();
        await Until(() =>
        {
            queue.Poll(sink);
            return sink.All.Count == 2 || queue.Closed;
        });
        Assert.Equal([1UL, 2UL], sink.All.Select(r => r.RequestId).Order());
        Assert.Equal(DeliveryOutcome.Deferred, sink.All.Single(r => r.RequestId == 1).DestinationFailed?.Outcome);
        Assert.Single(sink.All.Single(r => r.RequestId == 2).Recipients);
    }

    [Fact]
    public void A_result_that_can_not_be_read_is_none_and_the_link_goes_on()
    {
        var (near, far) = PipePair.Create();
        var queue = new DeliveryClient(near, static () => { });
        var writer = new LinkWriter(far.Output);
        writer.Write(DeliveryFrames.Result, DeliveryFrames.Version, 1, 0, static (int _, ref FieldWriter fields) => fields.Byte(2));
        writer.Write(DeliveryFrames.Result, DeliveryFrames.Version, 2, new DeliveryResult(2, [new RecipientResult(0, DeliveryStatus.Sent("ok"))]), DeliveryFrames.WriteResult);
        writer.Flush();
        var sink = new Results();
        while (queue.Poll(sink))
        {
        }
        Assert.False(queue.Closed);
        Assert.Equal([(1UL, 0), (2UL, 1)], sink.All.Select(r => (r.RequestId, r.Recipients.Count)));
    }

    ValueTask<DeliveryResult> IDeliveryAgent.DeliverAsync(DeliveryRequest request, CancellationToken cancel)
    {
        _begun.Enqueue(request.MessageId);
        _go.Wait(cancel);
        return new(new DeliveryResult(request.RequestId, [new RecipientResult(0, DeliveryStatus.Sent("ok"))]));
    }

    // Others go on meanwhile.
    private sealed class Slow(DeliveryLinkTests test) : IDeliveryAgent
    {
        public async ValueTask<DeliveryResult> DeliverAsync(DeliveryRequest request, CancellationToken cancel)
        {
            test._begun.Enqueue(request.MessageId);
            await Task.Run(() => test._go.Wait(cancel), cancel);
            return new DeliveryResult(request.RequestId, []);
        }
    }

    private static DeliveryRequest Request(ulong id, string transport = "smtp") => new()
    {
        RequestId = id,
        MessageId = id,
        QueueId = $"Q{id}",
        Transport = transport,
        Nexthop = "b.example",
        Envelope = new Envelope { Sender = "s" },
        Recipients = [new DeliveryRecipient(0, new EnvelopeRecipient("r"))],
        Layout = new ContentLayout([new Extent(ExtentKind.Journal, 2, 64, 3)]),
        ActiveMicros = 1_000_000,
    };

    private static async Task Until(Func<bool> holds)
    {
        for (var i = 0; !holds(); i++)
        {
            Assert.True(i < 4000, "it did not come to this");
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }

    private sealed class Sink : IDeliverySink
    {
        public List<ulong> Begun { get; } = [];

        public List<ulong> Ended { get; } = [];

        public void Result(DeliveryResult result) => Assert.Fail("the new queue asked for nothing");

        public void UnderWay(ulong number, ulong messageId, IReadOnlyList<int> recipients) => Begun.Add(messageId);

        public void Replayed(DeliveryResult result) => Ended.Add(result.RequestId);
    }

    private sealed class NoLog : IMailLog
    {
        public void Write(string tag, LogLevel level, string text)
        {
        }
    }
}
