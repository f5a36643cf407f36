using System.Net;
using System.Net.Sockets;

namespace Facteur.System.Tests.Parts;

/// <summary>
/// A TCP port of the loopback that stays ours: a socket is bound to it that never listens. Others may then bind it too (SO_REUSEADDR) and listen; while nobody
/// does, connections are refused.
/// </summary>
internal sealed class Port : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    public Port()
    {
        _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        Number = ((IPEndPoint)_socket.LocalEndPoint!).Port;
    }

    public int Number { get; }

    public void Dispose() => _socket.Dispose();
}
