namespace Facteur.Config.Parameters;

/// <summary>Parameters of header_checks(5), and of how cleanup(8) reads MIME for it.</summary>
public static class ContentCheckParameters
{
    /// <summary>header_checks.</summary>
    public static readonly StringParameter HeaderChecks = new("header_checks", "", "Tables with rules for the message's headers.");

    /// <summary>mime_header_checks.</summary>
    public static readonly StringParameter MimeHeaderChecks = new("mime_header_checks", "$header_checks", "Tables with rules for MIME headers.");

    /// <summary>nested_header_checks.</summary>
    public static readonly StringParameter NestedHeaderChecks = new("nested_header_checks", "$header_checks", "Tables with rules for headers of attached messages.");

    /// <summary>body_checks.</summary>
    public static readonly StringParameter BodyChecks = new("body_checks", "", "Tables with rules for lines of bodies.");

    /// <summary>body_checks_size_limit.</summary>
    public static readonly IntParameter BodyChecksSizeLimit = new("body_checks_size_limit", "51200", "Bytes of each body that body_checks looks at.");

    /// <summary>smtp_header_checks.</summary>
    public static readonly StringParameter SmtpHeaderChecks = new("smtp_header_checks", "", "Tables with rules for the message's headers, at delivery.");

    /// <summary>smtp_mime_header_checks.</summary>
    public static readonly StringParameter SmtpMimeHeaderChecks = new("smtp_mime_header_checks", "", "Tables with rules for MIME headers, at delivery.");

    /// <summary>smtp_nested_header_checks.</summary>
    public static readonly StringParameter SmtpNestedHeaderChecks = new("smtp_nested_header_checks", "", "Tables with rules for headers of attached messages, at delivery.");

    /// <summary>smtp_body_checks.</summary>
    public static readonly StringParameter SmtpBodyChecks = new("smtp_body_checks", "", "Tables with rules for lines of bodies, at delivery.");

    /// <summary>lmtp_header_checks.</summary>
    public static readonly StringParameter LmtpHeaderChecks = new("lmtp_header_checks", "", "As smtp_header_checks, for LMTP.");

    /// <summary>lmtp_mime_header_checks.</summary>
    public static readonly StringParameter LmtpMimeHeaderChecks = new("lmtp_mime_header_checks", "", "As smtp_mime_header_checks, for LMTP.");

    /// <summary>lmtp_nested_header_checks.</summary>
    public static readonly StringParameter LmtpNestedHeaderChecks = new("lmtp_nested_header_checks", "", "As smtp_nested_header_checks, for LMTP.");

    /// <summary>lmtp_body_checks.</summary>
    public static readonly StringParameter LmtpBodyChecks = new("lmtp_body_checks", "", "As smtp_body_checks, for LMTP.");

    /// <summary>disable_mime_input_processing.</summary>
    public static readonly BoolParameter DisableMimeInputProcessing = new("disable_mime_input_processing", "no", "All that follows the message's headers is body.");

    /// <summary>strict_7bit_headers.</summary>
    public static readonly BoolParameter Strict7BitHeaders = new("strict_7bit_headers", "no", "Mail with 8-bit bytes in a header is refused.");

    /// <summary>strict_8bitmime.</summary>
    public static readonly BoolParameter Strict8BitMime = new("strict_8bitmime", "no", "strict_7bit_headers and strict_8bitmime_body.");

    /// <summary>strict_8bitmime_body.</summary>
    public static readonly BoolParameter Strict8BitMimeBody = new("strict_8bitmime_body", "no", "Mail with 8-bit bytes in a body that does not say so is refused.");

    /// <summary>strict_mime_encoding_domain.</summary>
    public static readonly BoolParameter StrictMimeEncodingDomain = new("strict_mime_encoding_domain", "no", "Mail with an encoded multipart or message/rfc822 is refused.");

    /// <summary>detect_8bit_encoding_header.</summary>
    public static readonly BoolParameter Detect8BitEncodingHeader = new("detect_8bit_encoding_header", "yes", "Content-Transfer-Encoding: 8bit makes 8BITMIME mail.");

    /// <summary>internal_mail_filter_classes.</summary>
    public static readonly StringParameter InternalMailFilterClasses = new("internal_mail_filter_classes", "", "Mail made inside that is checked: bounce, notify.");

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } =
    [
        HeaderChecks, MimeHeaderChecks, NestedHeaderChecks, BodyChecks, BodyChecksSizeLimit, SmtpHeaderChecks, SmtpMimeHeaderChecks, SmtpNestedHeaderChecks, SmtpBodyChecks,
        LmtpHeaderChecks, LmtpMimeHeaderChecks, LmtpNestedHeaderChecks, LmtpBodyChecks, DisableMimeInputProcessing, Strict7BitHeaders, Strict8BitMime, Strict8BitMimeBody,
        StrictMimeEncodingDomain, Detect8BitEncodingHeader, InternalMailFilterClasses,
    ];
}
