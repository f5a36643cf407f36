using Facteur.Contracts.Wire;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts.Tests;

public sealed class IncomingTests
{
    [Fact]
    public async Task Ids_content_and_ends_cross_and_durable_comes_back()
    {
        var (a, b) = PipePair.Create();
        using var queue = new QueueEnd(b);
        using var client = new IncomingClient(a);
        var cancel = TestContext.Current.CancellationToken;
        var ids = new HashSet<ulong>();
        for (var i = 0; i < 10_000; i++)
        {
            Assert.True(ids.Add(await client.TakeIdAsync(cancel)));
        }
        Assert.DoesNotContain(0UL, ids);
        await client.ContentAsync(1005, new byte[40_000], cancel);
        await client.ContentAsync(1005, new byte[40_000], cancel);
        var status = await client.EndAsync(1005, new byte[10], new Envelope { Sender = "a@b", Recipients = [new EnvelopeRecipient("c@d")] }, cancel);
        Assert.Equal(CleanupStatus.Ok, status);
        Assert.Equal("a@b c@d 80010", queue.Seen[1005]);
        Assert.Equal(CleanupStatus.NoSpace, await client.EndAsync(1006, default, new Envelope(), cancel));
    }

    [Theory]
    [InlineData(1000, true)]
    [InlineData(1000 + IncomingFrames.IdBlock - 1, true)]
    [InlineData(999, false)]
    [InlineData(1000 + 2 * IncomingFrames.IdBlock, false)]
    [InlineData(ulong.MaxValue, false)]
    public async Task A_writer_speaks_of_numbers_it_was_given_and_of_each_once(ulong id, bool given)
    {
        foreach (var content in (bool[])[true, false])
        {
            var (a, b) = PipePair.Create();
            using var queue = new QueueEnd(b);
            using var client = new IncomingClient(a);
            var cancel = TestContext.Current.CancellationToken;
            await client.TakeIdAsync(cancel);
            if (content)
            {
                await client.ContentAsync(id, new byte[10], cancel);
            }
            Assert.Equal(given ? CleanupStatus.Ok : CleanupStatus.WriteError, await client.EndAsync(id, default, new Envelope(), cancel));
            Assert.Equal(given, queue.Seen.ContainsKey(id));
            // Given up or not, it has ended.
            client.Abort(id);
            Assert.Equal(CleanupStatus.WriteError, await client.EndAsync(id, default, new Envelope { Sender = "again" }, cancel));
            Assert.DoesNotContain(queue.Seen.Values, seen => seen.StartsWith("again", StringComparison.Ordinal));
        }
    }

    [Fact]
    public void Given_numbers_are_remembered_until_they_end_and_so_many()
    {
        var given = new GivenNumbers();
        var model = new HashSet<ulong>();
        var random = new Random(7);
        for (var i = 0; i < 2000; i++)
        {
            var (first, count) = ((ulong)i * 200 + 1, random.Next(0, 200));
            given.Add(first, count);
            model.UnionWith(Enumerable.Range(0, count).Select(n => first + (ulong)n));
            for (var n = 0; n < 150; n++)
            {
                var number = (ulong)random.Next(0, 200 * (i + 2));
                Assert.Equal(model.Contains(number), given.Has(number));
                Assert.Equal(model.Remove(number), given.Remove(number));
            }
        }
        var many = new GivenNumbers();
        for (ulong i = 0; i <= GivenNumbers.BlockLimit; i++)
        {
            many.Add(1 + i * 10, 10);
        }
        Assert.Equal((false, true, true), (many.Has(1), many.Has(11), many.Has(1 + GivenNumbers.BlockLimit * 10)));
    }

    [Fact]
    public async Task A_queue_that_dies_turns_what_waits_into_a_write_error()
    {
        var (a, b) = PipePair.Create();
        using var client = new IncomingClient(a);
        var end = client.EndAsync(5, default, new Envelope(), TestContext.Current.CancellationToken);
        b.Output.Complete();
        b.Input.Complete();
        Assert.Equal(CleanupStatus.WriteError, await end);
        Assert.Equal(CleanupStatus.WriteError, await client.EndAsync(6, default, new Envelope(), TestContext.Current.CancellationToken));
        Assert.Equal(0UL, await client.TakeIdAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task An_end_is_sent_whatever_is_forgotten_while_another_is_answered()
    {
        var (a, b) = PipePair.Create();
        using var queue = new QueueEnd(b);
        using var client = new IncomingClient(a);
        var cancel = TestContext.Current.CancellationToken;
        var (forget, forgotten) = (0UL, 0UL);
        var forgets = new Thread(() =>
        {
            for (var random = new Random(11); Volatile.Read(ref forget) is var id && id != ulong.MaxValue;)
            {
                if (id != forgotten)
                {
                    Thread.SpinWait(random.Next(2000));
                    client.Abort(id);
                    Volatile.Write(ref forgotten, id);
                }
            }
        });
        forgets.Start();
        try
        {
            for (var i = 0; i < 2_000; i++)
            {
                if (i % 2 == 0)
                {
                    Volatile.Write(ref forget, await client.TakeIdAsync(cancel));
                }
                var id = await client.TakeIdAsync(cancel);
                Assert.Equal(id == 1006 ? CleanupStatus.NoSpace : CleanupStatus.Ok, await client.EndAsync(id, default, new Envelope(), cancel).AsTask().WaitAsync(TimeSpan.FromSeconds(10), cancel));
                Assert.True(SpinWait.SpinUntil(() => Volatile.Read(ref forgotten) == Volatile.Read(ref forget), TimeSpan.FromSeconds(10)));
            }
        }
        finally
        {
            Volatile.Write(ref forget, ulong.MaxValue);
            forgets.Join();
        }
    }

    private sealed class QueueEnd : IIncomingSink, IDisposable
    {
        private readonly Bell _bell = new();
        private readonly IncomingServer _server;
        private readonly Thread _thread;
        private readonly Dictionary<ulong, int> _sizes = [];
        private volatile bool _stop;
        private ulong _next = 1000;

        public QueueEnd(System.IO.Pipelines.IDuplexPipe link)
        {
            _server = new IncomingServer(link, _bell.Ring);
            _thread = new Thread(() =>
            {
                while (!_stop)
                {
                    while (_server.Poll(this))
                    {
                    }
                    _server.FlushCredit();
                    _server.Flush();
                    _bell.Wait(TimeSpan.FromSeconds(1));
                }
            });
            _thread.Start();
        }

        public Dictionary<ulong, string> Seen { get; } = [];

        public void TakeIds(IncomingServer from, int count)
        {
            from.Ids(_next, count);
            _next += (ulong)count;
        }

        public void Content(IncomingServer from, ulong id, ReadOnlySpan<byte> content) => _sizes[id] = _sizes.GetValueOrDefault(id) + content.Length;

        public void End(IncomingServer from, ulong id, ReadOnlySpan<byte> lastContent, Envelope envelope)
        {
            Seen[id] = $"{envelope.Sender} {string.Join(',', envelope.Recipients.Select(r => r.Address))} {_sizes.GetValueOrDefault(id) + lastContent.Length}";
            from.Done(id, id == 1006 ? CleanupStatus.NoSpace : CleanupStatus.Ok);
        }

        public void Abort(ulong id)
        {
        }

        public void Closed(IncomingServer from)
        {
        }

        public void Dispose()
        {
            _stop = true;
            _bell.Ring();
            _thread.Join();
        }
    }
}
