namespace Facteur.Config.Parameters;

/// <summary>Parameters of mail that goes through a filter on its way.</summary>
public static class ContentFilterParameters
{
    /// <summary>content_filter.</summary>
    public static readonly StringParameter ContentFilter = new("content_filter", "", "transport:destination that new mail is delivered to first, and that brings it in again.");

    /// <summary>default_filter_nexthop.</summary>
    public static readonly StringParameter DefaultFilterNexthop = new("default_filter_nexthop", "", "The destination of a filter without one; empty for the recipient's domain.");

    /// <summary>receive_override_options.</summary>
    public static readonly StringParameter ReceiveOverrideOptions = new(
        "receive_override_options", "", "What is not done to mail that enters here: no_unknown_recipient_checks, no_address_mappings, no_header_body_checks, no_milters.");

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } = [ContentFilter, DefaultFilterNexthop, ReceiveOverrideOptions];
}
