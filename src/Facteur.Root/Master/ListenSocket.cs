using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using Facteur.Unix;

namespace Facteur.Root.Master;

/// <summary>Listening sockets: bound once by master, who may, and inherited by receive and queue.</summary>
internal static unsafe class ListenSocket
{
    private const int Backlog = 512;

    /// <summary>Listens on a TCP address; -1 with the errno. IPv4 has its own, as in Postfix.</summary>
    public static int Tcp(IPEndPoint address, out int errno)
    {
        var v6 = address.AddressFamily == AddressFamily.InterNetworkV6;
        // struct sockaddr_in and sockaddr_in6, as the framework lays them out.
        var bytes = address.Serialize().Buffer.Span;
        return Listen(v6 ? Libc.AF_INET6 : Libc.AF_INET, bytes, v6, Libc.SOCK_STREAM, out errno);
    }

    /// <summary>
    /// Listens on a path, of a stream or datagram socket; an old socket there is replaced. -1 with the errno. All is done in the name of the directory's owner, as in Postfix: what that user may put
    /// in the socket's place is nothing that root would change.
    /// </summary>
    public static int Unix(string path, uint mode, uint gid, int type, out int errno)
    {
        // struct sockaddr_un: family, then at most 107 bytes and a NUL.
        var name = Encoding.UTF8.GetBytes(path);
        if (name.Length > 107)
        {
            errno = Libc.ENAMETOOLONG;
            return -1;
        }
        Span<byte> address = stackalloc byte[2 + name.Length + 1];
        address.Clear();
        address[0] = Libc.AF_UNIX;
        name.CopyTo(address[2..]);
        errno = UnixFile.Status(UnixPath.Parent(path), followLinks: true, out var directory);
        if (errno != 0)
        {
            return -1;
        }
        using var identity = FileIdentity.Take(directory.Uid, gid);
        _ = Libc.unlink(path);
        var fd = Listen(Libc.AF_UNIX, address, false, type, out errno);
        if (fd >= 0 && Libc.chmod(path, mode) < 0)
        {
            errno = Marshal.GetLastPInvokeError();
            _ = Libc.close(fd);
            return -1;
        }
        return fd;
    }

    private static int Listen(int family, ReadOnlySpan<byte> address, bool v6Only, int type, out int errno)
    {
        errno = 0;
        var fd = Libc.socket(family, type | Libc.SOCK_CLOEXEC, 0);
        var one = 1;
        fixed (byte* bytes = address)
        {
            if (fd >= 0
                && Libc.setsockopt(fd, Libc.SOL_SOCKET, Libc.SO_REUSEADDR, &one, sizeof(int)) == 0
                && (!v6Only || Libc.setsockopt(fd, Libc.IPPROTO_IPV6, Libc.IPV6_V6ONLY, &one, sizeof(int)) == 0)
                && Libc.bind(fd, bytes, address.Length) == 0 && (type != Libc.SOCK_STREAM || Libc.listen(fd, Backlog) == 0))
            {
                return fd;
            }
        }
        errno = Marshal.GetLastPInvokeError();
        if (fd >= 0)
        {
            _ = Libc.close(fd);
        }
        return -1;
    }
}
