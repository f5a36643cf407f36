namespace Facteur.Spool.Tests;

/// <summary>A clock that stands still.</summary>
internal sealed class TestTime(long seconds = 1_790_000_000) : TimeProvider
{
    public override DateTimeOffset GetUtcNow() => DateTimeOffset.FromUnixTimeSeconds(seconds);
}
