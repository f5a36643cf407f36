using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts;

/// <summary>Options of a delivery request.</summary>
[Flags]
public enum DeliveryFlags : byte
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Mail for the destination comes one after the other: keep the connection.</summary>
    KeepConnection = 1,

    /// <summary>Say what would happen, deliver nothing (sendmail -bv, address probes).</summary>
    VerifyOnly = 2,

    /// <summary>local handed the recipient over to another transport (mailbox_transport): it is not handed over again.</summary>
    Passed = 4,

    /// <summary>A probe whose failure is not kept (address_verify_negative_cache = no): the log says so.</summary>
    FailureNotKept = 8,

    /// <summary>Connections to the destination may have been kept: take one.</summary>
    UseConnection = 16,

    /// <summary>The sender was told that the message waits, and hears when it does not any more (confirm_delay_cleared).</summary>
    ConfirmsDelay = 32,
}

/// <summary>One recipient of a delivery.</summary>
/// <param name="Index">Its index in the message's envelope.</param>
/// <param name="Recipient">Address and options; the address is the resolved one.</param>
public readonly record struct DeliveryRecipient(int Index, EnvelopeRecipient Recipient);

/// <summary>The arrow qmgr → delivery agents: one message, one transport, one next hop, some recipients.</summary>
public sealed class DeliveryRequest
{
    /// <summary>Number of this request; the result carries it.</summary>
    public required ulong RequestId { get; init; }

    /// <summary>The message.</summary>
    public required ulong MessageId { get; init; }

    /// <summary>Its queue id as text.</summary>
    public required string QueueId { get; init; }

    /// <summary>Name of the master.cf entry that delivers.</summary>
    public required string Transport { get; init; }

    /// <summary>Next hop.</summary>
    public required string Nexthop { get; init; }

    /// <summary>Sender, options, client, times. Its recipient list is empty here.</summary>
    public required Envelope Envelope { get; init; }

    /// <summary>Who is to be delivered to, at least one.</summary>
    public required IReadOnlyList<DeliveryRecipient> Recipients { get; init; }

    /// <summary>Where the content lies.</summary>
    public required ContentLayout Layout { get; init; }

    /// <summary>When the message became active, microseconds since 1970: the first of the four delays ends here.</summary>
    public required long ActiveMicros { get; init; }

    /// <summary>Options.</summary>
    public DeliveryFlags Flags { get; init; }
}

/// <summary>The outcome of one recipient.</summary>
/// <param name="Index">Its index in the message's envelope.</param>
/// <param name="Status">What became of it.</param>
public readonly record struct RecipientResult(int Index, DeliveryStatus Status);

/// <summary>
/// The end of a delivery request. A recipient without a result is deferred by qmgr.
/// </summary>
/// <param name="RequestId">The request.</param>
/// <param name="Recipients">The outcomes.</param>
/// <param name="DestinationFailed">
/// The next hop itself failed (no connection, 4xx greeting): counts against its concurrency, and when it is dead all its mail is deferred with this reason. Null when the next hop spoke.
/// </param>
/// <param name="Damaged">The content could not be read whole: qmgr puts the message aside.</param>
/// <param name="TransportFailed">What failed is the transport, not only this next hop of it: with <paramref name="DestinationFailed"/>, and without recipients.</param>
/// <param name="Loops">The next hop is this system itself, by its MX records: recipients without a result go to best_mx_transport.</param>
public sealed record DeliveryResult(
    ulong RequestId, IReadOnlyList<RecipientResult> Recipients, DeliveryStatus? DestinationFailed = null, bool Damaged = false, bool TransportFailed = false, bool Loops = false);

/// <summary>A delivery agent: smtp, lmtp, local, virtual, pipe, error, retry, discard. One instance serves one master.cf entry.</summary>
public interface IDeliveryAgent
{
    /// <summary>
    /// Delivers and logs one line per recipient. Never throws for what a peer, a table, a user's file or the disk can cause; only
    /// <see cref="OperationCanceledException"/> when stopped before anything was handed over.
    /// </summary>
    ValueTask<DeliveryResult> DeliverAsync(DeliveryRequest request, CancellationToken cancel);
}
