namespace Facteur.Config.Parameters;

/// <summary>Parameters of verify(8), of the routes of its probes, and of the restrictions that ask it.</summary>
public static class VerifyParameters
{
    /// <summary>address_verify_map.</summary>
    public static readonly StringParameter Map = new("address_verify_map", "$default_cache_db_type:$data_directory/verify_cache", "The file that keeps results of probes; empty to keep them in memory only.");

    /// <summary>address_verify_sender.</summary>
    public static readonly StringParameter Sender = new("address_verify_sender", "$double_bounce_sender", "Sender of probes; <> or empty for the null sender.");

    /// <summary>address_verify_sender_ttl.</summary>
    public static readonly TimeParameter SenderTtl = new("address_verify_sender_ttl", "0s", "How often the sender of probes changes; 0 for never.");

    /// <summary>address_verify_positive_expire_time.</summary>
    public static readonly TimeParameter PositiveExpireTime = new("address_verify_positive_expire_time", "31d", "When a good result is forgotten.", 1, 'd');

    /// <summary>address_verify_positive_refresh_time.</summary>
    public static readonly TimeParameter PositiveRefreshTime = new("address_verify_positive_refresh_time", "7d", "When a good result is probed anew.", 1, 'd');

    /// <summary>address_verify_negative_cache.</summary>
    public static readonly BoolParameter NegativeCache = new("address_verify_negative_cache", "yes", "Whether bad results are kept.");

    /// <summary>address_verify_negative_expire_time.</summary>
    public static readonly TimeParameter NegativeExpireTime = new("address_verify_negative_expire_time", "3d", "When a bad result is forgotten.", 1, 'd');

    /// <summary>address_verify_negative_refresh_time.</summary>
    public static readonly TimeParameter NegativeRefreshTime = new("address_verify_negative_refresh_time", "3h", "When a bad result is probed anew.", 1, 'h');

    /// <summary>address_verify_cache_cleanup_interval.</summary>
    public static readonly TimeParameter CacheCleanupInterval = new("address_verify_cache_cleanup_interval", "12h", "How often what is too old is taken out of the cache; 0 for never.", unit: 'h');

    /// <summary>address_verify_pending_request_limit.</summary>
    public static readonly IntParameter PendingRequestLimit = new("address_verify_pending_request_limit", "5000", "Probes in the active queue at a time; more of them fail at once.", min: 1);

    /// <summary>address_verify_poll_count.</summary>
    public static readonly IntParameter PollCount = new("address_verify_poll_count", "${stress?{1}:{3}}", "How often a restriction asks for the result of a probe before it defers.", min: 1);

    /// <summary>address_verify_poll_delay.</summary>
    public static readonly TimeParameter PollDelay = new("address_verify_poll_delay", "3s", "The wait between two such questions.", 1);

    /// <summary>address_verify_service_name.</summary>
    public static readonly StringParameter ServiceName = new("address_verify_service_name", "verify", "The name of the service in warnings.", 1);

    /// <summary>address_verify_local_transport.</summary>
    public static readonly StringParameter LocalTransport = new("address_verify_local_transport", "$local_transport", "local_transport of probes.", 1);

    /// <summary>address_verify_virtual_transport.</summary>
    public static readonly StringParameter VirtualTransport = new("address_verify_virtual_transport", "$virtual_transport", "virtual_transport of probes.", 1);

    /// <summary>address_verify_relay_transport.</summary>
    public static readonly StringParameter RelayTransport = new("address_verify_relay_transport", "$relay_transport", "relay_transport of probes.", 1);

    /// <summary>address_verify_default_transport.</summary>
    public static readonly StringParameter DefaultTransport = new("address_verify_default_transport", "$default_transport", "default_transport of probes.", 1);

    /// <summary>address_verify_relayhost.</summary>
    public static readonly StringParameter Relayhost = new("address_verify_relayhost", "$relayhost", "relayhost of probes.");

    /// <summary>address_verify_transport_maps.</summary>
    public static readonly StringParameter TransportMaps = new("address_verify_transport_maps", "$transport_maps", "transport_maps of probes.");

    /// <summary>address_verify_sender_dependent_relayhost_maps.</summary>
    public static readonly StringParameter SenderDependentRelayhostMaps = new("address_verify_sender_dependent_relayhost_maps", "$sender_dependent_relayhost_maps", "sender_dependent_relayhost_maps of probes.");

    /// <summary>address_verify_sender_dependent_default_transport_maps.</summary>
    public static readonly StringParameter SenderDependentDefaultTransportMaps = new("address_verify_sender_dependent_default_transport_maps", "$sender_dependent_default_transport_maps", "sender_dependent_default_transport_maps of probes.");

    /// <summary>unverified_sender_reject_code.</summary>
    public static readonly IntParameter SenderRejectCode = new("unverified_sender_reject_code", "450", "Reply code when mail to the sender is refused.", min: 200, max: 599);

    /// <summary>unverified_sender_defer_code.</summary>
    public static readonly IntParameter SenderDeferCode = new("unverified_sender_defer_code", "450", "Reply code when it is not known whether mail to the sender is refused.", min: 200, max: 599);

    /// <summary>unverified_sender_reject_reason.</summary>
    public static readonly StringParameter SenderRejectReason = new("unverified_sender_reject_reason", "", "What the client is told instead of the probe's result.");

    /// <summary>unverified_sender_tempfail_action.</summary>
    public static readonly StringParameter SenderTempfailAction = new("unverified_sender_tempfail_action", "$reject_tempfail_action", "defer or defer_if_permit: what comes of not knowing.", 1);

    /// <summary>unverified_recipient_reject_code.</summary>
    public static readonly IntParameter RecipientRejectCode = new("unverified_recipient_reject_code", "450", "Reply code when mail to the recipient is refused.", min: 200, max: 599);

    /// <summary>unverified_recipient_defer_code.</summary>
    public static readonly IntParameter RecipientDeferCode = new("unverified_recipient_defer_code", "450", "Reply code when it is not known whether mail to the recipient is refused.", min: 200, max: 599);

    /// <summary>unverified_recipient_reject_reason.</summary>
    public static readonly StringParameter RecipientRejectReason = new("unverified_recipient_reject_reason", "", "What the client is told instead of the probe's result.");

    /// <summary>unverified_recipient_tempfail_action.</summary>
    public static readonly StringParameter RecipientTempfailAction = new("unverified_recipient_tempfail_action", "$reject_tempfail_action", "defer or defer_if_permit: what comes of not knowing.", 1);

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } =
    [
        Map, Sender, SenderTtl, PositiveExpireTime, PositiveRefreshTime, NegativeCache, NegativeExpireTime, NegativeRefreshTime, CacheCleanupInterval,
        PendingRequestLimit, PollCount, PollDelay, ServiceName, LocalTransport, VirtualTransport, RelayTransport, DefaultTransport, Relayhost, TransportMaps,
        SenderDependentRelayhostMaps, SenderDependentDefaultTransportMaps, SenderRejectCode, SenderDeferCode, SenderRejectReason, SenderTempfailAction,
        RecipientRejectCode, RecipientDeferCode, RecipientRejectReason, RecipientTempfailAction,
    ];
}
