using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;

namespace Facteur.Net.Connections;

/// <summary>A connection over a TCP or Unix-domain socket.</summary>
public sealed class SocketConnection : Connection
{
    private readonly Socket _socket;
    private readonly SocketPipeReader _input;
    private readonly SocketPipeWriter _output;
    private EndPoint? _local;

    /// <summary>Takes a connected socket over.</summary>
    /// <param name="socket">The socket.</param>
    /// <param name="remote">The peer's address when it is known already.</param>
    public SocketConnection(Socket socket, EndPoint? remote = null)
    {
        _socket = socket;
        socket.Blocking = false;
        if (socket.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6)
        {
            socket.NoDelay = true;
            RemoteEndPoint = Plain(remote ?? socket.RemoteEndPoint);
        }
        _input = new SocketPipeReader(socket);
        _output = new SocketPipeWriter(socket);
    }

    /// <inheritdoc/>
    public override PipeReader Input => _input;

    /// <inheritdoc/>
    public override PipeWriter Output => _output;

    /// <summary>The peer's address, IPv4 in IPv6 as IPv4; null for a Unix-domain socket.</summary>
    public override EndPoint? RemoteEndPoint { get; }

    /// <summary>Our address, null for a Unix-domain socket or when the connection has ended.</summary>
    public override EndPoint? LocalEndPoint => _local ??= Local();

    /// <inheritdoc/>
    public override int Available
    {
        get
        {
            try
            {
                return _socket.Available;
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return 0;
            }
        }
    }

    /// <inheritdoc/>
    public override bool WriteFailed => _output.Failed;

    /// <summary>Who connected to a Unix-domain socket, as the kernel knows it: the user number, or null for TCP (unix(7), SO_PEERCRED).</summary>
    public uint? PeerUser()
    {
        const int socketLevel = 1, peerCredentials = 17;
        Span<byte> credentials = stackalloc byte[12];
        return _socket.AddressFamily == System.Net.Sockets.AddressFamily.Unix
            && _socket.GetRawSocketOption(socketLevel, peerCredentials, credentials) == credentials.Length
            ? BitConverter.ToUInt32(credentials[4..]) : null;
    }

    /// <inheritdoc/>
    public override void Abort() => _socket.Dispose();

    /// <inheritdoc/>
    public override ValueTask DisposeAsync()
    {
        _socket.Dispose();
        _input.Complete();
        _output.Complete();
        return ValueTask.CompletedTask;
    }

    private static EndPoint? Plain(EndPoint? point) =>
        point is IPEndPoint { Address.IsIPv4MappedToIPv6: true } mapped ? new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port) : point;

    private EndPoint? Local()
    {
        try
        {
            return RemoteEndPoint is null ? null : Plain(_socket.LocalEndPoint);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return null;
        }
    }
}
