using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Facteur.Services.Tests.Receive.Smtpd;

/// <summary>A policy service on loopback or on a Unix socket: answers as a function says; null closes the connection without an answer.</summary>
internal sealed class PolicyServer : IDisposable
{
    private readonly Socket _listener;
    private readonly Func<string, string?> _answer;
    private readonly ConcurrentBag<Socket> _clients = [];
    private int _connections;

    public PolicyServer(Func<string, string?> answer, string? path = null)
    {
        _answer = answer;
        _listener = path is null ? new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) : new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(path is null ? new IPEndPoint(IPAddress.Loopback, 0) : new UnixDomainSocketEndPoint(path));
        _listener.Listen();
        _ = AcceptAsync();
    }

    public string Endpoint => $"inet:127.0.0.1:{((IPEndPoint)_listener.LocalEndPoint!).Port}";

    public ConcurrentQueue<string> Requests { get; } = new();

    public int Connections => Volatile.Read(ref _connections);

    public void Dispose()
    {
        _listener.Dispose();
        foreach (var client in _clients)
        {
            client.Dispose();
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptAsync();
                Interlocked.Increment(ref _connections);
                _clients.Add(client);
                _ = ServeAsync(client);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Closed.
        }
    }

    private async Task ServeAsync(Socket client)
    {
        try
        {
            using (client)
            {
                var buffer = new byte[65536];
                var text = "";
                while (await client.ReceiveAsync(buffer) is > 0 and var count)
                {
                    text += Encoding.UTF8.GetString(buffer, 0, count);
                    for (int end; (end = text.IndexOf("\n\n", StringComparison.Ordinal)) >= 0; text = text[(end + 2)..])
                    {
                        Requests.Enqueue(text[..(end + 1)]);
                        var answer = _answer(text[..(end + 1)]);
                        if (answer is null)
                        {
                            return;
                        }
                        await client.SendAsync(Encoding.UTF8.GetBytes(answer));
                    }
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The client went away.
        }
    }
}
