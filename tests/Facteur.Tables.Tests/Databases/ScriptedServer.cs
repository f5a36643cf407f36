using System.Net;
using System.Net.Sockets;

namespace Facteur.Tables.Tests.Databases;

/// <summary>A server that answers each piece it gets with what a function says; null ends the connection.</summary>
internal sealed class ScriptedServer : IDisposable
{
    private readonly TcpListener _listener;
    private readonly Func<byte[], byte[]?> _answer;
    private readonly List<Socket> _open = [];

    public ScriptedServer(Func<byte[], byte[]?> answer, int port = 0)
    {
        _answer = answer;
        _listener = new TcpListener(IPAddress.Loopback, port) { Server = { NoDelay = true } };
        _listener.Server.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Start();
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Connections so far.</summary>
    public int Connections { get; private set; }

    public void Dispose()
    {
        _listener.Stop();
        DropAll();
    }

    /// <summary>Ends all connections, and goes on listening.</summary>
    public void DropAll()
    {
        lock (_open)
        {
            _open.ForEach(s => s.Dispose());
            _open.Clear();
        }
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptSocketAsync();
                Connections++;
                lock (_open)
                {
                    _open.Add(socket);
                }
                _ = ServeAsync(socket);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        try
        {
            var buffer = new byte[65536];
            for (int count; (count = await socket.ReceiveAsync(buffer)) > 0;)
            {
                if (_answer(buffer[..count]) is not { } reply)
                {
                    socket.Dispose();
                    return;
                }
                await socket.SendAsync(reply);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The client, or the test, is over.
        }
    }
}
