using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool;

namespace Facteur.Services.Queue.Qmgr;

/// <summary>
/// The queue manager: which messages are active, what became of their recipients, when the others are tried again.
/// One thread (the engine's) calls everything. Answers of trivial-rewrite come within its polls, those of bounce through <c>post</c>.
/// Invariants: a message is deleted only when every recipient is Done and no report is open; an outcome is staged in the journal
/// before the message leaves the active queue; the active queue never exceeds qmgr_message_active_limit.
/// </summary>
internal sealed class Qmgr
{
    /// <summary>Rounds of one turn that fill the active queue: new mail waits no longer than they take.</summary>
    private const int FillRounds = 64;
    private const long RoomForOutcomes = 8 << 20;

    /// <summary>Least time between warnings that the active queue is full.</summary>
    private const int FullWarnSeconds = 60;

    /// <summary>Reports under way at a time: each holds buffers of half a megabyte. (Postfix: the process limit of bounce, 100 by default.)</summary>
    private const int ReportLimit = 20;

    private readonly ISpool _spool;
    private readonly IRewrite _rewrite;
    private readonly IBounce _bounce;
    private readonly Action<Action> _post;
    private readonly bool _longQueueIds;
    private QmgrSettings _settings;
    private readonly QmgrLog _log;
    private readonly TimeProvider _time;
    private readonly Dictionary<ulong, ActiveMessage> _active = [];
    private readonly List<(ActiveMessage Message, int Index, string Address, DeliveryStatus Reason)> _orphans = [];
    private readonly Queue<ActiveMessage> _reportsWaiting = new();
    private readonly Dictionary<ulong, List<ElsewhereDelivery>> _elsewhere = [];
    private readonly SpoolEntry[] _entries = new SpoolEntry[256];
    private int _reports;
    private long _fullWarned;
    private int _probes;
    private int _flush;
    private bool _flushing;
    private long _recipients;
    private bool _incomingLeft = true;

    public Qmgr(ISpool spool, IRewrite rewrite, IBounce bounce, QmgrSettings settings, ServiceLog log, TimeProvider time, Action<Action> post)
    {
        (_spool, _rewrite, _bounce, _settings, _time, _post) = (spool, rewrite, bounce, settings, time, post);
        _longQueueIds = settings.LongQueueIds;
        _log = new QmgrLog(log);
        if (settings.BounceLifetimeSeconds > settings.LifetimeSeconds)
        {
            _log.LifetimeAdjusted();
        }
        Scheduler = new Scheduler(settings);
    }

    public Scheduler Scheduler { get; }

    public IReadOnlyDictionary<ulong, ActiveMessage> Active => _active;

    /// <summary>Reports that were asked for and not answered yet, also of messages that are no longer active.</summary>
    internal int ReportsUnderWay => _reports;

    /// <summary>
    /// Messages that left the active queue by a move or delete that is not committed yet: until it is, the spool's queues pass them over.
    /// On a full disk that may take long. Emptied by who commits.
    /// </summary>
    public HashSet<ulong> Leaving { get; } = [];

    /// <summary>Deliveries of an earlier queue whose result is staged. Emptied by who commits.</summary>
    public List<ElsewhereDelivery> TakenElsewhere { get; } = [];

    /// <summary>Takes what probes found.</summary>
    public Action<string, AddressVerdict>? Probed { get; init; }

    /// <summary>Something was staged that the next commit must sync: an operator's order.</summary>
    public bool SyncWanted { get; set; }

    private long NowMicros => (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / 10;

    // A full disk: the reserve given back is room for the outcomes of what is delivered, and only deliveries make more. Below this nothing is begun.
    private bool NoRoom => _spool.OnReserve && _spool.FreeBytes < RoomForOutcomes;

    private bool Full => _active.Count >= _settings.ActiveLimit || _recipients >= _settings.RecipientLimit;

    /// <summary>From now on other settings hold; only the form of queue ids stays.</summary>
    public void Reconfigure(QmgrSettings settings)
    {
        _settings = settings;
        Scheduler.Reconfigure(settings);
    }

    /// <summary>No further message becomes active, and no further delivery starts; what is under way ends.</summary>
    public void Stop() => Stopping = true;

    /// <summary>It was stopped.</summary>
    public bool Stopping { get; private set; }

    /// <summary>A message has just become durable: it is active at once while there is room, else its turn comes.</summary>
    public void Arrived(ulong id)
    {
        if (!_spool.TryGet(id, out var entry) || entry.State != QueueState.Incoming)
        {
            // On hold.
            return;
        }
        if (Full || Stopping || _incomingLeft)
        {
            _incomingLeft = true;
            return;
        }
        TryActivate(id, flushed: false, justArrived: true);
    }

    /// <summary>Fills the active queue a little: one of incoming, one of deferred in turn (Postfix: qmgr_scan).</summary>
    /// <returns>True when there is more to do and room for it.</returns>
    public bool Fill()
    {
        var now = NowMicros / 1_000_000;
        for (var left = FillRounds; !Full && !Stopping && !NoRoom; left--)
        {
            if (left == 0)
            {
                return true;
            }
            var more = FillIncoming();
            more |= !Full && FillDeferred(now);
            if (!more)
            {
                return false;
            }
        }
        WarnWhenFull(now);
        return false;
    }

    /// <summary>The next delivery to start, or null.</summary>
    public DeliveryRequest? Next() => Stopping || NoRoom ? null : Scheduler.Next(NowMicros);

    /// <summary>When to look again without being rung, microseconds since 1970.</summary>
    public long NextMicros => Stopping ? long.MaxValue : Math.Min(Scheduler.NextMicros, Full || _spool.NextDueSeconds > long.MaxValue / 2_000_000 ? long.MaxValue : _spool.NextDueSeconds * 1_000_000);

    /// <summary>A delivery ended.</summary>
    public void Finished(DeliveryResult result)
    {
        var now = NowMicros;
        if (Scheduler.Finish(result, now, _orphans) is not { } done)
        {
            return;
        }
        foreach (var (message, index, address, reason) in _orphans)
        {
            Suspend(message, index, address, reason, now);
            // Nobody else looks at a message whose last recipient was settled here.
            Conclude(message);
        }
        _orphans.Clear();
        if (done.Message is { Removed: true, Damaged: false })
        {
            return;
        }
        foreach (var outcome in result.Recipients)
        {
            if ((uint)outcome.Index < (uint)done.Message.States.Length && done.Message.States[outcome.Index] == RecipientState.InFlight)
            {
                Settle(done.Message, outcome.Index, outcome.Status);
            }
        }
        if (result.Damaged || done.Message.Damaged)
        {
            PutAside(done.Message, done.Indices);
            return;
        }
        foreach (var index in done.Indices)
        {
            if (result.Loops && done.Message.States[index] == RecipientState.InFlight)
            {
                PassOn(done.Message, index, now);
            }
            else if (done.Message.States[index] == RecipientState.InFlight)
            {
                done.Message.Interrupted |= result.DestinationFailed is null;
                Settle(done.Message, index, result.DestinationFailed ?? DeliveryStatus.Deferred(3, 0, "delivery was interrupted"));
            }
        }
        Conclude(done.Message);
    }

    /// <summary>postqueue -f.</summary>
    public void Flush()
    {
        _flush = 0;
        _flushing = true;
        Scheduler.Revive();
    }

    /// <summary>postqueue -i: a deferred message is tried now.</summary>
    public bool FlushMessage(ulong id)
    {
        if (_active.ContainsKey(id))
        {
            return true;
        }
        if (Requeued.Contains(id) || !_spool.TryGet(id, out var entry) || entry.State is not (QueueState.Deferred or QueueState.Incoming))
        {
            return false;
        }
        Scheduler.Revive();
        TryNow(id);
        return true;
    }

    /// <summary>postqueue -s, ETRN, a piece of the queue at a time: a question to the index; only messages with several domains are read.</summary>
    /// <param name="domain">The domain.</param>
    /// <param name="place">Where to go on; 0 at first.</param>
    /// <returns>True when there is more to look at.</returns>
    public bool FlushSite(string domain, ref int place)
    {
        if (place == 0)
        {
            Scheduler.Revive();
        }
        var mark = DestinationHash.Of(domain);
        var more = _spool.Scan(ref place, _entries, out var n);
        foreach (var entry in _entries.AsSpan(0, n))
        {
            if (entry.State == QueueState.Deferred
                && (entry.DestinationHash == mark || (entry.DestinationHash == DestinationHash.Several && HasDomain(entry.Id, domain))))
            {
                TryNow(entry.Id);
            }
        }
        return more;
    }

    /// <summary>One order of postsuper; durable with the next commit.</summary>
    public bool Super(SuperOperation operation, ulong id)
    {
        if (Requeued.Contains(id) || !_spool.TryGet(id, out var entry))
        {
            return false;
        }
        _active.TryGetValue(id, out var active);
        switch (operation)
        {
            case SuperOperation.Delete:
                if (active is not null)
                {
                    Drop(active);
                }
                _spool.Delete(id);
                break;
            case SuperOperation.Hold:
                if (entry.State == QueueState.Hold || entry.State == QueueState.Corrupt)
                {
                    return false;
                }
                _spool.Move(id, QueueState.Hold, 0);
                if (active is not null)
                {
                    Hold(active);
                }
                break;
            case SuperOperation.Release:
                if (entry.State != QueueState.Hold)
                {
                    return false;
                }
                Release(id, active);
                break;
            // postsuper(1): a held message may be expired; it is returned once it is released, which -f does with it.
            case SuperOperation.Expire or SuperOperation.ForceExpire:
                var release = operation == SuperOperation.ForceExpire && entry.State == QueueState.Hold;
                if (entry.State == QueueState.Corrupt || (entry.Expire && !release))
                {
                    return false;
                }
                _spool.Expire(id);
                active?.Expire = true;
                if (release)
                {
                    Release(id, active);
                }
                break;
            default:
                return false;
        }
        SyncWanted = true;
        return true;
    }

    /// <summary>A delivery that an earlier queue asked for goes on: these recipients are not tried before its result.</summary>
    public void Elsewhere(ElsewhereDelivery delivery)
    {
        if (!_elsewhere.TryGetValue(delivery.MessageId, out var deliveries))
        {
            _elsewhere[delivery.MessageId] = deliveries = [];
        }
        deliveries.Add(delivery);
    }

    /// <summary>Such a delivery ended, or what it was part of is gone (no result).</summary>
    public void EndedElsewhere(ElsewhereDelivery delivery, DeliveryResult? result)
    {
        delivery.Result = result ?? new DeliveryResult(delivery.Number, []);
        if (_active.TryGetValue(delivery.MessageId, out var message))
        {
            if (message.Resolving == 0)
            {
                TakeElsewhere(message);
                Conclude(message);
            }
        }
        else if (!_spool.TryGet(delivery.MessageId, out var entry) || entry.State is QueueState.Hold or QueueState.Corrupt)
        {
            // Nobody will make it active: the journal alone is told.
            StageElsewhere(delivery);
        }
        else if (!Full && !Stopping)
        {
            // Else it is taken in when the message's turn comes.
            TryActivate(delivery.MessageId, flushed: false);
        }
    }

    /// <summary>Agents died in the middle of deliveries: these are made again, and may arrive twice.</summary>
    public void MadeAgain(int deliveries) => _log.MadeAgain(deliveries);

    /// <summary>The agents are gone: their requests will have no result.</summary>
    public void Interrupted(IEnumerable<ulong> requests)
    {
        foreach (var request in requests)
        {
            Finished(new DeliveryResult(request, []));
        }
    }

    /// <summary>Messages that go through cleanup again (postsuper -r): nobody else touches them meanwhile.</summary>
    public HashSet<ulong> Requeued { get; } = [];

    /// <summary>A message leaves the active queue at once; results that still come for it are ignored.</summary>
    public void Drop(ActiveMessage message)
    {
        message.Removed = true;
        Scheduler.Removed();
        Retire(message);
    }

    /// <summary>
    /// Starts nothing more of a message; true once nothing of it is under way. A message in the middle of deliveries can't be taken
    /// elsewhere: who has it already would get it again.
    /// </summary>
    public bool Quiet(ulong id)
    {
        if (_active.TryGetValue(id, out var active))
        {
            active.QuietWanted = true;
            EndWhatWaits(active);
        }
        // What became of it must be in the journal, too, where it is read again; also of what agents are at for an earlier queue.
        return !_active.ContainsKey(id) && !Leaving.Contains(id) && !_elsewhere.ContainsKey(id);
    }

    /// <summary>Undoes <see cref="Quiet"/> for a message that is still active.</summary>
    public void Unquiet(ulong id)
    {
        if (_active.TryGetValue(id, out var active))
        {
            active.QuietWanted = false;
        }
    }

    private void Hold(ActiveMessage message)
    {
        message.HoldWanted = true;
        EndWhatWaits(message);
    }

    /// <summary>What was not started stays; what is under way ends, and its outcome counts.</summary>
    private void EndWhatWaits(ActiveMessage message)
    {
        if (message.Resolving > 0)
        {
            return;
        }
        Scheduler.Remove(message);
        for (var i = 0; i < message.States.Length; i++)
        {
            if (message.States[i] == RecipientState.Open)
            {
                message.States[i] = RecipientState.Deferred;
                message.Pending--;
            }
        }
        Conclude(message);
    }

    private void Release(ulong id, ActiveMessage? active)
    {
        active?.HoldWanted = false;
        // Postfix: released mail waits in the deferred queue for the next scan; postqueue -f and -i try it at once.
        _spool.Move(id, QueueState.Deferred, NowMicros / 1_000_000 + _settings.QueueRunDelaySeconds);
    }

    private void WarnWhenFull(long nowSeconds)
    {
        SpoolCursor start = default;
        if (Full && nowSeconds >= _fullWarned + FullWarnSeconds
            && (_spool.NextDueSeconds <= nowSeconds || _spool.Next(QueueState.Incoming, long.MaxValue, ref start, _entries.AsSpan(0, 1)) > 0))
        {
            _fullWarned = nowSeconds;
            _log.ActiveFull(_active.Count >= _settings.ActiveLimit ? "qmgr_message_active_limit" : "qmgr_message_recipient_limit");
        }
    }

    private bool FillIncoming()
    {
        SpoolCursor start = default;
        if (_spool.Next(QueueState.Incoming, long.MaxValue, ref start, _entries.AsSpan(0, 1)) == 0)
        {
            _incomingLeft = false;
            return false;
        }
        TryActivate(_entries[0].Id, flushed: false);
        return true;
    }

    private bool FillDeferred(long nowSeconds)
    {
        if (_flushing && FillFlushed())
        {
            return true;
        }
        SpoolCursor start = default;
        if (_spool.NextDueSeconds > nowSeconds || _spool.Next(QueueState.Deferred, nowSeconds, ref start, _entries.AsSpan(0, 1)) == 0)
        {
            return false;
        }
        TryActivate(_entries[0].Id, flushed: false);
        return true;
    }

    // By place, not by due time: a message deferred again lies behind in due time and would be tried again and again.
    private bool FillFlushed()
    {
        for (var look = _entries.Length; look > 0 && _flushing; look--)
        {
            _flushing = _spool.Scan(ref _flush, _entries.AsSpan(0, 1), out var n);
            if (n > 0 && _entries[0].State == QueueState.Deferred)
            {
                TryActivate(_entries[0].Id, flushed: true);
                return true;
            }
        }
        return _flushing;
    }

    private void TryNow(ulong id)
    {
        if (_active.ContainsKey(id) || Requeued.Contains(id))
        {
            return;
        }
        // Not active and claimed: what ends its last attempt is staged, and the move comes after that.
        if (Full || !TryActivate(id, flushed: true))
        {
            _spool.Move(id, QueueState.Incoming, 0);
            _incomingLeft = true;
        }
    }

    private bool TryActivate(ulong id, bool flushed, bool justArrived = false)
    {
        // Claimed first: what is not made active here must not be found again at once, be it that it can't be read, or that it is
        // active already (held and released while it is being delivered).
        if (!_spool.Claim(id))
        {
            return false;
        }
        if (_active.ContainsKey(id))
        {
            _log.SkippedStillDelivering(QueueId.Format(id, _longQueueIds));
            return true;
        }
        var refused = false;
        if ((justArrived && _spool.TryTakeArrived(id, out var message)) || (message = _spool.Read(id, out refused)) is not null)
        {
            Activate(message, flushed);
        }
        else if (refused)
        {
            // Claimed and not active it would be in no order until a restart.
            _log.Unreadable(QueueId.Format(id, _longQueueIds), _settings.MinimalBackoffSeconds);
            _spool.Move(id, QueueState.Deferred, NowMicros / 1_000_000 + _settings.MinimalBackoffSeconds);
        }
        return true;
    }

    private void Activate(SpoolMessage stored, bool flushed = false)
    {
        var (id, now) = (stored.Entry.Id, NowMicros);
        var (envelope, only) = Redirected(stored.Envelope);
        var message = new ActiveMessage(id, QueueId.Format(id, _longQueueIds), envelope, stored.Layout, now)
        {
            Expire = stored.Entry.Expire,
            Flushed = flushed,
            Traced = stored.Outcomes.Count > 0,
        };
        if (!_active.TryAdd(id, message))
        {
            return;
        }
        _probes += message.IsProbe ? 1 : 0;
        _recipients += message.States.Length;
        foreach (var outcome in stored.Outcomes)
        {
            if ((uint)outcome.Recipient >= (uint)message.States.Length)
            {
                continue;
            }
            var (status, warned) = OutcomeDetail.Read(outcome.Detail.Span);
            message.Warned |= warned;
            message.Statuses[outcome.Recipient] = status;
            // "Done" and "to be reported" without a final status marks a requeue that was cut off: the recipient is open still.
            if (outcome.Done && !(outcome.Unreported && status?.Outcome == DeliveryOutcome.Deferred))
            {
                message.States[outcome.Recipient] = outcome.Unreported ? RecipientState.Unreported : RecipientState.Done;
            }
        }
        var real = message.States.Length;
        for (var i = 0; i < message.States.Length; i++)
        {
            if (envelope.Recipients[i].IsExpanded)
            {
                real--;
                if (message.States[i] == RecipientState.Open)
                {
                    (message.States[i], message.Statuses[i]) = (RecipientState.Unreported, DeliveryStatus.AliasExpanded);
                }
            }
            else if (only >= 0 && i != only)
            {
                message.States[i] = RecipientState.Done;
            }
        }
        var elsewhere = MarkElsewhere(message);
        var open = message.States.Count(s => s == RecipientState.Open);
        // Postfix: nrcpt= counts all recipients of the message at every attempt.
        _log.Active(message, stored.Envelope.ContentSize, real);
        message.Pending = open + elsewhere + 1;
        message.Resolving++;
        for (var i = 0; i < message.States.Length; i++)
        {
            if (message.States[i] == RecipientState.Open)
            {
                Route(message, i);
            }
        }
        message.Pending--;
        Resolved(message);
    }

    /// <summary>
    /// Postfix: REDIRECT replaces the first recipient in the order of sending, which is named as the original, and the others get nothing. Always the same
    /// one, so that its outcomes are found again.
    /// </summary>
    private static (Envelope Envelope, int Only) Redirected(Envelope envelope)
    {
        if (envelope.Redirect.Length == 0 || envelope.Recipients is [] or [{ IsExpanded: true }, ..])
        {
            return (envelope, -1);
        }
        var first = Enumerable.Range(0, envelope.Recipients.Count).Where(i => !envelope.Recipients[i].IsExpanded).Aggregate(
            (a, b) => ActiveMessage.CompareAddresses(envelope.Recipients[a].Address, envelope.Recipients[b].Address) <= 0 ? a : b);
        return (envelope.With([.. envelope.Recipients.Select((recipient, i) => i == first ? recipient with { Address = envelope.Redirect } : recipient)]), first);
    }

    private void Route(ActiveMessage message, int index)
    {
        var address = message.Envelope.Recipients[index].Address;
        if (message.Expire)
        {
            // Postfix: it is returned with the reason of its last attempt; what was never tried gets one from the retry service.
            if (message.Statuses[index] is { } last)
            {
                Settle(message, index, last);
            }
            else
            {
                message.Resolutions.Add((index, new Resolution("retry", "4.7.0 message is administratively expired", address, ResolveFlags.Default)));
            }
            return;
        }
        if (message.Envelope.ContentFilter is { Length: > 0 } filter && (message.Envelope.Flags & MessageFlags.VerifyOnly) == 0)
        {
            message.Resolutions.Add((index, Filtered(filter, address)));
            return;
        }
        var pending = ResolveAsync(message, address);
        if (pending.IsCompletedSuccessfully)
        {
            message.Resolutions.Add((index, pending.Result));
            return;
        }
        message.Resolving++;
        _ = Later(pending);

        async Task Later(ValueTask<Resolution> pending)
        {
            var resolution = new Resolution("", "", "", ResolveFlags.Fail);
            try
            {
                resolution = await pending.ConfigureAwait(false);
            }
            catch (Exception e)
            {
                // Whatever it was: the recipient is deferred, not forgotten.
                if (e is not OperationCanceledException)
                {
                    _log.Failed(e);
                }
            }
            message.Resolutions.Add((index, resolution));
            Resolved(message);
        }
    }

    /// <summary>Postfix: a filter goes before all that the address says; without a next hop of its own the recipient's domain is it.</summary>
    private Resolution Filtered(string filter, string address)
    {
        var colon = filter.IndexOf(':', StringComparison.Ordinal);
        var transport = colon < 0 ? filter : filter[..colon];
        var nexthop = colon < 0 ? "" : filter[(colon + 1)..];
        if (nexthop.Length == 0)
        {
            var domain = AddressParts.Domain(address);
            nexthop = _settings.FilterNexthop.Length > 0 ? _settings.FilterNexthop : domain.Length > 0 ? domain.ToString() : _settings.Myhostname;
        }
        return new Resolution(transport, nexthop, address, ResolveFlags.Default);
    }

    private ValueTask<Resolution> ResolveAsync(ActiveMessage message, string address) =>
        message.IsProbe ? _rewrite.ResolveProbeAsync(message.Envelope.Sender, address, CancellationToken.None)
            : _rewrite.ResolveAsync(message.Envelope.Sender, address, CancellationToken.None);

    /// <summary>
    /// One more answer of trivial-rewrite; with the last one all recipients are placed at once, sorted, so that those of one destination
    /// share deliveries and go in the order of Postfix: by transport, next hop, domain, address. On the engine's thread, which takes the answers in.
    /// </summary>
    private void Resolved(ActiveMessage message)
    {
        if (--message.Resolving > 0)
        {
            return;
        }
        message.SortResolutions(Scheduler.QueueName);
        var now = NowMicros;
        foreach (var (index, resolution) in message.Resolutions)
        {
            if (message.Removed)
            {
                return;
            }
            if (message.Rests)
            {
                // The hold came while it was asked about: nothing of it is started.
                message.States[index] = RecipientState.Deferred;
                message.Pending--;
                continue;
            }
            Place(message, index, resolution, now);
        }
        TakeElsewhere(message);
        Conclude(message);
    }

    private int MarkElsewhere(ActiveMessage message)
    {
        var marked = 0;
        foreach (var delivery in _elsewhere.GetValueOrDefault(message.Id) ?? [])
        {
            foreach (var index in delivery.Recipients)
            {
                if ((uint)index < (uint)message.States.Length && message.States[index] == RecipientState.Open)
                {
                    message.States[index] = RecipientState.InFlight;
                    marked++;
                }
            }
        }
        return marked;
    }

    private void TakeElsewhere(ActiveMessage message)
    {
        if (!_elsewhere.TryGetValue(message.Id, out var deliveries))
        {
            return;
        }
        foreach (var delivery in deliveries.Where(d => d.Result is not null).ToArray())
        {
            Forget(delivery);
            foreach (var outcome in delivery.Result!.Recipients.Where(o => delivery.Recipients.Contains(o.Index)))
            {
                if ((uint)outcome.Index < (uint)message.States.Length && message.States[outcome.Index] == RecipientState.InFlight)
                {
                    Settle(message, outcome.Index, outcome.Status);
                }
            }
            foreach (var index in delivery.Recipients)
            {
                if ((uint)index < (uint)message.States.Length && message.States[index] == RecipientState.InFlight)
                {
                    message.Interrupted |= delivery.Result.DestinationFailed is null;
                    Settle(message, index, delivery.Result.DestinationFailed ?? DeliveryStatus.Deferred(3, 0, "delivery was interrupted"));
                }
            }
        }
    }

    private void StageElsewhere(ElsewhereDelivery delivery)
    {
        Forget(delivery);
        if (_spool.Read(delivery.MessageId) is not { } stored)
        {
            return;
        }
        var warned = stored.Outcomes.Any(static o => OutcomeDetail.Read(o.Detail.Span).Warned);
        foreach (var outcome in delivery.Result!.Recipients)
        {
            if (!delivery.Recipients.Contains(outcome.Index) || outcome.Index >= stored.Envelope.Recipients.Count)
            {
                continue;
            }
            var (state, status) = Outcome(stored.Envelope, warned, traced: stored.Outcomes.Count > 0, outcome.Index, outcome.Status);
            if (state is RecipientState.Done or RecipientState.Unreported)
            {
                _spool.Outcome(delivery.MessageId, new SpoolOutcome(outcome.Index, true, state == RecipientState.Unreported, OutcomeDetail.Write(status, warned)));
            }
        }
    }

    private void Forget(ElsewhereDelivery delivery)
    {
        if (_elsewhere.TryGetValue(delivery.MessageId, out var deliveries) && deliveries.Remove(delivery))
        {
            TakenElsewhere.Add(delivery);
            if (deliveries.Count == 0)
            {
                _elsewhere.Remove(delivery.MessageId);
            }
        }
    }

    private void Place(ActiveMessage message, int index, Resolution resolution, long nowMicros)
    {
        var recipient = message.Envelope.Recipients[index].Address;
        if (message.Rests)
        {
            message.States[index] = RecipientState.Deferred;
            message.Pending--;
            return;
        }
        // Postfix: the retry and error services log what could not be sent anywhere.
        if ((resolution.Flags & ResolveFlags.Fail) != 0)
        {
            resolution = new Resolution("retry", "4.3.0 address resolver failure", recipient, ResolveFlags.Default);
        }
        else if (!EnvelopeCodec.Fits(resolution.Recipient) || !EnvelopeCodec.Fits(resolution.Nexthop))
        {
            // The agents would take the request for a broken link.
            resolution = new Resolution("error", "5.1.3 address is too long", recipient, ResolveFlags.Default);
        }
        // The report of a report that failed: it went to the postmaster and could not be delivered. It ends here.
        if ((resolution.Flags & ResolveFlags.Local) != 0
            && AddressParts.Split(resolution.Recipient).Local.Equals(_settings.DoubleBounceSender, StringComparison.OrdinalIgnoreCase))
        {
            _log.Discarded(message, recipient, message.IsProbe || (message.Envelope.Flags & MessageFlags.VerifyOnly) != 0);
            Settle(message, index, DeliveryStatus.Sent("undeliverable postmaster notification discarded", DsnAction.None));
            return;
        }
        if (message.IsProbe && _probes > _settings.ProbeLimit)
        {
            Retry(message, index, resolution.Recipient, "4.3.2 Too many address verification requests", nowMicros);
            return;
        }
        if (!message.Flushed && _settings.DeferTransports.Contains(resolution.Transport))
        {
            Retry(message, index, resolution.Recipient, "4.3.2 deferred transport", nowMicros);
            return;
        }
        if (!Scheduler.Add(message, index, resolution.Recipient, resolution.Transport, resolution.Nexthop, nowMicros, out var dead))
        {
            Suspend(message, index, resolution.Recipient, dead!, nowMicros);
        }
        else if (Scheduler.Clogged is { } clogged)
        {
            _log.Clogged(clogged, resolution.Nexthop, _active.Count, _settings.ActiveLimit);
        }
    }

    /// <summary>A recipient whose best MX host we are ourselves: best_mx_transport takes it, once.</summary>
    private void PassOn(ActiveMessage message, int index, long nowMicros)
    {
        var at = message.Resolutions.FindIndex(r => r.Index == index);
        var before = message.Resolutions[at].Resolution;
        var (transport, nexthop) = (_settings.BestMxTransport, "");
        if (transport.IndexOf(':', StringComparison.Ordinal) is var colon and >= 0)
        {
            (transport, nexthop) = (transport[..colon], transport[(colon + 1)..]);
        }
        // Postfix, deliver_pass: without a next hop of its own it is the one that looped.
        var next = before with { Transport = transport, Nexthop = nexthop.Length > 0 ? nexthop : before.Nexthop };
        if (message.Removed || message.Rests)
        {
            message.States[index] = RecipientState.Deferred;
            message.Pending--;
            return;
        }
        if (transport.Length == 0 || next == before)
        {
            next = before with { Transport = "error", Nexthop = $"5.4.6 mail for {before.Nexthop} loops back to myself" };
        }
        else
        {
            _log.Passing(message, before.Recipient, transport);
        }
        message.States[index] = RecipientState.Open;
        message.Resolutions[at] = (index, next);
        Place(message, index, next, nowMicros);
    }

    private void Suspend(ActiveMessage message, int index, string address, DeliveryStatus reason, long nowMicros)
    {
        if (!message.Removed)
        {
            Retry(message, index, address, $"{reason.Status} {reason.Reason}", nowMicros);
        }
    }

    /// <summary>The retry service logs and defers, as in Postfix.</summary>
    private void Retry(ActiveMessage message, int index, string address, string nexthop, long nowMicros)
    {
        if (!Scheduler.Add(message, index, address, "retry", nexthop, nowMicros, out var dead))
        {
            Settle(message, index, dead!);
        }
    }

    /// <summary>One recipient has its outcome of this pass.</summary>
    private void Settle(ActiveMessage message, int index, DeliveryStatus status)
    {
        (var state, status) = Outcome(message.Envelope, message.Warned, message.Traced, index, status);
        message.Pending--;
        message.Statuses[index] = status;
        if (message.IsProbe)
        {
            message.States[index] = RecipientState.Done;
            Tell(message.Envelope.Recipients[index], status);
            return;
        }
        message.States[index] = state;
        if (message.States[index] != RecipientState.Deferred)
        {
            if (message.Pending > 0)
            {
                StageOutcome(message, index);
            }
            else
            {
                // Most messages are deleted now: the outcome is needed only by those that stay.
                message.Unstaged = index;
            }
        }
    }

    /// <summary>What a status makes of a recipient, under soft_bounce and for what its sender wants to know.</summary>
    private (RecipientState State, DeliveryStatus Status) Outcome(Envelope envelope, bool warned, bool traced, int index, DeliveryStatus status)
    {
        if (status.Outcome == DeliveryOutcome.Bounced && _settings.SoftBounce)
        {
            status = status with { Outcome = DeliveryOutcome.Deferred, Status = status.Status with { Class = 4 }, Action = DsnAction.Delayed };
        }
        var notify = envelope.Recipients[index].Notify;
        var confirms = status.Outcome == DeliveryOutcome.Sent && _settings.ConfirmDelayCleared && warned && HeardOfDelay(envelope, notify);
        // Postfix: such a report says that it was handed on also where the next host sends reports of its own.
        status = confirms && status.Action == DsnAction.None ? status with { Action = DsnAction.Relayed } : status;
        return (status.Outcome switch
        {
            DeliveryOutcome.Deferred => RecipientState.Deferred,
            // All that failed goes to bounce, which looks at NOTIFY: a copy for the postmaster lists them all.
            DeliveryOutcome.Bounced => RecipientState.Unreported,
            DeliveryOutcome.Sent => confirms || WantsSuccess(envelope, traced, notify, status) ? RecipientState.Unreported : RecipientState.Done,
            _ => RecipientState.Unreported,
        }, status);
    }

    /// <summary>verify learns of the address that it asked about, and of the one that this has come to.</summary>
    private void Tell(EnvelopeRecipient recipient, DeliveryStatus status)
    {
        var found = status.Outcome is DeliveryOutcome.Sent or DeliveryOutcome.Deliverable ? AddressStatus.Ok
            : status.Outcome == DeliveryOutcome.Bounced || (status.Outcome == DeliveryOutcome.Undeliverable && status.Status.Class == 5) ? AddressStatus.Bounced : AddressStatus.Deferred;
        var asked = recipient.OriginalAddress.Length > 0 ? recipient.OriginalAddress : recipient.Address;
        Probed?.Invoke(asked, new AddressVerdict(found, status.Reason));
        if (recipient.Address != asked)
        {
            Probed?.Invoke(recipient.Address, new AddressVerdict(found, status.Reason));
        }
    }

    private static bool WantsSuccess(Envelope envelope, bool traced, DsnNotify notify, DeliveryStatus status) =>
        (envelope.Flags & MessageFlags.VerifyOnly) != 0 || (!traced && (envelope.Flags & MessageFlags.ReportDeliveries) != 0)
        || ((notify & DsnNotify.Success) != 0 && status.Action is DsnAction.Delivered or DsnAction.Relayed or DsnAction.Expanded);

    /// <summary>confirm_delay_cleared: a sender that was told that it waits may be told that it does not any more (as in Postfix, NOTIFY asks for both or neither).</summary>
    private static bool HeardOfDelay(Envelope envelope, DsnNotify notify) =>
        envelope.Sender.Length > 0 && (notify == DsnNotify.None || (notify & DsnNotify.Delay) != 0);

    private void StageOutcome(ActiveMessage message, int index)
    {
        var state = message.States[index];
        if (message.Statuses[index] is { } status)
        {
            _spool.Outcome(message.Id, new SpoolOutcome(
                index, state is RecipientState.Done or RecipientState.Unreported, state == RecipientState.Unreported, OutcomeDetail.Write(status, message.Warned)));
        }
    }

    /// <summary>When nothing of a message is under way any more: report, defer, or remove it.</summary>
    private void Conclude(ActiveMessage message)
    {
        if (message.Pending > 0 || message.Reports > 0 || message.ReportWaits || message.Removed)
        {
            return;
        }
        if (message.IsProbe)
        {
            // Also one that was held, or was at work when the system stopped: nobody waits for it any more.
            message.States.AsSpan().Fill(RecipientState.Done);
        }
        var deferred = false;
        var unreported = false;
        foreach (var state in message.States)
        {
            deferred |= state == RecipientState.Deferred;
            unreported |= state == RecipientState.Unreported;
        }
        if ((deferred || unreported) && message.Unstaged >= 0)
        {
            StageOutcome(message, message.Unstaged);
            message.Unstaged = -1;
        }
        if (deferred && !message.Rests && TooOld(message))
        {
            Expire(message);
            (deferred, unreported) = (false, true);
        }
        if ((unreported || (deferred && Traces(message))) && !message.ReportFailed)
        {
            Report(message);
            return;
        }
        if (deferred || unreported)
        {
            Defer(message);
            return;
        }
        _log.Removed(message.QueueId);
        Retire(message);
        _spool.Delete(message.Id);
    }

    private void PutAside(ActiveMessage message, IReadOnlyList<int> indices)
    {
        foreach (var index in indices)
        {
            message.States[index] = message.States[index] == RecipientState.InFlight ? RecipientState.Deferred : message.States[index];
        }
        if (message.Unstaged >= 0)
        {
            StageOutcome(message, message.Unstaged);
            message.Unstaged = -1;
        }
        if (!message.Damaged)
        {
            message.Damaged = true;
            _log.Damaged(message.QueueId);
            Drop(message);
            _spool.Move(message.Id, QueueState.Corrupt, 0);
        }
        // The postmaster is told once, when nothing of it is under way any more and it is known who did not get it.
        if (!message.States.Contains(RecipientState.InFlight))
        {
            ReportDamage(message);
        }
    }

    private void ReportDamage(ActiveMessage message)
    {
        if (message.IsProbe || !MayReport(message))
        {
            return;
        }
        var damaged = DeliveryStatus.Bounced(3, 0, "message content is damaged on disk: put aside in the corrupt queue");
        var left = Enumerable.Range(0, message.States.Length).Where(i => message.States[i] != RecipientState.Done);
        Start(message, ReportKind.Damage, [.. left.Select(i => new RecipientResult(i, message.States[i] == RecipientState.Unreported ? message.Statuses[i] ?? damaged : damaged))]);
    }

    private bool TooOld(ActiveMessage message)
    {
        var lifetime = message.Envelope.Sender.Length == 0 ? Math.Min(_settings.BounceLifetimeSeconds, _settings.LifetimeSeconds) : _settings.LifetimeSeconds;
        return message.Expire || NowMicros - message.Envelope.QueuedMicros >= lifetime * 1_000_000;
    }

    private void Expire(ActiveMessage message)
    {
        _log.Expired(message, message.Expire);
        for (var i = 0; i < message.States.Length; i++)
        {
            if (message.States[i] == RecipientState.Deferred)
            {
                message.Statuses[i] = (message.Statuses[i] ?? DeliveryStatus.Deferred(0, 0, "delivery time expired")) with { Outcome = DeliveryOutcome.Bounced, Action = DsnAction.Failed };
                message.States[i] = RecipientState.Unreported;
                StageOutcome(message, i);
            }
        }
    }

    private void Report(ActiveMessage message)
    {
        if (!MayReport(message))
        {
            return;
        }
        var failures = new List<RecipientResult>();
        var successes = new List<RecipientResult>();
        var traces = Traces(message);
        message.Traced = true;
        foreach (var i in message.InOrder())
        {
            if (traces && message.States[i] == RecipientState.Deferred && message.Statuses[i] is { } late)
            {
                successes.Add(new RecipientResult(i, late));
            }
            if (message.States[i] != RecipientState.Unreported)
            {
                continue;
            }
            var status = message.Statuses[i] ?? DeliveryStatus.Bounced(0, 0, "delivery failed; the reason could not be read back");
            StageOutcome(message, i);
            (status.Outcome == DeliveryOutcome.Bounced ? failures : successes).Add(new RecipientResult(i, status));
            if (status is { Outcome: DeliveryOutcome.Bounced, Action: DsnAction.Expanded })
            {
                // An alias was expanded, and one of its members failed.
                successes.Add(new RecipientResult(i, DeliveryStatus.AliasExpanded with { Relay = "local" }));
            }
        }
        var only = (message.Envelope.Flags & MessageFlags.VerifyOnly) != 0;
        var verify = only || traces || successes.Exists(s => TellsAll(message) && (message.Envelope.Recipients[s.Index].Notify & DsnNotify.Success) == 0);
        if (verify)
        {
            // Postfix: "Action: failed", also of an alias that was expanded. The report of sendmail -v lists failures too, and the message is returned all the same.
            successes.AddRange(failures.Select(f => f with { Status = f.Status with { Action = DsnAction.Failed } }));
        }
        if (only)
        {
            failures.Clear();
        }
        Start(message, ReportKind.Failure, failures);
        // Who stands in both is closed by the failure's: that one must not be lost when only the other could be sent. Who waits is closed by none.
        Start(message, verify ? ReportKind.Verify : ReportKind.Success, successes,
            [.. successes.Select(s => s.Index).Where(i => message.States[i] == RecipientState.Deferred || failures.Exists(f => f.Index == i))]);
        if (failures.Count == 0 && successes.Count == 0)
        {
            Conclude(message);
        }
    }

    /// <summary>sendmail -v. Postfix: what became of all recipients in the first attempt; what a later one does is told as of any mail.</summary>
    private static bool Traces(ActiveMessage message) => TellsAll(message) && !message.Traced && message.Envelope.Recipients.Count > 0;

    private static bool TellsAll(ActiveMessage message) => (message.Envelope.Flags & (MessageFlags.ReportDeliveries | MessageFlags.VerifyOnly)) == MessageFlags.ReportDeliveries;

    /// <summary>Whether a message's reports may start now; else it concludes anew when it is its turn.</summary>
    private bool MayReport(ActiveMessage message)
    {
        message.ReportWaits = _reports >= ReportLimit;
        if (message.ReportWaits)
        {
            _reportsWaiting.Enqueue(message);
        }
        return !message.ReportWaits;
    }

    private void StartWaitingReports()
    {
        while (_reports < ReportLimit && _reportsWaiting.TryDequeue(out var message))
        {
            message.ReportWaits = false;
            if (message.Damaged)
            {
                ReportDamage(message);
                continue;
            }
            // Does nothing when it was deleted meanwhile.
            Conclude(message);
        }
    }

    private void Start(ActiveMessage message, ReportKind kind, List<RecipientResult> recipients, IReadOnlyList<int>? leaves = null)
    {
        if (recipients.Count == 0)
        {
            return;
        }
        message.Reports++;
        _reports++;
        var request = new ReportRequest(kind, message.Id, message.QueueId, message.Envelope, message.Layout, recipients, Closes: kind is not (ReportKind.Delay or ReportKind.Damage))
        {
            Leaves = leaves ?? [],
        };
        _ = Task.Run(async () =>
        {
            var result = ReportResult.TryAgain;
            try
            {
                result = await _bounce.ReportAsync(request, CancellationToken.None).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                _log.Failed(e);
            }
            _post(() =>
            {
                _reports--;
                Reported(message, request, result);
                StartWaitingReports();
            });
        });
    }

    private void Reported(ActiveMessage message, ReportRequest request, ReportResult result)
    {
        message.Reports--;
        if (request.Kind == ReportKind.Damage && result == ReportResult.TryAgain)
        {
            _log.DamageUnreported(message.QueueId);
        }
        if (message.Removed)
        {
            return;
        }
        if (request.Kind == ReportKind.Delay)
        {
            message.Warned |= result != ReportResult.TryAgain;
            Defer(message);
            return;
        }
        if (result == ReportResult.TryAgain)
        {
            message.ReportFailed = true;
        }
        else
        {
            var closed = request.Closed();
            foreach (var index in closed)
            {
                message.States[index] = RecipientState.Done;
            }
            // With VERP each recipient has a report of its own, and some perhaps none.
            if (result == ReportResult.Discarded || message.Envelope.Verp.Length > 0)
            {
                _spool.Reported(message.Id, closed);
            }
        }
        Conclude(message);
    }

    private void Defer(ActiveMessage message)
    {
        var now = NowMicros;
        var age = (now - message.Envelope.ArrivalMicros) / 1_000_000;
        if (!message.Warned && !message.ReportFailed && !message.Rests && _settings.DelayWarningSeconds > 0 && age >= _settings.DelayWarningSeconds && message.Reports == 0)
        {
            var late = new List<RecipientResult>();
            for (var i = 0; i < message.States.Length; i++)
            {
                if (message.States[i] == RecipientState.Deferred && message.Statuses[i] is { } status)
                {
                    late.Add(new RecipientResult(i, status));
                }
            }
            if (late.Count > 0 && message.Envelope.Sender.Length > 0)
            {
                if (!MayReport(message))
                {
                    return;
                }
                // Whatever becomes of the warning, there is one attempt per pass.
                message.ReportFailed = true;
                Start(message, ReportKind.Delay, late);
                return;
            }
        }
        for (var i = 0; i < message.States.Length; i++)
        {
            if (message.States[i] is RecipientState.Deferred)
            {
                StageOutcome(message, i);
            }
        }
        // Exponential back-off: as long again as the message is in the queue, within bounds; without the lower one when it was not the next hop's doing.
        var wait = Math.Clamp((now - message.Envelope.QueuedMicros) / 1_000_000, message.Interrupted ? Math.Min(1, _settings.MaximalBackoffSeconds) : _settings.LeastWaitSeconds, _settings.MaximalBackoffSeconds);
        Retire(message);
        _spool.Move(message.Id, message.HoldWanted ? QueueState.Hold : QueueState.Deferred, now / 1_000_000 + wait);
    }

    private void Retire(ActiveMessage message)
    {
        if (_active.Remove(message.Id))
        {
            _probes -= message.IsProbe ? 1 : 0;
            _recipients -= message.States.Length;
            Leaving.Add(message.Id);
        }
    }

    private bool HasDomain(ulong id, string domain) =>
        _spool.Read(id) is { } message && message.Envelope.Recipients.Any(r => AddressParts.Domain(r.Address).Equals(domain, StringComparison.OrdinalIgnoreCase));
}
