using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Services.Server;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>One request while it is carried out: which recipients are left, what became of the others, and when.</summary>
internal sealed class SmtpDelivery(DeliveryRequest request, SmtpSettings settings, SmtpLog log, TimeProvider time)
{
    private readonly RecipientResult[] _results = new RecipientResult[request.Recipients.Count];
    private readonly RecipientState[] _states = new RecipientState[request.Recipients.Count];
    private readonly long _start = DeliveryTimes.Now(time);
    private string[]? _mapped;
    private int _finished;
    private long _connected;

    internal enum RecipientState : byte
    {
        /// <summary>To be tried, with this host or the next.</summary>
        Left = 0,

        /// <summary>Failed with this host; the next one may do better.</summary>
        NextHost = 1,

        /// <summary>This host accepted the recipient, not yet the message.</summary>
        Accepted = 2,

        /// <summary>It has its result.</summary>
        Finished = 3,
    }

    internal DeliveryRequest Request => request;

    /// <summary>The mapping of addresses on their way out, or null.</summary>
    internal SmtpGeneric? Generic { get; private set; }

    /// <summary>The sender as it is sent.</summary>
    internal string Sender { get; private set; } = request.Envelope.Sender;

    /// <summary>A mapping gave what would break the line of a command.</summary>
    internal bool HasBadMapped => SmtpAgent.HasControl(Sender) || _mapped!.Any(SmtpAgent.HasControl);

    /// <summary>A recipient as it is sent; results and log lines keep the one that was asked for.</summary>
    internal EnvelopeRecipient Outgoing(int index)
    {
        var recipient = request.Recipients[index].Recipient;
        return _mapped is null || _mapped[index] == recipient.Address ? recipient : recipient with
        {
            Address = _mapped[index],
            OriginalAddress = recipient.OriginalAddress.Length > 0 ? recipient.OriginalAddress : recipient.Address,
        };
    }

    /// <summary>Maps the envelope's addresses.</summary>
    /// <returns>False when a table can't answer.</returns>
    internal async ValueTask<bool> MapAsync(SmtpGeneric generic, CancellationToken cancel)
    {
        Generic = generic;
        var sender = await generic.MapAsync(Sender, cancel).ConfigureAwait(false);
        _mapped = new string[request.Recipients.Count];
        for (var i = 0; i < _mapped.Length && sender is not null; i++)
        {
            if (await generic.MapAsync(request.Recipients[i].Recipient.Address, cancel).ConfigureAwait(false) is not { } mapped)
            {
                return false;
            }
            _mapped[i] = mapped;
        }
        Sender = sender ?? Sender;
        return sender is not null;
    }

    /// <summary>The last failure of a host.</summary>
    internal DeliveryStatus? Why { get; set; }

    /// <summary>A host spoke with us to the end of a transaction: the destination lives.</summary>
    internal bool HostSpoke { get; set; }

    internal bool Damaged { get; set; }

    /// <summary>The content could not be read, or the agent stops: what is left gets no result, so that qmgr tries again.</summary>
    internal bool Unreadable { get; set; }

    internal bool HasResults => _finished > 0;

    internal int LeftCount => request.Recipients.Count - _finished;

    internal RecipientState this[int index]
    {
        get => _states[index];
        set => _states[index] = value;
    }

    /// <summary>The time for connecting ends here.</summary>
    internal void Connected() => _connected = DeliveryTimes.Now(time);

    /// <summary>Before the next host: those left are as new.</summary>
    internal void NextHost()
    {
        foreach (ref var state in _states.AsSpan())
        {
            state = state == RecipientState.Finished ? state : RecipientState.Left;
        }
    }

    /// <summary>One recipient has its result: logged and kept.</summary>
    internal void Finish(int index, DeliveryStatus status, SmtpSession? session, string? tls, string relay = "none")
    {
        _states[index] = RecipientState.Finished;
        _results[_finished++] = DeliveryLog.Write(
            log.Service, request, request.Recipients[index], status, new DeliveryTimes(_start, _connected, DeliveryTimes.Now(time)),
            session?.Host.Relay ?? relay, session is null ? 0 : session.Uses, settings.LogTls ? tls : null, settings.SoftBounce, settings.DelayResolution, settings.Tables.StatusFilter);
    }

    /// <summary>One recipient failed with a host: final when the failure or the host is, else left for the next.</summary>
    internal void Fail(int index, DeliveryStatus status, SmtpSession session, bool final)
    {
        Why = status;
        if (IsFinal(status, final))
        {
            Finish(index, status, session, session.TlsStatus);
            return;
        }
        log.NextHost(request.QueueId, status.Reason);
        _states[index] = RecipientState.NextHost;
    }

    /// <summary>Postfix: with soft_bounce the next host is asked after a refusal for good, too.</summary>
    private bool IsFinal(DeliveryStatus status, bool final) => final || (status.Outcome == DeliveryOutcome.Bounced && !settings.SoftBounce);

    /// <summary>All that are not finished failed with a host, for one reason.</summary>
    internal void FailAll(DeliveryStatus status, SmtpSession session, bool final)
    {
        Why = status;
        var ends = IsFinal(status, final);
        if (!ends)
        {
            log.NextHost(request.QueueId, status.Reason);
        }
        for (var i = 0; i < _states.Length; i++)
        {
            if (_states[i] is RecipientState.Left or RecipientState.Accepted)
            {
                if (ends)
                {
                    Finish(i, status, session, session.TlsStatus);
                }
                else
                {
                    _states[i] = RecipientState.NextHost;
                }
            }
        }
    }

    /// <summary>No host is left: the others get the last failure, or none when best_mx_transport takes them.</summary>
    internal DeliveryResult End(DeliveryStatus? why, string? tls, bool loops = false, string relay = "none")
    {
        if (Unreadable || Damaged)
        {
            return new DeliveryResult(request.RequestId, _results[.._finished], null, Damaged);
        }
        if (_finished < _states.Length && _connected == 0)
        {
            Connected();
        }
        if (loops)
        {
            return new DeliveryResult(request.RequestId, _results[.._finished], Loops: true);
        }
        why ??= Why ?? DeliveryStatus.Deferred(4, 1, "no host could be tried");
        for (var i = 0; i < _states.Length; i++)
        {
            if (_states[i] != RecipientState.Finished)
            {
                Finish(i, why, null, tls, relay);
            }
        }
        return new DeliveryResult(request.RequestId, _results, HostSpoke || why.Outcome == DeliveryOutcome.Bounced ? null : why);
    }
}
