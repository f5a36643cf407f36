using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Services.Queue.Qmgr;
using Facteur.Spool;

namespace Facteur.Services.Master;

/// <summary>Single messages for postcat.</summary>
internal sealed class QueueLookup(QmgrService qmgr, bool longIds) : IQueueLookup
{
    public async ValueTask<QueuedMessage?> FindAsync(ulong id, CancellationToken cancel)
    {
        if (await qmgr.ReadAsync(id, cancel).ConfigureAwait(false) is not ({ } stored, var active))
        {
            return null;
        }
        var queue = active ? "active" : stored.Entry.State switch
        {
            QueueState.Incoming => "incoming",
            QueueState.Deferred => "deferred",
            QueueState.Hold => "hold",
            _ => "corrupt",
        };
        return new QueuedMessage(id, queue, QueueId.Format(id, longIds), stored.Envelope, [.. stored.Outcomes.Where(o => o.Done).Select(o => o.Recipient)], stored.Layout);
    }
}
