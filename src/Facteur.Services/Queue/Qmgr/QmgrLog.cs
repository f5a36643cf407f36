using Facteur.Contracts;

namespace Facteur.Services.Queue.Qmgr;

/// <summary>The log lines of qmgr(8).</summary>
internal sealed class QmgrLog(ServiceLog log)
{
    public void Active(ActiveMessage message, long size, int recipients) =>
        log.Info($"{message.QueueId}: from=<{message.Envelope.Sender}>, size={size}, nrcpt={recipients} (queue active)");

    /// <summary>Reports wait no longer than other mail, whatever main.cf says.</summary>
    public void LifetimeAdjusted() => log.Warning("bounce_queue_lifetime is larger than maximal_queue_lifetime - adjusting bounce_queue_lifetime");

    public void Removed(string queueId) => log.Info($"{queueId}: removed");

    public void Expired(ActiveMessage message, bool forced) =>
        log.Info($"{message.QueueId}: from=<{message.Envelope.Sender}>, status={(forced ? "force-expired" : "expired")}, returned to sender");

    public void SkippedStillDelivering(string queueId) => log.Info($"{queueId}: skipped, still being delivered");

    public void Discarded(ActiveMessage message, string recipient, bool verifies) =>
        log.Info($"{message.QueueId}: to=<{recipient}>, relay=none, delay=0, delays=0/0/0/0, dsn=2.0.0, status={(verifies ? "deliverable" : "sent")} (undeliverable postmaster notification discarded)");

    public void Passing(ActiveMessage message, string recipient, string transport) => log.Info($"{message.QueueId}: passing <{recipient}> to transport={transport}");

    public void Damaged(string queueId) => log.Warning($"{queueId}: content is damaged on disk: put aside in the corrupt queue; nothing of it was completed at the peer");

    public void DamageUnreported(string queueId) => log.Warning($"{queueId}: the postmaster was not told that it is in the corrupt queue: the notice could not be queued");

    public void Unreadable(string queueId, long seconds) => log.Warning($"{queueId}: the disk refuses to read it for now: tried again in {seconds} seconds");

    public void CommitFailed(bool space) =>
        log.Error(space ? "queue: no space left on device: new mail is refused with 452 until there is room" : "queue: write error: new mail is refused with 451; the segment was sealed");

    public void CommitRecovered() => log.Info("queue: can be written again");

    public void MadeAgain(int deliveries) => log.Warning($"the delivery agents ended: {deliveries} {(deliveries == 1 ? "delivery is" : "deliveries are")} made again");

    public void LostAtStop(long bytes) =>
        log.Error($"queue: write error at the stop: {bytes} bytes of outcomes are not on disk: the next start may deliver these messages again");

    public void ActiveFull(string limit) => log.Warning($"mail for the active queue waits: {limit} is reached");

    public void Failed(Exception e) => log.Error($"queue engine: {e}");
}
