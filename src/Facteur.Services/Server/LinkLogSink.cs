using System.Runtime.InteropServices;
using Facteur.Unix;

namespace Facteur.Services.Server;

/// <summary>postlogd's socket: whole lines in datagrams. When postlogd does not take them, lines are lost, and counted.</summary>
internal sealed unsafe class LinkLogSink(int descriptor) : ILogSink
{
    /// <summary>Bytes in a datagram.</summary>
    public const int DatagramLimit = 60 << 10;

    /// <summary>How long the log's own thread waits for postlogd, in milliseconds.</summary>
    private const int Patience = 200;

    public int Write(ReadOnlySpan<byte> lines)
    {
        var lost = 0;
        while (!lines.IsEmpty)
        {
            var length = lines.Length <= DatagramLimit ? lines.Length : lines[..DatagramLimit].LastIndexOf((byte)'\n') + 1;
            length = length == 0 ? DatagramLimit : length;
            lost += Send(lines[..length]) ? 0 : lines[..length].Count((byte)'\n');
            lines = lines[length..];
        }
        return lost;
    }

    public void Reopen()
    {
    }

    public void Dispose()
    {
    }

    private bool Send(ReadOnlySpan<byte> datagram)
    {
        fixed (byte* bytes = datagram)
        {
            for (var tries = 0; tries < 2; tries++)
            {
                if (Libc.send(descriptor, bytes, datagram.Length, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL) >= 0)
                {
                    return true;
                }
                if (Marshal.GetLastPInvokeError() is not (Libc.EAGAIN or Libc.ENOBUFS))
                {
                    return false;
                }
                var wait = new Libc.PollFd { Fd = descriptor, Events = Libc.POLLOUT };
                _ = Libc.poll(&wait, 1, Patience);
            }
        }
        return false;
    }
}
