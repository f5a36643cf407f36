using System.Net.Sockets;
using System.Text;

namespace Facteur.Net.Connections;

/// <summary>
/// The client's end of a service on a Unix-domain socket, for commands: blocking, one request, one line of answer.
/// Errors are <see cref="SocketException"/>.
/// </summary>
public sealed class UnixSubmitClient : IDisposable
{
    private const int AnswerLimit = 4096;
    private const int TimeLimit = 600_000;

    private readonly Socket _socket;

    private UnixSubmitClient(Socket socket) => _socket = socket;

    /// <summary>Connects.</summary>
    /// <exception cref="SocketException">Nobody listens there, or the path can't be one of a socket.</exception>
    public static UnixSubmitClient Connect(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { SendTimeout = TimeLimit, ReceiveTimeout = TimeLimit };
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return new UnixSubmitClient(socket);
        }
        catch (ArgumentException)
        {
            socket.Dispose();
            throw new SocketException((int)SocketError.AddressNotAvailable);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Connects, sends and leaves: a trigger. A service that is not there is no error, it looks by itself later.</summary>
    /// <returns>Whether somebody listens.</returns>
    public static bool TryTrigger(string path, byte request)
    {
        try
        {
            using var client = Connect(path);
            client.Send([request]);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Sends bytes.</summary>
    /// <exception cref="SocketException">The service ended the connection; it may have said why.</exception>
    public void Send(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            bytes = bytes[_socket.Send(bytes)..];
        }
    }

    /// <summary>The answer: one line without its end, or null when the connection ended without one.</summary>
    public string? ReadLine()
    {
        var line = new byte[AnswerLimit];
        var used = 0;
        try
        {
            while (used < line.Length && _socket.Receive(line.AsSpan(used)) is > 0 and var count)
            {
                used += count;
                var end = line.AsSpan(0, used).IndexOf((byte)'\n');
                if (end >= 0)
                {
                    return Encoding.UTF8.GetString(line, 0, end);
                }
            }
        }
        catch (SocketException)
        {
            // No answer: the caller can't know what became of its request.
        }
        return null;
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();
}
