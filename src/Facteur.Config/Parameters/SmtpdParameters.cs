namespace Facteur.Config.Parameters;

/// <summary>Parameters of smtpd(8) that only it acts on.</summary>
public static class SmtpdParameters
{
    /// <summary>smtpd_banner.</summary>
    public static readonly StringParameter Banner = new(
        "smtpd_banner", "$myhostname ESMTP $mail_name", "Text after the 220 of the greeting.", 1);

    /// <summary>smtpd_helo_required.</summary>
    public static readonly BoolParameter HeloRequired = new(
        "smtpd_helo_required", "no", "Whether HELO or EHLO must come before MAIL.");

    /// <summary>smtpd_delay_reject.</summary>
    public static readonly BoolParameter DelayReject = new(
        "smtpd_delay_reject", "yes", "Whether client, HELO and sender restrictions wait until RCPT or ETRN.");

    /// <summary>smtpd_delay_open_until_valid_rcpt.</summary>
    public static readonly BoolParameter DelayOpenUntilValidRcpt = new(
        "smtpd_delay_open_until_valid_rcpt", "yes", "Whether the queue file is started at the first accepted recipient instead of at MAIL.");

    /// <summary>disable_vrfy_command.</summary>
    public static readonly BoolParameter DisableVrfyCommand = new(
        "disable_vrfy_command", "no", "Whether VRFY is refused.");

    /// <summary>strict_rfc821_envelopes.</summary>
    public static readonly BoolParameter StrictRfc821Envelopes = new(
        "strict_rfc821_envelopes", "no", "Whether addresses of MAIL and RCPT must stand in angle brackets and be nothing else.");

    /// <summary>strict_smtputf8.</summary>
    public static readonly BoolParameter StrictSmtputf8 = new(
        "strict_smtputf8", "no", "Whether addresses above ASCII need SMTPUTF8.");

    /// <summary>allow_untrusted_routing.</summary>
    public static readonly BoolParameter AllowUntrustedRouting = new(
        "allow_untrusted_routing", "no", "Whether user%domain@here and the like are relayed for strangers.");

    /// <summary>show_user_unknown_table_name.</summary>
    public static readonly BoolParameter ShowUserUnknownTableName = new(
        "show_user_unknown_table_name", "yes", "Whether refusals name the table in which a recipient is missing.");

    /// <summary>smtpd_peername_lookup.</summary>
    public static readonly BoolParameter PeernameLookup = new(
        "smtpd_peername_lookup", "yes", "Whether the client's host name is looked up.");

    /// <summary>smtpd_client_port_logging.</summary>
    public static readonly BoolParameter ClientPortLogging = new(
        "smtpd_client_port_logging", "no", "Whether the client's port is logged.");

    /// <summary>smtpd_forbid_unauth_pipelining.</summary>
    public static readonly BoolParameter ForbidUnauthPipelining = new(
        "smtpd_forbid_unauth_pipelining", "yes", "Whether a client that sends before it may is disconnected.");

    /// <summary>smtpd_per_request_deadline.</summary>
    public static readonly BoolParameter PerRequestDeadline = new(
        "smtpd_per_request_deadline", "${smtpd_per_record_deadline?{$smtpd_per_record_deadline}:{${stress?{yes}:{no}}}}", "Whether smtpd_timeout limits a whole request instead of each read.");

    /// <summary>smtpd_relay_before_recipient_restrictions.</summary>
    public static readonly BoolParameter RelayBeforeRecipientRestrictions = new(
        "smtpd_relay_before_recipient_restrictions", "${{$compatibility_level} <level {3.6} ? {no} : {yes}}", "Whether relay restrictions come before recipient restrictions.");

    /// <summary>smtpd_reject_unlisted_recipient.</summary>
    public static readonly BoolParameter RejectUnlistedRecipient = new(
        "smtpd_reject_unlisted_recipient", "yes", "Whether unknown recipients are refused even where no restriction asks for it.");

    /// <summary>smtpd_reject_unlisted_sender.</summary>
    public static readonly BoolParameter RejectUnlistedSender = new(
        "smtpd_reject_unlisted_sender", "no", "Whether unknown local senders are refused even where no restriction asks for it.");

    /// <summary>smtpd_hide_client_session.</summary>
    public static readonly BoolParameter HideClientSession = new(
        "smtpd_hide_client_session", "no", "Whether the Received: header says nothing of the client.");

    /// <summary>smtpd_discard_ehlo_keywords.</summary>
    public static readonly StringParameter DiscardEhloKeywords = new(
        "smtpd_discard_ehlo_keywords", "", "Words left out of the EHLO answer.");

    /// <summary>smtpd_discard_ehlo_keyword_address_maps.</summary>
    public static readonly StringParameter DiscardEhloKeywordAddressMaps = new(
        "smtpd_discard_ehlo_keyword_address_maps", "", "Words left out of the EHLO answer, by client address.");

    /// <summary>smtpd_forbid_bare_newline.</summary>
    public static readonly StringParameter ForbidBareNewline = new(
        "smtpd_forbid_bare_newline", "normalize", "What becomes of lines that end in LF without CR: normalize, yes, reject, note or no.", 1);

    /// <summary>smtpd_forbid_bare_newline_exclusions.</summary>
    public static readonly StringParameter ForbidBareNewlineExclusions = new(
        "smtpd_forbid_bare_newline_exclusions", "$mynetworks", "Clients that may end lines and messages in a bare LF.");

    /// <summary>smtpd_forbid_bare_newline_reject_code.</summary>
    public static readonly IntParameter ForbidBareNewlineRejectCode = new(
        "smtpd_forbid_bare_newline_reject_code", "550", "The reply code for a bare LF.", min: 500, max: 599);

    /// <summary>smtpd_forbidden_commands.</summary>
    public static readonly StringParameter ForbiddenCommands = new(
        "smtpd_forbidden_commands", "CONNECT GET POST regexp:{{/^[^A-Z]/ Bogus}}", "Commands that end the session at once.");

    /// <summary>smtpd_noop_commands.</summary>
    public static readonly StringParameter NoopCommands = new(
        "smtpd_noop_commands", "", "Commands that are answered with 250 and have no effect.");

    /// <summary>smtpd_client_restrictions.</summary>
    public static readonly StringParameter ClientRestrictions = new(
        "smtpd_client_restrictions", "", "Restrictions on the client.");

    /// <summary>smtpd_helo_restrictions.</summary>
    public static readonly StringParameter HeloRestrictions = new(
        "smtpd_helo_restrictions", "", "Restrictions on the HELO or EHLO name.");

    /// <summary>smtpd_sender_restrictions.</summary>
    public static readonly StringParameter SenderRestrictions = new(
        "smtpd_sender_restrictions", "", "Restrictions on the sender.");

    /// <summary>smtpd_relay_restrictions.</summary>
    public static readonly StringParameter RelayRestrictions = new(
        "smtpd_relay_restrictions", "${{$compatibility_level} <level {1} ? {} : {permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination}}", "Who may send mail on to where.");

    /// <summary>smtpd_recipient_restrictions.</summary>
    public static readonly StringParameter RecipientRestrictions = new(
        "smtpd_recipient_restrictions", "", "Restrictions on the recipient.");

    /// <summary>smtpd_data_restrictions.</summary>
    public static readonly StringParameter DataRestrictions = new(
        "smtpd_data_restrictions", "", "Restrictions at DATA and the first BDAT.");

    /// <summary>smtpd_end_of_data_restrictions.</summary>
    public static readonly StringParameter EndOfDataRestrictions = new(
        "smtpd_end_of_data_restrictions", "", "Restrictions at the end of the content.");

    /// <summary>smtpd_etrn_restrictions.</summary>
    public static readonly StringParameter EtrnRestrictions = new(
        "smtpd_etrn_restrictions", "", "Restrictions on ETRN.");

    /// <summary>smtpd_restriction_classes.</summary>
    public static readonly StringParameter RestrictionClasses = new(
        "smtpd_restriction_classes", "", "Names of parameters that hold lists of restrictions.");

    /// <summary>smtpd_null_access_lookup_key.</summary>
    public static readonly StringParameter NullAccessLookupKey = new(
        "smtpd_null_access_lookup_key", "<>", "The key of the null sender in access tables.", minLength: 1);

    /// <summary>local_header_rewrite_clients.</summary>
    public static readonly StringParameter LocalHeaderRewriteClients = new(
        "local_header_rewrite_clients", "permit_inet_interfaces", "Clients whose headers are completed as local mail's.");

    /// <summary>smtpd_soft_error_limit.</summary>
    public static readonly IntParameter SoftErrorLimit = new(
        "smtpd_soft_error_limit", "10", "Errors a client may make before replies slow down.", min: 1);

    /// <summary>smtpd_hard_error_limit.</summary>
    public static readonly IntParameter HardErrorLimit = new(
        "smtpd_hard_error_limit", "${stress?{1}:{20}}", "Errors a client may make before it is disconnected.", min: 1);

    /// <summary>smtpd_junk_command_limit.</summary>
    public static readonly IntParameter JunkCommandLimit = new(
        "smtpd_junk_command_limit", "${stress?{1}:{100}}", "Commands without effect that a client may send before they count as errors.", min: 1);

    /// <summary>smtpd_history_flush_threshold.</summary>
    public static readonly IntParameter HistoryFlushThreshold = new(
        "smtpd_history_flush_threshold", "100", "Lines of a session's transcript beyond which it begins anew at EHLO, RSET and the end of a message (notify_classes).", min: 1);

    /// <summary>smtpd_recipient_limit.</summary>
    public static readonly IntParameter RecipientLimit = new(
        "smtpd_recipient_limit", "1000", "Recipients of one message.", min: 1);

    /// <summary>smtpd_recipient_overshoot_limit.</summary>
    public static readonly IntParameter RecipientOvershootLimit = new(
        "smtpd_recipient_overshoot_limit", "1000", "Recipients beyond the limit before each counts as an error.", min: 1);

    /// <summary>smtpd_error_sleep_time.</summary>
    public static readonly TimeParameter ErrorSleepTime = new(
        "smtpd_error_sleep_time", "1s", "How long a reply waits after too many errors.");

    /// <summary>smtpd_timeout.</summary>
    public static readonly TimeParameter Timeout = new(
        "smtpd_timeout", "${stress?{10}:{300}}s", "How long a client may take.", minSeconds: 1);

    /// <summary>smtpd_min_data_rate.</summary>
    public static readonly IntParameter MinDataRate = new(
        "smtpd_min_data_rate", "500", "Bytes per second of content that extend a request's deadline.", min: 1);

    /// <summary>smtpd_client_connection_count_limit.</summary>
    public static readonly IntParameter ClientConnectionCountLimit = new(
        "smtpd_client_connection_count_limit", "50", "Connections of one client at a time; 0 for no limit.");

    /// <summary>smtpd_client_connection_rate_limit.</summary>
    public static readonly IntParameter ClientConnectionRateLimit = new(
        "smtpd_client_connection_rate_limit", "0", "Connections of one client per time unit; 0 for no limit.");

    /// <summary>smtpd_client_message_rate_limit.</summary>
    public static readonly IntParameter ClientMessageRateLimit = new(
        "smtpd_client_message_rate_limit", "0", "Messages of one client per time unit; 0 for no limit.");

    /// <summary>smtpd_client_recipient_rate_limit.</summary>
    public static readonly IntParameter ClientRecipientRateLimit = new(
        "smtpd_client_recipient_rate_limit", "0", "Recipients of one client per time unit; 0 for no limit.");

    /// <summary>smtpd_client_event_limit_exceptions.</summary>
    public static readonly StringParameter ClientEventLimitExceptions = new(
        "smtpd_client_event_limit_exceptions", "${smtpd_client_connection_limit_exceptions:$mynetworks}", "Clients without connection and rate limits.");

    /// <summary>smtpd_client_ipv4_prefix_length.</summary>
    public static readonly IntParameter ClientIpv4PrefixLength = new(
        "smtpd_client_ipv4_prefix_length", "32", "Bits of an IPv4 address that tell clients apart.", max: 32);

    /// <summary>smtpd_client_ipv6_prefix_length.</summary>
    public static readonly IntParameter ClientIpv6PrefixLength = new(
        "smtpd_client_ipv6_prefix_length", "84", "Bits of an IPv6 address that tell clients apart.", max: 128);

    /// <summary>queue_minfree.</summary>
    public static readonly IntParameter QueueMinfree = new(
        "queue_minfree", "0", "Bytes that must be free in the queue's file system.");

    /// <summary>reject_code.</summary>
    public static readonly IntParameter RejectCode = new(
        "reject_code", "554", "Reply code of \"reject\".", min: 200, max: 599);

    /// <summary>defer_code.</summary>
    public static readonly IntParameter DeferCode = new(
        "defer_code", "450", "Reply code of \"defer\".", min: 200, max: 599);

    /// <summary>access_map_reject_code.</summary>
    public static readonly IntParameter AccessMapRejectCode = new(
        "access_map_reject_code", "554", "Reply code of REJECT in access tables.", min: 200, max: 599);

    /// <summary>access_map_defer_code.</summary>
    public static readonly IntParameter AccessMapDeferCode = new(
        "access_map_defer_code", "450", "Reply code of DEFER in access tables.", min: 200, max: 599);

    /// <summary>invalid_hostname_reject_code.</summary>
    public static readonly IntParameter InvalidHostnameRejectCode = new(
        "invalid_hostname_reject_code", "501", "Reply code of reject_invalid_helo_hostname.", min: 200, max: 599);

    /// <summary>non_fqdn_reject_code.</summary>
    public static readonly IntParameter NonFqdnRejectCode = new(
        "non_fqdn_reject_code", "504", "Reply code of reject_non_fqdn_helo_hostname, _sender and _recipient.", min: 200, max: 599);

    /// <summary>unknown_hostname_reject_code.</summary>
    public static readonly IntParameter UnknownHostnameRejectCode = new(
        "unknown_hostname_reject_code", "450", "Reply code of reject_unknown_helo_hostname.", min: 200, max: 599);

    /// <summary>unknown_address_reject_code.</summary>
    public static readonly IntParameter UnknownAddressRejectCode = new(
        "unknown_address_reject_code", "450", "Reply code of reject_unknown_sender_domain and _recipient_domain.", min: 200, max: 599);

    /// <summary>unknown_client_reject_code.</summary>
    public static readonly IntParameter UnknownClientRejectCode = new(
        "unknown_client_reject_code", "450", "Reply code of reject_unknown_client_hostname.", min: 200, max: 599);

    /// <summary>relay_domains_reject_code.</summary>
    public static readonly IntParameter RelayDomainsRejectCode = new(
        "relay_domains_reject_code", "554", "Reply code of reject_unauth_destination.", min: 200, max: 599);

    /// <summary>multi_recipient_bounce_reject_code.</summary>
    public static readonly IntParameter MultiRecipientBounceRejectCode = new(
        "multi_recipient_bounce_reject_code", "550", "Reply code of reject_multi_recipient_bounce.", min: 200, max: 599);

    /// <summary>plaintext_reject_code.</summary>
    public static readonly IntParameter PlaintextRejectCode = new(
        "plaintext_reject_code", "450", "Reply code of reject_plaintext_session.", min: 200, max: 599);

    /// <summary>unknown_local_recipient_reject_code.</summary>
    public static readonly IntParameter UnknownLocalRecipientRejectCode = new(
        "unknown_local_recipient_reject_code", "550", "Reply code for recipients missing in local_recipient_maps.", min: 200, max: 599);

    /// <summary>unknown_relay_recipient_reject_code.</summary>
    public static readonly IntParameter UnknownRelayRecipientRejectCode = new(
        "unknown_relay_recipient_reject_code", "550", "Reply code for recipients missing in relay_recipient_maps.", min: 200, max: 599);

    /// <summary>unknown_virtual_alias_reject_code.</summary>
    public static readonly IntParameter UnknownVirtualAliasRejectCode = new(
        "unknown_virtual_alias_reject_code", "550", "Reply code for recipients missing in virtual_alias_maps.", min: 200, max: 599);

    /// <summary>unknown_virtual_mailbox_reject_code.</summary>
    public static readonly IntParameter UnknownVirtualMailboxRejectCode = new(
        "unknown_virtual_mailbox_reject_code", "550", "Reply code for recipients missing in virtual_mailbox_maps.", min: 200, max: 599);

    /// <summary>reject_tempfail_action.</summary>
    public static readonly StringParameter RejectTempfailAction = new(
        "reject_tempfail_action", "defer_if_permit", "What a reject restriction does when it can't decide now: defer or defer_if_permit.", 1);

    /// <summary>unknown_address_tempfail_action.</summary>
    public static readonly StringParameter UnknownAddressTempfailAction = new(
        "unknown_address_tempfail_action", "$reject_tempfail_action", "The same for reject_unknown_sender_domain and _recipient_domain.", 1);

    /// <summary>unknown_helo_hostname_tempfail_action.</summary>
    public static readonly StringParameter UnknownHeloHostnameTempfailAction = new(
        "unknown_helo_hostname_tempfail_action", "$reject_tempfail_action", "The same for reject_unknown_helo_hostname.", 1);

    /// <summary>fast_flush_domains.</summary>
    public static readonly StringParameter FastFlushDomains = new(
        "fast_flush_domains", "$relay_domains", "Domains that ETRN is for.");

    /// <summary>smtpd_authorized_verp_clients.</summary>
    public static readonly StringParameter AuthorizedVerpClients = new(
        "smtpd_authorized_verp_clients", "$authorized_verp_clients", "Clients that may ask for VERP with XVERP.");

    /// <summary>smtpd_authorized_xclient_hosts.</summary>
    public static readonly StringParameter AuthorizedXclientHosts = new("smtpd_authorized_xclient_hosts", "", "Clients that may say by XCLIENT who the client is.");

    /// <summary>smtpd_authorized_xforward_hosts.</summary>
    public static readonly StringParameter AuthorizedXforwardHosts = new("smtpd_authorized_xforward_hosts", "", "Clients that may say by XFORWARD from whom they have a message.");

    /// <summary>smtpd_proxy_filter.</summary>
    public static readonly StringParameter ProxyFilter = new("smtpd_proxy_filter", "", "A content filter that speaks SMTP, in front of the queue: host:port, inet:host:port or unix:path.");

    /// <summary>smtpd_proxy_ehlo.</summary>
    public static readonly StringParameter ProxyEhlo = new("smtpd_proxy_ehlo", "$myhostname", "The name that is told to that filter.", 1);

    /// <summary>smtpd_proxy_options.</summary>
    public static readonly StringParameter ProxyOptions = new("smtpd_proxy_options", "", "How mail goes to that filter; speed_adjust: when all of it is here, not before.");

    /// <summary>smtpd_proxy_timeout.</summary>
    public static readonly TimeParameter ProxyTimeout = new("smtpd_proxy_timeout", "100s", "Longest wait for that filter.", 1);

    /// <summary>smtpd_upstream_proxy_protocol.</summary>
    public static readonly StringParameter UpstreamProxyProtocol = new("smtpd_upstream_proxy_protocol", "", "The protocol of a proxy in front of smtpd: haproxy.");

    /// <summary>smtpd_upstream_proxy_timeout.</summary>
    public static readonly TimeParameter UpstreamProxyTimeout = new("smtpd_upstream_proxy_timeout", "5s", "Longest wait for what that proxy says of the client.", 1);

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } =
    [
        Banner, HeloRequired, DelayReject, DelayOpenUntilValidRcpt, DisableVrfyCommand, StrictRfc821Envelopes, StrictSmtputf8, AllowUntrustedRouting,
        ShowUserUnknownTableName, PeernameLookup, ClientPortLogging, ForbidUnauthPipelining, PerRequestDeadline, RelayBeforeRecipientRestrictions,
        RejectUnlistedRecipient, RejectUnlistedSender, HideClientSession, DiscardEhloKeywords, DiscardEhloKeywordAddressMaps, ForbidBareNewline,
        ForbidBareNewlineExclusions, ForbidBareNewlineRejectCode, ForbiddenCommands, NoopCommands, ClientRestrictions, HeloRestrictions,
        SenderRestrictions, RelayRestrictions, RecipientRestrictions, DataRestrictions, EndOfDataRestrictions, EtrnRestrictions, RestrictionClasses, HistoryFlushThreshold,
        NullAccessLookupKey, LocalHeaderRewriteClients, SoftErrorLimit, HardErrorLimit, JunkCommandLimit, RecipientLimit, RecipientOvershootLimit,
        ErrorSleepTime, Timeout, MinDataRate, ClientConnectionCountLimit, ClientConnectionRateLimit, ClientMessageRateLimit,
        ClientRecipientRateLimit, ClientEventLimitExceptions, ClientIpv4PrefixLength, ClientIpv6PrefixLength, QueueMinfree, RejectCode, DeferCode,
        AccessMapRejectCode, AccessMapDeferCode, InvalidHostnameRejectCode, NonFqdnRejectCode, UnknownHostnameRejectCode, UnknownAddressRejectCode,
        UnknownClientRejectCode, RelayDomainsRejectCode, MultiRecipientBounceRejectCode, PlaintextRejectCode, UnknownLocalRecipientRejectCode,
        UnknownRelayRecipientRejectCode, UnknownVirtualAliasRejectCode, UnknownVirtualMailboxRejectCode, RejectTempfailAction,
        UnknownAddressTempfailAction, UnknownHeloHostnameTempfailAction, FastFlushDomains, AuthorizedVerpClients, AuthorizedXclientHosts, AuthorizedXforwardHosts,
        ProxyFilter, ProxyEhlo, ProxyOptions, ProxyTimeout, UpstreamProxyProtocol, UpstreamProxyTimeout,
    ];
}
