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
        await client.ContentAsync(5, new byte[40_000], cancel);
        await client.ContentAsync(5, new byte[40_000], cancel);
        var status = await client.EndAsync(5, new byte[10], new Envelope { Sender = "a@b", Recipients = [new EnvelopeRecipient("c@d")] }, cancel);
        Assert.Equal(CleanupStatus.Ok, status);
        Assert.Equal("a@b c@d 80010", queue.Seen[5]);
        Assert.Equal(CleanupStatus.NoSpace, await client.EndAsync(6, default, new Envelope(), cancel));
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
            from.Done(id, id == 6 ? CleanupStatus.NoSpace : CleanupStatus.Ok);
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
