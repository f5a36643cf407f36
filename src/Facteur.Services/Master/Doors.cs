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
internal sealed class Doors(HostsFile hosts, ISockets sockets, ServiceLog log, TimeProvider time) : IAsyncDisposable
{
    /// <summary>Sessions of an entry without a limit of its own, unless default_process_limit is set in main.cf.</summary>
    private const int MostSessions = 10_000;

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
        var limits = new List<(SessionLimit Limit, int Sessions)>();
        var next = new Dictionary<string, Door>(StringComparer.Ordinal);
        foreach (var entry in generation.Entries.Where(e => e is { Type: ServiceType.Inet, Command: "smtpd" }))
        {
            var service = Smtpd(generation, entry);
            var limit = old.Values.FirstOrDefault(o => o.Door.Entry.Name == entry.Name).Door?.Limit ?? new SessionLimit();
            limits.Add((limit, entry.MaxProcesses is { } explicitly ? (explicitly == 0 ? MostSessions : explicitly) : defaultLimit > 0 ? defaultLimit : MostSessions));
            var stressed = new Lazy<SmtpdService>(() => generation.Smtpd(entry, stressed: true));
            foreach (var address in ListenAddresses.Of(entry, generation.Config, hosts))
            {
                next[address.ToString()] = new Door(address, entry, service, stressed, generation, limit);
            }
        }
        var bound = await BindAsync(old, next).ConfigureAwait(false);
        limits.ForEach(l => l.Limit.Set(l.Sessions));
        _open = next.ToDictionary(n => n.Key, n => (bound.GetValueOrDefault(n.Key) ?? old[n.Key].Listener, n.Value), StringComparer.Ordinal);
        foreach (var (name, listener) in bound)
        {
            _ = AcceptAsync(name, listener);
        }
        foreach (var (name, (listener, _)) in old)
        {
            if (!next.ContainsKey(name))
            {
                await listener.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    /// <returns>Null for an entry that is left out: its clients find the door shut behind them, as at Postfix's smtpd that ends before it greets.</returns>
    private static SmtpdService? Smtpd(Generation generation, MasterEntry entry)
    {
        try
        {
            return generation.Smtpd(entry);
        }
        catch (ConfigException e) when (generation.LeavesOut(entry, e))
        {
            return null;
        }
    }

    /// <summary>
    /// Binds the addresses that are new. A port on all addresses and on one of them don't go together: where our own socket is in the way, as when
    /// inet_interfaces changes, it makes room first, and comes back when that was for nothing.
    /// </summary>
    private async ValueTask<Dictionary<string, Listener>> BindAsync(Dictionary<string, (Listener Listener, Door Door)> old, Dictionary<string, Door> next)
    {
        var bound = new Dictionary<string, Listener>(StringComparer.Ordinal);
        var left = new Dictionary<string, Door>(StringComparer.Ordinal);
        try
        {
            foreach (var (name, door) in next.Where(n => !old.ContainsKey(n.Key)))
            {
                foreach (var (other, open) in old.Where(o => !next.ContainsKey(o.Key) && door.Excludes(o.Value.Door)))
                {
                    left[other] = open.Door;
                    await open.Listener.DisposeAsync().ConfigureAwait(false);
                }
                bound[name] = Bind(door);
            }
            return bound;
        }
        catch
        {
            foreach (var listener in bound.Values)
            {
                await listener.DisposeAsync().ConfigureAwait(false);
            }
            Reopen(left);
            throw;
        }
    }

    private void Reopen(Dictionary<string, Door> left)
    {
        var open = new Dictionary<string, (Listener Listener, Door Door)>(_open, StringComparer.Ordinal);
        var again = new List<(string Name, Listener Listener)>();
        foreach (var (name, door) in left)
        {
            try
            {
                again.Add((name, Bind(door)));
                open[name] = (again[^1].Listener, door);
            }
            catch (ConfigException e)
            {
                log.Error(e.Message);
                open.Remove(name);
            }
        }
        _open = open;
        again.ForEach(a => _ = AcceptAsync(a.Name, a.Listener));
    }

    /// <summary>No new sessions; those under way go on.</summary>
    public async ValueTask CloseAsync()
    {
        foreach (var (listener, _) in _open.Values)
        {
            await listener.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await CloseAsync().ConfigureAwait(false);
        await _stop.CancelAsync().ConfigureAwait(false);
        // Sessions see the end at their next command; mail being made durable still gets its answer.
        for (var i = 0; i < 100 && Sessions > 0; i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), time).ConfigureAwait(false);
        }
    }

    private Listener Bind(Door door)
    {
        try
        {
            return sockets.Tcp(door.Address, text => log.Warning($"{door.Entry.Name}: {text}"));
        }
        catch (SocketException e)
        {
            throw new ConfigException($"bind {door.Address.Address} port {door.Address.Port}: {e.Message} (master.cf, line {door.Entry.Line})");
        }
    }

    private async Task AcceptAsync(string name, Listener listener)
    {
        while (await listener.AcceptAsync().ConfigureAwait(false) is { } connection)
        {
            // The listener is the address's alone, the limit all the entry's: who waits here has no greeting, as in the kernel's own queue, where the rest waits.
            var limit = _open.GetValueOrDefault(name).Door?.Limit;
            if (limit is null || !await RoomAsync(limit).ConfigureAwait(false))
            {
                await connection.DisposeAsync().ConfigureAwait(false);
                continue;
            }
            Door? door;
            do
            {
                door = _open.GetValueOrDefault(name).Door;
            }
            while (door is not null && !door.Generation.TryEnter());
            if (door is null)
            {
                limit.Release();
                await connection.DisposeAsync().ConfigureAwait(false);
                continue;
            }
            _ = ServeAsync(connection, door, limit);
        }
    }

    private async ValueTask<bool> RoomAsync(SessionLimit limit)
    {
        try
        {
            await limit.WaitAsync(_stop.Token).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>Postfix: with the last place taken, sessions that begin in the next 1000 seconds have stress=yes, and shorter patience by default.</summary>
    private SmtpdService? ServiceOf(Door door)
    {
        var stressed = door.Limit.IsStressed(time, out var begins);
        if (begins)
        {
            log.Warning($"service \"{door.Entry.Name}\" ({door.Entry.Name[..(door.Entry.Name.LastIndexOf(':') + 1)]}{door.Address.Port}) has reached its process limit \"{door.Limit.Sessions}\": new clients may experience noticeable delays");
            log.Warning("to avoid this condition, increase the process count in master.cf or reduce the service time per client");
            log.Warning("see https://www.postfix.org/STRESS_README.html for examples of stress-adapting configuration settings");
        }
        try
        {
            return stressed && door.Service is not null ? door.Stressed.Value : door.Service;
        }
        catch (ConfigException e)
        {
            log.Warning($"{door.Entry.Name}: with stress=yes: {e.Message}");
            return door.Service;
        }
    }

    private async Task ServeAsync(Connection connection, Door door, SessionLimit limit)
    {
        Interlocked.Increment(ref _sessions);
        try
        {
            await using (connection.ConfigureAwait(false))
            {
                if (ServiceOf(door) is { } service)
                {
                    await service.ServeAsync(connection, connection.RemoteEndPoint, connection.LocalEndPoint, _stop.Token).ConfigureAwait(false);
                }
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

    private sealed record Door(IPEndPoint Address, MasterEntry Entry, SmtpdService? Service, Lazy<SmtpdService> Stressed, Generation Generation, SessionLimit Limit)
    {
        /// <summary>Whether the kernel lets only one of two different addresses be listened on.</summary>
        public bool Excludes(Door other) =>
            Address.Port == other.Address.Port && Address.AddressFamily == other.Address.AddressFamily && (IsAny(Address) || IsAny(other.Address));

        private static bool IsAny(IPEndPoint address) => address.Address.Equals(IPAddress.Any) || address.Address.Equals(IPAddress.IPv6Any);
    }
}
