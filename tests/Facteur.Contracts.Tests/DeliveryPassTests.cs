using Facteur.Contracts.Wire;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts.Tests;

public sealed class DeliveryPassTests
{
    [Fact]
    public async Task Results_come_back_under_the_callers_number_and_are_not_kept_by_the_agents()
    {
        using var pass = new DeliveryPass();
        Assert.Equal("mail transport unavailable", (await pass.AgentOf("lmtp").DeliverAsync(Request(), default)).DestinationFailed?.Reason);
        var gate = new TaskCompletionSource();
        var (near, far) = PipePair.Create();
        using var server = new DeliveryServer(name => name == "lmtp" ? new Agent(gate.Task) : null, new ServiceLog(new NoLog(), "test"), outlives: true).Attach(far);
        pass.Attach(near);
        var both = new[] { pass.AgentOf("lmtp").DeliverAsync(Request(), default).AsTask(), pass.AgentOf("lmtp").DeliverAsync(Request(), default).AsTask() };
        Assert.NotNull((await pass.AgentOf("nosuch").DeliverAsync(Request(), default)).DestinationFailed);
        Assert.All(both, delivery => Assert.False(delivery.IsCompleted));
        gate.SetResult();
        foreach (var result in await Task.WhenAll(both).WaitAsync(TimeSpan.FromSeconds(30)))
        {
            Assert.Equal((7ul, "lmtp b.example r"), (result.RequestId, Assert.Single(result.Recipients).Status.Reason));
        }
        // Agents that keep nothing have nothing to tell a second link of.
        var (again, theirs) = PipePair.Create();
        server.Attach(theirs);
        var reader = new LinkReader(again.Input, static () => { });
        SpinWait.SpinUntil(() => reader.TryRead(out var frame) && (frame.Type == DeliveryFrames.Ready ? true : throw new InvalidOperationException($"frame {frame.Type}")), TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task What_is_under_way_when_the_agents_go_is_to_be_tried_again()
    {
        using var pass = new DeliveryPass();
        var (near, far) = PipePair.Create();
        var server = new DeliveryServer(_ => new Agent(new TaskCompletionSource().Task), new ServiceLog(new NoLog(), "test")).Attach(far);
        pass.Attach(near);
        var delivery = pass.AgentOf("lmtp").DeliverAsync(Request(), default).AsTask();
        Assert.True(SpinWait.SpinUntil(() => server.UnderWay == 1, TimeSpan.FromSeconds(30)));
        server.Dispose();
        Assert.Equal(DeliveryOutcome.Deferred, (await delivery.WaitAsync(TimeSpan.FromSeconds(30))).DestinationFailed?.Outcome);
        Assert.Equal(DeliveryOutcome.Deferred, (await pass.AgentOf("lmtp").DeliverAsync(Request(), default)).DestinationFailed?.Outcome);
    }

    private static DeliveryRequest Request() => new()
    {
        RequestId = 7,
        MessageId = 5,
        QueueId = "Q5",
        Transport = "lmtp",
        Nexthop = "b.example",
        Envelope = new Envelope { Sender = "s" },
        Recipients = [new DeliveryRecipient(1, new EnvelopeRecipient("r"))],
        Layout = new ContentLayout([new Extent(ExtentKind.Journal, 2, 64, 3)]),
        ActiveMicros = 1_000_000,
    };

    private sealed class Agent(Task gate) : IDeliveryAgent
    {
        public async ValueTask<DeliveryResult> DeliverAsync(DeliveryRequest request, CancellationToken cancel)
        {
            await gate.WaitAsync(cancel);
            return new DeliveryResult(request.RequestId, [new RecipientResult(1, DeliveryStatus.Sent($"{request.Transport} {request.Nexthop} {request.Recipients[0].Recipient.Address}"))]);
        }
    }

    private sealed class NoLog : IMailLog
    {
        public void Write(string tag, LogLevel level, string text)
        {
        }
    }
}
