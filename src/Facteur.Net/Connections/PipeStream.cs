using System.Buffers;

namespace Facteur.Net.Connections;

/// <summary>A connection as a stream, for TLS to stand on. A read of no bytes waits until there are some. Disposing it leaves the connection alone.</summary>
internal sealed class PipeStream(Connection connection) : AsyncStream
{
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            var result = await connection.Input.ReadAsync(cancellationToken).ConfigureAwait(false);
            var bytes = result.Buffer;
            var count = (int)Math.Min(bytes.Length, buffer.Length);
            if (bytes.Length > 0)
            {
                var taken = bytes.Slice(0, count);
                taken.CopyTo(buffer.Span);
                connection.Input.AdvanceTo(taken.End);
                return count;
            }
            connection.Input.AdvanceTo(bytes.End);
            if (result.IsCompleted || result.IsCanceled)
            {
                return 0;
            }
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if ((await connection.Output.WriteAsync(buffer, cancellationToken).ConfigureAwait(false)).IsCompleted)
        {
            throw new IOException("the peer is gone");
        }
    }
}
