using Facteur.Net.Connections;

namespace Facteur.Services.Receive.Smtpd.Policy;

/// <summary>How a policy service is talked to (smtpd_policy_service_*).</summary>
internal sealed record PolicySettings(string DefaultAction, string Context, TimeSpan Timeout, TimeSpan MaxIdle, TimeSpan MaxTtl, TimeSpan RetryDelay, int RequestLimit, int TryLimit);

/// <summary>
/// Asks one policy service. Sessions share connections: one that is free is used again, within smtpd_policy_service_max_idle, _max_ttl and _request_limit;
/// a new one is made when none is free, so there are never more than sessions that ask. A request that fails is sent again on a new connection.
/// </summary>
internal sealed class PolicyClient(PolicyEndpoint endpoint, PolicySettings settings, SmtpdArrows arrows, SmtpdLog log, TimeProvider time) : IDisposable
{
    // Postfix: a process keeps one, and by default there are at most 100.
    private const int FreeLimit = 100;

    private readonly Stack<PolicyConnection> _free = new();
    private readonly Lock _lock = new();
    private ITimer? _timer;
    private bool _disposed;

    /// <summary>The name of the service in logs.</summary>
    public string Name => endpoint.Name;

    /// <summary>Asks.</summary>
    /// <returns>The action, or null when the service can't be asked; that is logged.</returns>
    public async ValueTask<string?> AskAsync(string request, CancellationToken cancel)
    {
        for (var attempt = 1; ; attempt++)
        {
            var connection = TakeFree();
            if (connection is not null)
            {
                var (first, _) = await TryAsync(connection, request, cancel).ConfigureAwait(false);
                if (first is not null)
                {
                    return first;
                }
                // Postfix counts it. A service may have closed what was kept, though: there is always an attempt with a new connection, and at once.
                attempt = Math.Min(attempt + 1, settings.TryLimit);
            }
            (connection, var error) = await ConnectAsync(cancel).ConfigureAwait(false);
            if (connection is null)
            {
                log.Warning($"connect to {Name}: {error}");
            }
            else
            {
                (var action, error) = await TryAsync(connection, request, cancel).ConfigureAwait(false);
                if (action is not null)
                {
                    return action;
                }
            }
            cancel.ThrowIfCancellationRequested();
            // Postfix: what ends by itself is no news before the last attempt.
            if (attempt >= settings.TryLimit || error is not ("Broken pipe" or "Connection reset by peer" or PolicyConnection.Ended or "No such file or directory"))
            {
                log.Warning($"problem talking to server {Name}: {error}");
            }
            if (attempt >= settings.TryLimit)
            {
                return null;
            }
            await Task.Delay(settings.RetryDelay, time, cancel).ConfigureAwait(false);
        }
    }

    public void Dispose()
    {
        PolicyConnection[] all;
        lock (_lock)
        {
            _disposed = true;
            all = [.. _free];
            _free.Clear();
            _timer?.Dispose();
        }
        Close(all);
    }

    private async ValueTask<(string? Action, string Error)> TryAsync(PolicyConnection connection, string request, CancellationToken cancel)
    {
        using var late = new CancellationTokenSource(settings.Timeout, time);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancel);
        var (action, error) = await connection.AskAsync(request, end.Token).ConfigureAwait(false);
        if (action is null || !Keep(connection))
        {
            await connection.CloseAsync().ConfigureAwait(false);
        }
        return (action, error);
    }

    private async ValueTask<(PolicyConnection? Connection, string Error)> ConnectAsync(CancellationToken cancel)
    {
        var error = "Host or service not found";
        foreach (var address in await endpoint.AddressesAsync(arrows.Dns, arrows.Hosts, cancel).ConfigureAwait(false))
        {
            var result = await Connector.ConnectAsync(address, null, settings.Timeout, time, cancel).ConfigureAwait(false);
            if (result.Connection is { } connection)
            {
                return (new PolicyConnection(connection, time.GetTimestamp()), "");
            }
            error = result.Error;
        }
        return (null, error);
    }

    private PolicyConnection? TakeFree()
    {
        lock (_lock)
        {
            Expire();
            return _free.TryPop(out var connection) ? connection : null;
        }
    }

    private bool Keep(PolicyConnection connection)
    {
        connection.UsedAt = time.GetTimestamp();
        lock (_lock)
        {
            if (_disposed || _free.Count >= FreeLimit || (settings.RequestLimit > 0 && connection.Requests >= settings.RequestLimit) || IsOver(connection))
            {
                return false;
            }
            _free.Push(connection);
            _timer ??= time.CreateTimer(static self => ((PolicyClient)self!).Sweep(), this, settings.MaxIdle, settings.MaxIdle);
            return true;
        }
    }

    private void Sweep()
    {
        lock (_lock)
        {
            Expire();
            if (_free.Count == 0)
            {
                _timer?.Dispose();
                _timer = null;
            }
        }
    }

    // Under the lock.
    private void Expire()
    {
        if (!_free.Any(IsOver))
        {
            return;
        }
        var all = _free.Reverse().ToArray();
        _free.Clear();
        foreach (var connection in all.Where(connection => !IsOver(connection)))
        {
            _free.Push(connection);
        }
        Close(all.Where(IsOver));
    }

    private bool IsOver(PolicyConnection connection) =>
        time.GetElapsedTime(connection.MadeAt) >= settings.MaxTtl || time.GetElapsedTime(connection.UsedAt) >= settings.MaxIdle;

    private static void Close(IEnumerable<PolicyConnection> connections)
    {
        foreach (var connection in connections)
        {
            // Completes at once: it only closes a socket.
            _ = connection.CloseAsync().AsTask();
        }
    }
}
