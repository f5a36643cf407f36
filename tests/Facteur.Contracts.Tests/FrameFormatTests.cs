using System.Buffers;
using System.IO.Pipelines;
using Facteur.Contracts.Wire;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts.Tests;

/// <summary>docs/formats/contracts.md: what the ends of each link put on the wire, frame by frame. A change here is a new version.</summary>
public sealed class FrameFormatTests : IDisposable, IProbeResults
{
    private readonly IDuplexPipe _near;
    private readonly IDuplexPipe _far;
    private readonly List<string> _probed = [];
    private string _contract = "";

    public FrameFormatTests() => (_near, _far) = PipePair.Create();

    private static Envelope Small => new() { Sender = "s", Recipients = [new EnvelopeRecipient("r")] };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _far.Output.Complete();
        _far.Input.Complete();
    }

    [Fact]
    public async Task Incoming()
    {
        _contract = "Incoming";
        using var client = new IncomingClient(_near);
        await Sends("TakeIds");
        await client.ContentAsync(5, "hi\n"u8.ToArray(), Cancel);
        await Sends("Content");
        var end = client.EndAsync(5, "x\n"u8.ToArray(), Small, Cancel);
        await Sends("End");
        client.Abort(6);
        await Sends("Abort");
        _far.Output.Complete();
        Assert.Equal(CleanupStatus.WriteError, await end);
    }

    [Fact]
    public async Task Incoming_from_the_queue()
    {
        _contract = "Incoming";
        var server = new IncomingServer(_near, static () => { });
        server.Ids(1000, 16);
        server.Flush();
        await Sends("Ids");
        server.Done(5, CleanupStatus.Ok);
        server.Done(6, CleanupStatus.NoSpace);
        server.Flush();
        await Sends("Done");
        await GivesAsync(server, 5);
        await Receives("Content");
        Assert.True(server.Poll(new NoSink()));
        server.FlushCredit();
        await Sends("Credit");
    }

    [Fact]
    public async Task Rewrite()
    {
        _contract = "Rewrite";
        using var client = new RewriteClient(_near, senderDependent: false, TimeProvider.System, static () => { });
        var rewritten = client.RewriteAsync(true, "joe", Cancel);
        client.Flush();
        await Sends("Rewrite");
        await Receives("Rewritten");
        Assert.True(client.Poll());
        Assert.Equal("joe@a.example", await rewritten);
        var resolved = client.ResolveAsync("s", "joe@a.example", Cancel);
        client.Flush();
        await Sends("Resolve");
        await Receives("Resolved");
        Assert.True(client.Poll());
        Assert.Equal(new Resolution("local", "a.example", "joe@a.example", ResolveFlags.Local), await resolved);
        var probe = client.ResolveProbeAsync("s", "joe@a.example", Cancel);
        client.Flush();
        await Sends("ResolveProbe");
        await Receives("ResolvedProbe");
        Assert.True(client.Poll());
        Assert.Equal("local", (await probe).Transport);
    }

    [Fact]
    public async Task Rewrite_from_trivial_rewrite()
    {
        _contract = "Rewrite";
        using var server = new RewriteServer(_near, new OneAnswer());
        await Receives("Rewrite");
        await Sends("Rewritten");
        await Receives("Resolve");
        await Sends("Resolved");
        await Receives("ResolveProbe");
        await Sends("ResolvedProbe");
    }

    [Fact]
    public async Task Delivery()
    {
        _contract = "Delivery";
        var client = new DeliveryClient(_near, static () => { });
        client.Send(new DeliveryRequest
        {
            RequestId = 7,
            MessageId = 5,
            QueueId = "Q5",
            Transport = "smtp",
            Nexthop = "b.example",
            Envelope = new Envelope { Sender = "s" },
            Recipients = [new DeliveryRecipient(1, new EnvelopeRecipient("r"))],
            Layout = new ContentLayout([new Extent(ExtentKind.Journal, 2, 64, 3)]),
            ActiveMicros = 1_000_000,
            Flags = DeliveryFlags.KeepConnection,
        });
        client.Flush();
        await Sends("Deliver");
    }

    [Fact]
    public async Task Delivery_from_the_agents()
    {
        _contract = "Delivery";
        using var server = new DeliveryServer(static _ => new OneAgent(), new ServiceLog(new NoLog(), "test")).Attach(_near);
        await Sends("Ready");
        await Receives("Deliver");
        await Sends("Result");
    }

    [Fact]
    public async Task Delivery_by_a_transport_that_is_not_there()
    {
        _contract = "Delivery";
        using var server = new DeliveryServer(static _ => null, new ServiceLog(new NoLog(), "test")).Attach(_near);
        await Sends("Ready");
        await Receives("Deliver");
        await Sends("Absent");
    }

    [Fact]
    public async Task Delivery_for_a_queue_that_is_gone_is_told_to_the_next_until_it_is_recorded()
    {
        _contract = "Delivery";
        var end = new TaskCompletionSource();
        var (firstNear, firstFar) = PipePair.Create();
        using var server = new DeliveryServer(_ => new OneAgent(end.Task), new ServiceLog(new NoLog(), "test"), outlives: true).Attach(firstNear);
        await firstFar.Output.WriteAsync(Bytes("Deliver"), Cancel);
        while (server.UnderWay == 0)
        {
            await Task.Delay(5, Cancel);
        }
        await firstFar.Output.CompleteAsync();
        server.Attach(_near);
        await Sends("UnderWay");
        await Sends("Ready");
        end.SetResult();
        await Sends("Replayed");
        await Receives("Recorded");
        for (var i = 0; i < 2000 && server.Kept > 0; i++)
        {
            // Recorded is read by a thread of its own.
            await Task.Delay(5, Cancel);
        }
        Assert.Equal(0, server.Kept);
        var (near, far) = PipePair.Create();
        server.Attach(near);
        var first = await far.Input.ReadAtLeastAsync(16, Cancel);
        Assert.Equal(DeliveryFrames.Ready, first.Buffer.Slice(0, 16).FirstSpan[4]);
    }

    [Fact]
    public async Task What_goes_on_for_an_earlier_queue_is_read_and_its_end_recorded()
    {
        _contract = "Delivery";
        var client = new DeliveryClient(_near, static () => { });
        var sink = new DeliverySink();
        foreach (var frame in (string[])["UnderWay", "Replayed", "Ready"])
        {
            await Receives(frame);
        }
        for (var i = 0; i < 2000 && !client.Ready; i++)
        {
            client.Poll(sink);
            await Task.Delay(1, Cancel);
        }
        Assert.Equal([$"under way {1UL << 63 | 1}: message 5 recipient 1", $"replayed {1UL << 63 | 1}: recipient 1 ok"], sink.Said);
        var done = new List<ulong> { 1UL << 63 | 1 };
        client.Recorded(done);
        client.Flush();
        Assert.Empty(done);
        await Sends("Recorded");
    }

    [Fact]
    public async Task Resubmit()
    {
        _contract = "Resubmit";
        using var client = new ResubmitClient(_near);
        using (var message = client.Begin(Small))
        {
            await message.WriteAsync("hi\n"u8.ToArray(), Cancel);
            await Sends("Begin");
            await Sends("Content");
            await Receives("Taken");
            var done = message.EndAsync(Cancel);
            await Sends("End");
            await Receives("Done");
            Assert.Equal(new ResubmitResult(new CleanupResult(CleanupStatus.Rejected, "no"), "Q9"), await done);
        }
        var forgotten = client.Begin(Small);
        forgotten.Dispose();
        await Take(Bytes("Begin").Length);
        await Sends("Abort");
        client.Probed("a@b", new AddressVerdict(AddressStatus.Bounced, "nop"));
        await Sends("Probed");
    }

    [Fact]
    public async Task Resubmit_from_cleanup()
    {
        _contract = "Resubmit";
        using var server = new ResubmitServer(_near, new OneCleanup(), new ServiceLog(new NoLog(), "test"), this);
        await Receives("Probed");
        await Receives("Begin");
        await Receives("Content");
        await Sends("Taken");
        await Receives("End");
        await Sends("Taken");
        await Sends("Done");
        Assert.Equal(["a@b Bounced nop"], _probed);
    }

    /// <summary>The link is that of all reports and forwards.</summary>
    [Fact]
    public async Task A_message_that_can_not_be_read_costs_no_other()
    {
        _contract = "Resubmit";
        using var server = new ResubmitServer(_near, new OneCleanup(), new ServiceLog(new NoLog(), "test"), this);
        var unknown = Bytes("Begin");
        unknown[Frame.HeaderLength] = 99;
        await _far.Output.WriteAsync(unknown, Cancel);
        var done = await Take(Frame.HeaderLength);
        Assert.Equal((byte)CleanupStatus.WriteError, (await Take(BitConverter.ToInt32(done)))[0]);
        await Receives("Content");
        await Receives("End");
        await Receives("Begin");
        await Receives("Content");
        await Sends("Taken");
        Assert.False(server.IsClosed);
    }

    void IProbeResults.Probed(string address, AddressVerdict verdict) => _probed.Add($"{address} {verdict.Status} {verdict.Text}");

    /// <summary>A writer may speak of numbers it was given.</summary>
    private async Task GivesAsync(IncomingServer server, ulong number)
    {
        server.Ids(number, 1);
        server.Flush();
        await Take(Bytes("Ids").Length);
    }

    private async Task Sends(string frame)
    {
        var expected = Bytes(frame);
        Assert.Equal(Convert.ToHexString(expected), Convert.ToHexString(await Take(expected.Length)));
    }

    private async Task Receives(string frame) => await _far.Output.WriteAsync(Bytes(frame), Cancel);

    private async Task<byte[]> Take(int count)
    {
        var result = await _far.Input.ReadAtLeastAsync(count, Cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(20), Cancel);
        var bytes = result.Buffer.Slice(0, count).ToArray();
        _far.Input.AdvanceTo(result.Buffer.GetPosition(count));
        // Pipes run their readers on the writer's thread, within its locks: what follows may end the writer.
        await Task.Yield();
        return bytes;
    }

    /// <summary>The golden bytes of a frame: a line of the page's block of the contract.</summary>
    private byte[] Bytes(string frame)
    {
        var block = Page.Split("```golden " + _contract + "\n")[1].Split("```")[0];
        var line = block.Split('\n').Single(l => l.StartsWith(frame + " ", StringComparison.Ordinal));
        return Convert.FromHexString(line[frame.Length..].Replace(" ", "", StringComparison.Ordinal));
    }

    private static string Page { get; } = ReadPage();

    private static string ReadPage()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory!.FullName, "Facteur.slnx")))
        {
            directory = directory.Parent;
        }
        return File.ReadAllText(Path.Combine(directory.FullName, "docs", "formats", "contracts.md"));
    }

    private sealed class NoSink : IIncomingSink
    {
        public void TakeIds(IncomingServer from, int count)
        {
        }

        public void Content(IncomingServer from, ulong id, ReadOnlySpan<byte> content)
        {
        }

        public void End(IncomingServer from, ulong id, ReadOnlySpan<byte> lastContent, Envelope envelope)
        {
        }

        public void Abort(ulong id)
        {
        }

        public void Closed(IncomingServer from)
        {
        }
    }

    private sealed class OneAnswer : IRewrite
    {
        public ValueTask<string?> RewriteAsync(bool local, string address, CancellationToken cancel) => new(address + "@a.example");

        public ValueTask<Resolution> ResolveAsync(string sender, string recipient, CancellationToken cancel) => new(new Resolution("local", "a.example", recipient, ResolveFlags.Local));
    }

    private sealed class OneAgent(Task? end = null) : IDeliveryAgent
    {
        public async ValueTask<DeliveryResult> DeliverAsync(DeliveryRequest request, CancellationToken cancel)
        {
            await (end ?? Task.CompletedTask);
            return new DeliveryResult(request.RequestId, [new RecipientResult(request.Recipients[0].Index, DeliveryStatus.Sent("ok"))], DeliveryStatus.Deferred(4, 1, "down"));
        }
    }

    private sealed class DeliverySink : IDeliverySink
    {
        public List<string> Said { get; } = [];

        public void Result(DeliveryResult result) => Assert.Fail("no result is expected");

        public void UnderWay(ulong number, ulong messageId, IReadOnlyList<int> recipients) => Said.Add($"under way {number}: message {messageId} recipient {recipients.Single()}");

        public void Replayed(DeliveryResult result) => Said.Add($"replayed {result.RequestId}: recipient {result.Recipients.Single().Index} {result.Recipients.Single().Status.Reason}");
    }

    private sealed class OneCleanup : ICleanup, ICleanupMessage
    {
        public ulong Id => 9;

        public string QueueId => "Q9";

        public bool RecipientsFromHeaders { get; set; }

        public ValueTask<ICleanupMessage?> OpenAsync(Envelope envelope, CancellationToken cancel) => new(this);

        public void AddRecipient(EnvelopeRecipient recipient) => Assert.Equal("r", recipient.Address);

        public ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel) => default;

        public ValueTask<CleanupResult> CompleteAsync(CancellationToken cancel) => new(new CleanupResult(CleanupStatus.Rejected, "no"));

        public ValueTask DisposeAsync() => default;
    }

    private sealed class NoLog : IMailLog
    {
        public void Write(string tag, LogLevel level, string text)
        {
        }
    }
}
