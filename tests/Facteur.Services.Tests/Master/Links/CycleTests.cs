using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Services.Master.Links;
using Facteur.Services.Queue.Qmgr;
using Facteur.Testing;
using Facteur.Unix;

namespace Facteur.Services.Tests.Master.Links;

/// <summary>
/// Mail made inside goes round: queue → cleanup → queue. With every window full in both directions, over sockets that take next to
/// nothing, all of it arrives: nobody waits for the other while the other waits for it.
/// </summary>
public sealed class CycleTests : IBounce, IRewrite, IResubmit, IDisposable
{
    private const int Messages = 40;
    private const int Pieces = 24;
    private readonly MemorySpool _spool = new();
    private readonly PollBell _bell = new();
    private readonly QmgrService _queue;
    private readonly IncomingSwitch _incoming = new();
    private readonly ResubmitSwitch _resubmit = new(TimeProvider.System);
    private readonly ResubmitServer _cleanup;

    public CycleTests()
    {
        var log = new ServiceLog(new TestLog(), "postfix/qmgr");
        _queue = new QmgrService(new TestConfig(), _spool, _bell, false, this, this, _ => default, log, TimeProvider.System);
        _queue.Start(static _ => false);
        var (engine, receive) = Pair();
        _queue.Accept(new StreamLink(engine, _bell));
        _incoming.Attach(new StreamLink(receive, new PollBell()));
        var (asks, answers) = Pair();
        _cleanup = new ResubmitServer(new StreamLink(answers, new PollBell()), new Cleanup(_incoming), log);
        _resubmit.Attach(new StreamLink(asks, new PollBell()));
    }

    public void Dispose()
    {
        _resubmit.Dispose();
        _cleanup.Dispose();
        _incoming.Dispose();
        _queue.Dispose();
    }

    [Fact]
    public async Task Full_windows_on_all_links_stop_nothing()
    {
        var cancel = TestContext.Current.CancellationToken;
        var piece = new byte[ContentLayout.PieceLimit];
        var inside = Enumerable.Range(0, Messages).Select(i => Task.Run(async () =>
        {
            using var message = _resubmit.Begin(new Envelope { Recipients = [new EnvelopeRecipient($"i{i}@b.example")] });
            for (var n = 0; n < Pieces; n++)
            {
                await message.WriteAsync(piece, cancel);
            }
            return (await message.EndAsync(cancel)).Result.Status;
        }, cancel));
        var outside = Enumerable.Range(0, Messages).Select(i => Task.Run(async () =>
        {
            await using var message = await new Cleanup(_incoming).OpenAsync(new Envelope { Sender = $"o{i}@a.example" }, cancel);
            message!.AddRecipient(new EnvelopeRecipient("o@b.example"));
            for (var n = 0; n < Pieces; n++)
            {
                await message.WriteAsync(piece, cancel);
            }
            return (await message.CompleteAsync(cancel)).Status;
        }, cancel));
        var all = await Task.WhenAll(inside.Concat(outside)).WaitAsync(TimeSpan.FromSeconds(120), cancel);
        Assert.All(all, status => Assert.Equal(CleanupStatus.Ok, status));
        Assert.Equal(2 * Messages, _spool.Ids.Count);
    }

    private static unsafe (int A, int B) Pair()
    {
        int* pair = stackalloc int[2];
        Assert.Equal(0, Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0, pair));
        var size = 2048;
        _ = Libc.setsockopt(pair[0], Libc.SOL_SOCKET, Libc.SO_SNDBUF, &size, sizeof(int));
        _ = Libc.setsockopt(pair[1], Libc.SOL_SOCKET, Libc.SO_SNDBUF, &size, sizeof(int));
        return (pair[0], pair[1]);
    }

    ValueTask<ReportResult> IBounce.ReportAsync(ReportRequest request, CancellationToken cancel) => new(ReportResult.Discarded);

    ValueTask<string?> IRewrite.RewriteAsync(bool local, string address, CancellationToken cancel) => new(address);

    ValueTask<Resolution> IRewrite.ResolveAsync(string sender, string recipient, CancellationToken cancel) => new(new Resolution("smtp", "b.example", recipient, ResolveFlags.Default));

    IResubmitMessage IResubmit.Begin(Envelope envelope) => _resubmit.Begin(envelope);

    /// <summary>cleanup without its rules: content goes on as it comes.</summary>
    private sealed class Cleanup(IIncoming incoming) : ICleanup
    {
        public async ValueTask<ICleanupMessage?> OpenAsync(Envelope envelope, CancellationToken cancel)
        {
            var now = incoming.Now;
            return new Message(now, await now.TakeIdAsync(cancel), envelope);
        }

        private sealed class Message(IIncoming queue, ulong id, Envelope envelope) : ICleanupMessage
        {
            public ulong Id => id;

            public string QueueId => $"{id}";

            public bool RecipientsFromHeaders { get; set; }

            public void AddRecipient(EnvelopeRecipient recipient) => envelope.Recipients = [.. envelope.Recipients, recipient];

            public ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel) => queue.ContentAsync(id, content[..Math.Min(content.Length, ContentLayout.PieceLimit)], cancel);

            public async ValueTask<CleanupResult> CompleteAsync(CancellationToken cancel) => new(await queue.EndAsync(id, ReadOnlyMemory<byte>.Empty, envelope, cancel), null);

            public ValueTask DisposeAsync() => default;
        }
    }
}
