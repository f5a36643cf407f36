namespace Facteur.Services.Deliver;

/// <summary>
/// Sessions with helpers of numbers that have nothing to do, for the next delivery in the same name: the one used last first, so that few are used
/// when few are needed. They are closed when they were not used for some seconds. For any thread.
/// </summary>
internal sealed class KeptSessions : IDisposable
{
    private const int Limit = 32;
    private static readonly TimeSpan IdleLimit = TimeSpan.FromSeconds(5);

    private readonly List<(uint Uid, uint Gid, HelperSession Session, long Since)> _sessions = [];
    private readonly Lock _gate = new();
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private bool _ended;

    /// <summary>Begins with none.</summary>
    public KeptSessions(TimeProvider time)
    {
        _time = time;
        _timer = time.CreateTimer(_ => Close(IdleLimit), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>One of a user and group, or null.</summary>
    public HelperSession? Take(uint uid, uint gid)
    {
        lock (_gate)
        {
            var at = _sessions.FindLastIndex(s => s.Uid == uid && s.Gid == gid);
            if (at < 0)
            {
                return null;
            }
            var session = _sessions[at].Session;
            _sessions.RemoveAt(at);
            return session;
        }
    }

    /// <summary>Keeps one whose request was answered.</summary>
    public void Keep(uint uid, uint gid, HelperSession session)
    {
        HelperSession? surplus = null;
        lock (_gate)
        {
            if (_ended)
            {
                surplus = session;
            }
            else
            {
                if (_sessions.Count == 0)
                {
                    _timer.Change(IdleLimit, IdleLimit);
                }
                else if (_sessions.Count >= Limit)
                {
                    surplus = _sessions[0].Session;
                    _sessions.RemoveAt(0);
                }
                _sessions.Add((uid, gid, session, _time.GetTimestamp()));
            }
        }
        surplus?.Dispose();
    }

    /// <summary>Closes all.</summary>
    public void Clear() => Close(TimeSpan.Zero);

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_gate)
        {
            _ended = true;
        }
        _timer.Dispose();
        Clear();
    }

    private void Close(TimeSpan idle)
    {
        lock (_gate)
        {
            _sessions.RemoveAll(s =>
            {
                var old = _time.GetElapsedTime(s.Since) >= idle;
                if (old)
                {
                    s.Session.Dispose();
                }
                return old;
            });
            if (_sessions.Count == 0 && !_ended)
            {
                _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
        }
    }
}
