using System.Net.Sockets;

namespace Facteur.Net.Logging;

/// <summary>Sends lines to the local syslog as datagrams. Connects again when syslog was restarted; what can't be sent is lost, and that is told.</summary>
/// <param name="path">The socket, normally "/dev/log".</param>
public sealed class SyslogSocket(string path) : IDisposable
{
    /// <summary>How long a socket that is full is waited for, in milliseconds.</summary>
    private const int Patience = 5000;

    private Socket? _socket;

    /// <summary>Sends one line.</summary>
    /// <param name="line">"&lt;PRI&gt;time tag: text".</param>
    /// <returns>False when it could not be sent.</returns>
    public bool Send(ReadOnlySpan<byte> line)
    {
        // Twice: a socket connected before syslog restarted fails once.
        for (var attempt = 0; attempt < 2; attempt++)
        {
            if (!Connect())
            {
                continue;
            }
            try
            {
                _socket!.Send(line);
                return true;
            }
            catch (SocketException)
            {
                Dispose();
            }
        }
        return false;
    }

    /// <summary>Connects where it is not yet.</summary>
    /// <returns>False when nobody is there, or we may not.</returns>
    public bool Connect()
    {
        if (_socket is not null)
        {
            return true;
        }
        try
        {
            _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { SendTimeout = Patience };
            _socket.Connect(new UnixDomainSocketEndPoint(path));
            return true;
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            // A path that is too long for a socket is an argument's mistake.
            Dispose();
            return false;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _socket?.Dispose();
        _socket = null;
    }
}
