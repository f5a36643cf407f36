using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Net.Connections;
using Facteur.Net.Dns;
using Facteur.Services.Server;
using Facteur.Tables;
using Facteur.Services.Receive.Smtpd.Proxy;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>What becomes of lines that end in LF without CR.</summary>
internal enum BareNewline : byte
{
    /// <summary>As CR LF, also at the end of the content.</summary>
    Allow = 0,

    /// <summary>As CR LF; the content ends with CR LF "." CR LF only.</summary>
    Normalize = 1,

    /// <summary>As normalize, with a log line.</summary>
    Note = 2,

    /// <summary>Refused.</summary>
    Reject = 3,
}

/// <summary>The values of main.cf as a session uses them, read once per configuration.</summary>
internal sealed class SmtpdSettings
{
    /// <exception cref="ConfigException">A value is not valid.</exception>
    public SmtpdSettings(IConfig config, SmtpdArrows arrows)
    {
        Myhostname = config.Get(CommonParameters.Myhostname);
        MailName = config.Get(CommonParameters.MailName);
        Banner = config.Get(SmtpdParameters.Banner);
        SoftBounce = config.Get(CommonParameters.SoftBounce);
        HeloRequired = config.Get(SmtpdParameters.HeloRequired);
        DelayReject = config.Get(SmtpdParameters.DelayReject);
        DelayOpen = config.Get(SmtpdParameters.DelayOpenUntilValidRcpt);
        DisableVrfy = config.Get(SmtpdParameters.DisableVrfyCommand);
        StrictEnvelopes = config.Get(SmtpdParameters.StrictRfc821Envelopes);
        Smtputf8 = config.Get(CommonParameters.Smtputf8Enable);
        StrictSmtputf8 = config.Get(SmtpdParameters.StrictSmtputf8);
        AllowUntrustedRouting = config.Get(SmtpdParameters.AllowUntrustedRouting);
        ShowTableName = config.Get(SmtpdParameters.ShowUserUnknownTableName);
        PeernameLookup = config.Get(SmtpdParameters.PeernameLookup);
        PortLogging = config.Get(SmtpdParameters.ClientPortLogging);
        ForbidUnauthPipelining = config.Get(SmtpdParameters.ForbidUnauthPipelining);
        PerRequestDeadline = config.Get(SmtpdParameters.PerRequestDeadline);
        NullAccessKey = config.Get(SmtpdParameters.NullAccessLookupKey);
        DoubleBounceSender = config.Get(CommonParameters.DoubleBounceSender);
        Logins = "yes".Equals(config.Find("smtpd_sasl_auth_enable"), StringComparison.OrdinalIgnoreCase);
        SenderLoginMaps = Open(config, arrows, UceParameters.SenderLoginMaps);
        HidesSession = config.Get(SmtpdParameters.HideClientSession);
        ProbeSender = config.Get(VerifyParameters.Sender);
        ProbeSenderTtl = (long)config.Get(VerifyParameters.SenderTtl).TotalSeconds;
        NoticeClasses = NoticeClass.Parse(config.Get(BounceParameters.NotifyClasses));
        ErrorNoticeRecipient = config.Get(BounceParameters.ErrorNoticeRecipient);
        BounceNoticeRecipient = config.Get(BounceParameters.BounceNoticeRecipient);
        ObsoleteFrom = config.Get(BounceParameters.HeaderFromFormat) == "obsolete";
        LineLimit = (int)Math.Min(config.Get(CommonParameters.LineLengthLimit), 65536);
        MessageSizeLimit = config.Get(CommonParameters.MessageSizeLimit);
        QueueMinfree = config.Get(SmtpdParameters.QueueMinfree);
        HistoryFlushThreshold = config.Get(SmtpdParameters.HistoryFlushThreshold);
        SoftErrorLimit = config.Get(SmtpdParameters.SoftErrorLimit);
        HardErrorLimit = config.Get(SmtpdParameters.HardErrorLimit);
        JunkCommandLimit = config.Get(SmtpdParameters.JunkCommandLimit);
        RecipientLimit = config.Get(SmtpdParameters.RecipientLimit);
        RecipientOvershootLimit = config.Get(SmtpdParameters.RecipientOvershootLimit);
        ErrorSleepTime = config.Get(SmtpdParameters.ErrorSleepTime);
        Timeout = config.Get(SmtpdParameters.Timeout);
        MinDataRate = config.Get(SmtpdParameters.MinDataRate);
        ConnectionCountLimit = config.Get(SmtpdParameters.ClientConnectionCountLimit);
        ConnectionRateLimit = config.Get(SmtpdParameters.ClientConnectionRateLimit);
        MessageRateLimit = config.Get(SmtpdParameters.ClientMessageRateLimit);
        RecipientRateLimit = config.Get(SmtpdParameters.ClientRecipientRateLimit);
        Ipv4PrefixLength = (int)config.Get(SmtpdParameters.ClientIpv4PrefixLength);
        Ipv6PrefixLength = (int)config.Get(SmtpdParameters.ClientIpv6PrefixLength);
        BareNewline = ParseBareNewline(config.Get(SmtpdParameters.ForbidBareNewline));
        BareNewlineCode = Code(config, SmtpdParameters.ForbidBareNewlineRejectCode);
        RejectCode = Code(config, SmtpdParameters.RejectCode);
        DeferCode = Code(config, SmtpdParameters.DeferCode);
        AccessRejectCode = Code(config, SmtpdParameters.AccessMapRejectCode);
        AccessDeferCode = Code(config, SmtpdParameters.AccessMapDeferCode);
        InvalidHostnameCode = Code(config, SmtpdParameters.InvalidHostnameRejectCode);
        NonFqdnCode = Code(config, SmtpdParameters.NonFqdnRejectCode);
        UnknownHostnameCode = Code(config, SmtpdParameters.UnknownHostnameRejectCode);
        Verify = new Restrictions.UnverifiedSettings(config);
        UnknownAddressCode = Code(config, SmtpdParameters.UnknownAddressRejectCode);
        UnknownClientCode = Code(config, SmtpdParameters.UnknownClientRejectCode);
        RelayCode = Code(config, SmtpdParameters.RelayDomainsRejectCode);
        MultiRecipientBounceCode = Code(config, SmtpdParameters.MultiRecipientBounceRejectCode);
        PlaintextCode = Code(config, SmtpdParameters.PlaintextRejectCode);
        UnknownLocalCode = Code(config, SmtpdParameters.UnknownLocalRecipientRejectCode);
        UnknownRelayCode = Code(config, SmtpdParameters.UnknownRelayRecipientRejectCode);
        UnknownVirtualAliasCode = Code(config, SmtpdParameters.UnknownVirtualAliasRejectCode);
        UnknownVirtualMailboxCode = Code(config, SmtpdParameters.UnknownVirtualMailboxRejectCode);
        UnknownAddressDefersIfPermit = DefersIfPermit(config, SmtpdParameters.UnknownAddressTempfailAction);
        UnknownHeloDefersIfPermit = DefersIfPermit(config, SmtpdParameters.UnknownHeloHostnameTempfailAction);
        AccessParents = ListSyntax.Split(config.Get(RecipientMapsParameters.ParentDomainMatchesSubdomains)).Contains("smtpd_access_maps");
        OwnAddresses = new OwnAddresses(
            [.. ListSyntax.Split(config.Get(CommonParameters.InetInterfaces)), .. ListSyntax.Split(config.Get(CommonParameters.ProxyInterfaces))], arrows.Hosts);
        Mynetworks = Networks(config, arrows, CommonParameters.Mynetworks);
        BareNewlineExclusions = Networks(config, arrows, SmtpdParameters.ForbidBareNewlineExclusions);
        VerpClients = config.Get(SmtpdParameters.AuthorizedVerpClients).Length > 0 ? Networks(config, arrows, SmtpdParameters.AuthorizedVerpClients) : null;
        VerpDelimiters = config.Get(CleanupParameters.DefaultVerpDelimiters);
        VerpFilter = config.Get(CleanupParameters.VerpDelimiterFilter);
        EventLimitExceptions = Networks(config, arrows, SmtpdParameters.ClientEventLimitExceptions);
        ForbiddenCommands = new WordList(arrows.Tables, config, SmtpdParameters.ForbiddenCommands);
        NoopCommands = new WordList(arrows.Tables, config, SmtpdParameters.NoopCommands);
        FastFlushDomains = arrows.MatchLists.Domains(SmtpdParameters.FastFlushDomains.Name, config.Get(SmtpdParameters.FastFlushDomains));
        LocalRecipientMaps = Open(config, arrows, RecipientMapsParameters.LocalRecipientMaps);
        RelayRecipientMaps = Open(config, arrows, RecipientMapsParameters.RelayRecipientMaps);
        VirtualMailboxMaps = Open(config, arrows, RecipientMapsParameters.VirtualMailboxMaps);
        var recipientCanonical = Open(config, arrows, RecipientMapsParameters.RecipientCanonicalMaps);
        var canonical = Open(config, arrows, RecipientMapsParameters.CanonicalMaps);
        var alias = Open(config, arrows, RecipientMapsParameters.VirtualAliasMaps);
        RecipientAcceptingMaps = [recipientCanonical, canonical, alias];
        SenderAcceptingMaps = [recipientCanonical, Open(config, arrows, RecipientMapsParameters.SenderCanonicalMaps), canonical, alias];
        XclientHosts = Networks(config, arrows, SmtpdParameters.AuthorizedXclientHosts);
        XforwardHosts = Networks(config, arrows, SmtpdParameters.AuthorizedXforwardHosts);
        var protocols = ListSyntax.Split(config.Get(CommonParameters.InetProtocols));
        UseIpv4 = protocols.Contains("ipv4") || protocols.Contains("all");
        UseIpv6 = protocols.Contains("ipv6") || protocols.Contains("all");
        Idna2003 = config.Get(CommonParameters.EnableIdna2003Compatibility);
        Proxy = ProxyFilter.Of(config, arrows);
        UpstreamProxyTimeout = config.Get(SmtpdParameters.UpstreamProxyProtocol) switch
        {
            "" => TimeSpan.Zero,
            "haproxy" => config.Get(SmtpdParameters.UpstreamProxyTimeout),
            var other => throw new ConfigException($"unsupported {SmtpdParameters.UpstreamProxyProtocol.Name} value: {other}"),
        };
        Backwards = new BackwardsDefaults(config, arrows.MatchLists);
        Input = new InputOptions(config);
        Ehlo = new EhloAnswer(config, arrows.Tables);
        Stress = config.Get(CommonParameters.Stress);
        CompatibilityLevel = config.Get(CommonParameters.CompatibilityLevel);
        MailVersion = config.Get(CommonParameters.MailVersion);
        RblCode = Code(config, UceParameters.MapsRblRejectCode);
        RblReplyMaps = Open(config, arrows, UceParameters.RblReplyMaps);
        DefaultRblReply = config.Get(UceParameters.DefaultRblReply);
        Macros = new SmtpdMacros(config.Get(UceParameters.ExpansionFilter));
        Footer = new RejectFooter(config.Get(UceParameters.RejectFooter), Open(config, arrows, UceParameters.RejectFooterMaps), Macros, Open(config, arrows, UceParameters.RejectFilterMaps));
        CommandFilter = Open(config, arrows, UceParameters.CommandFilter);
        LogPermitActions = new WordList(arrows.Tables, config, UceParameters.LogPermitActions);
        MxBackupNetworks = config.Get(UceParameters.PermitMxBackupNetworks).Trim().Length == 0 ? null : Networks(config, arrows, UceParameters.PermitMxBackupNetworks);
    }

    public string Myhostname { get; }

    public string MailName { get; }

    public string Banner { get; }

    /// <summary>Of which errors the postmaster is told.</summary>
    public NoticeClasses NoticeClasses { get; }

    /// <summary>Who is told.</summary>
    public string ErrorNoticeRecipient { get; }

    /// <summary>Who is told of sessions with mail for nobody.</summary>
    public string BounceNoticeRecipient { get; }

    public bool ObsoleteFrom { get; }

    public bool SoftBounce { get; }

    public bool HeloRequired { get; }

    public bool DelayReject { get; }

    public bool DelayOpen { get; }

    public bool DisableVrfy { get; }

    public bool StrictEnvelopes { get; }

    public bool Smtputf8 { get; }

    public bool StrictSmtputf8 { get; }

    public bool AllowUntrustedRouting { get; }

    public bool ShowTableName { get; }

    public bool PeernameLookup { get; }

    public bool PortLogging { get; }

    public bool ForbidUnauthPipelining { get; }

    public bool PerRequestDeadline { get; }

    /// <summary>The DNS of restrictions, where smtpd_dns_reply_filter changes it.</summary>
    public IDnsResolver? Dns { get; init; }

    public string NullAccessKey { get; }

    public string DoubleBounceSender { get; }

    /// <summary>Clients may log in.</summary>
    public bool Logins { get; }

    /// <summary>Received: headers say nothing of the client.</summary>
    public bool HidesSession { get; }

    /// <summary>Who owns a sender's address.</summary>
    public Maps SenderLoginMaps { get; }

    /// <summary>address_verify_sender, as written.</summary>
    public string ProbeSender { get; }

    /// <summary>Seconds for which a number stands behind it; 0 for none.</summary>
    public long ProbeSenderTtl { get; }

    public int LineLimit { get; }

    /// <summary>0 for no limit.</summary>
    public long MessageSizeLimit { get; }

    public long QueueMinfree { get; }

    public long HistoryFlushThreshold { get; }

    public long SoftErrorLimit { get; }

    public long HardErrorLimit { get; }

    public long JunkCommandLimit { get; }

    public long RecipientLimit { get; }

    public long RecipientOvershootLimit { get; }

    public TimeSpan ErrorSleepTime { get; }

    public TimeSpan Timeout { get; }

    public long MinDataRate { get; }

    public long ConnectionCountLimit { get; }

    public long ConnectionRateLimit { get; }

    public long MessageRateLimit { get; }

    public long RecipientRateLimit { get; }

    public int Ipv4PrefixLength { get; }

    public int Ipv6PrefixLength { get; }

    public BareNewline BareNewline { get; }

    public int BareNewlineCode { get; }

    public int RejectCode { get; }

    public int DeferCode { get; }

    public int AccessRejectCode { get; }

    public int AccessDeferCode { get; }

    public int InvalidHostnameCode { get; }

    public int NonFqdnCode { get; }

    public int UnknownHostnameCode { get; }

    public Restrictions.UnverifiedSettings Verify { get; }

    public int UnknownAddressCode { get; }

    public int UnknownClientCode { get; }

    public int RelayCode { get; }

    public int MultiRecipientBounceCode { get; }

    public int PlaintextCode { get; }

    public int UnknownLocalCode { get; }

    public int UnknownRelayCode { get; }

    public int UnknownVirtualAliasCode { get; }

    public int UnknownVirtualMailboxCode { get; }

    public bool UnknownAddressDefersIfPermit { get; }

    public bool UnknownHeloDefersIfPermit { get; }

    /// <summary>In access tables a domain stands for its subdomains; else ".domain" does.</summary>
    public bool AccessParents { get; }

    public OwnAddresses OwnAddresses { get; }

    public INetworkList Mynetworks { get; }

    public INetworkList BareNewlineExclusions { get; }

    public INetworkList EventLimitExceptions { get; }

    /// <summary>Clients that may ask for VERP, or null for none.</summary>
    public INetworkList? VerpClients { get; }

    public string VerpDelimiters { get; }

    public string VerpFilter { get; }

    public WordList ForbiddenCommands { get; }

    public WordList NoopCommands { get; }

    public IDomainList FastFlushDomains { get; }

    public Maps LocalRecipientMaps { get; }

    public Maps RelayRecipientMaps { get; }

    public Maps VirtualMailboxMaps { get; }

    /// <summary>An address found in one of these is known, whatever its class.</summary>
    public IReadOnlyList<Maps> RecipientAcceptingMaps { get; }

    public IReadOnlyList<Maps> SenderAcceptingMaps { get; }

    public INetworkList XclientHosts { get; }

    public INetworkList XforwardHosts { get; }

    public bool UseIpv4 { get; }

    public bool UseIpv6 { get; }

    /// <summary>content_filter and receive_override_options.</summary>
    public InputOptions Input { get; }

    /// <summary>enable_idna2003_compatibility.</summary>
    public bool Idna2003 { get; }

    /// <summary>smtpd_proxy_filter, or null.</summary>
    public ProxyFilter? Proxy { get; }

    /// <summary>How long a proxy in front of us may take to say who the client is; zero where there is none.</summary>
    public TimeSpan UpstreamProxyTimeout { get; }

    /// <summary>What compatibility_level alone decides.</summary>
    public BackwardsDefaults Backwards { get; }

    public EhloAnswer Ehlo { get; }

    /// <summary>"yes" while all places are taken, as master says it; for policy services.</summary>
    public string Stress { get; }

    public string CompatibilityLevel { get; }

    public string MailVersion { get; }

    public int RblCode { get; }

    public Maps RblReplyMaps { get; }

    public string DefaultRblReply { get; }

    /// <summary>Names that reply templates may use.</summary>
    public SmtpdMacros Macros { get; }

    public RejectFooter Footer { get; }

    public Maps CommandFilter { get; }

    public WordList LogPermitActions { get; }

    /// <summary>Null when every primary mail exchanger will do.</summary>
    public INetworkList? MxBackupNetworks { get; }

    private static int Code(IConfig config, IntParameter parameter) => (int)config.Get(parameter);

    private static INetworkList Networks(IConfig config, SmtpdArrows arrows, StringParameter parameter) =>
        arrows.MatchLists.Networks(parameter.Name, config.Get(parameter));

    private static Maps Open(IConfig config, SmtpdArrows arrows, StringParameter parameter) => Maps.Open(arrows.Tables, parameter.Name, config.Get(parameter));

    private static BareNewline ParseBareNewline(string value) => value.ToLowerInvariant() switch
    {
        "normalize" or "yes" => BareNewline.Normalize,
        "note" => BareNewline.Note,
        "reject" => BareNewline.Reject,
        "no" => BareNewline.Allow,
        _ => throw new ConfigException($"bad parameter value: '{SmtpdParameters.ForbidBareNewline.Name} = {value}', expected normalize, yes, reject, note or no"),
    };

    private static bool DefersIfPermit(IConfig config, StringParameter parameter) => config.Get(parameter).ToLowerInvariant() switch
    {
        "defer_if_permit" => true,
        "defer" => false,
        var other => throw new ConfigException($"bad configuration: {parameter.Name} = {other}, expected defer or defer_if_permit"),
    };
}
