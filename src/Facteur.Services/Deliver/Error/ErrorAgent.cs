using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Services.Server;

namespace Facteur.Services.Deliver.Error;

/// <summary>
/// error(8) and retry(8): every recipient fails or is deferred, and the next hop is the reason, with an optional status code in front.
/// Named retry in master.cf it defers, under any other name it bounces.
/// </summary>
public sealed class ErrorAgent : IDeliveryAgent
{
    private readonly ServiceLog _log;
    private readonly TimeProvider _time;
    private readonly bool _retry;
    private readonly bool _softBounce;

    /// <summary>Makes the agent of one master.cf entry.</summary>
    /// <param name="config">The entry's parameters.</param>
    /// <param name="retry">The entry is named retry.</param>
    /// <param name="log">The entry's log.</param>
    /// <param name="time">The clock.</param>
    public ErrorAgent(IConfig config, bool retry, ServiceLog log, TimeProvider time)
    {
        _log = log;
        _time = time;
        _retry = retry;
        _softBounce = config.Get(CommonParameters.SoftBounce);
    }

    /// <inheritdoc/>
    public ValueTask<DeliveryResult> DeliverAsync(DeliveryRequest request, CancellationToken cancel)
    {
        var start = DeliveryTimes.Now(_time);
        var status = Status(request.Nexthop, _retry);
        var results = new RecipientResult[request.Recipients.Count];
        for (var i = 0; i < results.Length; i++)
        {
            var times = new DeliveryTimes(start, 0, DeliveryTimes.Now(_time));
            results[i] = DeliveryLog.Write(_log, request, request.Recipients[i], status, times, "none", softBounce: _softBounce);
        }
        return ValueTask.FromResult(new DeliveryResult(request.RequestId, results));
    }

    /// <summary>The status of a next hop's text. A code of another class than the agent's is no code of it (Postfix: ignored, with a warning).</summary>
    internal static DeliveryStatus Status(string nexthop, bool retry)
    {
        var wanted = retry ? (byte)4 : (byte)5;
        var code = new EnhancedStatus(wanted, 0, 0);
        var text = nexthop;
        if (EnhancedStatus.TryParsePrefix(nexthop, out var given, out var length))
        {
            code = given.Class == wanted ? given : code;
            text = nexthop[length..].TrimStart(' ', '\t');
        }
        return new DeliveryStatus(
            retry ? DeliveryOutcome.Deferred : DeliveryOutcome.Bounced, code, text, retry ? DsnAction.Delayed : DsnAction.Failed);
    }
}
