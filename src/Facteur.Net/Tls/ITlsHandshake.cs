using Facteur.Net.Connections;

namespace Facteur.Net.Tls;

/// <summary>One side's TLS, with its certificates and policy. Safe for many connections at once.</summary>
public interface ITlsHandshake
{
    /// <summary>
    /// Puts TLS on a connection. Bytes that the peer sent before must have been consumed or refused by the caller. On success the returned connection owns
    /// the given one; on failure the given one can carry no more plain text and is to be disposed. Never throws for what the peer does.
    /// </summary>
    /// <param name="connection">The plain connection.</param>
    /// <param name="serverName">Client: the name to ask for (SNI), or null. Server: not used.</param>
    /// <param name="cancel">The caller's end.</param>
    /// <exception cref="OperationCanceledException">The caller ended.</exception>
    ValueTask<TlsResult> HandshakeAsync(Connection connection, string? serverName, CancellationToken cancel);
}
