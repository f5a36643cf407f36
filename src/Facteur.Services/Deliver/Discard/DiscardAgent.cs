using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Services.Server;

namespace Facteur.Services.Deliver.Discard;

/// <summary>discard(8): every recipient counts as delivered, and the next hop is the reason, with an optional 2.x.x in front.</summary>
/// <param name="log">The entry's log.</param>
/// <param name="time">The clock.</param>
public sealed class DiscardAgent(ServiceLog log, TimeProvider time) : IDeliveryAgent
{
    /// <inheritdoc/>
    public ValueTask<DeliveryResult> DeliverAsync(DeliveryRequest request, CancellationToken cancel)
    {
        var start = DeliveryTimes.Now(time);
        var status = Status(request.Nexthop);
        var results = new RecipientResult[request.Recipients.Count];
        for (var i = 0; i < results.Length; i++)
        {
            var times = new DeliveryTimes(start, 0, DeliveryTimes.Now(time));
            results[i] = DeliveryLog.Write(log, request, request.Recipients[i], status, times, "none");
        }
        return ValueTask.FromResult(new DeliveryResult(request.RequestId, results));
    }

    /// <summary>The status of a next hop's text.</summary>
    internal static DeliveryStatus Status(string nexthop)
    {
        var code = EnhancedStatus.Ok;
        var text = nexthop;
        if (EnhancedStatus.TryParsePrefix(nexthop, out var given, out var length))
        {
            // Postfix: a code of another class is ignored.
            code = given.Class == 2 ? given : code;
            text = nexthop[length..].TrimStart(' ', '\t');
        }
        return new DeliveryStatus(DeliveryOutcome.Sent, code, text, DsnAction.Delivered);
    }
}
