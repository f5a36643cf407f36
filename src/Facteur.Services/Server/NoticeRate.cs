namespace Facteur.Services.Server;

/// <summary>How many notices to the postmaster a minute has: what goes wrong a thousand times is not told a thousand times. Any thread.</summary>
internal sealed class NoticeRate(TimeProvider time)
{
    private const int PerMinute = 10;

    private readonly Lock _gate = new();
    private readonly Queue<long> _taken = new();

    /// <summary>Takes one; false when there is none left.</summary>
    public bool Take()
    {
        lock (_gate)
        {
            var now = time.GetTimestamp();
            while (_taken.TryPeek(out var first) && time.GetElapsedTime(first, now) > TimeSpan.FromMinutes(1))
            {
                _taken.Dequeue();
            }
            if (_taken.Count == PerMinute)
            {
                return false;
            }
            _taken.Enqueue(now);
            return true;
        }
    }
}
