using System.IO.Pipelines;
using System.Net.Sockets;

namespace Facteur.Net.Connections;

/// <summary>An operator's command's connection to the queue: a plain Unix stream socket, opened and used by one thread.</summary>
public sealed class ControlSocket : IDuplexPipe, IDisposable
{
    private readonly NetworkStream _stream;

    private ControlSocket(Socket socket)
    {
        _stream = new NetworkStream(socket, ownsSocket: true);
        Input = PipeReader.Create(_stream, new StreamPipeReaderOptions(leaveOpen: true));
        Output = PipeWriter.Create(_stream, new StreamPipeWriterOptions(leaveOpen: true));
    }

    /// <inheritdoc/>
    public PipeReader Input { get; }

    /// <inheritdoc/>
    public PipeWriter Output { get; }

    /// <summary>Connects to a socket.</summary>
    /// <param name="path">Its path; at most 107 bytes, as the kernel has it.</param>
    /// <param name="error">Why there is no connection, as strerror(3) says it, else "".</param>
    public static ControlSocket? Connect(string path, out string error)
    {
        error = "";
        Socket? socket = null;
        try
        {
            socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            socket.Connect(new UnixDomainSocketEndPoint(path));
            return new ControlSocket(socket);
        }
        catch (SocketException e)
        {
            // .NET adds the path to some of its texts.
            error = e.SocketErrorCode switch
            {
                SocketError.AddressNotAvailable => "No such file or directory",
                SocketError.ConnectionRefused => "Connection refused",
                SocketError.AccessDenied => "Permission denied",
                _ => e.Message,
            };
        }
        catch (ArgumentOutOfRangeException)
        {
            error = "File name too long";
        }
        socket?.Dispose();
        return null;
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();
}
