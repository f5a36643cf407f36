namespace Facteur.Contracts;

/// <summary>One recipient in a queue listing; only recipients still to be delivered are listed.</summary>
/// <param name="Address">The recipient.</param>
/// <param name="OriginalAddress">orig_address; "" when it is the same and a reason is known (Postfix: its logs of reasons leave it out then).</param>
/// <param name="Reason">Why it is delayed, or null.</param>
/// <param name="Bounced">The reason is a bounce not reported yet.</param>
public sealed record ListedRecipient(string Address, string OriginalAddress, string? Reason, bool Bounced);

/// <summary>One message in a queue listing.</summary>
/// <param name="QueueName">maildrop, incoming, active, deferred, hold or corrupt.</param>
/// <param name="QueueId">Its queue id.</param>
/// <param name="ArrivalSeconds">Arrival, seconds since 1970.</param>
/// <param name="Size">Content bytes.</param>
/// <param name="ForcedExpire">postsuper -e or -f was asked for.</param>
/// <param name="Sender">Sender, "MAILER-DAEMON" for the null sender.</param>
/// <param name="Recipients">Open recipients.</param>
public sealed record ListedMessage(
    string QueueName, string QueueId, long ArrivalSeconds, long Size, bool ForcedExpire, string Sender, IReadOnlyList<ListedRecipient> Recipients);

/// <summary>What postsuper can ask.</summary>
public enum SuperOperation : byte
{
    /// <summary>-d.</summary>
    Delete = 1,

    /// <summary>-h.</summary>
    Hold = 2,

    /// <summary>-H.</summary>
    Release = 3,

    /// <summary>-r.</summary>
    Requeue = 4,

    /// <summary>-e.</summary>
    Expire = 5,

    /// <summary>-f.</summary>
    ForceExpire = 6,
}

/// <summary>The questions and orders of operators to the queue. Orders are durable when they return.</summary>
public interface IQueueControl
{
    /// <summary>Lists up to so many messages after a cursor, in the order incoming, active, deferred, hold, corrupt.</summary>
    /// <param name="cursor">Where to go on; 0 at first, changed by the call, ulong.MaxValue at the end. Opaque.</param>
    /// <param name="limit">Most messages to return.</param>
    /// <param name="cancel">The asker's end.</param>
    ValueTask<(IReadOnlyList<ListedMessage> Messages, ulong Cursor)> ListAsync(ulong cursor, int limit, CancellationToken cancel);

    /// <summary>postqueue -f: everything deferred is tried now.</summary>
    ValueTask FlushAsync(CancellationToken cancel);

    /// <summary>postqueue -i: one message is tried now.</summary>
    /// <returns>False when there is no such message.</returns>
    ValueTask<bool> FlushMessageAsync(ulong id, CancellationToken cancel);

    /// <summary>postqueue -s, ETRN: all mail for a domain is tried now.</summary>
    ValueTask FlushSiteAsync(string domain, CancellationToken cancel);

    /// <summary>postsuper, one message.</summary>
    /// <returns>False when there is no such message in a queue the operation applies to.</returns>
    ValueTask<bool> SuperAsync(SuperOperation operation, ulong id, CancellationToken cancel);

    /// <summary>postsuper ALL [queue].</summary>
    /// <param name="operation">What to do.</param>
    /// <param name="queueName">Only this queue, or null for all the operation applies to.</param>
    /// <param name="cancel">The asker's end.</param>
    /// <returns>How many messages.</returns>
    ValueTask<int> SuperAllAsync(SuperOperation operation, string? queueName, CancellationToken cancel);
}
