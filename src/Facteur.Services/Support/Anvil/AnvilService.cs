using System.Globalization;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;

namespace Facteur.Services.Support.Anvil;

/// <summary>
/// Counts connections, messages and recipients per client, in memory. A client without connections is forgotten when its time unit is over;
/// the number of clients kept is bounded by a sweep whenever it has doubled. The highest counts are logged every anvil_status_update_time and at the end.
/// </summary>
public sealed class AnvilService : IAnvil, IDisposable
{
    private const int SweepFloor = 1024;

    private readonly Dictionary<string, Client> _clients = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly ServiceLog? _log;
    private readonly ITimer? _timer;
    private TimeSpan _unit;
    private Highest _connectionRate;
    private Highest _connections;
    private Highest _messages;
    private Highest _recipients;
    private Highest _cache;
    private int _sweepAt = SweepFloor;

    /// <summary>Makes the counter.</summary>
    /// <param name="config">anvil_rate_time_unit, anvil_status_update_time.</param>
    /// <param name="log">Where the highest counts go, or null.</param>
    /// <param name="time">The clock.</param>
    public AnvilService(IConfig config, ServiceLog? log, TimeProvider time)
    {
        _time = time;
        _log = log;
        _unit = config.Get(AnvilParameters.RateTimeUnit);
        var status = config.Get(AnvilParameters.StatusUpdateTime);
        _timer = log is null ? null : time.CreateTimer(static self => ((AnvilService)self!).LogHighest(), this, status, status);
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
    /// <param name="config">anvil_rate_time_unit, anvil_status_update_time.</param>
    public void Reconfigure(IConfig config)
    {
        var unit = config.Get(AnvilParameters.RateTimeUnit);
        var status = config.Get(AnvilParameters.StatusUpdateTime);
        lock (_lock)
        {
            _unit = unit;
        }
        _timer?.Change(status, status);
    }

    /// <inheritdoc/>
    public AnvilConnections Connect(string client)
    {
        lock (_lock)
        {
            var entry = Find(client);
            var counts = new AnvilConnections(++entry.Count, ++entry.Connections);
            Raise(ref _connectionRate, counts.Rate, client);
            Raise(ref _connections, counts.Count, client);
            return counts;
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
            var count = ++Find(client).Messages;
            Raise(ref _messages, count, client);
            return count;
        }
    }

    /// <inheritdoc/>
    public int Recipient(string client)
    {
        lock (_lock)
        {
            var count = ++Find(client).Recipients;
            Raise(ref _recipients, count, client);
            return count;
        }
    }

    /// <summary>Logs the highest counts once more.</summary>
    public void Dispose()
    {
        _timer?.Dispose();
        LogHighest();
    }

    private Client Find(string name)
    {
        var now = _time.GetTimestamp();
        if (!_clients.TryGetValue(name, out var client))
        {
            Sweep(now);
            _clients[name] = client = new Client { Start = now };
            Raise(ref _cache, _clients.Count, "");
        }
        else if (_time.GetElapsedTime(client.Start, now) > _unit)
        {
            (client.Start, client.Connections, client.Messages, client.Recipients) = (now, 0, 0, 0);
        }
        return client;
    }

    private void Raise(ref Highest highest, int count, string client)
    {
        if (count > highest.Count)
        {
            highest = new Highest(count, client, _time.GetUtcNow());
        }
    }

    private void LogHighest()
    {
        if (_log is null)
        {
            return;
        }
        lock (_lock)
        {
            var unit = string.Create(CultureInfo.InvariantCulture, $"/{(long)_unit.TotalSeconds}s");
            LogOne(ref _connectionRate, "connection rate", unit);
            LogOne(ref _connections, "connection count", "");
            LogOne(ref _messages, "message rate", unit);
            LogOne(ref _recipients, "recipient rate", unit);
            LogOne(ref _cache, "cache size", "");
        }
    }

    private void LogOne(ref Highest highest, string what, string unit)
    {
        if (highest.Count > 0)
        {
            var at = TimeZoneInfo.ConvertTime(highest.At, _time.LocalTimeZone).ToString("MMM dd HH:mm:ss", CultureInfo.InvariantCulture);
            _log!.Info($"statistics: max {what} {highest.Count}{unit}{(highest.Client.Length > 0 ? $" for ({highest.Client})" : "")} at {at}");
            highest = default;
        }
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

    private readonly record struct Highest(int Count, string Client, DateTimeOffset At);

    private sealed class Client
    {
        public long Start { get; set; }

        public int Count { get; set; }

        public int Connections { get; set; }

        public int Messages { get; set; }

        public int Recipients { get; set; }
    }
}
