namespace Facteur.Config.Parameters;

/// <summary>Parameters of qmgr(8).</summary>
public static class QmgrParameters
{
    /// <summary>qmgr_message_active_limit.</summary>
    public static readonly IntParameter MessageActiveLimit = new("qmgr_message_active_limit", "20000", "Messages in the active queue.", 1);

    /// <summary>qmgr_message_recipient_limit.</summary>
    public static readonly IntParameter MessageRecipientLimit = new("qmgr_message_recipient_limit", "20000", "Recipients of active messages held in memory; beyond it no further message becomes active.", 1);

    /// <summary>minimal_backoff_time.</summary>
    public static readonly TimeParameter MinimalBackoffTime = new("minimal_backoff_time", "300s", "Least time between attempts; how long a dead destination rests.", 1);

    /// <summary>maximal_backoff_time.</summary>
    public static readonly TimeParameter MaximalBackoffTime = new("maximal_backoff_time", "4000s", "Greatest time between attempts.", 1);

    /// <summary>queue_run_delay.</summary>
    public static readonly TimeParameter QueueRunDelay = new("queue_run_delay", "300s", "Least time between attempts of a deferred message, where it is longer than minimal_backoff_time.", 1);

    /// <summary>bounce_queue_lifetime.</summary>
    public static readonly TimeParameter BounceQueueLifetime = new("bounce_queue_lifetime", "5d", "How long mail from the null sender is tried.", 0, 'd', 8640000);

    /// <summary>delay_warning_time.</summary>
    public static readonly TimeParameter DelayWarningTime = new("delay_warning_time", "0h", "After how long the sender is told that mail is delayed; 0 for never.", 0, 'h');

    /// <summary>transport_retry_time.</summary>
    public static readonly TimeParameter TransportRetryTime = new("transport_retry_time", "60s", "How long a transport that can't be reached rests.", 1);

    /// <summary>defer_transports.</summary>
    public static readonly StringParameter DeferTransports = new("defer_transports", "", "Transports that deliver only when the queue is flushed.");

    /// <summary>initial_destination_concurrency.</summary>
    public static readonly IntParameter InitialDestinationConcurrency = new("initial_destination_concurrency", "5", "Deliveries to a destination side by side at first.", 1);

    /// <summary>default_destination_concurrency_limit.</summary>
    public static readonly IntParameter DestinationConcurrencyLimit = new("default_destination_concurrency_limit", "20", "Most deliveries to a destination side by side; 0 for no limit.");

    /// <summary>default_destination_recipient_limit.</summary>
    public static readonly IntParameter DestinationRecipientLimit = new("default_destination_recipient_limit", "50", "Recipients of one delivery; 1 makes each recipient a destination.");

    /// <summary>default_destination_concurrency_positive_feedback.</summary>
    public static readonly StringParameter PositiveFeedback = new("default_destination_concurrency_positive_feedback", "1", "How much a good delivery widens a destination's window: a fraction, number / concurrency or number / sqrt_concurrency.", 1);

    /// <summary>default_destination_concurrency_negative_feedback.</summary>
    public static readonly StringParameter NegativeFeedback = new("default_destination_concurrency_negative_feedback", "1", "How much a failed connection narrows a destination's window.", 1);

    /// <summary>default_destination_concurrency_failed_cohort_limit.</summary>
    public static readonly IntParameter FailedCohortLimit = new("default_destination_concurrency_failed_cohort_limit", "1", "Rounds of failures until a destination is dead; 0 for never.");

    /// <summary>default_destination_rate_delay.</summary>
    public static readonly TimeParameter DestinationRateDelay = new("default_destination_rate_delay", "0s", "Pause between deliveries to one destination; makes them one after the other.");

    /// <summary>default_transport_rate_delay.</summary>
    public static readonly TimeParameter TransportRateDelay = new("default_transport_rate_delay", "0s", "Pause between deliveries of one transport; makes them one after the other.");

    /// <summary>local_destination_concurrency_limit.</summary>
    public static readonly IntParameter LocalConcurrencyLimit = new("local_destination_concurrency_limit", "2", "Deliveries to one local recipient side by side.");

    /// <summary>local_destination_recipient_limit.</summary>
    public static readonly IntParameter LocalRecipientLimit = new("local_destination_recipient_limit", "1", "Recipients of one local delivery.");

    /// <summary>best_mx_transport.</summary>
    public static readonly StringParameter BestMxTransport = new("best_mx_transport", "", "transport or transport:nexthop for mail whose best MX host is this system; empty to return it.");

    /// <summary>qmgr_clog_warn_time.</summary>
    public static readonly TimeParameter ClogWarnTime = new("qmgr_clog_warn_time", "300s", "How often it is logged that a destination fills the active queue; 0 for never.");

    /// <summary>confirm_delay_cleared.</summary>
    public static readonly BoolParameter ConfirmDelayCleared = new("confirm_delay_cleared", "no", "Whether senders who were told of a delay hear when it is over.");

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } =
    [
        MessageActiveLimit, MessageRecipientLimit, MinimalBackoffTime, MaximalBackoffTime, QueueRunDelay, BounceQueueLifetime, DelayWarningTime, TransportRetryTime, DeferTransports,
        InitialDestinationConcurrency, DestinationConcurrencyLimit, DestinationRecipientLimit, PositiveFeedback, NegativeFeedback, FailedCohortLimit, DestinationRateDelay,
        TransportRateDelay, LocalConcurrencyLimit, LocalRecipientLimit,
        BestMxTransport, ConfirmDelayCleared, ClogWarnTime,
    ];
}
