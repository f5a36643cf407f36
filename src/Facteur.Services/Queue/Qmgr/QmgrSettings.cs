using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Mail.Addresses;
using Facteur.Tables;

namespace Facteur.Services.Queue.Qmgr;

/// <summary>What master.cf says of a transport.</summary>
/// <param name="ProcessLimit">Its explicit process limit, 0 for none.</param>
/// <param name="EachAlone">Its program works for one recipient after the other, each on its own: virtual(8).</param>
public readonly record struct TransportEntry(int ProcessLimit, bool EachAlone);

/// <summary>The limits of one transport: $transport_name where set, else the default's.</summary>
internal sealed record TransportSettings(
    int InitialConcurrency, int ConcurrencyLimit, int RecipientLimit, Feedback Positive, Feedback Negative, int FailedCohortLimit, long RateDelayMicros, long TransportRateDelayMicros, int ProcessLimit, bool EachAlone = false);

/// <summary>What qmgr reads of the configuration, once.</summary>
internal sealed class QmgrSettings
{
    private readonly IConfig _config;
    private readonly Func<string, TransportEntry> _entry;

    /// <param name="config">The configuration of the qmgr entry.</param>
    /// <param name="entry">What master.cf says of a transport.</param>
    public QmgrSettings(IConfig config, Func<string, TransportEntry> entry)
    {
        _config = config;
        _entry = entry;
        ActiveLimit = (int)Math.Min(config.Get(QmgrParameters.MessageActiveLimit), 10_000_000);
        RecipientLimit = config.Get(QmgrParameters.MessageRecipientLimit);
        MinimalBackoffSeconds = (long)config.Get(QmgrParameters.MinimalBackoffTime).TotalSeconds;
        QueueRunDelaySeconds = (long)config.Get(QmgrParameters.QueueRunDelay).TotalSeconds;
        LeastWaitSeconds = Math.Max(MinimalBackoffSeconds, QueueRunDelaySeconds);
        MaximalBackoffSeconds = Math.Max((long)config.Get(QmgrParameters.MaximalBackoffTime).TotalSeconds, LeastWaitSeconds);
        LifetimeSeconds = (long)config.Get(CommonParameters.MaximalQueueLifetime).TotalSeconds;
        BounceLifetimeSeconds = (long)config.Get(QmgrParameters.BounceQueueLifetime).TotalSeconds;
        DelayWarningSeconds = (long)config.Get(QmgrParameters.DelayWarningTime).TotalSeconds;
        TransportRetryMicros = (long)config.Get(QmgrParameters.TransportRetryTime).TotalMicroseconds;
        DeferTransports = new HashSet<string>(ListSyntax.Split(config.Get(QmgrParameters.DeferTransports)), StringComparer.Ordinal);
        DoubleBounceSender = config.Get(CommonParameters.DoubleBounceSender);
        Myhostname = config.Get(CommonParameters.Myhostname);
        LongQueueIds = config.Get(CommonParameters.EnableLongQueueIds);
        Delimiters = DelimiterSettings.Of(config);
        SoftBounce = config.Get(CommonParameters.SoftBounce);
        ProbeLimit = (int)Math.Min(config.Get(VerifyParameters.PendingRequestLimit), int.MaxValue);
        ProbeFailuresKept = config.Get(VerifyParameters.NegativeCache);
        BestMxTransport = config.Get(QmgrParameters.BestMxTransport);
        ClogWarnMicros = config.Get(TrivialRewriteParameters.HelpfulWarnings) ? (long)config.Get(QmgrParameters.ClogWarnTime).TotalMicroseconds : 0;
        ConfirmDelayCleared = config.Get(QmgrParameters.ConfirmDelayCleared);
        ContentFilter = config.Get(ContentFilterParameters.ContentFilter);
        FilterNexthop = config.Get(ContentFilterParameters.DefaultFilterNexthop);
    }

    public string Myhostname { get; }

    /// <summary>best_mx_transport, where mail goes that would come back to us.</summary>
    public string BestMxTransport { get; }

    /// <summary>Least time between two warnings that a destination fills the active queue; 0 for none.</summary>
    public long ClogWarnMicros { get; }

    public bool ConfirmDelayCleared { get; }

    /// <summary>content_filter, for mail that enters again (postsuper -r).</summary>
    public string ContentFilter { get; }

    /// <summary>default_filter_nexthop.</summary>
    public string FilterNexthop { get; }

    public int ActiveLimit { get; }

    public long RecipientLimit { get; }

    public long MinimalBackoffSeconds { get; }

    /// <summary>How long mail that was released from hold waits.</summary>
    public long QueueRunDelaySeconds { get; }

    /// <summary>Postfix: deferred mail is looked at once in queue_run_delay, so no message is tried more often. (Each waits from its own last attempt here.)</summary>
    public long LeastWaitSeconds { get; }

    public long MaximalBackoffSeconds { get; }

    public long LifetimeSeconds { get; }

    public long BounceLifetimeSeconds { get; }

    public long DelayWarningSeconds { get; }

    public long TransportRetryMicros { get; }

    public IReadOnlySet<string> DeferTransports { get; }

    public string DoubleBounceSender { get; }

    /// <summary>Next hop of filters that name none; empty for the recipient's domain.</summary>
    public bool LongQueueIds { get; }

    public RecipientDelimiters Delimiters { get; }

    public bool SoftBounce { get; }

    /// <summary>Probes active at a time; more of them fail at once.</summary>
    public int ProbeLimit { get; }

    public bool ProbeFailuresKept { get; }

    /// <summary>The limits of a transport.</summary>
    public TransportSettings Transport(string name)
    {
        var rate = Time(name + "_destination_rate_delay", QmgrParameters.DestinationRateDelay);
        var limit = Number(name + "_destination_concurrency_limit", QmgrParameters.DestinationConcurrencyLimit);
        var initial = Number(name + "_initial_destination_concurrency", QmgrParameters.InitialDestinationConcurrency);
        // A pause between deliveries means one after the other (postconf(5), default_destination_rate_delay).
        limit = rate > 0 ? 1 : limit == 0 ? int.MaxValue : limit;
        var entry = _entry(name);
        var transportRate = Time(name + "_transport_rate_delay", QmgrParameters.TransportRateDelay);
        return new TransportSettings(
            Math.Clamp(initial, 1, limit), limit, Number(name + "_destination_recipient_limit", QmgrParameters.DestinationRecipientLimit) is var r && r == 0 ? int.MaxValue : r,
            Amount(name + "_destination_concurrency_positive_feedback", QmgrParameters.PositiveFeedback),
            Amount(name + "_destination_concurrency_negative_feedback", QmgrParameters.NegativeFeedback),
            Number(name + "_destination_concurrency_failed_cohort_limit", QmgrParameters.FailedCohortLimit), rate, transportRate,
            transportRate > 0 ? 1 : entry.ProcessLimit, entry.EachAlone && rate == 0 && transportRate == 0);
    }

    private int Number(string name, IntParameter fallback) =>
        (int)Math.Min(long.TryParse(_config.Find(name), out var value) && value >= 0 ? value : _config.Get(fallback), int.MaxValue);

    private long Time(string name, TimeParameter fallback) =>
        1_000_000 * (_config.Find(name) is { } text && TimeParameter.ParseSeconds(text, 's') is { } seconds ? seconds : (long)_config.Get(fallback).TotalSeconds);

    private Feedback Amount(string name, StringParameter fallback) =>
        Feedback.Parse(_config.Find(name) ?? "") ?? Feedback.Parse(_config.Get(fallback)) ?? new Feedback(1, Feedback.Divisor.None);
}
