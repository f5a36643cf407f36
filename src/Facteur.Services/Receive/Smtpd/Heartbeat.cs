namespace Facteur.Services.Receive.Smtpd;

/// <summary>
/// The time limits of all sessions of a service: one timer that looks at every session once a second, so that a read needs no timer of its own.
/// It rests while there are no sessions.
/// </summary>
internal sealed class Heartbeat : IDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromSeconds(1);

    private readonly HashSet<IHeartbeatMember> _members = [];
    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly ITimer _timer;

    public Heartbeat(TimeProvider time)
    {
        _time = time;
        _timer = time.CreateTimer(static self => ((Heartbeat)self!).Beat(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _members.Count;
            }
        }
    }

    public void Add(IHeartbeatMember member)
    {
        lock (_lock)
        {
            if (_members.Add(member) && _members.Count == 1)
            {
                _timer.Change(Period, Period);
            }
        }
    }

    public void Remove(IHeartbeatMember member)
    {
        lock (_lock)
        {
            if (_members.Remove(member) && _members.Count == 0)
            {
                _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Beat()
    {
        var now = _time.GetTimestamp();
        List<IHeartbeatMember>? due = null;
        lock (_lock)
        {
            foreach (var member in _members)
            {
                if (member.IsDue(now))
                {
                    (due ??= []).Add(member);
                }
            }
        }
        // Outside the lock: a session goes on here, upon this thread, and leaves the set when it ends.
        due?.ForEach(member => member.Beat(now));
    }
}

/// <summary>A session with a time limit.</summary>
internal interface IHeartbeatMember
{
    /// <summary>Whether its deadline has passed.</summary>
    /// <param name="now">TimeProvider.GetTimestamp().</param>
    bool IsDue(long now);

    /// <summary>Ends its wait when its deadline has passed; must not block.</summary>
    /// <param name="now">TimeProvider.GetTimestamp().</param>
    void Beat(long now);
}
