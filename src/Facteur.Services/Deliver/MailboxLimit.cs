using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Dsn;

namespace Facteur.Services.Deliver;

/// <summary>
/// mailbox_size_limit and virtual_mailbox_limit: with a limit that one message may exceed nothing is delivered, and mail waits until that is mended. Postfix: the agent
/// ends, and qmgr finds nobody to talk to; all else goes on.
/// </summary>
internal sealed class MailboxLimit
{
    private readonly string? _wrong;

    /// <summary>Reads a limit.</summary>
    public MailboxLimit(IConfig config, IntParameter parameter)
    {
        Bytes = config.Get(parameter);
        var message = config.Get(CommonParameters.MessageSizeLimit);
        _wrong = Bytes > 0 && (message == 0 || Bytes < message) ? $"main.cf configuration error: {parameter.Name} is smaller than message_size_limit" : null;
    }

    /// <summary>The limit, 0 for none.</summary>
    public long Bytes { get; }

    /// <summary>The result of a delivery that the limit does not allow to begin, which is logged; else null.</summary>
    public DeliveryResult? Refusal(ServiceLog log, DeliveryRequest request)
    {
        if (_wrong is null)
        {
            return null;
        }
        log.Fatal(_wrong);
        return new DeliveryResult(request.RequestId, [], DeliveryStatus.Deferred(3, 0, "unknown mail transport error"), TransportFailed: true);
    }
}
