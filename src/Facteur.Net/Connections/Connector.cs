using System.Net;
using System.Net.Sockets;

namespace Facteur.Net.Connections;

/// <summary>Makes connections.</summary>
public static class Connector
{
    /// <summary>The words of libc for an address in use, which callers compare with.</summary>
    public const string TimedOut = "Connection timed out";

    /// <summary>The address of a Unix-domain socket.</summary>
    /// <param name="path">Its path.</param>
    /// <returns>Null when the path is longer than a socket's address may be.</returns>
    // unix(7), sun_path: 108 bytes with the NUL.
    public static EndPoint? UnixAddress(string path) => System.Text.Encoding.UTF8.GetByteCount(path) < 108 ? new UnixDomainSocketEndPoint(path) : null;

    /// <summary>Connects to a TCP address or a Unix-domain socket.</summary>
    /// <param name="remote">Where to.</param>
    /// <param name="bind">Our own address, or null.</param>
    /// <param name="timeout">Longest wait; zero leaves it to the system.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancel">The caller's end.</param>
    /// <exception cref="OperationCanceledException">The caller ended.</exception>
    public static async ValueTask<ConnectResult> ConnectAsync(EndPoint remote, IPAddress? bind, TimeSpan timeout, TimeProvider time, CancellationToken cancel)
    {
        Socket? socket = null;
        try
        {
            socket = new Socket(remote.AddressFamily, SocketType.Stream, remote is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified) { Blocking = false };
            if (bind is not null)
            {
                socket.Bind(new IPEndPoint(bind, 0));
            }
            var (error, late) = await RunAsync(socket, remote, timeout, time, cancel).ConfigureAwait(false);
            cancel.ThrowIfCancellationRequested();
            if (error == SocketError.Success)
            {
                var connection = new SocketConnection(socket, remote);
                socket = null;
                return new ConnectResult(connection, "");
            }
            return new ConnectResult(null, late ? TimedOut : Text(error, remote));
        }
        catch (SocketException e)
        {
            return new ConnectResult(null, Text(e.SocketErrorCode, remote));
        }
        finally
        {
            socket?.Dispose();
        }
    }

    private static async ValueTask<(SocketError Error, bool Late)> RunAsync(
        Socket socket, EndPoint remote, TimeSpan timeout, TimeProvider time, CancellationToken cancel)
    {
        using var operation = new SocketOperation { RemoteEndPoint = remote };
        var pending = operation.RunAsync(socket.ConnectAsync);
        if (pending.IsCompleted)
        {
            return (pending.Result, false);
        }
        var late = false;
        await using var timer = timeout > TimeSpan.Zero
            ? time.CreateTimer(
                _ =>
                {
                    late = true;
                    Socket.CancelConnectAsync(operation);
                },
                null, timeout, Timeout.InfiniteTimeSpan)
            : null;
        await using var registration = cancel.UnsafeRegister(static o => Socket.CancelConnectAsync((SocketOperation)o!), operation);
        var error = await pending.ConfigureAwait(false);
        return (error, late);
    }

    private static string Text(SocketError error, EndPoint remote) => error switch
    {
        SocketError.ConnectionRefused => "Connection refused",
        SocketError.TimedOut => TimedOut,
        SocketError.NetworkUnreachable => "Network is unreachable",
        SocketError.HostUnreachable => "No route to host",
        SocketError.HostDown => "Host is down",
        SocketError.ConnectionReset => "Connection reset by peer",
        SocketError.AccessDenied => "Permission denied",
        SocketError.TooManyOpenSockets => "Too many open files",
        SocketError.AddressNotAvailable => remote is UnixDomainSocketEndPoint ? "No such file or directory" : "Cannot assign requested address",
        SocketError.AddressFamilyNotSupported => "Address family not supported by protocol",
        SocketError.OperationAborted => "Operation canceled",
        _ => new SocketException((int)error).Message,
    };
}
