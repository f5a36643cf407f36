namespace Facteur.Tables.Databases;

/// <summary>How a table uses its servers.</summary>
internal sealed record ServerUse
{
    /// <summary>In the order they are written, but as long as one is connected, that one; else by lot, sockets first.</summary>
    public bool InOrder { get; init; }

    /// <summary>How long a host that failed is left alone.</summary>
    public TimeSpan Retry { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a connection may wait for its next question.</summary>
    public TimeSpan Idle { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Connections to a table's servers at once.</summary>
    public int Connections { get; init; } = 4;

    /// <summary>Longest time for connecting, and for one question.</summary>
    public TimeSpan Limit { get; init; } = TimeSpan.FromSeconds(20);
}

/// <summary>
/// The servers of a table, any of which can answer, and the connections to them: a few, kept while they are used, for one question at a time each.
/// A host that can't be reached is left alone for a while. A question that a server refuses says nothing of the server: other questions still go there.
/// A kept connection that the server has ended meanwhile is no failure: the question goes over a new one.
/// Invariant: states of hosts and kept connections are touched under the lock.
/// </summary>
/// <typeparam name="T">A connection.</typeparam>
internal sealed class ServerHosts<T> : IDisposable
    where T : class, IAsyncDisposable
{
    /// <summary>Lookups that wait for a connection.</summary>
    private const int MaxWaiting = 1000;

    private readonly Lock _lock = new();
    private readonly Host[] _hosts;
    private readonly ServerUse _use;
    private readonly TimeProvider _time;
    private readonly Func<ServerAddress, CancellationToken, ValueTask<Reply<T>>> _connect;
    private readonly SemaphoreSlim _room;
    private ITimer? _sweep;
    private int _waiting;
    private bool _disposed;

    /// <summary>Makes the servers of a table; nothing is connected yet.</summary>
    /// <param name="hosts">Where they are.</param>
    /// <param name="use">How they are used.</param>
    /// <param name="time">The clock.</param>
    /// <param name="connect">Makes a connection.</param>
    public ServerHosts(IEnumerable<ServerAddress> hosts, ServerUse use, TimeProvider time, Func<ServerAddress, CancellationToken, ValueTask<Reply<T>>> connect)
    {
        _hosts = [.. hosts.Select(h => new Host(h))];
        (_use, _time, _connect) = (use, time, connect);
        _room = new SemaphoreSlim(use.Connections, use.Connections);
    }

    private enum State : byte
    {
        Untried,
        Active,
        Failed,
    }

    /// <summary>A host could not be connected to: the host, the reason.</summary>
    public required Action<ServerAddress, string> OnConnectFailed { get; init; }

    /// <summary>A question failed: the host, the reason.</summary>
    public required Action<ServerAddress, string> OnFailed { get; init; }

    /// <summary>Asks one server after the other until one answers.</summary>
    /// <param name="ask">Asks over a connection.</param>
    /// <param name="cancel">The caller's end.</param>
    /// <exception cref="OperationCanceledException">The caller ended.</exception>
    public async ValueTask<Reply<TAnswer>> AskAsync<TAnswer>(Func<T, CancellationToken, ValueTask<Reply<TAnswer>>> ask, CancellationToken cancel)
    {
        if (!await EnterAsync(cancel).ConfigureAwait(false))
        {
            return Reply<TAnswer>.Broken($"no connection was free within {_use.Limit.TotalSeconds} s");
        }
        try
        {
            HashSet<Host>? tried = null;
            var reason = "all servers failed a moment ago";
            while (Choose(tried) is { } host)
            {
                var kept = Take(host);
                var connection = kept;
                if (connection is null)
                {
                    var made = await WithinAsync(host.Address, static (self, address, token) => self._connect(address, token), cancel).ConfigureAwait(false);
                    if (made.Value is null)
                    {
                        OnConnectFailed(host.Address, reason = made.Reason);
                        (tried ??= []).Add(host);
                        Fail(host);
                        continue;
                    }
                    connection = made.Value;
                }
                var reply = await AskAsync(host, connection, ask, cancel).ConfigureAwait(false);
                if (reply.Kind is ReplyKind.Answered or ReplyKind.Refused)
                {
                    Keep(host, connection);
                    if (reply.Kind == ReplyKind.Answered)
                    {
                        return reply;
                    }
                }
                else if (reply.Kind == ReplyKind.Unusable)
                {
                    await connection.DisposeAsync().ConfigureAwait(false);
                }
                else
                {
                    await connection.DisposeAsync().ConfigureAwait(false);
                    if (kept is not null)
                    {
                        Drop(host);
                        continue;
                    }
                    Fail(host);
                }
                OnFailed(host.Address, reason = reply.Reason);
                (tried ??= []).Add(host);
            }
            return Reply<TAnswer>.Broken(reason);
        }
        finally
        {
            _room.Release();
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            _sweep?.Dispose();
        }
        foreach (var host in _hosts)
        {
            Drop(host);
        }
    }

    private async ValueTask<bool> EnterAsync(CancellationToken cancel)
    {
        if (_room.Wait(0, CancellationToken.None))
        {
            return true;
        }
        try
        {
            return Interlocked.Increment(ref _waiting) <= MaxWaiting && await _room.WaitAsync(_use.Limit, cancel).ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    private async ValueTask<Reply<TAnswer>> AskAsync<TAnswer>(Host host, T connection, Func<T, CancellationToken, ValueTask<Reply<TAnswer>>> ask, CancellationToken cancel)
    {
        var answered = false;
        lock (_lock)
        {
            host.Busy++;
        }
        try
        {
            var reply = await WithinAsync((connection, ask), static (_, what, token) => what.ask(what.connection, token), cancel).ConfigureAwait(false);
            answered = true;
            return reply;
        }
        finally
        {
            lock (_lock)
            {
                host.Busy--;
            }
            if (!answered)
            {
                // Nobody knows what it would answer next.
                await connection.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private async ValueTask<Reply<TAnswer>> WithinAsync<TWhat, TAnswer>(
        TWhat what, Func<ServerHosts<T>, TWhat, CancellationToken, ValueTask<Reply<TAnswer>>> run, CancellationToken cancel)
    {
        using var limit = new CancellationTokenSource(_use.Limit, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancel);
        try
        {
            return await run(this, what, either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return Reply<TAnswer>.Broken("Connection timed out");
        }
    }

    // Postfix: active hosts before others, sockets before TCP, else by lot.
    private Host? Choose(HashSet<Host>? tried)
    {
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            var candidates = _hosts.Where(h => tried?.Contains(h) != true && (h.State != State.Failed || _time.GetElapsedTime(h.FailedAt, now) >= _use.Retry));
            if (_use.InOrder)
            {
                // Postfix keeps the connection it has: to look whether an earlier host is back may take all the time of a lookup.
                return candidates.FirstOrDefault(h => h.State == State.Active && h.Busy + h.Kept.Count > 0) ?? candidates.FirstOrDefault();
            }
            var best = candidates.GroupBy(h => (h.State != State.Active, !h.Address.IsUnix)).OrderBy(g => g.Key.Item1).ThenBy(g => g.Key.Item2).FirstOrDefault()?.ToArray();
            return best?[Random.Shared.Next(best.Length)];
        }
    }

    private T? Take(Host host)
    {
        lock (_lock)
        {
            return host.Kept.TryPop(out var kept) ? kept.Connection : null;
        }
    }

    private void Keep(Host host, T connection)
    {
        lock (_lock)
        {
            host.State = State.Active;
            if (!_disposed)
            {
                host.Kept.Push((connection, _time.GetTimestamp()));
                _sweep ??= _time.CreateTimer(static hosts => ((ServerHosts<T>)hosts!).Sweep(), this, _use.Idle, _use.Idle);
                return;
            }
        }
        _ = connection.DisposeAsync().AsTask();
    }

    private void Fail(Host host)
    {
        lock (_lock)
        {
            (host.State, host.FailedAt) = (State.Failed, _time.GetTimestamp());
        }
        Drop(host);
    }

    private void Drop(Host host) => End(host, TimeSpan.Zero);

    private void Sweep()
    {
        foreach (var host in _hosts)
        {
            End(host, _use.Idle);
        }
    }

    /// <summary>Ends the connections that were not used for a time.</summary>
    private void End(Host host, TimeSpan unused)
    {
        List<T> over;
        lock (_lock)
        {
            var now = _time.GetTimestamp();
            over = [.. host.Kept.Where(k => _time.GetElapsedTime(k.Since, now) >= unused).Select(k => k.Connection)];
            var rest = host.Kept.Where(k => _time.GetElapsedTime(k.Since, now) < unused).Reverse().ToArray();
            host.Kept.Clear();
            foreach (var kept in rest)
            {
                host.Kept.Push(kept);
            }
        }
        foreach (var connection in over)
        {
            _ = connection.DisposeAsync().AsTask();
        }
    }

    private sealed class Host(ServerAddress address)
    {
        public ServerAddress Address { get; } = address;

        public State State { get; set; }

        public long FailedAt { get; set; }

        /// <summary>Connections with a question under way.</summary>
        public int Busy { get; set; }

        /// <summary>Last used first.</summary>
        public Stack<(T Connection, long Since)> Kept { get; } = new();
    }
}
