using Facteur.Contracts.Wire;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts.Tests;

/// <summary>Mail made inside while there is no cleanup.</summary>
public sealed class ResubmitSwitchTests : ICleanup
{
    private readonly List<string> _taken = [];
    private Task _opens = Task.CompletedTask;

    [Fact]
    public async Task A_message_waits_for_the_next_cleanup()
    {
        var cancel = TestContext.Current.CancellationToken;
        using var door = new ResubmitSwitch(TimeProvider.System);
        var first = Cleanup(door);
        Assert.Equal(CleanupStatus.Ok, (await Send(door, "first")).Result.Status);
        first.Dispose();
        while (true)
        {
            // Until it has seen the end; what is begun before that is lost with it.
            using var message = door.Begin(new Envelope());
            if (message.GetType().Name == "LateMessage")
            {
                break;
            }
            await Task.Delay(5, cancel);
        }
        var waiting = Send(door, "second");
        await Task.Delay(100, cancel);
        Assert.False(waiting.IsCompleted);
        using var second = Cleanup(door);
        Assert.Equal(CleanupStatus.Ok, (await waiting.WaitAsync(TimeSpan.FromSeconds(20), cancel)).Result.Status);
        Assert.Equal(["first", "second"], _taken);
    }

    /// <summary>Receive that a reload replaces still takes what was begun: else local would deliver it a second time.</summary>
    [Fact]
    public async Task A_message_ends_where_it_began()
    {
        var cancel = TestContext.Current.CancellationToken;
        using var door = new ResubmitSwitch(TimeProvider.System);
        using var first = Cleanup(door);
        using var message = door.Begin(new Envelope { Sender = "begun" });
        await message.WriteAsync(new byte[10], cancel);
        using var second = Cleanup(door);
        Assert.Equal(CleanupStatus.Ok, (await Send(door, "later")).Result.Status);
        Assert.True(first.IsBusy);
        Assert.False(first.IsClosed);
        Assert.Equal(CleanupStatus.Ok, (await message.EndAsync(cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(20), cancel)).Result.Status);
        Assert.Equal(["later", "begun"], _taken);
        // The link ends with the last of them.
        for (var i = 0; i < 2000 && !first.IsClosed; i++)
        {
            await Task.Delay(10, cancel);
        }
        Assert.True(first.IsClosed);
        Assert.False(first.IsBusy);
        Assert.False(second.IsClosed);
    }

    [Fact]
    public async Task Nobody_waits_for_ever()
    {
        var time = new Facteur.Testing.ManualTime();
        using var door = new ResubmitSwitch(time);
        var waiting = Send(door, "x");
        time.Advance(TimeSpan.FromSeconds(9));
        Assert.False(waiting.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(CleanupStatus.WriteError, (await waiting.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken)).Result.Status);
    }

    /// <summary>A client that has its answer, and so the whole window back, may be about to send one more piece and the end.</summary>
    [Fact]
    public async Task What_was_sent_when_the_answer_came_does_not_end_the_link()
    {
        var cancel = TestContext.Current.CancellationToken;
        var (near, far) = PipePair.Create();
        var opens = new TaskCompletionSource();
        _opens = opens.Task;
        using var server = new ResubmitServer(far, this, new ServiceLog(new NoLog(), "test"));
        var writer = new LinkWriter(near.Output);
        writer.Write(ResubmitFrames.Begin, ResubmitFrames.Version, 1, new Envelope { Sender = "refused" }, EnvelopeCodec.Write);
        for (var i = 0; i < ResubmitFrames.Window + 1; i++)
        {
            writer.Write(ResubmitFrames.Content, ResubmitFrames.Version, 1, "x"u8.ToArray());
        }
        writer.Write(ResubmitFrames.End, ResubmitFrames.Version, 1);
        writer.Write(ResubmitFrames.Begin, ResubmitFrames.Version, 2, new Envelope { Sender = "next" }, EnvelopeCodec.Write);
        writer.Write(ResubmitFrames.End, ResubmitFrames.Version, 2);
        writer.Flush();
        await Task.Delay(100, cancel);
        opens.SetException(new InvalidOperationException("a fault"));
        for (var i = 0; i < 2000 && server.IsBusy; i++)
        {
            await Task.Delay(5, cancel);
        }
        Assert.False(server.IsClosed);
    }

    private ResubmitServer Cleanup(ResubmitSwitch door)
    {
        var (near, far) = PipePair.Create();
        door.Attach(near);
        return new ResubmitServer(far, this, new ServiceLog(new NoLog(), "test"));
    }

    private static async Task<ResubmitResult> Send(ResubmitSwitch door, string text)
    {
        using var message = door.Begin(new Envelope { Sender = text });
        await message.WriteAsync(new byte[10], default);
        return await message.EndAsync(default);
    }

    async ValueTask<ICleanupMessage?> ICleanup.OpenAsync(Envelope envelope, CancellationToken cancel)
    {
        await _opens;
        return new Message(this, envelope.Sender);
    }

    private sealed class Message(ResubmitSwitchTests test, string name) : ICleanupMessage
    {
        public ulong Id => 1;

        public string QueueId => "4Q";

        public bool RecipientsFromHeaders { get; set; }

        public void AddRecipient(EnvelopeRecipient recipient)
        {
        }

        public ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel) => default;

        public ValueTask<CleanupResult> CompleteAsync(CancellationToken cancel)
        {
            test._taken.Add(name);
            return new(new CleanupResult(CleanupStatus.Ok));
        }

        public ValueTask DisposeAsync() => default;
    }

    private sealed class NoLog : IMailLog
    {
        public void Write(string tag, LogLevel level, string text)
        {
        }
    }
}
