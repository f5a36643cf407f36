namespace Facteur.Services.Master;

/// <summary>How many sessions an entry of master.cf serves at a time, on all its addresses together. A reload changes the limit; sessions under way count on.</summary>
#pragma warning disable CA1001 // A SemaphoreSlim whose wait handle nobody asks for holds nothing; sessions give their places back to the end.
internal sealed class SessionLimit
#pragma warning restore CA1001
{
    private static readonly TimeSpan StressTime = TimeSpan.FromSeconds(1000);

    private readonly SemaphoreSlim _free = new(0);
    private readonly Lock _gate = new();
    private int _limit;

    private long? _stressed;

    /// <summary>Places that sessions under way do not give back when they end, for the limit was lowered.</summary>
    private int _owed;

    /// <summary>Changes the limit; sessions over it are left to end.</summary>
    public void Set(int limit)
    {
        lock (_gate)
        {
            var more = limit - _limit;
            _limit = limit;
            for (; more > 0 && _owed > 0; more--)
            {
                _owed--;
            }
            for (; more < 0 && _free.Wait(0); more++)
            {
            }
            if (more > 0)
            {
                _free.Release(more);
            }
            _owed += Math.Max(-more, 0);
        }
    }

    /// <summary>Sessions at a time.</summary>
    public int Sessions => Volatile.Read(ref _limit);

    /// <summary>Asked when a place was given: whether all of them were taken within the time that stress lasts, this one not counted (STRESS_README of Postfix).</summary>
    /// <param name="time">The clock.</param>
    /// <param name="begins">This one took the last place, and there was no stress before.</param>
    public bool IsStressed(TimeProvider time, out bool begins)
    {
        lock (_gate)
        {
            var stressed = _stressed is { } since && time.GetElapsedTime(since) < StressTime;
            begins = !stressed && _free.CurrentCount == 0;
            if (begins)
            {
                _stressed = time.GetTimestamp();
            }
            return stressed;
        }
    }

    /// <summary>Waits for a place.</summary>
    public Task WaitAsync(CancellationToken cancel) => _free.WaitAsync(cancel);

    /// <summary>Gives a place back.</summary>
    public void Release()
    {
        lock (_gate)
        {
            if (_owed > 0)
            {
                _owed--;
                return;
            }
        }
        _free.Release();
    }
}
