using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool;

namespace Facteur.Commands.Tests;

public sealed class OfflineQueueTests : IDisposable
{
    private readonly FakeSpool _spool = new();
    private readonly OfflineQueue _queue;

    public OfflineQueueTests() => _queue = new OfflineQueue(_spool, longIds: false);

    public void Dispose()
    {
        _queue.Dispose();
        _spool.Dispose();
    }

    [Fact]
    public async Task Queues_are_listed_in_order_with_open_recipients_and_reasons()
    {
        _spool.Add(0xA00001, QueueState.Hold, "");
        _spool.Add(0xA00002, QueueState.Deferred, "bob@a.example",
            new SpoolOutcome(0, true, false, OutcomeDetail.Write(DeliveryStatus.Sent("ok"), warned: false)),
            new SpoolOutcome(1, false, false, OutcomeDetail.Write(DeliveryStatus.Deferred(4, 1, "refused"), warned: false)),
            new SpoolOutcome(2, true, true, OutcomeDetail.Write(DeliveryStatus.Bounced(1, 1, "unknown"), warned: false)));
        _spool.Add(0xA00003, QueueState.Incoming, "bob@a.example");
        var seen = new List<ListedMessage>();
        for (ulong cursor = 0; cursor != ulong.MaxValue;)
        {
            (var page, cursor) = await _queue.ListAsync(cursor, 1, default);
            seen.AddRange(page);
        }
        Assert.Equal(["incoming 0A00003 bob@a.example", "deferred 0A00002 bob@a.example", "hold 0A00001 MAILER-DAEMON"], seen.Select(m => $"{m.QueueName} {m.QueueId} {m.Sender}"));
        Assert.Equal([new ListedRecipient("r1@b.example", "o@b.example", "refused", false), new ListedRecipient("r2@b.example", "", "unknown", true)], seen[1].Recipients);
    }

    [Fact]
    public async Task Without_a_spool_every_queue_is_empty()
    {
        using var queue = new OfflineQueue(null, longIds: false);
        Assert.Equal(ulong.MaxValue, (await queue.ListAsync(0, 10, default)).Cursor);
        Assert.Empty((await queue.ListAsync(0, 10, default)).Messages);
        Assert.False(await queue.SuperAsync(SuperOperation.Delete, 1, default));
        Assert.Equal(0, await queue.SuperAllAsync(SuperOperation.Hold, null, default));
        Assert.Null(await queue.FindAsync(1, default));
    }

    [Fact]
    public async Task Orders_are_committed_with_a_sync()
    {
        _spool.Add(1, QueueState.Hold, "");
        _spool.Add(2, QueueState.Deferred, "");
        _spool.Add(3, QueueState.Corrupt, "");
        Assert.False(await _queue.SuperAsync(SuperOperation.Hold, 1, default));
        Assert.True(await _queue.SuperAsync(SuperOperation.Hold, 2, default));
        Assert.True(await _queue.SuperAsync(SuperOperation.Release, 2, default));
        Assert.True(await _queue.SuperAsync(SuperOperation.Expire, 2, default));
        Assert.False(await _queue.SuperAsync(SuperOperation.Expire, 2, default));
        Assert.False(await _queue.SuperAsync(SuperOperation.Delete, 9, default));
        Assert.Equal(2, await _queue.SuperAllAsync(SuperOperation.Delete, null, default));
        Assert.Equal(1, await _queue.SuperAllAsync(SuperOperation.Delete, "corrupt", default));
        Assert.Equal(["move 2 Hold", "commit", "move 2 Incoming", "commit", "expire 2", "commit", "delete 2", "delete 1", "commit", "delete 3", "commit"], _spool.Calls);
    }

    [Fact]
    public async Task What_the_disk_refuses_is_not_reported_as_done()
    {
        _spool.Add(1, QueueState.Hold, "");
        _spool.Add(2, QueueState.Hold, "");
        _spool.Result = CommitResult.NoSpace;
        Assert.Equal("no space left in the queue directory", (await Assert.ThrowsAsync<ControlException>(() => _queue.SuperAsync(SuperOperation.Delete, 1, default).AsTask())).Message);
        await Assert.ThrowsAsync<ControlException>(() => _queue.SuperAsync(SuperOperation.Requeue, 2, default).AsTask());
        await Assert.ThrowsAsync<ControlException>(() => _queue.FlushAsync(default).AsTask());
    }

    /// <summary>An index in memory; nothing is written.</summary>
    private sealed class FakeSpool : ISpool
    {
        private readonly SortedDictionary<ulong, SpoolMessage> _messages = [];

        public List<string> Calls { get; } = [];

        public CommitResult Result { get; set; } = CommitResult.Durable;

        public bool Claim(ulong id) => true;

        public void WriteAside(Action settled)
        {
        }

        public bool IsBehind => false;

        public bool Settle(ulong id) => true;

        public bool TryTakeArrived(ulong id, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out SpoolMessage? message) => (message = null) is not null;

        public long StagedBytes => 0;

        public bool HasUnsynced => false;

        public bool OnReserve => false;

        public bool RefusedForSpace => false;

        public long NextDueSeconds => long.MaxValue;

        public long FreeBytes => long.MaxValue;

        public void Add(ulong id, QueueState state, string sender, params SpoolOutcome[] outcomes) => _messages[id] = new SpoolMessage(
            new SpoolEntry(id, state, 100, 1, 0, 0, 0, false),
            new Envelope { Sender = sender, Recipients = [new("r0@b.example"), new("r1@b.example", "o@b.example"), new("r2@b.example", "r2@b.example")] }, new ContentLayout([]), outcomes);

        public bool TryGet(ulong id, out SpoolEntry entry)
        {
            entry = _messages.TryGetValue(id, out var message) ? message.Entry : default;
            return message is not null;
        }

        public SpoolMessage? Read(ulong id) => _messages.GetValueOrDefault(id);

        public SpoolMessage? Read(ulong id, out bool refused)
        {
            refused = false;
            return Read(id);
        }

        public int Next(QueueState state, long dueBeforeSeconds, ref SpoolCursor cursor, Span<SpoolEntry> into)
        {
            var count = 0;
            foreach (var message in _messages.Values)
            {
                if (message.Entry.State == state && message.Entry.Id > cursor.Id && count < into.Length)
                {
                    into[count++] = message.Entry;
                }
            }
            cursor = count > 0 ? new SpoolCursor(0, into[count - 1].Id) : cursor;
            return count;
        }

        public int Previous(QueueState state, ref SpoolCursor cursor, Span<SpoolEntry> into)
        {
            var count = 0;
            foreach (var message in _messages.Values.Reverse())
            {
                if (message.Entry.State == state && message.Entry.Id < cursor.Id && count < into.Length)
                {
                    into[count++] = message.Entry;
                }
            }
            cursor = count > 0 ? new SpoolCursor(0, into[count - 1].Id) : cursor;
            return count;
        }

        public bool Scan(ref int place, Span<SpoolEntry> into, out int count) => throw new InvalidOperationException("an offline command goes queue by queue");

        public void Move(ulong id, QueueState state, long dueSeconds)
        {
            Calls.Add($"move {id} {state}");
            _messages[id] = _messages[id] with { Entry = _messages[id].Entry with { State = state } };
        }

        public void Expire(ulong id)
        {
            Calls.Add($"expire {id}");
            _messages[id] = _messages[id] with { Entry = _messages[id].Entry with { Expire = true } };
        }

        public void Delete(ulong id)
        {
            Calls.Add($"delete {id}");
            _messages.Remove(id);
        }

        public CommitResult Commit(bool sync)
        {
            Calls.Add(sync ? "commit" : "commit unsynced");
            return Result;
        }

        public bool TryTakeIds(int count, out ulong first) => throw new InvalidOperationException("operators add no mail");

        public bool Content(ulong id, ReadOnlySpan<byte> content) => throw new InvalidOperationException("operators add no mail");

        public bool End(ulong id, Envelope envelope, QueueState state = QueueState.Incoming, long dueSeconds = 0) => throw new InvalidOperationException("operators add no mail");

        public void Abort(ulong id) => throw new InvalidOperationException("operators add no mail");

        public void Outcome(ulong id, in SpoolOutcome outcome) => throw new InvalidOperationException("operators deliver no mail");

        public void Reported(ulong id, IReadOnlyList<int> recipients) => throw new InvalidOperationException("operators deliver no mail");

        public bool Maintain() => false;

        public long Count(QueueState state) => _messages.Values.Count(m => m.Entry.State == state);

        public ISpoolReader OpenReader() => throw new InvalidOperationException("no content here");

        public void Dispose()
        {
        }
    }
}
