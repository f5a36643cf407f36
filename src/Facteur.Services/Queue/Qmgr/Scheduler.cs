using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;

using Facteur.Mail.Envelopes;

namespace Facteur.Services.Queue.Qmgr;

/// <summary>
/// Decides what is delivered next. One thread, no clock of its own, no I/O. Transports take turns, destinations of a transport take
/// turns, messages of a destination take turns; a destination's window widens while it speaks and narrows while it fails; a dead one
/// rests and its mail goes to the retry transport with the reason.
/// </summary>
internal sealed class Scheduler(QmgrSettings settings)
{
    /// <summary>Delivery requests under way at a time; beyond it mail waits in the queue.</summary>
    public const int Window = 2000;

    /// <summary>A transport may have this many times as many requests under way as could still be started: alone three quarters of all, and a slow one never leaves nothing to the others.</summary>
    private const int Share = 3;

    /// <summary>Messages removed before their jobs are swept out.</summary>
    private const int SweepAfter = 1024;

    /// <summary>How long an idle destination is remembered.</summary>
    private const long LingerMicros = 2_000_000;

    private readonly Dictionary<string, Transport> _transports = new(StringComparer.Ordinal);
    private readonly Queue<Transport> _ring = new();
    private readonly Dictionary<ulong, (Destination Destination, Job Job, int First, int Count)> _underWay = [];
    private readonly PriorityQueue<Destination, long> _waiting = new();
    private readonly PriorityQueue<Transport, long> _resting = new();
    private QmgrSettings _settings = settings;
    private ulong _number;
    private int _removed;

    /// <summary>Requests without a result.</summary>
    public int UnderWay => _underWay.Count;

    /// <summary>The destination that the recipient added last goes to, when it fills more than its share of the active queue and that is to be said; else null.</summary>
    public Destination? Clogged { get; private set; }

    /// <summary>When a waiting destination or transport may go on, or long.MaxValue.</summary>
    public long NextMicros => Math.Min(_waiting.TryPeek(out _, out var at) ? at : long.MaxValue, _resting.TryPeek(out _, out var end) ? end : long.MaxValue);

    /// <summary>Known destinations, for tests and figures.</summary>
    public int DestinationCount => _transports.Values.Sum(t => t.Destinations.Count);

    /// <summary>From now on other limits hold; windows that are wider narrow with the next result.</summary>
    public void Reconfigure(QmgrSettings changed)
    {
        _settings = changed;
        foreach (var transport in _transports.Values)
        {
            transport.Settings = changed.Transport(transport.Name);
            // It may have come with the new configuration.
            transport.DeadReason = null;
            Enlist(transport);
        }
    }

    /// <summary>
    /// Adds a recipient of a message. False when its transport or destination is dead: then the reason says why, and the caller sends it to retry.
    /// </summary>
    public bool Add(ActiveMessage message, int index, string address, string transportName, string nexthop, long nowMicros, out DeliveryStatus? dead)
    {
        Clogged = null;
        var transport = TransportOf(transportName);
        if (transport.DeadReason is not null && nowMicros >= transport.DeadUntilMicros)
        {
            transport.DeadReason = null;
        }
        dead = transport.DeadReason;
        if (dead is not null)
        {
            return false;
        }
        var key = QueueName(transport, address, nexthop);
        if (!transport.Destinations.TryGetValue(key, out var destination))
        {
            transport.Destinations.Add(key, destination = new Destination(transport, key));
        }
        dead = destination.DeadReason;
        if (dead is not null)
        {
            if (nowMicros < destination.DeadUntilMicros)
            {
                return false;
            }
            destination.DeadReason = dead = null;
        }
        // Recipients of one message come one after the other: its job is the last one.
        if (destination.LastJob is not { } job || job.Message != message || job.Finished)
        {
            job = new Job(message, nexthop);
            destination.LastJob = job;
            destination.Jobs.Enqueue(job);
            // Postfix: a fifth.
            if (destination.Entries > _settings.ActiveLimit / 5 && _settings.ClogWarnMicros > 0 && nowMicros >= destination.ClogWarnMicros)
            {
                destination.ClogWarnMicros = nowMicros + _settings.ClogWarnMicros;
                Clogged = destination;
            }
        }
        job.Recipients.Add((index, address));
        MakeReady(destination, nowMicros);
        return true;
    }

    /// <summary>The next delivery to start, or null when nothing may start now.</summary>
    public DeliveryRequest? Next(long nowMicros)
    {
        while (_waiting.TryPeek(out var waiting, out var at) && at <= nowMicros)
        {
            _waiting.Dequeue();
            Wake(waiting, nowMicros);
        }
        while (_resting.TryPeek(out var rested, out var at) && at <= nowMicros)
        {
            _resting.Dequeue();
            rested.Rests = false;
            Enlist(rested);
        }
        for (var turns = _ring.Count; turns > 0; turns--)
        {
            var transport = _ring.Dequeue();
            if (transport.Busy >= Share * (Window - _underWay.Count))
            {
                _ring.Enqueue(transport);
                continue;
            }
            var request = Next(transport, nowMicros);
            transport.InRing = transport.Willing;
            if (transport.InRing)
            {
                _ring.Enqueue(transport);
            }
            if (request is not null)
            {
                return request;
            }
        }
        return null;
    }

    /// <summary>A result came: which message and recipients it was, null when it is not known (a repeat).</summary>
    /// <param name="result">The result.</param>
    /// <param name="nowMicros">Now.</param>
    /// <param name="orphans">Recipients of jobs of a destination or transport that is dead now, with its reason.</param>
    public (ActiveMessage Message, IReadOnlyList<int> Indices)? Finish(DeliveryResult result, long nowMicros, List<(ActiveMessage Message, int Index, string Address, DeliveryStatus Reason)> orphans)
    {
        if (!_underWay.Remove(result.RequestId, out var sent))
        {
            return null;
        }
        var (destination, job) = (sent.Destination, sent.Job);
        destination.EndedMicros = nowMicros;
        if (destination.Transport.Settings.RateDelayMicros > 0)
        {
            destination.NotBeforeMicros = nowMicros + destination.Transport.Settings.RateDelayMicros;
        }
        if (destination.Transport.Settings.TransportRateDelayMicros is > 0 and var pause)
        {
            destination.Transport.Rests = true;
            _resting.Enqueue(destination.Transport, nowMicros + pause);
        }
        // What the retry service can't do, nobody can: its mail is deferred and not sent to it again.
        var dies = destination.Transport.Name != "retry";
        if (result.DestinationFailed is not { } reason)
        {
            destination.Transport.DeadReason = null;
            destination.Succeeded();
        }
        else if (result.TransportFailed && dies)
        {
            destination.Transport.DeadReason = reason;
            destination.Transport.DeadUntilMicros = nowMicros + _settings.TransportRetryMicros;
            for (var i = sent.First; i < sent.First + sent.Count; i++)
            {
                job.Message.States[job.Recipients[i].Index] = RecipientState.Open;
                orphans.Add((job.Message, job.Recipients[i].Index, job.Recipients[i].Address, reason));
            }
            sent.Count = 0;
            foreach (var other in destination.Transport.Destinations.Values)
            {
                Orphan(other, reason, orphans);
            }
        }
        else if (destination.Failed() && dies)
        {
            // Postfix: the reason of a dead transport stands alone, that of a dead destination after these words.
            reason = reason with { Reason = "delivery temporarily suspended: " + reason.Reason };
            destination.DeadReason = reason;
            destination.DeadUntilMicros = nowMicros + _settings.MinimalBackoffSeconds * 1_000_000;
            _waiting.Enqueue(destination, destination.DeadUntilMicros);
            Orphan(destination, reason, orphans);
        }
        destination.Busy--;
        destination.Transport.Busy--;
        Settle(destination, nowMicros);
        destination.End(nowMicros);
        Enlist(destination.Transport);
        var indices = new int[sent.Count];
        for (var i = 0; i < sent.Count; i++)
        {
            indices[i] = job.Recipients[sent.First + i].Index;
        }
        return (job.Message, indices);
    }

    /// <summary>Forgets for good what was not sent of a message that stays, held: were its jobs only overlooked, they would come back with its release.</summary>
    public void Remove(ActiveMessage message)
    {
        foreach (var transport in _transports.Values)
        {
            foreach (var destination in transport.Destinations.Values)
            {
                foreach (var job in destination.Jobs)
                {
                    if (job.Message == message)
                    {
                        job.Sent = job.Recipients.Count;
                    }
                }
            }
        }
    }

    /// <summary>
    /// A message was removed (<see cref="ActiveMessage.Removed"/>): its jobs count as finished from then on. They are swept out when they may
    /// be many, so that removing a whole queue costs little per message.
    /// </summary>
    public void Removed()
    {
        if (++_removed < SweepAfter)
        {
            return;
        }
        _removed = 0;
        foreach (var transport in _transports.Values)
        {
            foreach (var destination in transport.Destinations.Values)
            {
                for (var left = destination.Jobs.Count; left > 0; left--)
                {
                    if (destination.Jobs.Dequeue() is { Finished: false } job)
                    {
                        destination.Jobs.Enqueue(job);
                    }
                }
            }
        }
    }

    /// <summary>Dead transports and destinations live again: the queue was flushed.</summary>
    public void Revive()
    {
        foreach (var transport in _transports.Values)
        {
            transport.DeadReason = null;
            foreach (var destination in transport.Destinations.Values)
            {
                destination.DeadReason = null;
                destination.DeadUntilMicros = 0;
            }
        }
    }

    private static void Orphan(Destination destination, DeliveryStatus reason, List<(ActiveMessage Message, int Index, string Address, DeliveryStatus Reason)> orphans)
    {
        while (destination.Jobs.TryDequeue(out var orphan))
        {
            for (var i = orphan.Sent; i < orphan.Recipients.Count; i++)
            {
                orphans.Add((orphan.Message, orphan.Recipients[i].Index, orphan.Recipients[i].Address, reason));
            }
            orphan.Sent = orphan.Recipients.Count;
        }
    }

    private DeliveryRequest? Next(Transport transport, long nowMicros)
    {
        while (transport.Ready.TryDequeue(out var destination))
        {
            destination.InRing = false;
            while (destination.Jobs.TryPeek(out var finished) && finished.Finished)
            {
                destination.Jobs.Dequeue();
            }
            if (destination.Jobs.Count == 0 || destination.Busy >= destination.Window || nowMicros < destination.NotBeforeMicros)
            {
                Settle(destination, nowMicros);
                continue;
            }
            return Send(destination, destination.Jobs.Dequeue(), nowMicros);
        }
        return null;
    }

    private DeliveryRequest Send(Destination destination, Job job, long nowMicros)
    {
        var transport = destination.Transport;
        // VERP: a sender for each recipient, so a delivery for each. Where deliveries are made one by one anyway, each outcome is in the journal before the next delivery begins.
        var verp = job.Message.Envelope.Verp;
        var count = verp.Length > 0 || transport.Settings.EachAlone ? 1 : Math.Min(job.Recipients.Count - job.Sent, transport.Settings.RecipientLimit);
        var recipients = new DeliveryRecipient[count];
        var message = job.Message;
        for (var i = 0; i < count; i++)
        {
            var (index, address) = job.Recipients[job.Sent + i];
            var recipient = message.Envelope.Recipients[index];
            // The log's orig_to= and X-Original-To keep the address before resolving.
            recipients[i] = new DeliveryRecipient(index, recipient.Address == address ? recipient
                : recipient with { Address = address, OriginalAddress = recipient.OriginalAddress.Length == 0 ? recipient.Address : recipient.OriginalAddress });
            message.States[index] = RecipientState.InFlight;
        }
        var number = ++_number;
        _underWay.Add(number, (destination, job, job.Sent, count));
        job.Sent += count;
        if (!job.Finished)
        {
            destination.Jobs.Enqueue(job);
        }
        destination.Busy++;
        transport.Busy++;
        destination.Begin(nowMicros);
        MakeReady(destination, nowMicros);
        return new DeliveryRequest
        {
            RequestId = number,
            MessageId = message.Id,
            QueueId = message.QueueId,
            Transport = transport.Name,
            Nexthop = job.Nexthop,
            Envelope = verp.Length > 0 ? VerpHeader(message, recipients[0].Recipient) : message.Header,
            Recipients = recipients,
            Layout = message.Layout,
            ActiveMicros = message.ActiveMicros,
            Flags = destination.Connections | VerifyFlags(message) | (message.Warned && _settings.ConfirmDelayCleared ? DeliveryFlags.ConfirmsDelay : DeliveryFlags.None),
        };
    }

    /// <summary>A sender that no contract carries would end the link to the agents: mail for which it would be as long keeps its own.</summary>
    private static Envelope VerpHeader(ActiveMessage message, EnvelopeRecipient recipient)
    {
        var sender = Verp.Sender(message.Envelope.Verp, message.Envelope.Sender, recipient);
        return EnvelopeCodec.Fits(sender) ? message.HeaderFrom(sender) : message.Header;
    }

    /// <summary>The name of a destination within its transport: the next hop, or the user there when each recipient is a destination.</summary>
    public string QueueName(Resolution resolution) => QueueName(TransportOf(resolution.Transport), resolution.Recipient, resolution.Nexthop);

    // Postfix: with one recipient at a time a destination is a user at a next hop, so that extended addresses get no more deliveries at once than the user.
    private string QueueName(Transport transport, string address, string nexthop)
    {
        if (transport.Settings.RecipientLimit != 1)
        {
            return nexthop;
        }
        var (user, _) = AddressParts.SplitExtension(AddressParts.Unquote(AddressParts.Split(address).Local), _settings.Delimiters);
        return $"{user.ToLowerInvariant()}@{nexthop}";
    }

    private DeliveryFlags VerifyFlags(ActiveMessage message) =>
        message.IsProbe ? DeliveryFlags.VerifyOnly | (_settings.ProbeFailuresKept ? DeliveryFlags.None : DeliveryFlags.FailureNotKept)
        : (message.Envelope.Flags & MessageFlags.VerifyOnly) != 0 ? DeliveryFlags.VerifyOnly : DeliveryFlags.None;

    private Transport TransportOf(string name)
    {
        if (!_transports.TryGetValue(name, out var transport))
        {
            _transports.Add(name, transport = new Transport(name, _settings.Transport(name)));
        }
        return transport;
    }

    private void MakeReady(Destination destination, long nowMicros)
    {
        if (destination.InRing || destination.Jobs.Count == 0 || destination.Busy >= destination.Window)
        {
            return;
        }
        if (nowMicros < destination.NotBeforeMicros)
        {
            if (!destination.Waits)
            {
                destination.Waits = true;
                _waiting.Enqueue(destination, destination.NotBeforeMicros);
            }
            return;
        }
        destination.InRing = true;
        destination.Transport.Ready.Enqueue(destination);
        Enlist(destination.Transport);
    }

    private void Enlist(Transport transport)
    {
        if (!transport.InRing && transport.Willing)
        {
            transport.InRing = true;
            _ring.Enqueue(transport);
        }
    }

    private void Wake(Destination destination, long nowMicros)
    {
        (destination.Lingers, destination.Waits) = (false, false);
        if (nowMicros >= destination.DeadUntilMicros)
        {
            destination.DeadReason = null;
        }
        Settle(destination, nowMicros);
    }

    /// <summary>Puts a destination in its ring, or forgets it when nothing of it is left to remember.</summary>
    private void Settle(Destination destination, long nowMicros)
    {
        while (destination.Jobs.TryPeek(out var finished) && finished.Finished)
        {
            destination.Jobs.Dequeue();
        }
        if (destination.Jobs.Count == 0)
        {
            // It would keep a message that has gone.
            destination.LastJob = null;
        }
        if (destination.Idle && destination.DeadReason is null)
        {
            if (destination.Lingers)
            {
                return;
            }
            var linger = destination.Transport.Settings.RecipientLimit == 1 || destination.EndedMicros == 0 ? 0 : destination.EndedMicros + LingerMicros;
            // With a rate delay it is what keeps the delay: not forgotten before that is over.
            var until = Math.Max(linger, destination.NotBeforeMicros);
            if (nowMicros < until)
            {
                destination.Lingers = true;
                _waiting.Enqueue(destination, until);
                return;
            }
            // Another of the same name may have come since.
            if (destination.Transport.Destinations.GetValueOrDefault(destination.Key) == destination)
            {
                destination.Transport.Destinations.Remove(destination.Key);
            }
            return;
        }
        MakeReady(destination, nowMicros);
    }
}
