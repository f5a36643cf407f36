using System.Globalization;
using System.Net;
using System.Security.Authentication;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Mail.Mime;
using Facteur.Net.Dns;
using Facteur.Net.Tls;
using Facteur.Services.Server;
using Facteur.Tables;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>smtp_tls_security_level as far as it is known here.</summary>
internal enum SmtpTlsLevel : byte
{
    None = 0,
    May = 1,
    Encrypt = 2,
}

/// <summary>The configuration of one smtp or lmtp entry, read once.</summary>
internal sealed class SmtpSettings
{
    /// <summary>
    /// Headers of parts are not cut when mail comes in without checks, so a part's header longer than header_size_limit may be signed: what goes out
    /// converted or checked keeps it to this size at least.
    /// </summary>
    private const int OutgoingHeaderSize = 1 << 20;

    internal SmtpSettings(IConfig config, bool lmtp, IReadOnlyList<string> arguments, Action<string> warn)
    {
        var p = lmtp ? SmtpParameters.Lmtp : SmtpParameters.Smtp;
        Lmtp = lmtp;
        Prefix = lmtp ? "lmtp_" : "smtp_";
        Ports = KnownPorts(config.Get(SmtpParameters.KnownTcpPorts));
        Port = PortOf(config.Get(p.TcpPort)) ?? throw Wrong("tcp_port", config.Get(p.TcpPort), "a number or a name of known_tcp_ports");
        Myhostname = config.Get(CommonParameters.Myhostname);
        HeloName = config.Get(p.HeloName);
        SoftBounce = config.Get(CommonParameters.SoftBounce);
        DelayResolution = Number(config, LogParameters.DelayLoggingResolutionLimit);
        (UseIpv4, UseIpv6) = Protocols(config.Get(CommonParameters.InetProtocols));
        AddressPreference = OneOf(config.Get(p.AddressPreference), p.AddressPreference.Name, "any", "ipv4", "ipv6");
        BalanceFamilies = config.Get(p.BalanceInetProtocols);
        RandomizeAddresses = config.Get(p.RandomizeAddresses);
        MxAddressLimit = Number(config, p.MxAddressLimit);
        MxSessionLimit = Number(config, p.MxSessionLimit);
        BindIpv4 = Literal(config.Get(p.BindAddress), p.BindAddress.Name);
        BindIpv6 = Literal(config.Get(p.BindAddress6), p.BindAddress6.Name);
        BindEnforce = config.Get(p.BindAddressEnforce);
        CnameOverridesName = config.Get(p.CnameOverridesServername);
        DeferIfNoMxAddress = config.Get(p.DeferIfNoMxAddressFound);
        Idna2003 = config.Get(CommonParameters.EnableIdna2003Compatibility);
        SrvServices = ListSyntax.Split(config.Get(SmtpParameters.UseSrvLookup)).ToHashSet(StringComparer.OrdinalIgnoreCase);
        SrvFallback = config.Get(SmtpParameters.AllowSrvLookupFallback);
        IgnoreSrvLookupError = config.Get(SmtpParameters.IgnoreSrvLookupError);
        Service = config.Get(p.TcpPort);
        PassesLoops = !lmtp && config.Get(QmgrParameters.BestMxTransport).Length > 0;
        IgnoreMxLookupError = config.Get(SmtpParameters.IgnoreMxLookupError);
        FallbackRelay = ListSyntax.Split(config.Get(p.FallbackRelay));
        Relayhost = lmtp ? "" : config.Get(TrivialRewriteParameters.Relayhost);
        IgnoredKeywords = ListSyntax.Split(config.Get(p.DiscardEhloKeywords)).ToHashSet(StringComparer.OrdinalIgnoreCase);
        AlwaysSendEhlo = p.AlwaysSendEhlo is null || config.Get(p.AlwaysSendEhlo);
        NeverSendEhlo = p.NeverSendEhlo is not null && config.Get(p.NeverSendEhlo);
        Skip5xxGreeting = config.Get(p.Skip5xxGreeting);
        SkipQuitResponse = config.Get(p.SkipQuitResponse);
        LineLengthLimit = Number(config, p.LineLengthLimit);
        DowngradesMime = !config.Get(SmtpParameters.DisableMimeOutputConversion);
        MimeLimits = new MimeLimits(
            Math.Max(Number(config, CommonParameters.HeaderSizeLimit), OutgoingHeaderSize), Number(config, CommonParameters.LineLengthLimit),
            Number(config, CommonParameters.MimeNestingLimit), Number(config, CommonParameters.MimeBoundaryLengthLimit));
        HeaderSizeLimit = Number(config, CommonParameters.HeaderSizeLimit);
        ContentLineLimit = Number(config, CommonParameters.LineLengthLimit);
        VerifyAtData = OneOf(config.Get(p.AddressVerifyTarget), p.AddressVerifyTarget.Name, "rcpt", "data") == "data";
        CacheOnDemand = config.Get(p.ConnectionCacheOnDemand);
        CacheTime = config.GetWait(p.ConnectionCacheTimeLimit);
        ReuseTime = config.Get(p.ConnectionReuseTimeLimit);
        ReuseCount = Number(config, p.ConnectionReuseCountLimit);
        ConnectTimeout = config.GetWait(p.ConnectTimeout);
        HeloTimeout = config.GetWait(p.HeloTimeout);
        StarttlsTimeout = config.GetWait(p.StarttlsTimeout);
        MailTimeout = config.GetWait(p.MailTimeout);
        RcptTimeout = config.GetWait(p.RcptTimeout);
        DataInitTimeout = config.GetWait(p.DataInitTimeout);
        DataXferTimeout = config.GetWait(p.DataXferTimeout);
        DataDoneTimeout = config.GetWait(p.DataDoneTimeout);
        QuoteEnvelope = config.Get(p.QuoteRfc821Envelope);
        PerRequestDeadline = config.Get(p.PerRequestDeadline);
        MinDataRate = config.Get(p.MinDataRate);
        PixWorkarounds = config.Get(p.PixWorkarounds);
        PixAge = config.Get(p.PixWorkaroundThresholdTime);
        PixDelay = config.GetWait(p.PixWorkaroundDelayTime);
        SendXforward = config.Get(p.SendXforwardCommand);
        XforwardTimeout = config.GetWait(p.XforwardTimeout);
        RsetTimeout = config.GetWait(p.RsetTimeout);
        QuitTimeout = config.GetWait(p.QuitTimeout);
        PlainTextAfter = TimeSpan.FromSeconds(TimeParameter.ParseSeconds(config.Find("minimal_backoff_time") ?? "300s", 's') ?? 300);
        (DnsEnabled, Sources) = Lookup(config, p);
        TlsLevel = Level(config, p, warn);
        TlsWrapper = config.Get(p.TlsWrappermode);
        TlsServerName = config.Get(p.TlsServername);
        TlsLog = config.Get(p.TlsLoglevel) is not ("0" or "");
        LogTls = config.Get(p.LogTlsFeatureStatus);
        var mandatory = TlsLevel == SmtpTlsLevel.Encrypt;
        var protocols = mandatory ? p.TlsMandatoryProtocols : p.TlsProtocols;
        TlsProtocolSet = TlsProtocols.Parse(config.Get(protocols)) ?? throw new ConfigException($"{protocols.Name} = {config.Get(protocols)}: expected names such as >=TLSv1.2 or !TLSv1");
        TlsExcluded = [.. ListSyntax.Split(config.Get(p.TlsExcludeCiphers)), .. mandatory ? ListSyntax.Split(config.Get(p.TlsMandatoryExcludeCiphers)) : []];
        TlsAuthorities = config.Get(p.TlsCAfile);
        Final = p.AssumeFinal is not null && config.Get(p.AssumeFinal);
        foreach (var argument in arguments)
        {
            ReadArgument(argument);
        }
        if (TlsWrapper && TlsLevel != SmtpTlsLevel.Encrypt)
        {
            throw new ConfigException($"{Prefix}tls_wrappermode = yes needs {Prefix}tls_security_level = encrypt");
        }
    }

    internal static ContentChecks? OpenChecks(IConfig config, bool lmtp, ITableSet tables) =>
        lmtp ? ContentChecks.Open(
                config, tables, ContentCheckParameters.LmtpHeaderChecks, ContentCheckParameters.LmtpMimeHeaderChecks, ContentCheckParameters.LmtpNestedHeaderChecks,
                ContentCheckParameters.LmtpBodyChecks)
            : ContentChecks.Open(
                config, tables, ContentCheckParameters.SmtpHeaderChecks, ContentCheckParameters.SmtpMimeHeaderChecks, ContentCheckParameters.SmtpNestedHeaderChecks,
                ContentCheckParameters.SmtpBodyChecks);

    internal bool Lmtp { get; }
    internal string Prefix { get; }
    internal IReadOnlyDictionary<string, int> Ports { get; }
    internal int Port { get; }
    internal string Myhostname { get; }
    internal string HeloName { get; }
    internal bool SoftBounce { get; }
    internal int DelayResolution { get; }
    internal bool UseIpv4 { get; }
    internal bool UseIpv6 { get; }
    internal string AddressPreference { get; }
    internal bool BalanceFamilies { get; }
    internal bool RandomizeAddresses { get; }
    internal int MxAddressLimit { get; }
    internal int MxSessionLimit { get; }
    internal IPAddress? BindIpv4 { get; }
    internal IPAddress? BindIpv6 { get; }
    internal bool BindEnforce { get; }
    internal bool DeferIfNoMxAddress { get; }

    /// <summary>smtp_cname_overrides_servername.</summary>
    internal bool CnameOverridesName { get; }
    internal bool IgnoreMxLookupError { get; }

    /// <summary>enable_idna2003_compatibility.</summary>
    internal bool Idna2003 { get; }

    /// <summary>use_srv_lookup.</summary>
    internal HashSet<string> SrvServices { get; }

    internal bool SrvFallback { get; }

    internal bool IgnoreSrvLookupError { get; }

    /// <summary>The port of a destination without one, as it was written.</summary>
    internal string Service { get; }

    /// <summary>best_mx_transport is set: mail that loops is not returned.</summary>
    internal bool PassesLoops { get; }
    internal IReadOnlyList<string> FallbackRelay { get; }

    /// <summary>relayhost, as next hops have it; "" for none.</summary>
    internal string Relayhost { get; }
    internal IReadOnlySet<string> IgnoredKeywords { get; }
    internal bool AlwaysSendEhlo { get; }
    internal bool NeverSendEhlo { get; }
    internal bool Skip5xxGreeting { get; }
    internal bool SkipQuitResponse { get; }
    internal int LineLengthLimit { get; }

    /// <summary>Whether 8-bit content is converted for a server without 8BITMIME.</summary>
    internal bool DowngradesMime { get; }
    internal MimeLimits MimeLimits { get; }

    /// <summary>smtp_header_checks and the like; null when there are none.</summary>
    internal ContentChecks? Checks { get; init; }
    internal int HeaderSizeLimit { get; }

    /// <summary>line_length_limit.</summary>
    internal int ContentLineLimit { get; }
    internal bool VerifyAtData { get; }
    internal bool CacheOnDemand { get; }
    internal TimeSpan CacheTime { get; }
    internal TimeSpan ReuseTime { get; }
    internal int ReuseCount { get; }
    internal TimeSpan ConnectTimeout { get; }
    internal TimeSpan HeloTimeout { get; }
    internal TimeSpan StarttlsTimeout { get; }
    internal TimeSpan MailTimeout { get; }
    internal TimeSpan RcptTimeout { get; }
    internal TimeSpan DataInitTimeout { get; }
    internal TimeSpan DataXferTimeout { get; }
    internal TimeSpan DataDoneTimeout { get; }

    /// <summary>smtp_per_request_deadline: the time limits are for the whole request; content must flow at MinDataRate.</summary>
    internal bool PerRequestDeadline { get; }

    /// <summary>Bytes a second.</summary>
    internal long MinDataRate { get; }

    /// <summary>Addresses in commands are quoted where RFC 5321 asks for it.</summary>
    internal bool QuoteEnvelope { get; }

    /// <summary>Words of workarounds for old PIX firewalls, where no table has other ones for a server.</summary>
    internal string PixWorkarounds { get; }

    /// <summary>The age of a message from which the final dot is delayed.</summary>
    internal TimeSpan PixAge { get; }

    internal TimeSpan PixDelay { get; }

    internal SmtpTables Tables { get; init; } = new();

    /// <summary>Servers that take XFORWARD are told from whom a message came.</summary>
    internal bool SendXforward { get; }

    internal TimeSpan XforwardTimeout { get; }

    internal TimeSpan RsetTimeout { get; }
    internal TimeSpan QuitTimeout { get; }

    /// <summary>Postfix: after a failed handshake a message is sent in plain text only when it has waited as long as minimal_backoff_time.</summary>
    internal TimeSpan PlainTextAfter { get; }
    internal bool DnsEnabled { get; }
    internal IReadOnlyList<HostSource> Sources { get; }
    internal SmtpTlsLevel TlsLevel { get; }
    internal bool TlsWrapper { get; }
    internal string TlsServerName { get; }
    internal bool TlsLog { get; }
    internal bool LogTls { get; }
    internal SslProtocols TlsProtocolSet { get; }
    internal IReadOnlyList<string> TlsExcluded { get; }
    internal string TlsAuthorities { get; }

    /// <summary>flags=X, lmtp_assume_final: success is "delivered", not "relayed".</summary>
    internal bool Final { get; private set; }

    /// <summary>flags=R.</summary>
    internal bool PrependReturnPath { get; private set; }

    /// <summary>flags=D.</summary>
    internal bool PrependDeliveredTo { get; private set; }

    /// <summary>flags=O.</summary>
    internal bool PrependOriginalTo { get; private set; }

    /// <summary>The word of the TLS level in logs.</summary>
    internal string TlsWord => TlsLevel switch { SmtpTlsLevel.None => "none", SmtpTlsLevel.May => "may", _ => "encrypt" };

    /// <summary>A port's number, or null.</summary>
    internal int? PortOf(string text) =>
        Ports.TryGetValue(text, out var known) ? known
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and < 65536 ? port : null;

    private void ReadArgument(string argument)
    {
        if (!argument.StartsWith("flags=", StringComparison.Ordinal))
        {
            throw new ConfigException($"{argument}: expected flags=DORX");
        }
        foreach (var flag in argument.AsSpan("flags=".Length))
        {
            switch (flag)
            {
                case 'X':
                    Final = true;
                    break;
                case 'R':
                    PrependReturnPath = true;
                    break;
                case 'O':
                    PrependOriginalTo = true;
                    break;
                case 'D':
                    PrependDeliveredTo = true;
                    break;
                default:
                    throw new ConfigException($"{argument}: flag \"{flag}\" is not known here: expected D, O, R or X");
            }
        }
    }

    private static int Number(IConfig config, IntParameter parameter) => (int)Math.Min(config.Get(parameter), int.MaxValue);

    private static (bool Enabled, IReadOnlyList<HostSource> Sources) Lookup(IConfig config, SmtpParameters p)
    {
        var level = config.Get(p.DnsSupportLevel);
        level = level.Length > 0 ? level : config.Get(SmtpParameters.DisableDnsLookups) ? "disabled" : "enabled";
        var enabled = OneOf(level, p.DnsSupportLevel.Name, "disabled", "enabled", "dnssec") != "disabled";
        var sources = ListSyntax.Split(config.Get(p.HostLookup))
            .ConvertAll(word => OneOf(word, p.HostLookup.Name, "dns", "native") == "dns" ? HostSource.Dns : HostSource.Native);
        return (enabled, enabled ? sources : [HostSource.Native]);
    }

    private static SmtpTlsLevel Level(IConfig config, SmtpParameters p, Action<string> warn)
    {
        var level = config.Get(p.TlsSecurityLevel);
        if (level.Length == 0)
        {
            level = config.Get(p.EnforceTls) ? "encrypt" : config.Get(p.UseTls) ? "may" : "none";
        }
        // Postfix: where no TLSA record can be had, dane is may.
        if (level.Equals("dane", StringComparison.OrdinalIgnoreCase))
        {
            warn($"{p.TlsSecurityLevel.Name} = {level}: TLSA records are not looked up yet: mail goes as with level may");
            return SmtpTlsLevel.May;
        }
        return OneOf(level, p.TlsSecurityLevel.Name, "none", "may", "encrypt") switch
        {
            "none" => SmtpTlsLevel.None,
            "may" => SmtpTlsLevel.May,
            _ => SmtpTlsLevel.Encrypt,
        };
    }

    private static (bool Ipv4, bool Ipv6) Protocols(string value)
    {
        var words = ListSyntax.Split(value).ConvertAll(word => OneOf(word, "inet_protocols", "all", "ipv4", "ipv6"));
        var all = words.Contains("all");
        return (all || words.Contains("ipv4"), all || words.Contains("ipv6"));
    }

    private static Dictionary<string, int> KnownPorts(string value)
    {
        var ports = new Dictionary<string, int>(StringComparer.OrdinalIgnoreCase);
        foreach (var entry in value.Split(','))
        {
            var words = entry.Split('=', StringSplitOptions.TrimEntries);
            if (words.Length < 2 || !int.TryParse(words[^1], NumberStyles.None, CultureInfo.InvariantCulture, out var port))
            {
                throw new ConfigException($"known_tcp_ports: \"{entry.Trim()}\": expected name=port");
            }
            foreach (var name in words[..^1])
            {
                ports[name] = port;
            }
        }
        return ports;
    }

    private static IPAddress? Literal(string value, string parameter) =>
        value.Length == 0 ? null
        : IPAddress.TryParse(value.Trim('[', ']'), out var address) ? address : throw new ConfigException($"{parameter} = {value}: expected an IP address");

    private static string OneOf(string value, string parameter, params ReadOnlySpan<string> words)
    {
        foreach (var word in words)
        {
            if (word.Equals(value, StringComparison.OrdinalIgnoreCase))
            {
                return word;
            }
        }
        throw new ConfigException($"{parameter} = {value}: expected one of {string.Join(", ", words.ToArray())}");
    }

    private ConfigException Wrong(string name, string value, string expected) => new($"{Prefix}{name} = {value}: expected {expected}");
}
