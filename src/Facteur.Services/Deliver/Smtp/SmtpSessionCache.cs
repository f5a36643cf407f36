namespace Facteur.Services.Deliver.Smtp;

/// <summary>Idle sessions by next hop, each for a short time (smtp_connection_cache_time_limit). Bounded.</summary>
internal sealed class SmtpSessionCache : IAsyncDisposable
{
    private const int SessionLimit = 1000;

    /// <summary>How long the end waits for answers to QUIT.</summary>
    private static readonly TimeSpan QuitLimit = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Stack<SmtpSession>> _sessions = new(StringComparer.OrdinalIgnoreCase);
    private readonly SmtpSettings _settings;
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private int _count;
    private bool _ended;

    internal SmtpSessionCache(SmtpSettings settings, TimeProvider time)
    {
        _settings = settings;
        _time = time;
        _timer = time.CreateTimer(static cache => ((SmtpSessionCache)cache!).Sweep(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>A session that still stands, or null.</summary>
    internal SmtpSession? Take(string nexthop)
    {
        while (true)
        {
            SmtpSession? session;
            lock (_gate)
            {
                if (!_sessions.TryGetValue(nexthop, out var stack) || !stack.TryPop(out session))
                {
                    return null;
                }
                _count--;
            }
            if (session.MayBeReused && session.IsQuiet())
            {
                return session;
            }
            Close(session);
        }
    }

    /// <summary>Keeps a session.</summary>
    /// <returns>False when it can't be kept.</returns>
    internal bool Put(string nexthop, SmtpSession session)
    {
        session.Disarm();
        session.IdleSince = _time.GetTimestamp();
        lock (_gate)
        {
            if (_ended || _count >= SessionLimit)
            {
                return false;
            }
            if (!_sessions.TryGetValue(nexthop, out var stack))
            {
                _sessions[nexthop] = stack = new Stack<SmtpSession>();
            }
            stack.Push(session);
            if (_count++ == 0)
            {
                _timer.Change(_settings.CacheTime, Timeout.InfiniteTimeSpan);
            }
            return true;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync().ConfigureAwait(false);
        List<SmtpSession> all;
        lock (_gate)
        {
            _ended = true;
            all = [.. _sessions.Values.SelectMany(stack => stack)];
            _sessions.Clear();
            _count = 0;
        }
        // All at once, and no longer than it is worth: a server that does not answer must not hold up a stop.
        var quits = Task.WhenAll(all.Select(static session => session.QuitAsync().AsTask()));
        try
        {
            await quits.WaitAsync(QuitLimit, _time).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            all.ForEach(static session => session.Abort());
        }
    }

    private void Sweep()
    {
        var old = new List<SmtpSession>();
        lock (_gate)
        {
            foreach (var (nexthop, stack) in _sessions)
            {
                var kept = stack.Where(s => _time.GetElapsedTime(s.IdleSince) < _settings.CacheTime).Reverse().ToList();
                old.AddRange(stack.Except(kept));
                if (kept.Count == 0)
                {
                    _sessions.Remove(nexthop);
                }
                else if (kept.Count < stack.Count)
                {
                    _sessions[nexthop] = new Stack<SmtpSession>(kept);
                }
            }
            _count -= old.Count;
            if (_count > 0)
            {
                _timer.Change(TimeSpan.FromSeconds(1) < _settings.CacheTime ? TimeSpan.FromSeconds(1) : _settings.CacheTime, Timeout.InfiniteTimeSpan);
            }
        }
        old.ForEach(Close);
    }

    /// <summary>Closes beside the caller; the session's own time limits end it.</summary>
    private static void Close(SmtpSession session) => _ = session.QuitAsync().AsTask();
}
