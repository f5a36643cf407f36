namespace Facteur.Testing.World;

/// <summary>A clock that stands still until it is moved; timers fire while it moves.</summary>
public sealed class WorldTime : TimeProvider
{
    private readonly Lock _lock = new();
    private readonly List<WorldTimer> _timers = [];
    private DateTimeOffset _now = new(2026, 11, 22, 16, 0, 0, TimeSpan.Zero);

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow()
    {
        lock (_lock)
        {
            return _now;
        }
    }

    public override long GetTimestamp() => GetUtcNow().Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new WorldTimer(this, callback, state);
        lock (_lock)
        {
            _timers.Add(timer);
        }
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>Moves the clock in steps of at most a second.</summary>
    public void Advance(TimeSpan span)
    {
        for (var left = span; left > TimeSpan.Zero; left -= TimeSpan.FromSeconds(1))
        {
            List<WorldTimer> due;
            lock (_lock)
            {
                _now += left < TimeSpan.FromSeconds(1) ? left : TimeSpan.FromSeconds(1);
                due = _timers.FindAll(timer => timer.Due <= _now);
            }
            foreach (var timer in due)
            {
                timer.Fire();
            }
        }
    }

    private sealed class WorldTimer(WorldTime time, TimerCallback callback, object? state) : ITimer
    {
        private TimeSpan _period;

        public DateTimeOffset Due { get; private set; } = DateTimeOffset.MaxValue;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            lock (time._lock)
            {
                _period = period;
                Due = dueTime < TimeSpan.Zero ? DateTimeOffset.MaxValue : time._now + dueTime;
            }
            return true;
        }

        public void Fire()
        {
            lock (time._lock)
            {
                Due = _period > TimeSpan.Zero ? Due + _period : DateTimeOffset.MaxValue;
            }
            callback(state);
        }

        public void Dispose()
        {
            lock (time._lock)
            {
                time._timers.Remove(this);
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}
