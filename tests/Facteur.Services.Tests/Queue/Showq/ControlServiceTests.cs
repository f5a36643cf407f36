using System.IO.Pipelines;
using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Services.Queue.Showq;
using Facteur.Services.Server;
using Facteur.Services.Tests.Report.Bounce;
using Facteur.Tables;
using Facteur.Testing;

namespace Facteur.Services.Tests.Queue.Showq;

public sealed class ControlServiceTests : IDisposable
{
    private readonly FakeQueue _queue = new();
    private readonly MemoryContents _contents = new("Subject: x\n\n" + new string('b', 200_000) + "\n");
    private readonly ManualTime _time = new();
    private readonly BlockingThreads _threads = new("blocking", 2);
    private int _kicks;

    public void Dispose()
    {
        _contents.Dispose();
        _threads.Dispose();
    }

    [Fact]
    public async Task Root_asks_everything_and_a_client_hears_it()
    {
        await using var session = Start(0);
        var client = session.Client;
        var (messages, cursor) = await client.ListAsync(0, 10, default);
        Assert.Equal(5UL, cursor);
        Assert.Equal(_queue.Listed[0] with { Recipients = [] }, messages[0] with { Recipients = [] }, (a, b) => a with { Recipients = b.Recipients } == b);
        Assert.Equal(_queue.Listed[0].Recipients, messages[0].Recipients);
        Assert.Equal(3000, messages[1].Recipients.Count);
        Assert.Equal(_queue.Listed[1].Recipients, messages[1].Recipients);
        await client.FlushAsync(default);
        await client.FlushSiteAsync("fast.example", default);
        Assert.True(await client.FlushMessageAsync(1, default));
        Assert.False(await client.FlushMessageAsync(2, default));
        Assert.True(await client.SuperAsync(SuperOperation.Hold, 1, default));
        Assert.False(await client.SuperAsync(SuperOperation.Delete, 9, default));
        Assert.Equal(42, await client.SuperAllAsync(SuperOperation.Release, "hold", default));
        await client.KickAsync(default);
        Assert.Equal(["flush", "site fast.example", "message 1", "message 2", "Hold 1", "Delete 9", "Release all hold"], _queue.Calls);
        // A flush of all and a kick: both have maildrop looked into.
        Assert.Equal(2, _kicks);
    }

    [Fact]
    public async Task Postcat_gets_envelope_and_content()
    {
        await using var session = Start(0);
        _queue.Found = new QueuedMessage(1, "hold", "4QABC", new Envelope
        {
            Sender = "bob@dest.example",
            ContentSize = 5,
            Recipients = [.. Enumerable.Range(0, 3000).Select(i => new EnvelopeRecipient($"r{i}@remote.example", "o@remote.example", "rfc822;o@remote.example"))],
        }, [1, 2999], _contents.Layout);
        var message = await session.Client.FindAsync(1, default);
        Assert.NotNull(message);
        Assert.Equal(("hold", "4QABC", "bob@dest.example", 3000), (message.QueueName, message.QueueId, message.Envelope.Sender, message.Envelope.Recipients.Count));
        Assert.Equal(_queue.Found.Envelope.Recipients, message.Envelope.Recipients);
        Assert.Equal([1, 2999], message.Done);
        var content = new MemoryStream();
        Assert.True(await session.Client.CopyAsync(message, piece =>
        {
            content.Write(piece.Span);
            return ValueTask.CompletedTask;
        }, default));
        Assert.Equal("Subject: x\n\n" + new string('b', 200_000) + "\n", Encoding.UTF8.GetString(content.ToArray()));
        _contents.FailAt = 1;
        Assert.False(await session.Client.CopyAsync(message, _ => ValueTask.CompletedTask, default));
        Assert.Null(await session.Client.FindAsync(77, default));
    }

    [Fact]
    public async Task Users_may_what_the_lists_say()
    {
        await using var session = Start(1001, ("authorized_mailq_users", "!bob, static:anyone"), ("authorized_flush_users", "alice bob"));
        var client = session.Client;
        Assert.Equal(ControlFailure.NotPermitted, await Failure(() => client.ListAsync(0, 1, default).AsTask()));
        Assert.Equal(ControlFailure.NotPermitted, await Failure(() => client.SuperAllAsync(SuperOperation.Delete, null, default).AsTask()));
        Assert.Equal(ControlFailure.NotPermitted, await Failure(() => client.FindAsync(1, default).AsTask()));
        await client.FlushAsync(default);
        Assert.Equal(ControlFailure.NotEligible, await Failure(() => client.FlushSiteAsync("slow.example", default).AsTask()));
        await client.KickAsync(default);
        Assert.Equal(["flush"], _queue.Calls);
    }

    [Fact]
    public async Task What_the_queue_cannot_do_is_said_and_the_next_request_is_answered()
    {
        await using var session = Start(0);
        var failure = await Assert.ThrowsAsync<ControlException>(() => session.Client.ListAsync(99, 10, default).AsTask());
        Assert.Equal((ControlFailure.BadRequest, "given up"), (failure.Failure, failure.Message));
        Assert.Equal(5UL, (await session.Client.ListAsync(0, 10, default)).Cursor);
    }

    [Theory]
    [InlineData(1002, "static:anyone", "alice", ControlRights.List)]
    [InlineData(1002, "", "", ControlRights.None)]
    [InlineData(1002, "broken:x static:all", "unknown", ControlRights.Flush)]
    [InlineData(25, "", "", ControlRights.List | ControlRights.Flush | ControlRights.Super)]
    public async Task Rights(uint uid, string mailq, string flush, ControlRights rights) =>
        Assert.Equal(rights, await Access(("authorized_mailq_users", mailq), ("authorized_flush_users", flush)).RightsAsync(uid, default));

    [Theory]
    [InlineData(new byte[] { 0, 0, 0, 0 })]
    [InlineData(new byte[] { 255, 255, 255, 255, 1 })]
    [InlineData(new byte[] { 3, 0, 0, 0, 1, 99, 0 })]
    [InlineData(new byte[] { 9, 0, 0, 0, 1 })]
    public async Task Hostile_bytes_end_the_connection_and_nothing_else(byte[] bytes)
    {
        var session = Start(0);
        await session.Raw.WriteAsync(bytes);
        await session.Raw.CompleteAsync();
        await session.Served.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Empty(_queue.Calls);
    }

    [Fact]
    public async Task A_peer_that_is_silent_for_too_long_is_left()
    {
        var session = Start(0);
        // Half a request does not make the time longer.
        _time.Advance(TimeSpan.FromMinutes(59));
        await session.Raw.WriteAsync(new byte[] { 9, 0 });
        Assert.False(session.Served.IsCompleted);
        _time.Advance(TimeSpan.FromMinutes(2));
        await session.Served.WaitAsync(TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task A_peer_that_takes_no_answer_in_is_left()
    {
        var session = Start(0);
        _queue.Found = new QueuedMessage(1, "hold", "4QABC", new Envelope { Sender = "a@b.example" }, [], _contents.Layout);
        var (began, stuck) = (new TaskCompletionSource(), new TaskCompletionSource());
        var copied = session.Client.CopyAsync(_queue.Found, _ =>
        {
            began.TrySetResult();
            return new ValueTask(stuck.Task);
        }, default).AsTask();
        await began.Task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        for (var i = 0; i < 500 && !session.Served.IsCompleted; i++)
        {
            _time.Advance(TimeSpan.FromMinutes(30));
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
        Assert.True(session.Served.IsCompletedSuccessfully);
        Assert.False(copied.IsCompleted);
    }

    [Fact]
    public async Task The_time_of_the_queue_does_not_count()
    {
        await using var session = Start(0);
        _queue.Hold = new TaskCompletionSource();
        var asked = session.Client.FlushAsync(default).AsTask();
        for (var i = 0; i < 1000 && _queue.Calls.Count == 0; i++)
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
        Assert.Equal(["flush"], _queue.Calls);
        _time.Advance(TimeSpan.FromHours(3));
        _queue.Hold.SetResult();
        await asked;
    }

    private static async Task<ControlFailure> Failure(Func<Task> call) => (await Assert.ThrowsAsync<ControlException>(call)).Failure;

    private ControlAccess Access(params (string, string)[] config) =>
        new(new TestConfig(config), new Tables(), [25], uid => Thread.CurrentThread.Name != "blocking" ? throw new InvalidOperationException("this may block") : uid == 1001 ? "bob" : null, _threads);

    private Session Start(uint uid, params (string, string)[] config)
    {
        var (there, back) = (new Pipe(), new Pipe());
        var service = new ControlService(_queue, _queue, () => _contents, Access(config), new Domains(), () => _kicks++, TimeSpan.FromHours(1), _time);
        return new Session(new ControlClient(new Duplex(back.Reader, there.Writer)), there.Writer, service.ServeAsync(new Duplex(there.Reader, back.Writer), uid, default));
    }

    private sealed record Session(ControlClient Client, PipeWriter Raw, Task Served) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            Client.Dispose();
            await Served.WaitAsync(TimeSpan.FromSeconds(10));
        }
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    private sealed class Domains : IDomainList
    {
        public ValueTask<LookupStatus> MatchAsync(string domain, CancellationToken cancel) => new(domain == "fast.example" ? LookupStatus.Found : LookupStatus.NotFound);
    }

    private sealed class Tables : ITableSet
    {
        public ITable Open(string name) => new Table(name);

        private sealed record Table(string Name) : ITable
        {
            public bool IsPattern => false;

            public bool CanBlock => false;

            public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel) => new(Name.StartsWith("static:", StringComparison.Ordinal) ? Lookup.Found("x") : Lookup.Error("broken"));

            public void Dispose()
            {
            }
        }
    }

    private sealed class FakeQueue : IQueueControl, IQueueLookup
    {
        public List<string> Calls { get; } = [];

        public QueuedMessage? Found { get; set; }

        public ListedMessage[] Listed { get; } =
        [
            new("active", "4QA", 1, 2, false, "bob@dest.example", [new("a@b.example", "", null, false), new("c@d.example", "e@d.example", "why", true)]),
            new("deferred", "4QB", 1, 2, true, "MAILER-DAEMON", [.. Enumerable.Range(0, 3000).Select(i => new ListedRecipient($"r{i}@b.example", "", new string('r', 100), false))]),
        ];

        public ValueTask<(IReadOnlyList<ListedMessage> Messages, ulong Cursor)> ListAsync(ulong cursor, int limit, CancellationToken cancel) =>
            cursor == 99 ? throw new ControlException(ControlFailure.BadRequest, "given up") : new((Listed, 5UL));

        public TaskCompletionSource? Hold { get; set; }

        public async ValueTask FlushAsync(CancellationToken cancel)
        {
            await Call("flush");
            await (Hold?.Task ?? Task.CompletedTask);
        }

        public async ValueTask<bool> FlushMessageAsync(ulong id, CancellationToken cancel)
        {
            await Call($"message {id}");
            return id == 1;
        }

        public ValueTask FlushSiteAsync(string domain, CancellationToken cancel) => Call($"site {domain}");

        public async ValueTask<bool> SuperAsync(SuperOperation operation, ulong id, CancellationToken cancel)
        {
            await Call($"{operation} {id}");
            return id == 1;
        }

        public async ValueTask<int> SuperAllAsync(SuperOperation operation, string? queueName, CancellationToken cancel)
        {
            await Call($"{operation} all {queueName}");
            return 42;
        }

        public ValueTask<QueuedMessage?> FindAsync(ulong id, CancellationToken cancel) => new(id == Found?.Id ? Found : null);

        private ValueTask Call(string text)
        {
            Calls.Add(text);
            return default;
        }
    }
}
