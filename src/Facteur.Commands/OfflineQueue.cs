using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool;
using Facteur.Spool.Maildrop;

namespace Facteur.Commands;

/// <summary>
/// The queue of a system that is down, over its spool, by the one process that holds the spool's lock. Every order is on stable storage
/// when it returns. What needs a running system (delivery attempts, rewriting) is refused.
/// </summary>
/// <param name="spool">The spool; closed with this object. Null before the first start, when there is none: its queues are empty.</param>
/// <param name="longIds">enable_long_queue_ids.</param>
/// <param name="maildrop">Where mail waits for pickup; listed first, as in Postfix.</param>
public sealed class OfflineQueue(ISpool? spool, bool longIds, MaildropDirectory? maildrop = null) : IQueueOperator
{
    private const int BatchSize = 256;
    private const int MaildropLimit = 1000;
    private const long StagedLimit = 1024 * 1024;
    private static readonly QueueState[] States = [QueueState.Incoming, QueueState.Deferred, QueueState.Hold, QueueState.Corrupt];

    // The place of a listing; one listing at a time goes on, so its cursor is only a count of pages.
    private SpoolCursor _place;
    private int _state;
    private ulong _page;

    /// <inheritdoc/>
    public ValueTask<(IReadOnlyList<ListedMessage> Messages, ulong Cursor)> ListAsync(ulong cursor, int limit, CancellationToken cancel)
    {
        if (cursor == 0)
        {
            (_place, _state, _page) = (SpoolCursor.End, 0, 0);
            if (Waiting() is { Count: > 0 } waiting)
            {
                _page++;
                return new((waiting, _page));
            }
        }
        else if (cursor != _page)
        {
            throw new ControlException(ControlFailure.BadRequest, "a listing of the spool goes on from its last page only");
        }
        var entries = new SpoolEntry[Math.Clamp(limit, 1, BatchSize)];
        while (spool is not null && _state < States.Length)
        {
            var count = spool.Previous(States[_state], ref _place, entries);
            if (count > 0)
            {
                _page++;
                return new(([.. entries.Take(count).Select(e => Listed(spool, e))], _page));
            }
            (_place, _state) = (SpoolCursor.End, _state + 1);
        }
        return new(([], ulong.MaxValue));
    }

    /// <inheritdoc/>
    public ValueTask FlushAsync(CancellationToken cancel) => throw Down();

    /// <inheritdoc/>
    public ValueTask<bool> FlushMessageAsync(ulong id, CancellationToken cancel) => throw Down();

    /// <inheritdoc/>
    public ValueTask FlushSiteAsync(string domain, CancellationToken cancel) => throw Down();

    /// <inheritdoc/>
    public ValueTask KickAsync(CancellationToken cancel) => throw Down();

    /// <inheritdoc/>
    public ValueTask<bool> SuperAsync(SuperOperation operation, ulong id, CancellationToken cancel)
    {
        var staged = spool is not null && spool.TryGet(id, out var entry) && Stage(spool, operation, entry);
        if (staged)
        {
            Commit(spool!);
        }
        return new(staged);
    }

    /// <inheritdoc/>
    public ValueTask<int> SuperAllAsync(SuperOperation operation, string? queueName, CancellationToken cancel)
    {
        if (spool is null)
        {
            return new(0);
        }
        // Numbers first: what a move does to a listing under way is the spool's own business.
        var ids = new List<ulong>();
        var entries = new SpoolEntry[BatchSize];
        foreach (var state in States.Where(s => queueName is null ? s != QueueState.Corrupt : Name(s) == queueName))
        {
            SpoolCursor place = default;
            while (spool.Next(state, long.MaxValue, ref place, entries) is > 0 and var count)
            {
                ids.AddRange(entries.Take(count).Select(e => e.Id));
            }
        }
        var done = 0;
        foreach (var id in ids)
        {
            done += spool.TryGet(id, out var entry) && Stage(spool, operation, entry) ? 1 : 0;
            if (spool.StagedBytes > StagedLimit)
            {
                Commit(spool);
            }
        }
        if (done > 0)
        {
            Commit(spool);
        }
        return new(done);
    }

    /// <inheritdoc/>
    public ValueTask<QueuedMessage?> FindAsync(ulong id, CancellationToken cancel)
    {
        var message = spool?.Read(id);
        return new(message is null ? null : new QueuedMessage(id, Name(message.Entry.State), QueueId.Format(id, longIds), message.Envelope,
            [.. message.Outcomes.Where(o => o.Done).Select(o => o.Recipient)], message.Layout));
    }

    /// <inheritdoc/>
    public async ValueTask<bool> CopyAsync(QueuedMessage message, Func<ReadOnlyMemory<byte>, ValueTask> sink, CancellationToken cancel)
    {
        using var reader = spool?.OpenReader();
        return reader is not null && await ContentCopy.CopyAsync(reader, message.Id, message.Layout, sink).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public void Dispose() => spool?.Dispose();

    private static bool Stage(ISpool spool, SuperOperation operation, in SpoolEntry entry)
    {
        switch (operation)
        {
            case SuperOperation.Delete:
                spool.Delete(entry.Id);
                return true;
            case SuperOperation.Hold when entry.State is QueueState.Incoming or QueueState.Deferred:
                spool.Move(entry.Id, QueueState.Hold, 0);
                return true;
            case SuperOperation.Release when entry.State == QueueState.Hold:
                Release(spool, entry.Id);
                return true;
            case SuperOperation.Expire or SuperOperation.ForceExpire when entry.State != QueueState.Corrupt && !entry.Expire:
                spool.Expire(entry.Id);
                if (operation == SuperOperation.ForceExpire && entry.State == QueueState.Hold)
                {
                    Release(spool, entry.Id);
                }
                return true;
            case SuperOperation.Requeue:
                throw new ControlException(ControlFailure.Unavailable, "requeued mail is rewritten: the mail system must run for it");
            default:
                return false;
        }
    }

    // Incoming, not deferred as in Postfix: a deferral would count as an attempt.
    private static void Release(ISpool spool, ulong id) => spool.Move(id, QueueState.Incoming, 0);

    private static void Commit(ISpool spool)
    {
        if (spool.Commit(sync: true) is not CommitResult.Durable and var result)
        {
            throw new ControlException(ControlFailure.Unavailable, result == CommitResult.NoSpace ? "no space left in the queue directory" : "queue file write error");
        }
    }

    private List<ListedMessage> Waiting() =>
    [
        .. (maildrop?.Waiting(MaildropLimit) ?? []).Select(w => new ListedMessage("maildrop", w.Entry.Name, w.Seconds, w.Size, false,
            w.Message is null ? "(not yet read by pickup)" : w.Message.Sender.Length > 0 ? w.Message.Sender : "MAILER-DAEMON",
            [.. (w.Message?.Recipients ?? []).Select(r => new ListedRecipient(r.Address, "", null, false))])),
    ];

    private ListedMessage Listed(ISpool spool, SpoolEntry entry)
    {
        var id = QueueId.Format(entry.Id, longIds);
        if (spool.Read(entry.Id) is not { } message)
        {
            return new(Name(QueueState.Corrupt), id, entry.ArrivalSeconds, entry.Size, entry.Expire, "MAILER-DAEMON", []);
        }
        var recipients = new List<ListedRecipient>();
        var outcomes = message.Outcomes.ToDictionary(o => o.Recipient);
        for (var i = 0; i < message.Envelope.Recipients.Count; i++)
        {
            var known = outcomes.TryGetValue(i, out var outcome);
            if (!message.Envelope.Recipients[i].IsExpanded && (!known || !outcome.Done || outcome.Unreported))
            {
                var recipient = message.Envelope.Recipients[i];
                var reason = known ? OutcomeDetail.Read(outcome.Detail.Span).Status?.Reason : null;
                var original = reason is not null && recipient.OriginalAddress == recipient.Address ? "" : recipient.OriginalAddress;
                recipients.Add(new ListedRecipient(recipient.Address, original, reason, known && outcome.Done));
            }
        }
        var sender = message.Envelope.Sender.Length > 0 ? message.Envelope.Sender : "MAILER-DAEMON";
        return new(Name(entry.State), id, entry.ArrivalSeconds, entry.Size, entry.Expire, sender, recipients);
    }

    private static string Name(QueueState state) => state switch
    {
        QueueState.Incoming => "incoming",
        QueueState.Deferred => "deferred",
        QueueState.Hold => "hold",
        _ => "corrupt",
    };

    private static ControlException Down() => new(ControlFailure.Unavailable, "the mail system is down");
}
