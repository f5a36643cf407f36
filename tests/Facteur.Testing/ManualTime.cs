namespace Facteur.Testing;

/// <summary>A clock that moves only when told. Timers fire while it moves.</summary>
public sealed class ManualTime : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly PriorityQueue<ManualTimer, long> _timers = new();
    private long _ticks = new DateTimeOffset(2026, 11, 22, 12, 0, 0, TimeSpan.Zero).UtcTicks;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override DateTimeOffset GetUtcNow() => new(Volatile.Read(ref _ticks), TimeSpan.Zero);

    public override long GetTimestamp() => Volatile.Read(ref _ticks);

    public void Advance(TimeSpan by)
    {
        var until = _ticks + by.Ticks;
        while (true)
        {
            ManualTimer timer;
            lock (_gate)
            {
                if (!_timers.TryPeek(out timer!, out var at) || at > until)
                {
                    break;
                }
                _timers.Dequeue();
                _ticks = Math.Max(_ticks, at);
                if (timer.At != at)
                {
                    continue;
                }
            }
            timer.Fire();
        }
        Volatile.Write(ref _ticks, until);
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, callback, state);
        timer.Change(dueTime, period);
        return timer;
    }

    private sealed class ManualTimer(ManualTime time, TimerCallback callback, object? state) : ITimer
    {
        private TimeSpan _period;

        public long At { get; private set; }

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            _period = period;
            lock (time._gate)
            {
                At = dueTime < TimeSpan.Zero ? 0 : time._ticks + dueTime.Ticks;
                if (At != 0)
                {
                    time._timers.Enqueue(this, At);
                }
            }
            return true;
        }

        public void Fire()
        {
            if (_period > TimeSpan.Zero)
            {
                Change(_period, _period);
            }
            callback(state);
        }

        public void Dispose() => At = 0;

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
