namespace Facteur.Spool.Tests;

/// <summary>A clock that stands still, unless it is set.</summary>
internal sealed class TestTime : TimeProvider
{
    public long Seconds { get; set; } = 1_790_000_000;

    public override long TimestampFrequency => 1;

    public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeSeconds(Seconds);

    public override long GetTimestamp() => Seconds;
}
