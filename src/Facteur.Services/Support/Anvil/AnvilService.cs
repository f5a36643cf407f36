using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;

namespace Facteur.Services.Support.Anvil;

/// <summary>
/// Counts connections, messages and recipients per client, in memory. A client without connections is forgotten when its time unit is over;
/// the number of clients kept is bounded by a sweep whenever it has doubled.
/// </summary>
public sealed class AnvilService : IAnvil
{
    private const int SweepFloor = 1024;

    private readonly Dictionary<string, Client> _clients = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private TimeSpan _unit;
    private int _sweepAt = SweepFloor;

    /// <summary>Makes the counter.</summary>
    /// <param name="config">anvil_rate_time_unit.</param>
    /// <param name="time">The clock.</param>
    public AnvilService(IConfig config, TimeProvider time)
    {
        _time = time;
        _unit = config.Get(AnvilParameters.RateTimeUnit);
    }

    /// <summary>Clients remembered.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
            {
                return _clients.Count;
            }
        }
    }

    /// <summary>postfix reload: counts go on, under another time unit.</summary>
    /// <param name="config">anvil_rate_time_unit.</param>
    public void Reconfigure(IConfig config)
    {
        var unit = config.Get(AnvilParameters.RateTimeUnit);
        lock (_lock)
        {
            _unit = unit;
        }
    }

    /// <inheritdoc/>
    public AnvilConnections Connect(string client)
    {
        lock (_lock)
        {
            var entry = Find(client);
            return new AnvilConnections(++entry.Count, ++entry.Connections);
        }
    }

    /// <inheritdoc/>
    public void Disconnect(string client)
    {
        lock (_lock)
        {
            if (_clients.TryGetValue(client, out var entry) && entry.Count > 0)
            {
                entry.Count--;
            }
        }
    }

    /// <inheritdoc/>
    public int Mail(string client)
    {
        lock (_lock)
        {
            return ++Find(client).Messages;
        }
    }

    /// <inheritdoc/>
    public int Recipient(string client)
    {
        lock (_lock)
        {
            return ++Find(client).Recipients;
        }
    }

    private Client Find(string name)
    {
        var now = _time.GetTimestamp();
        if (!_clients.TryGetValue(name, out var client))
        {
            Sweep(now);
            _clients[name] = client = new Client { Start = now };
        }
        else if (_time.GetElapsedTime(client.Start, now) > _unit)
        {
            (client.Start, client.Connections, client.Messages, client.Recipients) = (now, 0, 0, 0);
        }
        return client;
    }

    private void Sweep(long now)
    {
        if (_clients.Count < _sweepAt)
        {
            return;
        }
        foreach (var (name, client) in _clients)
        {
            if (client.Count == 0 && _time.GetElapsedTime(client.Start, now) > _unit)
            {
                _clients.Remove(name);
            }
        }
        _sweepAt = Math.Max(SweepFloor, _clients.Count * 2);
    }

    private sealed class Client
    {
        public long Start { get; set; }

        public int Count { get; set; }

        public int Connections { get; set; }

        public int Messages { get; set; }

        public int Recipients { get; set; }
    }
}
