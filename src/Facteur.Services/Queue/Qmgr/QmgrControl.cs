using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool;

namespace Facteur.Services.Queue.Qmgr;

/// <summary>Operators' questions and orders, handed to the engine's thread in small pieces, so that a listing of a million messages never holds mail up.</summary>
internal sealed class QmgrControl(ISpool spool, Qmgr qmgr, QmgrLoop loop, bool longIds, Func<ulong, CancellationToken, ValueTask<bool>> requeue) : IQueueControl
{
    // Postfix: those with a reason first, in the order in which they were tried.
    private static readonly Comparer<ListedRecipient> AsTried = Comparer<ListedRecipient>.Create(static (a, b) => a.Reason is null || b.Reason is null
        ? (a.Reason is null).CompareTo(b.Reason is null) : ActiveMessage.CompareAddresses(a.Address, b.Address));

    private const int Slice = 64;
    private const int SuperSlice = 1024;
    private const int CursorLimit = 64;
    private readonly Dictionary<ulong, Listing> _listings = [];
    private ulong _number;
    private ulong _pages;

    public ValueTask<(IReadOnlyList<ListedMessage> Messages, ulong Cursor)> ListAsync(ulong cursor, int limit, CancellationToken cancel) =>
        new(loop.RunAsync(() => List(cursor, Math.Clamp(limit, 1, Slice)), cancel));

    public ValueTask FlushAsync(CancellationToken cancel) => new(loop.RunAsync(() =>
    {
        qmgr.Flush();
        return true;
    }, cancel));

    public ValueTask<bool> FlushMessageAsync(ulong id, CancellationToken cancel) => new(loop.RunAsync(() => qmgr.FlushMessage(id), cancel));

    public async ValueTask FlushSiteAsync(string domain, CancellationToken cancel)
    {
        var place = 0;
        while (await loop.RunAsync(() => qmgr.FlushSite(domain, ref place), cancel).ConfigureAwait(false))
        {
        }
    }

    public async ValueTask<bool> SuperAsync(SuperOperation operation, ulong id, CancellationToken cancel) => operation == SuperOperation.Requeue
        ? await requeue(id, cancel).ConfigureAwait(false)
        : await loop.RunDurableAsync(() => qmgr.Super(operation, id), cancel).ConfigureAwait(false);

    public async ValueTask<int> SuperAllAsync(SuperOperation operation, string? queueName, CancellationToken cancel)
    {
        var done = 0;
        // A requeued message is a new one, which must not be met again: all numbers first.
        var requeued = new List<ulong>();
        if (queueName is null or "active")
        {
            done += await ActiveAsync(operation, requeued, cancel).ConfigureAwait(false);
        }
        if (queueName != "active")
        {
            var state = State(queueName);
            var (place, more, entries) = (0, true, new SpoolEntry[SuperSlice]);
            while (more)
            {
                done += await loop.RunDurableAsync(() =>
                {
                    more = spool.Scan(ref place, entries, out var n);
                    // postsuper(1): without names hold, incoming, active and deferred; damaged mail is kept for who can rescue it.
                    return Carry(operation, entries.Take(n).Where(e => state is null ? e.State != QueueState.Corrupt : e.State == state).Select(e => e.Id), requeued);
                }, cancel).ConfigureAwait(false);
            }
        }
        if (queueName is null)
        {
            // What became active before the scan came by was in neither.
            done += await ActiveAsync(operation, requeued, cancel).ConfigureAwait(false);
        }
        foreach (var id in requeued.Distinct())
        {
            done += await requeue(id, cancel).ConfigureAwait(false) ? 1 : 0;
        }
        return done;
    }

    private async ValueTask<int> ActiveAsync(SuperOperation operation, List<ulong> requeued, CancellationToken cancel)
    {
        var done = 0;
        var active = await loop.RunAsync(() => qmgr.Active.Keys.ToArray(), cancel).ConfigureAwait(false);
        foreach (var slice in active.Chunk(SuperSlice))
        {
            done += await loop.RunDurableAsync(() => Carry(operation, slice, requeued), cancel).ConfigureAwait(false);
        }
        return done;
    }

    private int Carry(SuperOperation operation, IEnumerable<ulong> ids, List<ulong> requeued)
    {
        if (operation == SuperOperation.Requeue)
        {
            requeued.AddRange(ids);
            return 0;
        }
        return ids.Count(id => qmgr.Super(operation, id));
    }

    private static QueueState? State(string? queueName) => queueName switch
    {
        null => null,
        "incoming" => QueueState.Incoming,
        "deferred" => QueueState.Deferred,
        "hold" => QueueState.Hold,
        "corrupt" => QueueState.Corrupt,
        // maildrop is a directory: nothing of it is in the journal.
        _ => (QueueState)0,
    };

    private (IReadOnlyList<ListedMessage> Messages, ulong Cursor) List(ulong number, int limit)
    {
        Listing? listing;
        if (number == 0)
        {
            if (spool.StagedBytes > 0)
            {
                // What has just left the active queue is listed where it went, not nowhere. No mail is staged at this point of a turn (QmgrLoop.Turn).
                _ = spool.Commit(sync: false);
                if (spool.StagedBytes == 0)
                {
                    qmgr.Leaving.Clear();
                }
            }
            if (_listings.Count >= CursorLimit)
            {
                _listings.Remove(_listings.MinBy(l => l.Value.Used).Key);
            }
            listing = new Listing([.. qmgr.Active.Keys.Concat(qmgr.Leaving).Distinct().OrderDescending()]);
            _listings.Add(number = ++_number, listing);
        }
        else if (!_listings.TryGetValue(number, out listing))
        {
            throw new ControlException(ControlFailure.BadRequest, "the listing was given up: too many others were begun");
        }
        listing.Used = ++_pages;
        var messages = new List<ListedMessage>(limit);
        while (messages.Count < limit && listing.Next(spool, out var id))
        {
            if (Describe(id, listing.Phase == 1) is { } message)
            {
                messages.Add(message);
            }
        }
        if (listing.Ended)
        {
            _listings.Remove(number);
            number = ulong.MaxValue;
        }
        return (messages, number);
    }

    private ListedMessage? Describe(ulong id, bool fromActive)
    {
        var active = qmgr.Active.GetValueOrDefault(id);
        if ((active is not null || qmgr.Leaving.Contains(id)) != fromActive || spool.Read(id) is not { } stored)
        {
            return null;
        }
        var recipients = new List<ListedRecipient>();
        for (var i = 0; i < stored.Envelope.Recipients.Count; i++)
        {
            var recipient = stored.Envelope.Recipients[i];
            SpoolOutcome? outcome = null;
            foreach (var candidate in stored.Outcomes)
            {
                if (candidate.Recipient == i)
                {
                    outcome = candidate;
                }
            }
            var finished = active is not null ? active.States[i] is RecipientState.Done or RecipientState.Unreported : outcome is { Done: true };
            if (!finished && !recipient.IsExpanded)
            {
                var reason = outcome is { } last ? OutcomeDetail.Read(last.Detail.Span).Status?.Reason : null;
                // Postfix: beside a reason the original address stands only when it is another one.
                var original = reason is not null && recipient.OriginalAddress == recipient.Address ? "" : recipient.OriginalAddress;
                recipients.Add(new ListedRecipient(recipient.Address, original, reason, false));
            }
        }
        var queue = active is not null ? "active" : stored.Entry.State switch
        {
            QueueState.Incoming => "incoming",
            QueueState.Deferred => "deferred",
            QueueState.Hold => "hold",
            _ => "corrupt",
        };
        return new ListedMessage(
            queue, QueueId.Format(id, longIds), stored.Entry.ArrivalSeconds, stored.Entry.Size, stored.Entry.Expire,
            stored.Envelope.Sender.Length == 0 ? "MAILER-DAEMON" : stored.Envelope.Sender, [.. recipients.Order(AsTried)]);
    }

    /// <summary>
    /// A listing under way: incoming, then what was active or about to leave when it began, then deferred, hold, corrupt, each the last first.
    /// (Postfix: the order of a directory, which file systems in memory keep from the newest to the oldest.)
    /// </summary>
    private sealed class Listing(List<ulong> active)
    {
        private static readonly QueueState?[] Phases = [QueueState.Incoming, null, QueueState.Deferred, QueueState.Hold, QueueState.Corrupt];
        private readonly SpoolEntry[] _entry = new SpoolEntry[1];
        private SpoolCursor _cursor = SpoolCursor.End;
        private int _at;

        /// <summary>When its last page was asked for, as a count of pages.</summary>
        public ulong Used { get; set; }

        public int Phase { get; private set; }

        public bool Ended => Phase >= Phases.Length;

        public bool Next(ISpool spool, out ulong id)
        {
            for (; !Ended; Phase++, _cursor = SpoolCursor.End)
            {
                if (Phases[Phase] is not { } state)
                {
                    if (_at < active.Count)
                    {
                        id = active[_at++];
                        return true;
                    }
                }
                else if (spool.Previous(state, ref _cursor, _entry) > 0)
                {
                    id = _entry[0].Id;
                    return true;
                }
            }
            id = 0;
            return false;
        }
    }
}
