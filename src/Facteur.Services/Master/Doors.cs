using System.Net;
using System.Net.Sockets;
using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Contracts;
using Facteur.Net.Connections;
using Facteur.Net.Dns;
using Facteur.Services.Receive.Smtpd;

namespace Facteur.Services.Master;

/// <summary>The listening sockets of smtpd: bound once, kept over reloads; each new connection goes to the generation of the moment.</summary>
internal sealed class Doors(HostsFile hosts, ServiceLog log, TimeProvider time) : IAsyncDisposable
{
    /// <summary>Sessions of an entry without a limit of its own, unless default_process_limit is set in main.cf.</summary>
    private const int SessionLimit = 10_000;

    /// <summary>Replaced whole: the accepting loops read it at any time.</summary>
    private volatile Dictionary<string, (Listener Listener, Door Door)> _open = new(StringComparer.Ordinal);
    private readonly CancellationTokenSource _stop = new();
    private int _sessions;

    /// <summary>Sessions being served.</summary>
    public int Sessions => Volatile.Read(ref _sessions);

    /// <summary>Makes the doors agree with a generation: all of them, or, when one can't be made, none. New addresses are bound before old ones are left.</summary>
    /// <param name="generation">The generation.</param>
    /// <param name="defaultLimit">default_process_limit when it is set in main.cf, else 0.</param>
    /// <exception cref="ConfigException">An entry's name makes no sense, or its address can't be bound.</exception>
    public async ValueTask ApplyAsync(Generation generation, int defaultLimit)
    {
        var old = _open;
        var next = new Dictionary<string, (Listener Listener, Door Door)>(StringComparer.Ordinal);
        var bound = new Dictionary<string, Listener>(StringComparer.Ordinal);
        try
        {
            foreach (var entry in generation.Entries.Where(e => e is { Type: ServiceType.Inet, Command: "smtpd" }))
            {
                var service = generation.Smtpd(entry);
                var limit = entry.MaxProcesses is { } explicitly ? (explicitly == 0 ? SessionLimit : explicitly) : defaultLimit > 0 ? defaultLimit : SessionLimit;
                foreach (var address in ListenAddresses.Of(entry, generation.Config, hosts))
                {
                    var name = address.ToString();
                    var listener = old.GetValueOrDefault(name).Listener ?? bound.GetValueOrDefault(name) ?? (bound[name] = Bind(address, entry));
                    next[name] = (listener, new Door(service, generation, new SemaphoreSlim(limit)));
                }
            }
        }
        catch
        {
            foreach (var listener in bound.Values)
            {
                await listener.DisposeAsync().ConfigureAwait(false);
            }
            throw;
        }
        _open = next;
        foreach (var (name, listener) in bound)
        {
            _ = AcceptAsync(name, listener);
        }
        foreach (var (name, door) in old)
        {
            if (!next.ContainsKey(name))
            {
                await door.Listener.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var (listener, _) in _open.Values)
        {
            await listener.DisposeAsync().ConfigureAwait(false);
        }
        await _stop.CancelAsync().ConfigureAwait(false);
        // Sessions see the end at their next command; mail being made durable still gets its answer.
        for (var i = 0; i < 100 && Sessions > 0; i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), time).ConfigureAwait(false);
        }
    }

    private Listener Bind(IPEndPoint address, MasterEntry entry)
    {
        try
        {
            return Listener.Tcp(address, 512, time, text => log.Warning($"{entry.Name}: {text}"));
        }
        catch (SocketException e)
        {
            throw new ConfigException($"bind {address.Address} port {address.Port}: {e.Message} (master.cf, line {entry.Line})");
        }
    }

    private async Task AcceptAsync(string name, Listener listener)
    {
        while (true)
        {
            var waiting = _open.GetValueOrDefault(name).Door?.Limit ?? new SemaphoreSlim(1);
            await waiting.WaitAsync().ConfigureAwait(false);
            if (await listener.AcceptAsync().ConfigureAwait(false) is not { } connection)
            {
                return;
            }
            Door? door;
            do
            {
                door = _open.GetValueOrDefault(name).Door;
            }
            while (door is not null && !door.Generation.TryEnter());
            if (door is null)
            {
                await connection.DisposeAsync().ConfigureAwait(false);
                return;
            }
            _ = ServeAsync(connection, door, waiting);
        }
    }

    private async Task ServeAsync(Connection connection, Door door, SemaphoreSlim limit)
    {
        Interlocked.Increment(ref _sessions);
        try
        {
            await using (connection.ConfigureAwait(false))
            {
                await door.Service.ServeAsync(connection, connection.RemoteEndPoint, connection.LocalEndPoint, _stop.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            // A fault of ours in one session is that session's end.
            log.Error($"smtpd: {e}");
        }
        finally
        {
            Interlocked.Decrement(ref _sessions);
            limit.Release();
            await door.Generation.LeaveAsync().ConfigureAwait(false);
        }
    }

    private sealed record Door(SmtpdService Service, Generation Generation, SemaphoreSlim Limit);
}
