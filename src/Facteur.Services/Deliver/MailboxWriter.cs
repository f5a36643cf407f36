using System.Buffers;
using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>Collects writes to a mailbox file. The first error stays and later writes do nothing.</summary>
internal sealed class MailboxWriter(UnixFile file) : IDisposable
{
    private const int Capacity = 96 * 1024;

    private readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(Capacity);
    private int _used;

    /// <summary>0, or the errno of the write that failed.</summary>
    public int Errno { get; private set; }

    /// <summary>Writes bytes.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length > _buffer.Length - _used)
        {
            Flush();
        }
        if (bytes.Length > _buffer.Length)
        {
            Errno = Errno != 0 ? Errno : file.Write(bytes);
            return;
        }
        bytes.CopyTo(_buffer.AsSpan(_used));
        _used += bytes.Length;
    }

    /// <summary>Gives everything to the file.</summary>
    public void Flush()
    {
        if (Errno == 0 && _used > 0)
        {
            Errno = file.Write(_buffer.AsSpan(0, _used));
        }
        _used = 0;
    }

    /// <inheritdoc/>
    public void Dispose() => ArrayPool<byte>.Shared.Return(_buffer);
}
