using System.Security.Cryptography;
using Facteur.Contracts;
using Facteur.Contracts.Wire;
using Facteur.Mail.Envelopes;
using Facteur.Services.Master.Links;
using Facteur.Unix;

namespace Facteur.Services.Tests.Master.Links;

/// <summary>Links between processes: the same frames as within one, over sockets that take only so much.</summary>
public sealed class StreamLinkTests
{
    [Theory]
    [InlineData(1, 400)]
    [InlineData(1000, 400)]
    [InlineData(60_000, 200)]
    [InlineData(3_000_000, 3)]
    public void Frames_arrive_whole_and_in_order_through_a_socket_that_takes_little(int size, int count)
    {
        var (near, far, bell) = Pair(socketBytes: 4096);
        var expected = SHA256.Create();
        var reader = new LinkReader(far.Input, bell.Ring);
        var sender = new Thread(() =>
        {
            var writer = new LinkWriter(near.Output);
            for (var i = 0; i < count; i++)
            {
                writer.Write(7, 1, (ulong)i, Payload(size, i), static (byte[] bytes, ref FieldWriter fields) => fields.Bytes(bytes));
                if (i % 3 == 0)
                {
                    writer.Flush();
                }
            }
            writer.Flush();
            writer.Complete();
        });
        // What the socket does not take at once is written by the thread that waits with the near end's bell.
        var flusher = new LinkPump(near.Input, new Nothing(), "near");
        sender.Start();
        var next = 0;
        for (var turns = 0; next < count && turns < 100_000 && !reader.Closed; turns++)
        {
            while (reader.TryRead(out var frame))
            {
                Assert.Equal((ulong)next, frame.Id);
                var fields = new FieldReader(frame.Payload);
                Assert.True(fields.Bytes(size).SequenceEqual(Payload(size, next)));
                Assert.True(fields.Complete);
                next++;
            }
            if (next < count)
            {
                bell.Wait(TimeSpan.FromSeconds(5));
            }
        }
        Assert.Equal(count, next);
        sender.Join();
        // The end is seen: Complete closes the direction once all has left.
        for (var turns = 0; turns < 1000 && !reader.Closed; turns++)
        {
            bell.Wait(TimeSpan.FromMilliseconds(20));
            reader.TryRead(out _);
        }
        Assert.True(reader.Closed);
        flusher.Dispose();
    }

    [Fact]
    public async Task The_end_of_the_other_process_is_the_end_of_the_link()
    {
        var (near, far, bell) = Pair(0);
        var closed = new TaskCompletionSource();
        using var pump = new LinkPump(far.Input, new Nothing { Closed = () => closed.SetResult() }, "far");
        near.Dispose();
        await closed.Task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
        var writer = new LinkWriter(far.Output);
        writer.Write(1, 1, 1);
        writer.Flush();
        Assert.True(writer.Closed);
        bell.Ring();
    }

    [Fact]
    public async Task Mail_goes_from_process_to_process_as_within_one()
    {
        var (client, server, _) = Pair(8192);
        var sink = new Sink();
        using var end = new CancellationTokenSource();
        var bell = ((IPolledReader)server.Input).Bell;
        var queue = new IncomingServer(server, bell.Ring);
        var engine = new Thread(() =>
        {
            while (!end.IsCancellationRequested && !queue.Closed)
            {
                while (queue.Poll(sink))
                {
                }
                sink.Answer(queue);
                queue.FlushCredit();
                queue.Flush();
                bell.Wait(TimeSpan.FromMilliseconds(50));
            }
        });
        engine.Start();
        using var incoming = new IncomingSwitch();
        Assert.Equal(0UL, await incoming.TakeIdAsync(TestContext.Current.CancellationToken));
        incoming.Attach(client);
        var cancel = TestContext.Current.CancellationToken;
        var messages = Enumerable.Range(0, 40).Select(async i =>
        {
            var now = ((IIncoming)incoming).Now;
            var id = await now.TakeIdAsync(cancel);
            for (var part = 0; part < 20; part++)
            {
                await now.ContentAsync(id, Payload(50_000, i), cancel);
            }
            return await now.EndAsync(id, Payload(10, i), new Envelope { Sender = $"s{i}@a.example", Recipients = [new EnvelopeRecipient("r@b.example")] }, cancel);
        });
        var answers = await Task.WhenAll(messages).WaitAsync(TimeSpan.FromSeconds(60), cancel);
        Assert.All(answers, a => Assert.Equal(CleanupStatus.Ok, a));
        Assert.Equal(40L * 20 * 50_000, sink.Bytes);
        await end.CancelAsync();
        engine.Join();
    }

    private static byte[] Payload(int size, int seed)
    {
        var bytes = new byte[size];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    private static unsafe (StreamLink Near, StreamLink Far, PollBell FarBell) Pair(int socketBytes)
    {
        int* pair = stackalloc int[2];
        Assert.Equal(0, Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0, pair));
        if (socketBytes > 0)
        {
            _ = Libc.setsockopt(pair[0], Libc.SOL_SOCKET, Libc.SO_SNDBUF, &socketBytes, sizeof(int));
            _ = Libc.setsockopt(pair[1], Libc.SOL_SOCKET, Libc.SO_SNDBUF, &socketBytes, sizeof(int));
        }
        var bell = new PollBell();
        return (new StreamLink(pair[0], new PollBell()), new StreamLink(pair[1], bell), bell);
    }

    private sealed class Nothing : IFrameHandler
    {
        public Action? Closed { get; init; }

        public bool OnFrame(in Frame frame) => true;

        public void OnBatchEnd()
        {
        }

        public void OnClosed() => Closed?.Invoke();
    }

    private sealed class Sink : IIncomingSink
    {
        private readonly List<ulong> _ended = [];
        private ulong _next = 1;

        public long Bytes { get; private set; }

        public void Answer(IncomingServer to)
        {
            _ended.ForEach(id => to.Done(id, CleanupStatus.Ok));
            _ended.Clear();
        }

        public void TakeIds(IncomingServer from, int count)
        {
            from.Ids(_next, count);
            _next += (ulong)count;
        }

        public void Content(IncomingServer from, ulong id, ReadOnlySpan<byte> content) => Bytes += content.Length;

        public void End(IncomingServer from, ulong id, ReadOnlySpan<byte> lastContent, Envelope envelope) => _ended.Add(id);

        public void Abort(ulong id)
        {
        }

        public void Closed(IncomingServer from)
        {
        }
    }
}
