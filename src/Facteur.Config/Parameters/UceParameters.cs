namespace Facteur.Config.Parameters;

/// <summary>Parameters of smtpd(8)'s access restrictions that ask others: DNS lists, policy services, address probes; and of what its refusals say.</summary>
public static class UceParameters
{
    /// <summary>maps_rbl_reject_code.</summary>
    public static readonly IntParameter MapsRblRejectCode = new(
        "maps_rbl_reject_code", "554", "Reply code for what a DNS list names.", min: 200, max: 599);

    /// <summary>rbl_reply_maps.</summary>
    public static readonly StringParameter RblReplyMaps = new(
        "rbl_reply_maps", "", "Reply texts by DNS list.");

    /// <summary>default_rbl_reply.</summary>
    public static readonly StringParameter DefaultRblReply = new(
        "default_rbl_reply", "$rbl_code Service unavailable; $rbl_class [$rbl_what] blocked using $rbl_domain${rbl_reason?; $rbl_reason}",
        "The reply for what a DNS list names, where rbl_reply_maps has none.", 1);

    /// <summary>permit_mx_backup_networks.</summary>
    public static readonly StringParameter PermitMxBackupNetworks = new(
        "permit_mx_backup_networks", "", "Networks of primary mail exchangers that permit_mx_backup relays to; empty for all.");

    /// <summary>smtpd_policy_service_default_action.</summary>
    public static readonly StringParameter PolicyDefaultAction = new(
        "smtpd_policy_service_default_action", "451 4.3.5 Server configuration problem", "The action when a policy service does not answer.", minLength: 1);

    /// <summary>smtpd_policy_service_max_idle.</summary>
    public static readonly TimeParameter PolicyMaxIdle = new(
        "smtpd_policy_service_max_idle", "300s", "How long an unused connection to a policy service is kept.", minSeconds: 1);

    /// <summary>smtpd_policy_service_max_ttl.</summary>
    public static readonly TimeParameter PolicyMaxTtl = new(
        "smtpd_policy_service_max_ttl", "1000s", "How long a connection to a policy service is used.", minSeconds: 1);

    /// <summary>smtpd_policy_service_policy_context.</summary>
    public static readonly StringParameter PolicyContext = new(
        "smtpd_policy_service_policy_context", "", "The attribute policy_context of requests.");

    /// <summary>smtpd_policy_service_request_limit.</summary>
    public static readonly IntParameter PolicyRequestLimit = new(
        "smtpd_policy_service_request_limit", "0", "Requests over one connection; 0 for no limit.");

    /// <summary>smtpd_policy_service_retry_delay.</summary>
    public static readonly TimeParameter PolicyRetryDelay = new(
        "smtpd_policy_service_retry_delay", "1s", "Pause before a failed request is sent again.", minSeconds: 1);

    /// <summary>smtpd_policy_service_timeout.</summary>
    public static readonly TimeParameter PolicyTimeout = new(
        "smtpd_policy_service_timeout", "100s", "How long to connect to, send to and wait for a policy service.", minSeconds: 1);

    /// <summary>smtpd_policy_service_try_limit.</summary>
    public static readonly IntParameter PolicyTryLimit = new(
        "smtpd_policy_service_try_limit", "2", "How often a request is sent before the default action is taken.", min: 1);

    /// <summary>smtpd_log_access_permit_actions.</summary>
    public static readonly StringParameter LogPermitActions = new(
        "smtpd_log_access_permit_actions", "", "Permitting actions that are logged.");

    /// <summary>smtpd_reject_footer.</summary>
    public static readonly StringParameter RejectFooter = new(
        "smtpd_reject_footer", "", "Text added to every reply 4xx and 5xx.");

    /// <summary>smtpd_reject_footer_maps.</summary>
    public static readonly StringParameter RejectFooterMaps = new(
        "smtpd_reject_footer_maps", "", "Texts added to replies 4xx and 5xx, by the whole reply.");

    /// <summary>smtpd_reject_filter_maps.</summary>
    public static readonly StringParameter RejectFilterMaps = new("smtpd_reject_filter_maps", "", "Replies 4xx and 5xx that take the place of others, by the whole reply.");

    /// <summary>smtpd_sender_login_maps.</summary>
    public static readonly StringParameter SenderLoginMaps = new("smtpd_sender_login_maps", "", "Logins that own senders' addresses.");

    /// <summary>smtpd_dns_reply_filter.</summary>
    public static readonly StringParameter DnsReplyFilter = new("smtpd_dns_reply_filter", "", "Tables of DNS records that restrictions ignore.");

    /// <summary>smtpd_command_filter.</summary>
    public static readonly StringParameter CommandFilter = new(
        "smtpd_command_filter", "", "A table of commands that replace what clients send.");

    /// <summary>smtpd_expansion_filter.</summary>
    public static readonly StringParameter ExpansionFilter = new(
        "smtpd_expansion_filter", @"\t\40!""#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~",
        "Characters that values in reply texts may have; others become \"_\".");

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } =
    [
        MapsRblRejectCode, RblReplyMaps, DefaultRblReply, PermitMxBackupNetworks, PolicyDefaultAction, PolicyMaxIdle, PolicyMaxTtl, PolicyContext, PolicyRequestLimit,
        PolicyRetryDelay, PolicyTimeout, PolicyTryLimit, LogPermitActions, RejectFooter, RejectFooterMaps, CommandFilter, ExpansionFilter, DnsReplyFilter, RejectFilterMaps, SenderLoginMaps,
    ];
}
