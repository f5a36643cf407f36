namespace Facteur.Config.Parameters;

/// <summary>Parameters that several services act on.</summary>
public static class CommonParameters
{
    /// <summary>compatibility_level.</summary>
    public static readonly StringParameter CompatibilityLevel = new("compatibility_level", "0", "The release whose defaults apply.");

    /// <summary>mail_name.</summary>
    public static readonly StringParameter MailName = new("mail_name", "Facteur", "The system's name in banners, Received: headers and reports.", 1);

    /// <summary>mail_version.</summary>
    public static readonly StringParameter MailVersion = new("mail_version", "3.11.6", "The release whose behaviour is followed.", 1);

    /// <summary>myhostname; its default is computed from the host's name.</summary>
    public static readonly StringParameter Myhostname = new("myhostname", "localhost.localdomain", "This system's fully-qualified host name.", 1);

    /// <summary>mydomain; its default is computed from myhostname.</summary>
    public static readonly StringParameter Mydomain = new("mydomain", "localdomain", "This system's domain.", 1);

    /// <summary>myorigin.</summary>
    public static readonly StringParameter Myorigin = new("myorigin", "$myhostname", "The domain that local addresses get; or the name of a file whose first line holds it.", 1);

    /// <summary>mydestination.</summary>
    public static readonly StringParameter Mydestination = new("mydestination", "$myhostname, localhost.$mydomain, localhost", "Domains delivered by local_transport.");

    /// <summary>mynetworks; its default is computed from mynetworks_style and the host's interfaces.</summary>
    public static readonly StringParameter Mynetworks = new("mynetworks", "127.0.0.0/8 [::1]/128", "Clients with more rights than strangers.");

    /// <summary>mynetworks_style: host, subnet or class. Looked at where mynetworks has its computed default, and only there.</summary>
    public static readonly StringParameter MynetworksStyle = new("mynetworks_style", "${{$compatibility_level} <level {2} ? {subnet} : {host}}", "How the default of mynetworks is made: host, subnet or class.", 1);

    /// <summary>inet_interfaces.</summary>
    public static readonly StringParameter InetInterfaces = new("inet_interfaces", "all", "Addresses on which mail is received.", 1);

    /// <summary>proxy_interfaces.</summary>
    public static readonly StringParameter ProxyInterfaces = new("proxy_interfaces", "", "Addresses of a proxy or translator in front of this system.");

    /// <summary>inet_protocols.</summary>
    public static readonly StringParameter InetProtocols = new("inet_protocols", "all", "ipv4, ipv6, or all.", 1);

    /// <summary>recipient_delimiter.</summary>
    public static readonly StringParameter RecipientDelimiter = new("recipient_delimiter", "", "Characters that separate user and extension.");

    /// <summary>queue_directory.</summary>
    public static readonly StringParameter QueueDirectory = new("queue_directory", "/var/spool/postfix", "Where the queues live; the working directory of services.", 1);

    /// <summary>hash_queue_names.</summary>
    public static readonly StringParameter HashQueueNames = new("hash_queue_names", "deferred, defer", "Queues that Postfix spreads over directories: where mail is exported to.", 1);

    /// <summary>hash_queue_depth.</summary>
    public static readonly IntParameter HashQueueDepth = new("hash_queue_depth", "1", "How deep it spreads them.", 1);

    /// <summary>data_directory.</summary>
    public static readonly StringParameter DataDirectory = new("data_directory", "/var/lib/postfix", "Where caches and own files live.", 1);

    /// <summary>mail_owner.</summary>
    public static readonly StringParameter MailOwner = new("mail_owner", "postfix", "The user that owns the queue.", 1);

    /// <summary>setgid_group.</summary>
    public static readonly StringParameter SetgidGroup = new("setgid_group", "postdrop", "The group that may submit mail and ask for the queue.", 1);

    /// <summary>syslog_name.</summary>
    public static readonly StringParameter SyslogName = new("syslog_name", "${multi_instance_name?{$multi_instance_name}:{postfix}}", "What stands in front of the service's name in the log.", 1);

    /// <summary>info_log_address_format.</summary>
    public static readonly StringParameter InfoLogAddressFormat = new("info_log_address_format", "external", "How addresses are logged: external (quoted where needed) or internal.", 1);

    /// <summary>message_size_limit.</summary>
    public static readonly IntParameter MessageSizeLimit = new("message_size_limit", "10240000", "Bytes of a message with its envelope; 0 for no limit.");

    /// <summary>smtputf8_enable. Postfix: "no" where it was built without ICU.</summary>
    public static readonly BoolParameter Smtputf8Enable = new("smtputf8_enable", "${{$compatibility_level} <level {1} ? {no} : {yes}}", "Whether SMTPUTF8 is offered and used.");

    /// <summary>enable_long_queue_ids.</summary>
    public static readonly BoolParameter EnableLongQueueIds = new("enable_long_queue_ids", "no", "Long queue ids instead of short ones.");

    /// <summary>double_bounce_sender.</summary>
    public static readonly StringParameter DoubleBounceSender = new("double_bounce_sender", "double-bounce", "Sender of mail whose failure is not reported.", 1);

    /// <summary>empty_address_recipient.</summary>
    public static readonly StringParameter EmptyAddressRecipient = new("empty_address_recipient", "MAILER-DAEMON", "Recipient of mail for the null address.", 1);

    /// <summary>soft_bounce.</summary>
    public static readonly BoolParameter SoftBounce = new("soft_bounce", "no", "Turns permanent errors into temporary ones.");

    /// <summary>line_length_limit.</summary>
    public static readonly IntParameter LineLengthLimit = new("line_length_limit", "2048", "Bytes of a line kept together.", 512);

    /// <summary>header_size_limit.</summary>
    public static readonly IntParameter HeaderSizeLimit = new("header_size_limit", "102400", "Bytes of one header; the rest goes away.", 1);

    /// <summary>mime_nesting_limit.</summary>
    public static readonly IntParameter MimeNestingLimit = new("mime_nesting_limit", "100", "How deep the parts of a message may nest.", 1);

    /// <summary>mime_boundary_length_limit.</summary>
    public static readonly IntParameter MimeBoundaryLengthLimit = new("mime_boundary_length_limit", "2048", "Bytes of a boundary between parts that are looked at.", 1);

    /// <summary>hopcount_limit.</summary>
    public static readonly IntParameter HopcountLimit = new("hopcount_limit", "50", "Received: headers a message may have.", 1);

    /// <summary>maximal_queue_lifetime.</summary>
    public static readonly TimeParameter MaximalQueueLifetime = new("maximal_queue_lifetime", "5d", "How long mail is tried.", 0, 'd', 8640000);

    /// <summary>enable_original_recipient.</summary>
    public static readonly BoolParameter EnableOriginalRecipient = new("enable_original_recipient", "yes", "Whether X-Original-To tells the original recipient, and recipients that differ in it alone are several.");

    /// <summary>import_environment.</summary>
    public static readonly StringParameter ImportEnvironment = new("import_environment",
        "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ XAUTHORITY DISPLAY LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME XDG_RUNTIME_DIR",
        "What the mail system keeps of the environment it is started in.");

    /// <summary>enable_idna2003_compatibility.</summary>
    public static readonly BoolParameter EnableIdna2003Compatibility = new("enable_idna2003_compatibility", "no", "Whether international domain names are converted by the rules of 2003.");

    /// <summary>default_process_limit; not set it leaves sessions of smtpd nearly unlimited: they are no processes.</summary>
    public static readonly IntParameter DefaultProcessLimit = new("default_process_limit", "100", "Concurrent sessions or deliveries of a service whose entry says none.", 1);

    /// <summary>master_service_disable.</summary>
    public static readonly StringParameter MasterServiceDisable = new("master_service_disable", "", "Services of master.cf that are left out: types (inet), services (smtp/inet), ! for those that stay.");

    /// <summary>stress.</summary>
    public static readonly StringParameter Stress = new("stress", "", "\"yes\" while a service is at its limit of processes.");

    /// <summary>debug_peer_list.</summary>
    public static readonly StringParameter DebugPeerList = new("debug_peer_list", "", "Peers with whom all that is said is logged: domains, addresses, networks, tables.");

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } =
    [
        CompatibilityLevel, MailName, MailVersion, Myhostname, Mydomain, Myorigin, Mydestination, Mynetworks, MynetworksStyle, InetInterfaces, ProxyInterfaces, InetProtocols,
        RecipientDelimiter, QueueDirectory, HashQueueNames, HashQueueDepth, DataDirectory, MailOwner, SetgidGroup, SyslogName, InfoLogAddressFormat, MessageSizeLimit, Smtputf8Enable, EnableLongQueueIds,
        DoubleBounceSender, EmptyAddressRecipient, SoftBounce, LineLengthLimit, HeaderSizeLimit, MimeNestingLimit, MimeBoundaryLengthLimit, HopcountLimit, MaximalQueueLifetime,
        EnableOriginalRecipient, ImportEnvironment, DebugPeerList, DefaultProcessLimit, MasterServiceDisable, Stress,
        EnableIdna2003Compatibility,
    ];
}
