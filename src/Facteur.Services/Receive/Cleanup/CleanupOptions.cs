using System.Buffers;
using System.Text;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Mime;
using Facteur.Services.Server;
using Facteur.Tables;

namespace Facteur.Services.Receive.Cleanup;

/// <summary>Places where an address stands, as the *_classes parameters name them.</summary>
[Flags]
internal enum AddressClasses : byte
{
    None = 0,
    EnvelopeSender = 1,
    EnvelopeRecipient = 2,
    HeaderSender = 4,
    HeaderRecipient = 8,
}

/// <summary>Tables and the addresses they apply to.</summary>
internal readonly record struct ClassedMaps(Maps Maps, AddressClasses Classes)
{
    public bool AppliesTo(AddressClasses place) => !Maps.IsEmpty && (Classes & place) != 0;
}

/// <summary>non_empty_end_of_header_action.</summary>
internal enum HeaderEndAction : byte
{
    /// <summary>The missing line is put there.</summary>
    FixQuietly = 0,

    /// <summary>And a header says so.</summary>
    AddHeader = 1,

    Reject = 2,
}

/// <summary>The parameters of cleanup(8), read once per configuration.</summary>
internal sealed record CleanupOptions
{
    public CleanupOptions(IConfig config, ITableSet tables, ITableSet contentTables, IMatchLists lists)
    {
        Myhostname = config.Get(CommonParameters.Myhostname);
        MailName = config.Get(CommonParameters.MailName);
        LongQueueIds = config.Get(CommonParameters.EnableLongQueueIds);
        OriginalRecipients = config.Get(CommonParameters.EnableOriginalRecipient);
        HeaderSizeLimit = Int(CommonParameters.HeaderSizeLimit);
        LineLengthLimit = Int(CommonParameters.LineLengthLimit);
        HopcountLimit = Int(CommonParameters.HopcountLimit);
        MessageSizeLimit = config.Get(CommonParameters.MessageSizeLimit);
        EmptyAddressRecipient = config.Get(CommonParameters.EmptyAddressRecipient);
        HeaderTokenLimit = Int(CleanupParameters.HeaderAddressTokenLimit);
        DuplicateFilterLimit = Int(CleanupParameters.DuplicateFilterLimit);
        ReplaceStray = config.Get(CleanupParameters.CleanupReplaceStrayCrLf);
        AlwaysAddHeaders = config.Get(CleanupParameters.AlwaysAddMissingHeaders);
        UndisclosedHeader = config.Get(CleanupParameters.UndisclosedRecipientsHeader);
        ObsoleteFrom = config.Get(CleanupParameters.HeaderFromFormat) switch
        {
            "standard" => false,
            "obsolete" => true,
            var other => throw new ConfigException($"header_from_format = {other}: expected standard or obsolete"),
        };
        FullNameCharset = config.Get(CleanupParameters.FullNameEncodingCharset);
        RewriteRemoteHeaders = config.Get(TrivialRewriteParameters.RemoteHeaderRewriteDomain).Length > 0;
        DropHeaders = [.. ListSyntax.Split(config.Get(CleanupParameters.MessageDropHeaders)).Select(name => Encoding.UTF8.GetBytes(name.TrimEnd(':')))];
        Canonical = new ClassedMaps(Open(CleanupParameters.CanonicalMaps), Classes(CleanupParameters.CanonicalClasses));
        SenderCanonical = new ClassedMaps(Open(CleanupParameters.SenderCanonicalMaps), Classes(CleanupParameters.SenderCanonicalClasses));
        RecipientCanonical = new ClassedMaps(Open(CleanupParameters.RecipientCanonicalMaps), Classes(CleanupParameters.RecipientCanonicalClasses));
        MasqueradeDomains = ListSyntax.Split(config.Get(CleanupParameters.MasqueradeDomains));
        MasqueradeClasses = Classes(CleanupParameters.MasqueradeClasses);
        var exceptions = config.Get(CleanupParameters.MasqueradeExceptions);
        MasqueradeExceptions = exceptions.Length > 0 ? lists.Domains(CleanupParameters.MasqueradeExceptions.Name, exceptions) : null;
        VirtualAliases = Open(CleanupParameters.VirtualAliasMaps);
        ExpansionLimit = Int(CleanupParameters.VirtualAliasExpansionLimit);
        RecursionLimit = Int(CleanupParameters.VirtualAliasRecursionLimit);
        AliasLengthLimit = Int(CleanupParameters.VirtualAliasAddressLengthLimit);
        AlwaysBcc = config.Get(CleanupParameters.AlwaysBcc);
        SenderBcc = Open(CleanupParameters.SenderBccMaps);
        RecipientBcc = Open(CleanupParameters.RecipientBccMaps);
        var extensions = ListSyntax.Split(config.Get(CleanupParameters.PropagateUnmatchedExtensions));
        PropagateCanonical = extensions.Contains("canonical", StringComparer.OrdinalIgnoreCase);
        PropagateVirtual = extensions.Contains("virtual", StringComparer.OrdinalIgnoreCase);
        StripCharacters = CharacterSet.Parse(CleanupParameters.MessageStripCharacters.Name, config.Get(CleanupParameters.MessageStripCharacters));
        RejectCharacters = CharacterSet.Parse(CleanupParameters.MessageRejectCharacters.Name, config.Get(CleanupParameters.MessageRejectCharacters));
        VerpFilter = config.Get(CleanupParameters.VerpDelimiterFilter);
        Smtputf8 = config.Get(CommonParameters.Smtputf8Enable);
        DetectUtf8 = config.Get(CommonParameters.Smtputf8Enable) ? DetectClasses(config.Get(CleanupParameters.Smtputf8AutodetectClasses)) : [];
        Checks = ContentChecks.Open(
            config, contentTables, ContentCheckParameters.HeaderChecks, ContentCheckParameters.MimeHeaderChecks, ContentCheckParameters.NestedHeaderChecks, ContentCheckParameters.BodyChecks);
        BodyChecksSizeLimit = Int(ContentCheckParameters.BodyChecksSizeLimit);
        MimeLimits = new MimeLimits(HeaderSizeLimit, LineLengthLimit, Int(CommonParameters.MimeNestingLimit), Int(CommonParameters.MimeBoundaryLengthLimit));
        ReadsMime = !config.Get(ContentCheckParameters.DisableMimeInputProcessing);
        var strict = config.Get(ContentCheckParameters.Strict8BitMime);
        StrictHeaders = strict || config.Get(ContentCheckParameters.Strict7BitHeaders);
        StrictBody = ReadsMime && (strict || config.Get(ContentCheckParameters.Strict8BitMimeBody));
        StrictEncoding = ReadsMime && config.Get(ContentCheckParameters.StrictMimeEncodingDomain);
        ConvertsMime = ReadsMime && config.Get(CleanupParameters.ForceMimeInputConversion);
        ConvertedLimits = MimeLimits with { HeaderSize = Math.Max(HeaderSizeLimit, 1 << 20) };
        HeaderEnd = config.Get(CleanupParameters.NonEmptyEndOfHeaderAction) switch
        {
            "fix_quietly" => HeaderEndAction.FixQuietly,
            "add_header" => HeaderEndAction.AddHeader,
            "reject" => HeaderEndAction.Reject,
            var other => throw new ConfigException($"non_empty_end_of_header_action = {other}: expected fix_quietly, add_header or reject"),
        };
        DetectEightBit = config.Get(ContentCheckParameters.Detect8BitEncodingHeader);
        CheckedOrigins = CheckedClasses(config.Get(ContentCheckParameters.InternalMailFilterClasses));

        int Int(IntParameter parameter) => (int)Math.Min(config.Get(parameter), int.MaxValue);

        Maps Open(StringParameter parameter) => Maps.Open(tables, parameter.Name, config.Get(parameter));

        AddressClasses Classes(StringParameter parameter) => ParseClasses(parameter.Name, config.Get(parameter));
    }

    /// <summary>8-bit content becomes 7-bit content when it comes in.</summary>
    public bool ConvertsMime { get; }

    public MimeLimits ConvertedLimits { get; }

    public HeaderEndAction HeaderEnd { get; }

    public string Myhostname { get; }

    public string MailName { get; }

    public bool LongQueueIds { get; }

    public bool OriginalRecipients { get; }

    public int HeaderSizeLimit { get; }

    public int LineLengthLimit { get; }

    public int HopcountLimit { get; }

    public long MessageSizeLimit { get; }

    public string EmptyAddressRecipient { get; }

    public int HeaderTokenLimit { get; }

    public int DuplicateFilterLimit { get; }

    public bool ReplaceStray { get; }

    public bool AlwaysAddHeaders { get; }

    public string UndisclosedHeader { get; }

    public bool ObsoleteFrom { get; }

    public string FullNameCharset { get; }

    public bool RewriteRemoteHeaders { get; }

    public IReadOnlyList<byte[]> DropHeaders { get; }

    public ClassedMaps Canonical { get; }

    public ClassedMaps SenderCanonical { get; }

    public ClassedMaps RecipientCanonical { get; }

    public IReadOnlyList<string> MasqueradeDomains { get; }

    public AddressClasses MasqueradeClasses { get; }

    public IDomainList? MasqueradeExceptions { get; }

    public Maps VirtualAliases { get; }

    public int ExpansionLimit { get; }

    public int RecursionLimit { get; }

    public int AliasLengthLimit { get; }

    public string AlwaysBcc { get; }

    public Maps SenderBcc { get; }

    public Maps RecipientBcc { get; }

    public bool PropagateCanonical { get; }

    public bool PropagateVirtual { get; }

    public IReadOnlySet<MessageOrigin> DetectUtf8 { get; }

    /// <summary>smtputf8_enable.</summary>
    public bool Smtputf8 { get; }

    /// <summary>header_checks and the like; null when there are none.</summary>
    public ContentChecks? Checks { get; }

    public int BodyChecksSizeLimit { get; }

    public MimeLimits MimeLimits { get; }

    public bool ReadsMime { get; }

    public bool StrictHeaders { get; }

    public bool StrictBody { get; }

    public bool StrictEncoding { get; }

    public bool DetectEightBit { get; }

    /// <summary>Mail from there is checked.</summary>
    public IReadOnlySet<MessageOrigin> CheckedOrigins { get; }

    /// <summary>Something is looked for in the parts of a message, whatever its origin.</summary>
    public bool IsStrict => StrictHeaders || StrictBody || StrictEncoding || HeaderEnd == HeaderEndAction.Reject;

    /// <summary>Bytes taken out of content, or null.</summary>
    public SearchValues<byte>? StripCharacters { get; }

    /// <summary>Bytes for which content is refused, or null.</summary>
    public SearchValues<byte>? RejectCharacters { get; }

    public string VerpFilter { get; }

    private static AddressClasses ParseClasses(string parameter, string value)
    {
        var classes = AddressClasses.None;
        foreach (var name in ListSyntax.Split(value))
        {
            classes |= name.ToLowerInvariant() switch
            {
                "envelope_sender" => AddressClasses.EnvelopeSender,
                "envelope_recipient" => AddressClasses.EnvelopeRecipient,
                "header_sender" => AddressClasses.HeaderSender,
                "header_recipient" => AddressClasses.HeaderRecipient,
                _ => throw new ConfigException(
                    $"{parameter}: unknown class \"{name}\": expected envelope_sender, envelope_recipient, header_sender or header_recipient"),
            };
        }
        return classes;
    }

    // Postfix: what users and the network send is checked, what the system makes only when these classes name it.
    private static HashSet<MessageOrigin> CheckedClasses(string value)
    {
        var origins = new HashSet<MessageOrigin> { MessageOrigin.Smtpd, MessageOrigin.Pickup };
        foreach (var name in ListSyntax.Split(value))
        {
            origins.Add(name switch
            {
                "bounce" => MessageOrigin.Bounce,
                "notify" => MessageOrigin.Notice,
                _ => throw new ConfigException($"internal_mail_filter_classes: unknown class \"{name}\": expected bounce or notify"),
            });
        }
        return origins;
    }

    private static HashSet<MessageOrigin> DetectClasses(string value)
    {
        var origins = new HashSet<MessageOrigin>();
        foreach (var name in ListSyntax.Split(value))
        {
            origins.UnionWith(name.ToLowerInvariant() switch
            {
                "all" => Enum.GetValues<MessageOrigin>(),
                "sendmail" => [MessageOrigin.Pickup],
                "smtpd" => [MessageOrigin.Smtpd],
                "forward" => [MessageOrigin.Forward],
                "bounce" => [MessageOrigin.Bounce],
                "notify" => [MessageOrigin.Notice],
                "verify" => [MessageOrigin.Verify],
                // QMQP does not come this way.
                "qmqpd" or "none" => (MessageOrigin[])[],
                _ => throw new ConfigException(
                    $"smtputf8_autodetect_classes: unknown class \"{name}\": expected all, none, sendmail, smtpd, qmqpd, forward, bounce, notify or verify"),
            });
        }
        return origins;
    }
}
