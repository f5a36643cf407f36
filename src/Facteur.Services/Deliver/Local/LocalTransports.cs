using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Services.Server;

namespace Facteur.Services.Deliver.Local;

/// <summary>
/// mailbox_transport, fallback_transport and their maps: one recipient is delivered by another agent in place of local(8). That agent logs the
/// recipient's line; local takes its outcome.
/// </summary>
internal sealed class LocalTransports(LocalRooms rooms, DeliveryRequest request, DeliveryRecipient recipient)
{
    private readonly long _start = DeliveryTimes.Now(rooms.Time);

    /// <summary>Has the recipient delivered.</summary>
    /// <param name="transport">"transport:nexthop"; without a next hop it is the request's own.</param>
    /// <param name="address">Who it became by aliases and .forward.</param>
    /// <param name="original">Who the sender meant.</param>
    /// <param name="notify">NOTIFY that is left for it.</param>
    /// <param name="cancel">The agent's end.</param>
    /// <returns>What became of it, and whether the content is damaged.</returns>
    public async ValueTask<(DeliveryStatus Status, bool Damaged)> DeliverAsync(string transport, string address, string original, DsnNotify notify, CancellationToken cancel)
    {
        var colon = transport.IndexOf(':');
        var name = colon < 0 ? transport : transport[..colon];
        var nexthop = colon < 0 ? "" : transport[(colon + 1)..];
        var passed = new DeliveryRecipient(recipient.Index, recipient.Recipient with { Address = address, OriginalAddress = original, Notify = notify });
        // Two entries of local that name each other would never come to an end.
        if (name == request.Transport || (request.Flags & DeliveryFlags.Passed) != 0 || rooms.Transports(name) is not { } agent)
        {
            LocalLog.NoTransport(rooms.Log, request.QueueId, name);
            return (Log(passed, DeliveryStatus.Deferred(3, 0, "mail transport unavailable")), false);
        }
        LocalLog.Passing(rooms.Log, request.QueueId, address, name);
        var result = await agent.DeliverAsync(
            new DeliveryRequest
            {
                RequestId = request.RequestId,
                MessageId = request.MessageId,
                QueueId = request.QueueId,
                Transport = name,
                Nexthop = nexthop.Length > 0 ? nexthop : request.Nexthop,
                Envelope = request.Envelope,
                Recipients = [passed],
                Layout = request.Layout,
                ActiveMicros = request.ActiveMicros,
                Flags = request.Flags | DeliveryFlags.Passed,
            },
            cancel).ConfigureAwait(false);
        // Without a result the content could not be read, or the agent stops: it is tried again.
        return (result.Recipients.Count > 0 ? result.Recipients[0].Status : DeliveryStatus.Deferred(3, 0, "delivery was interrupted"), result.Damaged);
    }

    private DeliveryStatus Log(in DeliveryRecipient passed, DeliveryStatus status)
    {
        var times = new DeliveryTimes(_start, 0, DeliveryTimes.Now(rooms.Time));
        return DeliveryLog.Write(rooms.Log, request, passed, status, times, "none", softBounce: rooms.Settings.SoftBounce, filter: rooms.Filter).Status;
    }
}
