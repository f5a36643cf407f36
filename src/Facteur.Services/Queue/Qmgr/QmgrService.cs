using System.IO.Pipelines;
using Facteur.Config;
using Facteur.Contracts;
using Facteur.Contracts.Wire;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Spool;

namespace Facteur.Services.Queue.Qmgr;

/// <summary>The queue role: the spool's only writer, its engine, and what operators ask of it.</summary>
public sealed class QmgrService : IDisposable
{
    private const int QuietRounds = 100;
    private static readonly TimeSpan QuietRound = TimeSpan.FromMilliseconds(100);

    private readonly ISpool _spool;
    private readonly IResubmit _resubmit;
    private readonly QmgrLoop _loop;
    private readonly Qmgr _qmgr;
    private readonly TimeProvider _time;
    private volatile string _contentFilter;

    /// <summary>Makes the role; nothing runs before <see cref="Start"/>.</summary>
    /// <param name="config">The configuration of the qmgr entry.</param>
    /// <param name="spool">The queues; owned by the caller, used by nobody else until this is disposed.</param>
    /// <param name="bell">What its engine waits with; links between processes come with it.</param>
    /// <param name="senderDependent">Routing depends on the sender.</param>
    /// <param name="bounce">Reports.</param>
    /// <param name="resubmit">Mail made inside, for postsuper -r.</param>
    /// <param name="entry">What master.cf says of a transport.</param>
    /// <param name="log">The log of qmgr.</param>
    /// <param name="time">The clock.</param>
    public QmgrService(
        IConfig config, ISpool spool, Bell bell, bool senderDependent, IBounce bounce, IResubmit resubmit, Func<string, TransportEntry> entry, ServiceLog log, TimeProvider time)
    {
        var settings = new QmgrSettings(config, entry);
        _contentFilter = settings.ContentFilter;
        _spool = spool;
        _resubmit = resubmit;
        _time = time;
        _loop = new QmgrLoop(spool, bell, senderDependent, log, time);
        _qmgr = new Qmgr(spool, _loop.Rewrite, bounce, settings, log, time, _loop.Post) { Probed = resubmit.Probed };
        Control = new QmgrControl(spool, _qmgr, _loop, settings.LongQueueIds, RequeueAsync);
    }

    /// <summary>Operators' questions and orders.</summary>
    public IQueueControl Control { get; }

    /// <summary>Deliveries under way.</summary>
    public int UnderWay => _loop.Load.UnderWay;

    /// <summary>Starts the engine.</summary>
    /// <param name="isLocal">Whether a transport is of the local role, not of deliver.</param>
    public void Start(Func<string, bool> isLocal) => _loop.Start(_qmgr, isLocal);

    /// <summary>Delivery agents came, of the local role or the others; those before are gone.</summary>
    public void AttachAgents(IDuplexPipe link, bool local) => _loop.AttachAgents(link, local);

    /// <summary>trivial-rewrite came, which says where recipients go.</summary>
    public void AttachRewrite(IDuplexPipe link) => _loop.AttachRewrite(link);

    /// <summary>Adds a writer: a receive role.</summary>
    public void Accept(IDuplexPipe writer) => _loop.Accept(writer);

    /// <summary>postfix reload, in two steps: reads another configuration now; the next decisions follow it once what is returned was called.</summary>
    /// <param name="config">The configuration of the qmgr entry.</param>
    /// <param name="senderDependent">Routing depends on the sender.</param>
    /// <param name="entry">What master.cf says of a transport.</param>
    /// <param name="isLocal">Whether a transport is of the local role, not of deliver.</param>
    /// <exception cref="ConfigException">A value makes no sense.</exception>
    public Action Prepare(IConfig config, bool senderDependent, Func<string, TransportEntry> entry, Func<string, bool> isLocal)
    {
        var settings = new QmgrSettings(config, entry);
        return () => _loop.Post(() =>
        {
            _loop.Rewrite.Forget(senderDependent);
            _loop.Reroute(isLocal);
            _qmgr.Reconfigure(settings);
            _contentFilter = settings.ContentFilter;
        });
    }

    /// <summary>Starts no further delivery; what is under way may end.</summary>
    public void Stop() => _loop.Post(_qmgr.Stop);

    /// <summary>Reads a queued message for postcat.</summary>
    public Task<(SpoolMessage? Message, bool Active)> ReadAsync(ulong id, CancellationToken cancel) =>
        _loop.RunAsync(() => (_spool.Read(id), _qmgr.Active.ContainsKey(id)), cancel);

    /// <inheritdoc/>
    public void Dispose() => _loop.Dispose();

    /// <summary>
    /// postsuper -r: the message goes through cleanup again as a new one. The new one's end record closes the old one's recipients,
    /// so that a crash in between leaves exactly one of them.
    /// </summary>
    private async ValueTask<bool> RequeueAsync(ulong id, CancellationToken cancel)
    {
        var held = await _loop.RunAsync(() => _spool.TryGet(id, out var entry) && entry.State == QueueState.Hold, cancel).ConfigureAwait(false);
        // From here on the asker may leave: what is begun is ended.
        cancel = CancellationToken.None;
        if (!await QuietAsync(id, cancel).ConfigureAwait(false))
        {
            return false;
        }
        SpoolMessage? stored = null;
        try
        {
            await _loop.RunDurableAsync(() => stored = PrepareRequeue(id), cancel).ConfigureAwait(false);
        }
        catch (Exception) when (stored is not null)
        {
            // The marks stay staged: they are taken back by what is staged after them.
            _loop.Post(() =>
            {
                _qmgr.Requeued.Remove(id);
                Reopen(stored, OpenRecipients(stored), held);
            });
            throw;
        }
        if (stored is null)
        {
            return false;
        }
        var open = OpenRecipients(stored);
        var done = false;
        try
        {
            done = open.Count > 0 && await ResubmitAsync(id, stored, open, cancel).ConfigureAwait(false);
        }
        finally
        {
            await _loop.RunDurableAsync(() =>
            {
                _qmgr.Requeued.Remove(id);
                // The new message may be durable though nobody could say so: its end closed these recipients.
                var marked = done ? [] : StillMarked(id, open);
                done |= open.Count > 0 && marked.Count == 0;
                if (!done)
                {
                    Reopen(stored, marked, held);
                }
                else if (stored.Outcomes.Any(static o => o is { Done: true, Unreported: true }))
                {
                    // What failed before is not reported yet.
                    Back(stored, held);
                }
                else
                {
                    _spool.Delete(id);
                }
                return true;
            }, cancel).ConfigureAwait(false);
        }
        return done;
    }

    /// <summary>Waits until nothing of a message is under way.</summary>
    private async ValueTask<bool> QuietAsync(ulong id, CancellationToken cancel)
    {
        for (var i = 0; i < QuietRounds; i++)
        {
            if (await _loop.RunAsync(() => _qmgr.Quiet(id), cancel).ConfigureAwait(false))
            {
                return true;
            }
            await Task.Delay(QuietRound, _time, cancel).ConfigureAwait(false);
        }
        await _loop.RunAsync(() =>
        {
            _qmgr.Unquiet(id);
            return true;
        }, cancel).ConfigureAwait(false);
        return false;
    }

    private async ValueTask<bool> ResubmitAsync(ulong id, SpoolMessage stored, List<int> open, CancellationToken cancel)
    {
        var envelope = new Envelope
        {
            Sender = stored.Envelope.Sender,
            ArrivalMicros = stored.Envelope.ArrivalMicros,
            EnvelopeId = stored.Envelope.EnvelopeId,
            Verp = stored.Envelope.Verp,
            Return = stored.Envelope.Return,
            Body = stored.Envelope.Body,
            Origin = stored.Envelope.Origin,
            // postsuper(1): addresses are mapped again; what a rule of smtpd once said is over, REDIRECT too, and the filter is today's.
            Flags = (stored.Envelope.Flags & ~(MessageFlags.Hold | MessageFlags.NoAddressMappings | MessageFlags.NoHeaderBodyChecks | MessageFlags.NoMilters)) | MessageFlags.Requeued,
            Attributes = stored.Envelope.Attributes.With(MessageAttributes.Filter, _contentFilter).With(MessageAttributes.Redirect, ""),
            Client = stored.Envelope.Client,
            Entry = stored.Envelope.Entry,
            FullName = stored.Envelope.FullName,
            Recipients = [.. open.Select(i => stored.Envelope.Recipients[i])],
            Closes = new ClosedRecipients(id, open),
        };
        // Postfix: what is sent round again has all of its lifetime before it.
        envelope.SetQueued((_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond);
        using var message = _resubmit.Begin(envelope);
        return await CopyAsync(stored, message, cancel).ConfigureAwait(false)
            && (await message.EndAsync(cancel).ConfigureAwait(false)).Result.Status == CleanupStatus.Ok;
    }

    private SpoolMessage? PrepareRequeue(ulong id)
    {
        if (!_spool.TryGet(id, out var entry) || entry.State == QueueState.Corrupt)
        {
            return null;
        }
        if (_spool.Read(id) is not { } stored)
        {
            return null;
        }
        // It became active again in between, or it was asked for twice.
        if (_qmgr.Requeued.Contains(id) || !_qmgr.Quiet(id))
        {
            _qmgr.Unquiet(id);
            return null;
        }
        _qmgr.Requeued.Add(id);
        _spool.Claim(id);
        foreach (var index in OpenRecipients(stored))
        {
            _spool.Outcome(id, new SpoolOutcome(index, Done: true, Unreported: true, OutcomeDetail.Write(DeliveryStatus.Deferred(0, 0, "being requeued"), warned: false)));
        }
        return stored;
    }

    private void Reopen(SpoolMessage stored, List<int> open, bool held)
    {
        foreach (var index in open)
        {
            _spool.Outcome(stored.Entry.Id, new SpoolOutcome(index, Done: false, Unreported: false, OutcomeDetail.Write(DeliveryStatus.Deferred(0, 0, "could not be requeued"), warned: false)));
        }
        Back(stored, held);
    }

    private void Back(SpoolMessage stored, bool held) =>
        _spool.Move(stored.Entry.Id, held ? QueueState.Hold : QueueState.Deferred, held ? 0 : stored.Entry.DueSeconds);

    private List<int> StillMarked(ulong id, List<int> open) => _spool.Read(id) is not { } now ? open
        : [.. open.Where(i => now.Outcomes.Any(o => o.Recipient == i && o.Unreported))];

    private static List<int> OpenRecipients(SpoolMessage stored)
    {
        var done = stored.Outcomes.Where(o => o.Done).Select(o => o.Recipient).ToHashSet();
        return [.. Enumerable.Range(0, stored.Envelope.Recipients.Count).Where(i => !done.Contains(i))];
    }

    private async ValueTask<bool> CopyAsync(SpoolMessage stored, IResubmitMessage message, CancellationToken cancel)
    {
        using var reader = _spool.OpenReader();
        var buffer = new byte[ContentLayout.BufferLength];
        for (var extent = 0; extent < stored.Layout.Extents.Count; extent++)
        {
            for (long offset = 0; offset < stored.Layout.Extents[extent].Length;)
            {
                if (reader.Read(stored.Entry.Id, stored.Layout, extent, offset, buffer, out var content) != ContentRead.Data || content.IsEmpty)
                {
                    return false;
                }
                await message.WriteAsync(content, cancel).ConfigureAwait(false);
                offset += content.Length;
            }
        }
        return true;
    }
}
