using Facteur.Contracts;

namespace Facteur.Services.Queue.Qmgr;

/// <summary>The log lines of qmgr(8).</summary>
internal sealed class QmgrLog(ServiceLog log)
{
    public void Active(ActiveMessage message, long size, int recipients) =>
        log.Info($"{message.QueueId}: from=<{log.Address(message.Envelope.Sender)}>, size={size}, nrcpt={recipients} (queue active)");

    /// <summary>Reports wait no longer than other mail, whatever main.cf says.</summary>
    public void LifetimeAdjusted() => log.Warning("bounce_queue_lifetime is larger than maximal_queue_lifetime - adjusting bounce_queue_lifetime");

    public void Removed(string queueId) => log.Info($"{queueId}: removed");

    public void Expired(ActiveMessage message, bool forced) =>
        log.Info($"{message.QueueId}: from=<{log.Address(message.Envelope.Sender)}>, status={(forced ? "force-expired" : "expired")}, returned to sender");

    public void SkippedStillDelivering(string queueId) => log.Info($"{queueId}: skipped, still being delivered");

    public void Discarded(ActiveMessage message, string recipient, bool verifies) =>
        log.Info($"{message.QueueId}: to=<{log.Address(recipient)}>, relay=none, delay=0, delays=0/0/0/0, dsn=2.0.0, status={(verifies ? "deliverable" : "sent")} (undeliverable postmaster notification discarded)");

    public void Passing(ActiveMessage message, string recipient, string transport) => log.Info($"{message.QueueId}: passing <{log.Address(recipient)}> to transport={transport}");

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

    /// <summary>Postfix's words and advice (qmgr_clog_warn_time).</summary>
    public void Clogged(Destination destination, string nexthop, int active, int activeLimit)
    {
        var (transport, share) = (destination.Transport, destination.Entries / (double)active);
        log.Warning($"mail for {nexthop} is using up {destination.Entries} of {active} active queue entries");
        if (share < 0.9)
        {
            log.Warning("this may slow down other mail deliveries");
        }
        if (transport.Settings.ConcurrencyLimit <= destination.Busy + 1)
        {
            log.Warning($"you may need to increase the main.cf {transport.Name}_destination_concurrency_limit from {transport.Settings.ConcurrencyLimit}");
        }
        else if (destination.Window > activeLimit * share)
        {
            log.Warning($"you may need to increase the main.cf qmgr_message_active_limit from {activeLimit}");
        }
        else if (transport.Destinations.Count > 1)
        {
            log.Warning($"you may need a separate master.cf transport for {nexthop}");
        }
        else
        {
            log.Warning($"you may need to reduce {transport.Name} connect and helo timeouts");
            log.Warning("so that hosts that are not there are skipped quickly");
            log.Warning("you may need to increase the main.cf minimal_backoff_time and maximal_backoff_time");
            log.Warning("so that less time goes into mail that can't be delivered");
            log.Warning($"you may need to increase the master.cf {transport.Name} process limit");
        }
        log.Warning("please avoid flushing the whole queue when you have");
        log.Warning("lots of deferred mail, that is bad for performance");
        log.Warning("to turn off these warnings specify: qmgr_clog_warn_time = 0");
    }

    public void Failed(Exception e) => log.Error($"queue engine: {e}");
}
