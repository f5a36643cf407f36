using System.Net.Sockets;
using Facteur.Unix;

namespace Facteur.Net.Connections;

/// <summary>What standard input is.</summary>
public static class StandardInput
{
    /// <summary>Whether it is a connection from the network: what inetd(8) and its like start is not started by a local user.</summary>
    public static bool IsFromNetwork() => IsFromNetwork(0);

    /// <summary>Lets reads wait: the program that made standard input may have wanted its own reads not to.</summary>
    public static void Block() => Block(0);

    internal static void Block(int descriptor)
    {
        var flags = Libc.fcntl(descriptor, Libc.F_GETFL, 0);
        if (flags >= 0 && (flags & Libc.O_NONBLOCK) != 0)
        {
            _ = Libc.fcntl(descriptor, Libc.F_SETFL, flags & ~Libc.O_NONBLOCK);
        }
    }

    internal static bool IsFromNetwork(nint descriptor)
    {
        try
        {
            // Not owned: its end is not the end of the connection.
            using var handle = new SafeSocketHandle(descriptor, ownsHandle: false);
            using var socket = new Socket(handle);
            return socket.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6;
        }
        catch (SocketException)
        {
            // ENOTSOCK: a file, a pipe, a terminal.
            return false;
        }
    }
}
