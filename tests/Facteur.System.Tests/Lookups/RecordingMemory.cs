using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Facteur.System.Tests.Parts;

namespace Facteur.System.Tests.Lookups;

/// <summary>A memcached that has a few entries and remembers what it was asked for, in order: keys are "table:key".</summary>
internal sealed class RecordingMemory : IDisposable
{
    private readonly Port _port = new();
    private readonly TcpListener _listener;
    private readonly ConcurrentQueue<string> _asked = new();
    private readonly IReadOnlyDictionary<string, string> _entries;

    public RecordingMemory(IReadOnlyDictionary<string, string> entries)
    {
        _entries = entries;
        _listener = new TcpListener(IPAddress.Loopback, _port.Number);
        _listener.Server.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Start();
        _ = AcceptAsync();
    }

    /// <summary>Writes the parameters of a table of this memory to a file.</summary>
    /// <returns>The table, as main.cf names it.</returns>
    public string Table(string directory, string name)
    {
        File.WriteAllText($"{directory}/{name}", $"memcache = inet:127.0.0.1:{_port.Number}\nkey_format = {name}:%s\n");
        return $"memcache:{directory}/{name}";
    }

    /// <summary>What was asked for since the last call.</summary>
    public IReadOnlyList<string> Take()
    {
        var asked = new List<string>();
        while (_asked.TryDequeue(out var key))
        {
            asked.Add(key);
        }
        return asked;
    }

    public void Dispose()
    {
        _listener.Dispose();
        _port.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _ = ServeAsync(await _listener.AcceptTcpClientAsync());
            }
        }
        catch (Exception e) when (e is ObjectDisposedException or SocketException)
        {
            // Over.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var _ = client;
        try
        {
            var stream = client.GetStream();
            using var reader = new StreamReader(stream, Encoding.UTF8);
            while (await reader.ReadLineAsync() is { } line)
            {
                var key = line["get ".Length..];
                _asked.Enqueue(key);
                await stream.WriteAsync(Encoding.UTF8.GetBytes(
                    _entries.TryGetValue(key, out var value) ? $"VALUE {key} 0 {Encoding.UTF8.GetByteCount(value)}\r\n{value}\r\nEND\r\n" : "END\r\n"));
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The client left.
        }
    }
}
