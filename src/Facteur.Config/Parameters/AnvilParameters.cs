namespace Facteur.Config.Parameters;

/// <summary>Parameters of anvil(8).</summary>
public static class AnvilParameters
{
    /// <summary>anvil_rate_time_unit.</summary>
    public static readonly TimeParameter RateTimeUnit = new("anvil_rate_time_unit", "60s", "The time over which client rates are counted.", 1);

    /// <summary>anvil_status_update_time.</summary>
    public static readonly TimeParameter StatusUpdateTime = new("anvil_status_update_time", "600s", "How often the highest counts are logged.", 1);

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } = [RateTimeUnit, StatusUpdateTime];
}
