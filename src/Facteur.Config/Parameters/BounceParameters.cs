namespace Facteur.Config.Parameters;

/// <summary>Parameters of bounce(8): delivery reports.</summary>
public static class BounceParameters
{
    /// <summary>2bounce_notice_recipient.</summary>
    public static readonly StringParameter DoubleBounceNoticeRecipient = new("2bounce_notice_recipient", "postmaster", "Gets failure reports that can't be returned to their sender.", 1);

    /// <summary>bounce_notice_recipient.</summary>
    public static readonly StringParameter BounceNoticeRecipient = new("bounce_notice_recipient", "postmaster", "Gets copies of failure reports when notify_classes has bounce.", 1);

    /// <summary>delay_notice_recipient.</summary>
    public static readonly StringParameter DelayNoticeRecipient = new("delay_notice_recipient", "postmaster", "Gets copies of delay warnings when notify_classes has delay.", 1);

    /// <summary>error_notice_recipient.</summary>
    public static readonly StringParameter ErrorNoticeRecipient = new("error_notice_recipient", "postmaster", "Gets notices of damaged mail when notify_classes has resource.", 1);

    /// <summary>bounce_size_limit.</summary>
    public static readonly IntParameter BounceSizeLimit = new("bounce_size_limit", "50000", "Bytes of the original message that a report returns; 0 for no limit.");

    /// <summary>disable_verp_bounces.</summary>
    public static readonly BoolParameter DisableVerpBounces = new("disable_verp_bounces", "no", "Whether failures of mail with VERP are told in one report to its plain sender.");

    /// <summary>bounce_template_file.</summary>
    public static readonly StringParameter BounceTemplateFile = new("bounce_template_file", "", "A file with templates of delivery reports.");

    /// <summary>enable_threaded_bounces.</summary>
    public static readonly BoolParameter EnableThreadedBounces = new("enable_threaded_bounces", "no", "Whether reports refer to the original's Message-ID.");

    /// <summary>notify_classes.</summary>
    public static readonly StringParameter NotifyClasses = new("notify_classes", "resource, software", "Kinds of trouble that the postmaster is told of.");

    /// <summary>header_from_format.</summary>
    public static readonly StringParameter HeaderFromFormat = new("header_from_format", "standard", "Form of From: headers made here: standard or obsolete.", 1);

    /// <summary>bounce_service_name.</summary>
    public static readonly StringParameter BounceServiceName = new("bounce_service_name", "bounce", "The service that reports failures.", 1);

    /// <summary>defer_service_name.</summary>
    public static readonly StringParameter DeferServiceName = new("defer_service_name", "defer", "The service that reports delays.", 1);

    /// <summary>trace_service_name.</summary>
    public static readonly StringParameter TraceServiceName = new("trace_service_name", "trace", "The service that reports deliveries to those who asked.", 1);

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } =
    [
        DoubleBounceNoticeRecipient, BounceNoticeRecipient, DelayNoticeRecipient, ErrorNoticeRecipient, BounceSizeLimit, DisableVerpBounces, BounceTemplateFile, EnableThreadedBounces, NotifyClasses, HeaderFromFormat,
        BounceServiceName, DeferServiceName, TraceServiceName,
    ];
}
