namespace Facteur.Config.Parameters;

/// <summary>Parameters of cleanup(8).</summary>
public static class CleanupParameters
{
    /// <summary>always_add_missing_headers.</summary>
    public static readonly BoolParameter AlwaysAddMissingHeaders = new("always_add_missing_headers", "no", "Missing From, To, Date and Message-Id headers are added to mail from everywhere.");

    /// <summary>always_bcc.</summary>
    public static readonly StringParameter AlwaysBcc = new("always_bcc", "", "An address that gets a copy of every message.");

    /// <summary>sender_bcc_maps.</summary>
    public static readonly StringParameter SenderBccMaps = new("sender_bcc_maps", "", "Tables from sender to an address that gets a copy.");

    /// <summary>recipient_bcc_maps.</summary>
    public static readonly StringParameter RecipientBccMaps = new("recipient_bcc_maps", "", "Tables from recipient to an address that gets a copy.");

    /// <summary>canonical_maps.</summary>
    public static readonly StringParameter CanonicalMaps = new("canonical_maps", "", "Tables that map addresses in envelopes and headers.");

    /// <summary>canonical_classes.</summary>
    public static readonly StringParameter CanonicalClasses = new("canonical_classes", "envelope_sender, envelope_recipient, header_sender, header_recipient", "The addresses that canonical_maps applies to.", 1);

    /// <summary>sender_canonical_maps.</summary>
    public static readonly StringParameter SenderCanonicalMaps = new("sender_canonical_maps", "", "Tables that map addresses of senders.");

    /// <summary>sender_canonical_classes.</summary>
    public static readonly StringParameter SenderCanonicalClasses = new("sender_canonical_classes", "envelope_sender, header_sender", "The addresses that sender_canonical_maps applies to.", 1);

    /// <summary>recipient_canonical_maps.</summary>
    public static readonly StringParameter RecipientCanonicalMaps = new("recipient_canonical_maps", "", "Tables that map addresses of recipients.");

    /// <summary>recipient_canonical_classes.</summary>
    public static readonly StringParameter RecipientCanonicalClasses = new("recipient_canonical_classes", "envelope_recipient, header_recipient", "The addresses that recipient_canonical_maps applies to.", 1);

    /// <summary>masquerade_classes.</summary>
    public static readonly StringParameter MasqueradeClasses = new("masquerade_classes", "envelope_sender, header_sender, header_recipient", "The addresses that masquerade_domains applies to.");

    /// <summary>masquerade_domains.</summary>
    public static readonly StringParameter MasqueradeDomains = new("masquerade_domains", "", "Domains whose subdomains are cut off addresses.");

    /// <summary>masquerade_exceptions.</summary>
    public static readonly StringParameter MasqueradeExceptions = new("masquerade_exceptions", "", "Users whose addresses are not masqueraded.");

    /// <summary>propagate_unmatched_extensions.</summary>
    public static readonly StringParameter PropagateUnmatchedExtensions = new("propagate_unmatched_extensions", "canonical, virtual", "The mappings that carry an address extension over to their result.");

    /// <summary>virtual_alias_maps.</summary>
    public static readonly StringParameter VirtualAliasMaps = new("virtual_alias_maps", "$virtual_maps", "Tables that map recipients to one or more others.");

    /// <summary>virtual_alias_expansion_limit.</summary>
    public static readonly IntParameter VirtualAliasExpansionLimit = new("virtual_alias_expansion_limit", "1000", "Addresses that one recipient may expand into.", min: 1);

    /// <summary>virtual_alias_recursion_limit.</summary>
    public static readonly IntParameter VirtualAliasRecursionLimit = new("virtual_alias_recursion_limit", "1000", "How deep virtual aliases may nest.", min: 1);

    /// <summary>virtual_alias_address_length_limit.</summary>
    public static readonly IntParameter VirtualAliasAddressLengthLimit = new("virtual_alias_address_length_limit", "1000", "Longest address that a virtual alias may give.", min: 1);

    /// <summary>message_drop_headers.</summary>
    public static readonly StringParameter MessageDropHeaders = new("message_drop_headers", "bcc, content-length, resent-bcc, return-path", "Headers that are taken out.");

    /// <summary>undisclosed_recipients_header.</summary>
    public static readonly StringParameter UndisclosedRecipientsHeader = new("undisclosed_recipients_header", "", "The header added when no recipient is shown.");

    /// <summary>header_from_format.</summary>
    public static readonly StringParameter HeaderFromFormat = new("header_from_format", "standard", "standard or obsolete: how a From header that is added looks.", 1);

    /// <summary>full_name_encoding_charset.</summary>
    public static readonly StringParameter FullNameEncodingCharset = new("full_name_encoding_charset", "utf-8", "Charset that full names outside ASCII are said to have; empty to leave them as they are.");

    /// <summary>header_address_token_limit.</summary>
    public static readonly IntParameter HeaderAddressTokenLimit = new("header_address_token_limit", "10240", "Address tokens of one header; the rest goes away.", min: 1);

    /// <summary>duplicate_filter_limit.</summary>
    public static readonly IntParameter DuplicateFilterLimit = new("duplicate_filter_limit", "1000", "Recipients remembered to find duplicates.");

    /// <summary>cleanup_replace_stray_cr_lf.</summary>
    public static readonly BoolParameter CleanupReplaceStrayCrLf = new("cleanup_replace_stray_cr_lf", "yes", "Stray CR and LF characters become spaces.");

    /// <summary>smtputf8_autodetect_classes.</summary>
    public static readonly StringParameter Smtputf8AutodetectClasses = new("smtputf8_autodetect_classes", "sendmail, verify", "Mail that is found to need SMTPUTF8 by its addresses and headers.", 1);

    /// <summary>message_strip_characters.</summary>
    public static readonly StringParameter MessageStripCharacters = new("message_strip_characters", "", "Characters that are taken out of content, with escapes as in C.");

    /// <summary>message_reject_characters.</summary>
    public static readonly StringParameter MessageRejectCharacters = new("message_reject_characters", "", "Characters for which content is refused, with escapes as in C.");

    /// <summary>default_verp_delimiters.</summary>
    public static readonly StringParameter DefaultVerpDelimiters = new("default_verp_delimiters", "+=", "The two delimiters of VERP when none are given.", 2, 2);

    /// <summary>verp_delimiter_filter.</summary>
    public static readonly StringParameter VerpDelimiterFilter = new("verp_delimiter_filter", "-=+", "Characters that may be delimiters of VERP.", 1);

    /// <summary>cleanup_service_name.</summary>
    public static readonly StringParameter CleanupServiceName = new("cleanup_service_name", "cleanup", "The service that mail goes to.", 1);

    /// <summary>force_mime_input_conversion.</summary>
    public static readonly BoolParameter ForceMimeInputConversion = new("force_mime_input_conversion", "no", "Whether 8-bit content becomes quoted-printable when it comes in.");

    /// <summary>non_empty_end_of_header_action.</summary>
    public static readonly StringParameter NonEmptyEndOfHeaderAction = new("non_empty_end_of_header_action", "fix_quietly", "What is done about headers that no empty line ends: fix_quietly, add_header or reject.", 1);

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } =
    [
        AlwaysAddMissingHeaders, AlwaysBcc, SenderBccMaps, RecipientBccMaps, CanonicalMaps, CanonicalClasses, SenderCanonicalMaps,
        SenderCanonicalClasses, RecipientCanonicalMaps, RecipientCanonicalClasses, MasqueradeClasses, MasqueradeDomains, MasqueradeExceptions,
        PropagateUnmatchedExtensions, VirtualAliasMaps, VirtualAliasExpansionLimit, VirtualAliasRecursionLimit, VirtualAliasAddressLengthLimit,
        MessageDropHeaders, UndisclosedRecipientsHeader, HeaderFromFormat, FullNameEncodingCharset, HeaderAddressTokenLimit, DuplicateFilterLimit,
        CleanupReplaceStrayCrLf, Smtputf8AutodetectClasses, MessageStripCharacters, MessageRejectCharacters, DefaultVerpDelimiters, VerpDelimiterFilter,
        CleanupServiceName, ForceMimeInputConversion, NonEmptyEndOfHeaderAction,
    ];
}
