using System.Runtime.InteropServices;

namespace Facteur.Unix;

/// <summary>
/// One end of a pair of sockets that carries short messages (SOCK_SEQPACKET: each whole or not at all), each with up to one descriptor
/// (SCM_RIGHTS). What master and its roles say to each other.
/// </summary>
public sealed unsafe class DescriptorSocket(int fd) : IDisposable
{
    /// <summary>Longest message, bytes.</summary>
    public const int MessageLimit = 16 << 10;

    // CMSG_LEN of one int. With the 24 bytes of CMSG_SPACE the kernel would give two.
    private const int OneDescriptor = 20;

    private int _fd = fd;

    /// <summary>The descriptor, for poll(2).</summary>
    public int Fd => _fd;

    /// <summary>Makes a pair; null with the errno.</summary>
    public static (DescriptorSocket Ours, int Theirs)? Pair(out int errno)
    {
        int* pair = stackalloc int[2];
        errno = 0;
        if (Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_SEQPACKET | Libc.SOCK_CLOEXEC, 0, pair) < 0)
        {
            errno = Marshal.GetLastPInvokeError();
            return null;
        }
        return (new DescriptorSocket(pair[0]), pair[1]);
    }

    /// <summary>Sends a message without waiting; the descriptor stays ours too.</summary>
    /// <param name="message">At most <see cref="MessageLimit"/> bytes.</param>
    /// <param name="descriptor">A descriptor, or -1.</param>
    /// <returns>0, or the errno: EAGAIN when the other end does not read.</returns>
    public int Send(ReadOnlySpan<byte> message, int descriptor)
    {
        byte* control = stackalloc byte[24];
        fixed (byte* bytes = message)
        {
            var part = new Libc.IoVec { Base = bytes, Length = (nuint)message.Length };
            var header = new Libc.MsgHdr { Parts = &part, PartCount = 1 };
            if (descriptor >= 0)
            {
                // struct cmsghdr { size_t length; int level, type; } and one int, aligned.
                *(nuint*)control = OneDescriptor;
                *(int*)(control + 8) = Libc.SOL_SOCKET;
                *(int*)(control + 12) = Libc.SCM_RIGHTS;
                *(long*)(control + 16) = 0;
                *(int*)(control + 16) = descriptor;
                header.Control = control;
                header.ControlLength = 24;
            }
            while (true)
            {
                if (Libc.sendmsg(_fd, &header, Libc.MSG_NOSIGNAL | Libc.MSG_DONTWAIT) >= 0)
                {
                    return 0;
                }
                if (Marshal.GetLastPInvokeError() is var errno && errno != Libc.EINTR)
                {
                    return errno;
                }
            }
        }
    }

    /// <summary>Receives a message.</summary>
    /// <param name="buffer">At least <see cref="MessageLimit"/> bytes.</param>
    /// <param name="descriptor">The descriptor that came with it, or -1; whoever gets it closes it.</param>
    /// <param name="wait">Waits for a message, else says -1 and EAGAIN when there is none.</param>
    /// <param name="errno">Why the result is -1.</param>
    /// <returns>Bytes; 0 when the other end is gone, or sent more than one descriptor, which breaks the rule; -1 with the errno.</returns>
    public int Receive(Span<byte> buffer, out int descriptor, bool wait, out int errno)
    {
        (descriptor, errno) = (-1, 0);
        byte* control = stackalloc byte[24];
        fixed (byte* bytes = buffer)
        {
            while (true)
            {
                var part = new Libc.IoVec { Base = bytes, Length = (nuint)buffer.Length };
                var header = new Libc.MsgHdr { Parts = &part, PartCount = 1, Control = control, ControlLength = OneDescriptor };
                var count = Libc.recvmsg(_fd, &header, Libc.MSG_CMSG_CLOEXEC | (wait ? 0 : Libc.MSG_DONTWAIT));
                if (count < 0)
                {
                    errno = Marshal.GetLastPInvokeError();
                    if (errno == Libc.EINTR)
                    {
                        continue;
                    }
                    // The other end died with messages of ours unread: the same as its end.
                    return errno == Libc.ECONNRESET ? 0 : -1;
                }
                if (header.ControlLength >= OneDescriptor && *(int*)(control + 8) == Libc.SOL_SOCKET && *(int*)(control + 12) == Libc.SCM_RIGHTS)
                {
                    descriptor = *(int*)(control + 16);
                    if ((header.Flags & Libc.MSG_CTRUNC) != 0)
                    {
                        _ = Libc.close(descriptor);
                        descriptor = -1;
                        return 0;
                    }
                }
                return (int)count;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        var fd = Interlocked.Exchange(ref _fd, -1);
        if (fd >= 0)
        {
            _ = Libc.close(fd);
        }
    }
}
