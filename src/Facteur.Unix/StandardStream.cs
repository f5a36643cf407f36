using System.Runtime.InteropServices;
using System.Text;

namespace Facteur.Unix;

/// <summary>
/// Standard input, output or error as it was inherited. The runtime's own streams for them switch a terminal into another mode and read its lines
/// themselves. It does not own the descriptor.
/// </summary>
/// <param name="descriptor">0, 1 or 2.</param>
public sealed unsafe class StandardStream(int descriptor) : Stream
{
    /// <summary>Writes a line to standard error.</summary>
    public static void WriteError(string line) => new StandardStream(2).Write(Encoding.UTF8.GetBytes(line + "\n"));

    /// <inheritdoc/>
    public override bool CanRead => descriptor == 0;

    /// <inheritdoc/>
    public override bool CanWrite => descriptor != 0;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            nint count;
            while ((count = Libc.read(descriptor, start, buffer.Length)) < 0)
            {
                Wait(Libc.POLLIN);
            }
            return (int)count;
        }
    }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            for (var at = 0; at < buffer.Length;)
            {
                var count = Libc.write(descriptor, start + at, buffer.Length - at);
                if (count >= 0)
                {
                    at += (int)count;
                }
                else if (Marshal.GetLastPInvokeError() == Libc.EPIPE)
                {
                    // Nobody reads on: as with SIGPIPE, only that the command ends what it began.
                    return;
                }
                else
                {
                    Wait(Libc.POLLOUT);
                }
            }
        }
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>What a call failed with, unless it is to be made again: now, or when whoever shares the descriptor, and made it one that does not wait, has room or bytes.</summary>
    private void Wait(short events)
    {
        var errno = Marshal.GetLastPInvokeError();
        if (errno == Libc.EAGAIN)
        {
            var wanted = new Libc.PollFd { Fd = descriptor, Events = events };
            _ = Libc.poll(&wanted, 1, -1);
        }
        else if (errno != Libc.EINTR)
        {
            throw new IOException(Errno.Text(errno));
        }
    }
}
