namespace Facteur.Config.Parameters;

/// <summary>Parameters of the SMTP and LMTP clients: the same rows twice, by prefix.</summary>
public sealed class SmtpParameters
{
    private readonly List<Parameter> _rows = [];
    private readonly string _prefix;

    private SmtpParameters(string prefix, bool lmtp)
    {
        _prefix = prefix;
        var hello = lmtp ? "lhlo" : "helo";
        var helloWord = lmtp ? "lhlo" : "ehlo";
        AddressPreference = Text("address_preference", "any", "Address family tried first: any, ipv4 or ipv6.", 1);
        BalanceInetProtocols = Flag("balance_inet_protocols", "yes", "Whether both families are tried before smtp_mx_address_limit is reached.");
        BindAddress = Text("bind_address", "", "Our IPv4 address of connections.");
        BindAddress6 = Text("bind_address6", "", "Our IPv6 address of connections.");
        BindAddressEnforce = Flag("bind_address_enforce", "no", "Whether a connection is given up when it can't be bound.");
        ConnectTimeout = Time("connect_timeout", lmtp ? "0s" : "30s", "Longest wait for a connection, 0 for the system's.");
        ConnectionCacheDestinations = Text("connection_cache_destinations", "", "Destinations whose connections are always kept.");
        ConnectionCacheOnDemand = Flag("connection_cache_on_demand", "yes", "Whether connections are kept while much mail waits for a destination.");
        ConnectionCacheTimeLimit = Time("connection_cache_time_limit", "2s", "How long an idle connection is kept.");
        ConnectionReuseCountLimit = Number("connection_reuse_count_limit", "0", "How often one connection is used again after its first delivery, 0 for no limit.");
        ConnectionReuseTimeLimit = Time("connection_reuse_time_limit", "300s", "How long a connection is used again.");
        DataDoneTimeout = Time("data_done_timeout", "600s", "Longest wait for the reply to the final dot.", 1);
        DataInitTimeout = Time("data_init_timeout", "120s", "Longest wait for the reply to DATA.", 1);
        DataXferTimeout = Time("data_xfer_timeout", "180s", "Longest wait while content is sent.", 1);
        DeferIfNoMxAddressFound = Flag("defer_if_no_mx_address_found", "no", "Whether mail waits when no MX host has an address.");
        DiscardEhloKeywords = Text("discard_" + helloWord + "_keywords", "", "Offers that are overlooked.");
        DnsResolverOptions = Text("dns_resolver_options", "", "res_defnames, res_dnsrch: whether unfinished names of hosts get domains of resolv.conf(5).");
        DnsSupportLevel = Text("dns_support_level", "", "disabled, enabled or dnssec.");
        EnforceTls = Flag("enforce_tls", "no", "Obsolete: encrypt.");
        FallbackRelay = Text("fallback_relay", lmtp ? "" : "$fallback_relay", "Where mail goes when no other host takes it.");
        GenericMaps = Text("generic_maps", "", "Tables that map addresses on their way out.");
        HeloName = Text(hello + "_name", "$myhostname", "Our name in EHLO, HELO and LHLO.", 1);
        HeloTimeout = Time(hello + "_timeout", "300s", "Longest wait for greeting and EHLO.", 1);
        HostLookup = Text("host_lookup", "dns", "Where addresses are looked up: dns, native, or both, the DNS first.", 1);
        LineLengthLimit = Number("line_length_limit", "998", "Bytes of a line that is sent, 0 for no limit.");
        LogTlsFeatureStatus = Flag("log_tls_feature_status", "yes", "Whether the delivery line says tls=.");
        MailTimeout = Time("mail_timeout", "300s", "Longest wait for the reply to MAIL.", 1);
        MxAddressLimit = Number("mx_address_limit", "5", "Addresses tried in one delivery, 0 for no limit.");
        MxSessionLimit = Number("mx_session_limit", "2", "Sessions made in one delivery, 0 for no limit.");
        QuitTimeout = Time("quit_timeout", "300s", "Longest wait for the reply to QUIT.", 1);
        RandomizeAddresses = Flag("randomize_addresses", "yes", "Whether hosts of the same preference are tried in random order.");
        RcptTimeout = Time("rcpt_timeout", "300s", "Longest wait for the reply to RCPT.", 1);
        RsetTimeout = Time("rset_timeout", "20s", "Longest wait for the reply to RSET.", 1);
        SendXforwardCommand = Flag("send_xforward_command", "no", "Whether a server that takes XFORWARD is told from whom a message came.");
        XforwardTimeout = Time("xforward_timeout", "300s", "Longest wait for the reply to XFORWARD.", 1);
        Skip5xxGreeting = Flag("skip_5xx_greeting", "yes", "Whether a 5xx greeting lets the next host be tried.");
        SkipQuitResponse = Flag("skip_quit_response", lmtp ? "no" : "yes", "Whether the reply to QUIT is not waited for.");
        StarttlsTimeout = Time("starttls_timeout", "300s", "Longest wait while TLS starts.", 1);
        TcpPort = Text("tcp_port", lmtp ? "24" : "smtp", "The port of a destination without one.", 1);
        TlsCAfile = Text("tls_CAfile", "", "File of the authorities that are trusted.");
        TlsExcludeCiphers = Text("tls_exclude_ciphers", "", "Suites and classes of suites that are not offered.");
        TlsMandatoryExcludeCiphers = Text("tls_mandatory_exclude_ciphers", "", "More of them where TLS is mandatory.");
        TlsMandatoryProtocols = Text("tls_mandatory_protocols", ">=TLSv1", "Protocols where TLS is mandatory.");
        TlsProtocols = Text("tls_protocols", ">=TLSv1", "Protocols where TLS is opportunistic.");
        TlsLoglevel = Text("tls_loglevel", "0", "1 logs each handshake.");
        TlsSecurityLevel = Text(
            "tls_security_level", lmtp ? "" : "${{$compatibility_level} <level {3.11} ? {} : {may}}", "none, may or encrypt.");
        TlsServername = Text("tls_servername", "", "The name asked for: a name, hostname or nexthop.");
        TlsWrappermode = Flag("tls_wrappermode", "no", "Whether TLS starts before SMTP.");
        UseTls = Flag("use_tls", "no", "Obsolete: may.");
        CnameOverridesServername = Flag("cname_overrides_servername", "no", "Whether a host whose name is an alias is called by its own name.");
        DeliveryStatusFilter = Text("delivery_status_filter", "$default_delivery_status_filter", "Tables that replace status code and text of deliveries.");
        DiscardEhloKeywordAddressMaps = Text("discard_" + helloWord + "_keyword_address_maps", "", "Tables from a server's address to offers that are overlooked.");
        DnsReplyFilter = Text("dns_reply_filter", "", "Tables of DNS records that are ignored.");
        MinDataRate = Row(new IntParameter(_prefix + "min_data_rate", "500", "Bytes a second that content must flow with, where requests have deadlines.", 1));
        PerRequestDeadline = Flag("per_request_deadline", "${" + _prefix + "per_record_deadline?{$" + _prefix + "per_record_deadline}:{no}}", "Whether the time limits are for a whole request.");
        PixWorkaroundDelayTime = Time("pix_workaround_delay_time", "10s", "Pause before the final dot for old PIX firewalls.", 1);
        PixWorkaroundMaps = Text("pix_workaround_maps", "", "Tables from a server's address to workarounds for old PIX firewalls.");
        PixWorkaroundThresholdTime = Time("pix_workaround_threshold_time", "500s", "Age of a message from which the workarounds are used.");
        PixWorkarounds = Text("pix_workarounds", "disable_esmtp,delay_dotcrlf", "Workarounds for old PIX firewalls.");
        QuoteRfc821Envelope = Flag("quote_rfc821_envelope", "yes", "Whether addresses in commands are quoted where RFC 5321 asks for it.");
        ReplyFilter = Text("reply_filter", "", "A table that replaces lines of replies.");
        AddressVerifyTarget = Text("address_verify_target", "rcpt", "Where a probe ends: rcpt or data.", 1);
        if (lmtp)
        {
            AssumeFinal = Flag("assume_final", "no", "Whether the server is where mail ends.");
            return;
        }
        AlwaysSendEhlo = Flag("always_send_ehlo", "yes", "Whether EHLO is sent to a server whose greeting lacks ESMTP.");
        NeverSendEhlo = Flag("never_send_ehlo", "no", "Whether only HELO is sent.");
    }

    /// <summary>smtp_.</summary>
    public static SmtpParameters Smtp { get; } = new("smtp_", false);

    /// <summary>lmtp_.</summary>
    public static SmtpParameters Lmtp { get; } = new("lmtp_", true);

    /// <summary>disable_dns_lookups.</summary>
    public static readonly BoolParameter DisableDnsLookups = new("disable_dns_lookups", "no", "Obsolete: smtp_dns_support_level = disabled.");

    /// <summary>disable_mime_output_conversion.</summary>
    public static readonly BoolParameter DisableMimeOutputConversion = new("disable_mime_output_conversion", "no", "Whether 8-bit content is sent as it is to a server without 8BITMIME.");

    /// <summary>ignore_mx_lookup_error.</summary>
    public static readonly BoolParameter IgnoreMxLookupError = new("ignore_mx_lookup_error", "no", "Whether an MX question without answer counts as no MX record.");

    /// <summary>known_tcp_ports.</summary>
    public static readonly StringParameter KnownTcpPorts = new("known_tcp_ports", "lmtp=24, smtp=25, smtps=submissions=465, submission=587", "Names of ports.");

    /// <summary>use_srv_lookup.</summary>
    public static readonly StringParameter UseSrvLookup = new("use_srv_lookup", "", "Services for which SRV records are asked for: submission, submissions.");

    /// <summary>allow_srv_lookup_fallback.</summary>
    public static readonly BoolParameter AllowSrvLookupFallback = new("allow_srv_lookup_fallback", "no", "Whether MX and address records are asked for where no usable SRV record was found.");

    /// <summary>ignore_srv_lookup_error.</summary>
    public static readonly BoolParameter IgnoreSrvLookupError = new("ignore_srv_lookup_error", "no", "Whether an SRV question without answer is as if none had been asked.");

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } =
        [.. Smtp._rows, .. Lmtp._rows, UseSrvLookup, AllowSrvLookupFallback, IgnoreSrvLookupError, DisableDnsLookups, DisableMimeOutputConversion, IgnoreMxLookupError, KnownTcpPorts];

#pragma warning disable CS1591 // Each name is the parameter's, without its prefix; its row says the rest.
    public StringParameter AddressPreference { get; }
    public StringParameter AddressVerifyTarget { get; }
    public BoolParameter? AlwaysSendEhlo { get; }
    public BoolParameter? AssumeFinal { get; }
    public BoolParameter BalanceInetProtocols { get; }
    public StringParameter BindAddress { get; }
    public StringParameter BindAddress6 { get; }
    public BoolParameter BindAddressEnforce { get; }
    public BoolParameter CnameOverridesServername { get; }
    public TimeParameter ConnectTimeout { get; }
    public StringParameter ConnectionCacheDestinations { get; }
    public BoolParameter ConnectionCacheOnDemand { get; }
    public TimeParameter ConnectionCacheTimeLimit { get; }
    public IntParameter ConnectionReuseCountLimit { get; }
    public TimeParameter ConnectionReuseTimeLimit { get; }
    public TimeParameter DataDoneTimeout { get; }
    public TimeParameter DataInitTimeout { get; }
    public TimeParameter DataXferTimeout { get; }
    public BoolParameter DeferIfNoMxAddressFound { get; }
    public StringParameter DeliveryStatusFilter { get; }
    public StringParameter DiscardEhloKeywordAddressMaps { get; }
    public StringParameter DiscardEhloKeywords { get; }
    public StringParameter DnsReplyFilter { get; }
    public StringParameter DnsResolverOptions { get; }
    public StringParameter DnsSupportLevel { get; }
    public BoolParameter EnforceTls { get; }
    public StringParameter FallbackRelay { get; }
    public StringParameter GenericMaps { get; }
    public StringParameter HeloName { get; }
    public TimeParameter HeloTimeout { get; }
    public StringParameter HostLookup { get; }
    public IntParameter LineLengthLimit { get; }
    public BoolParameter LogTlsFeatureStatus { get; }
    public TimeParameter MailTimeout { get; }
    public IntParameter MinDataRate { get; }
    public IntParameter MxAddressLimit { get; }
    public IntParameter MxSessionLimit { get; }
    public BoolParameter? NeverSendEhlo { get; }
    public BoolParameter PerRequestDeadline { get; }
    public TimeParameter PixWorkaroundDelayTime { get; }
    public StringParameter PixWorkaroundMaps { get; }
    public TimeParameter PixWorkaroundThresholdTime { get; }
    public StringParameter PixWorkarounds { get; }
    public TimeParameter QuitTimeout { get; }
    public BoolParameter QuoteRfc821Envelope { get; }
    public BoolParameter RandomizeAddresses { get; }
    public TimeParameter RcptTimeout { get; }
    public StringParameter ReplyFilter { get; }
    public TimeParameter RsetTimeout { get; }
    public BoolParameter SendXforwardCommand { get; }

    /// <summary>smtp_xforward_timeout.</summary>
    public TimeParameter XforwardTimeout { get; }

    /// <summary>smtp_skip_5xx_greeting.</summary>
    public BoolParameter Skip5xxGreeting { get; }
    public BoolParameter SkipQuitResponse { get; }
    public TimeParameter StarttlsTimeout { get; }
    public StringParameter TcpPort { get; }
    public StringParameter TlsCAfile { get; }
    public StringParameter TlsExcludeCiphers { get; }
    public StringParameter TlsLoglevel { get; }
    public StringParameter TlsMandatoryExcludeCiphers { get; }
    public StringParameter TlsMandatoryProtocols { get; }
    public StringParameter TlsProtocols { get; }
    public StringParameter TlsSecurityLevel { get; }
    public StringParameter TlsServername { get; }
    public BoolParameter TlsWrappermode { get; }
    public BoolParameter UseTls { get; }
#pragma warning restore CS1591

    private T Row<T>(T row)
        where T : Parameter
    {
        _rows.Add(row);
        return row;
    }

    private StringParameter Text(string name, string value, string summary, int least = 0) => Row(new StringParameter(_prefix + name, value, summary, least));

    private BoolParameter Flag(string name, string value, string summary) => Row(new BoolParameter(_prefix + name, value, summary));

    private IntParameter Number(string name, string value, string summary) => Row(new IntParameter(_prefix + name, value, summary));

    private TimeParameter Time(string name, string value, string summary, long least = 0) => Row(new TimeParameter(_prefix + name, value, summary, least));
}
