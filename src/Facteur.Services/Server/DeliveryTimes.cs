namespace Facteur.Services.Server;

/// <summary>When the parts of one delivery happened, microseconds since 1970; arrival and activation are in the request.</summary>
/// <param name="StartMicros">The agent took the request.</param>
/// <param name="ConnectedMicros">The connection stood or was given up; 0 for an agent without one.</param>
/// <param name="EndMicros">The outcome of this recipient was known.</param>
public readonly record struct DeliveryTimes(long StartMicros, long ConnectedMicros, long EndMicros)
{
    /// <summary>Microseconds since 1970 of a clock.</summary>
    public static long Now(TimeProvider time) => (time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
}
