using System.Text;

namespace Facteur.Unix;

/// <summary>What a service tells systemd, or who plays it (sd_notify(3)).</summary>
public static unsafe class ServiceNotice
{
    /// <summary>Sends a state; nothing where nobody asked for it.</summary>
    public static void Send(string state)
    {
        if (Environment.GetEnvironmentVariable("NOTIFY_SOCKET") is not { Length: > 1 and < 108 } path)
        {
            return;
        }
        var name = Encoding.UTF8.GetBytes(path);
        Span<byte> address = stackalloc byte[2 + name.Length];
        address[0] = Libc.AF_UNIX;
        address[1] = 0;
        name.CopyTo(address[2..]);
        // An abstract name begins with NUL, written "@".
        address[2] = address[2] == (byte)'@' ? (byte)0 : address[2];
        var fd = Libc.socket(Libc.AF_UNIX, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC, 0);
        fixed (byte* to = address)
        fixed (byte* text = Encoding.UTF8.GetBytes(state))
        {
            _ = Libc.sendto(fd, text, state.Length, Libc.MSG_NOSIGNAL | Libc.MSG_DONTWAIT, to, address.Length);
        }
        _ = Libc.close(fd);
    }
}
