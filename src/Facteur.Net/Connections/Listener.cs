using System.Net;
using System.Net.Sockets;
using Facteur.Unix;

namespace Facteur.Net.Connections;

/// <summary>
/// Accepts connections on one TCP address or Unix-domain socket. When descriptors run out, it gives up a reserved one to take and close the waiting
/// client (which then tries again or elsewhere, instead of hanging), and pauses.
/// </summary>
public sealed class Listener : IAsyncDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly Socket _socket;
    private readonly TimeProvider _time;
    private readonly Action<string> _trouble;
    private readonly SocketOperation _accept = new();
    private volatile bool _closed;
    private int _reserve;
    private int _disposed;

    private Listener(Socket socket, TimeProvider time, Action<string> trouble)
    {
        _socket = socket;
        _time = time;
        _trouble = trouble;
        LocalEndPoint = socket.LocalEndPoint!;
        TakeReserve();
    }

    /// <summary>The address listened on; its port is the one the kernel chose when 0 was asked.</summary>
    public EndPoint LocalEndPoint { get; }

    /// <summary>Whether this system has IPv6 at all.</summary>
    public static bool HasIPv6 => Socket.OSSupportsIPv6;

    /// <summary>Listens on a TCP address.</summary>
    /// <param name="address">The address; port 0 lets the kernel choose.</param>
    /// <param name="backlog">Connections the kernel may keep waiting.</param>
    /// <param name="time">The clock.</param>
    /// <param name="trouble">Told one line when accepting fails.</param>
    /// <exception cref="SocketException">The address is in use or not ours.</exception>
    public static Listener Tcp(IPEndPoint address, int backlog, TimeProvider time, Action<string> trouble)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        if (address.AddressFamily == AddressFamily.InterNetworkV6)
        {
            // IPv4 has its own listener, as in Postfix.
            socket.DualMode = false;
        }
        return Listen(socket, address, backlog, time, trouble);
    }

    /// <summary>Listens on a Unix-domain socket; an old one of that name is replaced.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="mode">Its mode, such as octal 666 as a number.</param>
    /// <param name="backlog">Connections the kernel may keep waiting.</param>
    /// <param name="time">The clock.</param>
    /// <param name="trouble">Told one line when accepting fails.</param>
    /// <exception cref="SocketException">The path can't be used.</exception>
    public static Listener Unix(string path, uint mode, int backlog, TimeProvider time, Action<string> trouble)
    {
        _ = Libc.unlink(path);
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var listener = Listen(socket, new UnixDomainSocketEndPoint(path), backlog, time, trouble);
        if (Libc.chmod(path, mode) != 0)
        {
            listener._trouble($"{path}: {System.Runtime.InteropServices.Marshal.GetLastPInvokeErrorMessage()}");
        }
        return listener;
    }

    /// <summary>Takes over a listening descriptor from master or systemd.</summary>
    /// <param name="descriptor">The descriptor; closed with the listener.</param>
    /// <param name="time">The clock.</param>
    /// <param name="trouble">Told one line when accepting fails.</param>
    /// <exception cref="SocketException">It is no socket.</exception>
    public static Listener Inherited(int descriptor, TimeProvider time, Action<string> trouble) =>
        new(new Socket(new SafeSocketHandle(descriptor, ownsHandle: true)), time, trouble);

    /// <summary>The next connection, or null when the listener was disposed. One caller at a time.</summary>
    public async ValueTask<Connection?> AcceptAsync()
    {
        while (!_closed)
        {
            _accept.AcceptSocket = null;
            var error = await _accept.RunAsync(_socket.AcceptAsync).ConfigureAwait(false);
            if (error == SocketError.Success && _accept.AcceptSocket is { } accepted)
            {
                if (Connected(accepted) is { } connection)
                {
                    return connection;
                }
            }
            else if (error is SocketError.TooManyOpenSockets or SocketError.NoBufferSpaceAvailable)
            {
                _trouble($"accept connection: {new SocketException((int)error).Message}");
                TurnAway();
                await Task.Delay(Pause, _time).ConfigureAwait(false);
            }
            else if (!_closed && error is not (SocketError.ConnectionReset or SocketError.ConnectionAborted or SocketError.Interrupted))
            {
                _trouble($"accept connection: {new SocketException((int)error).Message}");
                await Task.Delay(Pause, _time).ConfigureAwait(false);
            }
        }
        return null;
    }

    /// <summary>Stops listening; a pending accept returns null.</summary>
    public ValueTask DisposeAsync()
    {
        _closed = true;
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            Close();
        }
        if (Interlocked.Exchange(ref _reserve, -1) is >= 0 and var reserve)
        {
            _ = Libc.close(reserve);
        }
        return ValueTask.CompletedTask;
    }

    // .NET ends a pending accept by an abortive close: SO_LINGER of no time, by which connections are reset and lose what was not sent yet. The socket may be
    // another process's too, and what was set would hold for all that is accepted there.
    private unsafe void Close()
    {
        var socket = Libc.fcntl((int)_socket.Handle, Libc.F_DUPFD_CLOEXEC, 0);
        _socket.Dispose();
        int* off = stackalloc int[2] { 0, 0 };
        _ = Libc.setsockopt(socket, Libc.SOL_SOCKET, Libc.SO_LINGER, off, 2 * sizeof(int));
        _ = Libc.close(socket);
    }

    private static Listener Listen(Socket socket, EndPoint address, int backlog, TimeProvider time, Action<string> trouble)
    {
        try
        {
            socket.Bind(address);
            socket.Listen(backlog);
            return new Listener(socket, time, trouble);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static SocketConnection? Connected(Socket socket)
    {
        try
        {
            return new SocketConnection(socket);
        }
        catch (SocketException)
        {
            // The client went away between accept and here.
            socket.Dispose();
            return null;
        }
    }

    private void TurnAway()
    {
        if (Interlocked.Exchange(ref _reserve, -1) is >= 0 and var reserve)
        {
            _ = Libc.close(reserve);
        }
        try
        {
            // Not blocking: the client that met the shortage may be gone.
            _socket.Blocking = false;
            _socket.Accept().Dispose();
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Nobody waits any more, or another thread took the descriptor: the pause follows either way.
        }
        TakeReserve();
    }

    private void TakeReserve() => Volatile.Write(ref _reserve, Libc.open("/dev/null", Libc.O_RDONLY | Libc.O_CLOEXEC, 0));
}
