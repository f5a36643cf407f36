using System.IO.Pipelines;
using System.Net;

namespace Facteur.Net.Connections;

/// <summary>A byte stream with a peer: TCP, Unix socket, TLS on top of one, or a pair of in-memory pipes. One reader and one writer at a time.</summary>
public abstract class Connection : IDuplexPipe, IAsyncDisposable
{
    /// <inheritdoc/>
    public abstract PipeReader Input { get; }

    /// <inheritdoc/>
    public abstract PipeWriter Output { get; }

    /// <summary>The peer's address, or null when it has none.</summary>
    public abstract EndPoint? RemoteEndPoint { get; }

    /// <summary>Our address, or null when there is none.</summary>
    public abstract EndPoint? LocalEndPoint { get; }

    /// <summary>Bytes that have come and that <see cref="Input"/> has not taken yet; 0 where nobody but it knows of them.</summary>
    public virtual int Available => 0;

    /// <summary>Something that was flushed did not go out, nor will anything after it.</summary>
    public virtual bool WriteFailed => false;

    /// <summary>Ends the connection at once, from any thread: pending reads and writes end.</summary>
    public abstract void Abort();

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();
}
