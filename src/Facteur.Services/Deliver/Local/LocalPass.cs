using Facteur.Contracts;
using Facteur.Mail.Dsn;

namespace Facteur.Services.Deliver.Local;

/// <summary>mailbox_transport, fallback_transport and their maps: the recipient is another transport's, which logs it.</summary>
internal sealed class LocalPass(LocalRooms rooms, DeliveryRequest request, DeliveryRecipient recipient)
{
    /// <summary>Delivers by another transport.</summary>
    /// <param name="service">transport:nexthop.</param>
    /// <param name="address">The recipient.</param>
    /// <param name="cancel">The delivery's end.</param>
    public async ValueTask<(DeliveryStatus Status, bool Damaged, bool Logged)> DeliverAsync(string service, string address, CancellationToken cancel)
    {
        var colon = service.IndexOf(':', StringComparison.Ordinal);
        var (transport, nexthop) = colon < 0 ? (service, "") : (service[..colon], service[(colon + 1)..]);
        LocalLog.Passing(rooms.Log, request.QueueId, address, transport);
        // local would pass to itself for ever.
        if (transport == request.Transport || rooms.Agents(transport) is not { } agent)
        {
            LocalLog.NoTransport(rooms.Log, transport);
            return (DeliveryStatus.Deferred(3, 0, "mail transport unavailable"), false, false);
        }
        var result = await agent.DeliverAsync(
            new DeliveryRequest
            {
                RequestId = request.RequestId,
                MessageId = request.MessageId,
                QueueId = request.QueueId,
                Transport = transport,
                Nexthop = nexthop.Length > 0 ? nexthop : request.Nexthop,
                Envelope = request.Envelope,
                Recipients = [recipient with { Recipient = recipient.Recipient with { Address = address } }],
                Layout = request.Layout,
                ActiveMicros = request.ActiveMicros,
                Flags = request.Flags & ~DeliveryFlags.KeepConnection,
            }, cancel).ConfigureAwait(false);
        return result.Recipients.Count > 0
            ? (result.Recipients[0].Status, result.Damaged, true)
            : (result.DestinationFailed ?? DeliveryStatus.Deferred(3, 0, "mail transport unavailable"), result.Damaged, false);
    }
}
