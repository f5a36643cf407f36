using System.Net.Sockets;

namespace Facteur.Net.Logging;

/// <summary>Sends lines to the local syslog as datagrams. Connects again when syslog was restarted; what can't be sent is lost, and that is told.</summary>
/// <param name="path">The socket, normally "/dev/log".</param>
public sealed class SyslogSocket(string path) : IDisposable
{
    private Socket? _socket;

    /// <summary>Sends one line.</summary>
    /// <param name="line">"&lt;PRI&gt;time tag: text".</param>
    /// <returns>False when it could not be sent.</returns>
    public bool Send(ReadOnlySpan<byte> line)
    {
        // Twice: a socket connected before syslog restarted fails once.
        for (var attempt = 0; attempt < 2; attempt++)
        {
            try
            {
                if (_socket is null)
                {
                    _socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
                    _socket.Connect(new UnixDomainSocketEndPoint(path));
                }
                _socket.Send(line);
                return true;
            }
            catch (SocketException)
            {
                Dispose();
            }
        }
        return false;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _socket?.Dispose();
        _socket = null;
    }
}
