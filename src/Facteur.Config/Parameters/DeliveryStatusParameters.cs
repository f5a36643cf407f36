namespace Facteur.Config.Parameters;

/// <summary>What delivery agents say of a delivery, replaced by tables; the SMTP clients' own are in <see cref="SmtpParameters"/>.</summary>
public static class DeliveryStatusParameters
{
    /// <summary>default_delivery_status_filter.</summary>
    public static readonly StringParameter Default = new("default_delivery_status_filter", "", "Tables that replace status code and text of deliveries.");

    /// <summary>local_delivery_status_filter.</summary>
    public static readonly StringParameter Local = new("local_delivery_status_filter", "$default_delivery_status_filter", "Tables that replace status code and text of local(8)'s deliveries.");

    /// <summary>pipe_delivery_status_filter.</summary>
    public static readonly StringParameter Pipe = new("pipe_delivery_status_filter", "$default_delivery_status_filter", "Tables that replace status code and text of pipe(8)'s deliveries.");

    /// <summary>virtual_delivery_status_filter.</summary>
    public static readonly StringParameter Virtual = new("virtual_delivery_status_filter", "$default_delivery_status_filter", "Tables that replace status code and text of virtual(8)'s deliveries.");

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } = [Default, Local, Pipe, Virtual];
}
