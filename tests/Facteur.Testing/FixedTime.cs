namespace Facteur.Testing;

/// <summary>A clock in UTC that stands still until it is moved.</summary>
public sealed class FixedTime(DateTimeOffset now) : TimeProvider
{
    /// <summary>Stands at Sun, 22 Nov 2026 13:26:24 UTC.</summary>
    public FixedTime()
        : this(new DateTimeOffset(2026, 11, 22, 13, 26, 24, TimeSpan.Zero))
    {
    }

    public DateTimeOffset Now { get; set; } = now;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override DateTimeOffset GetUtcNow() => Now;
}
