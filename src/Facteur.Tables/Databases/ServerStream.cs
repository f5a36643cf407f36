using System.Buffers;
using Facteur.Net.Connections;
using Facteur.Net.Tls;

namespace Facteur.Tables.Databases;

/// <summary>A connection to a server whose protocol is spoken here: whole lines and counted bytes, each with a limit. Who waits too long cancels.</summary>
/// <param name="connection">The connection, which it owns.</param>
internal sealed class ServerStream(Connection connection) : IAsyncDisposable
{
    private Connection _connection = connection;

    /// <summary>Sends bytes.</summary>
    /// <returns>False when the server is gone.</returns>
    public async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancel) =>
        !(await _connection.Output.WriteAsync(bytes, cancel).ConfigureAwait(false)).IsCompleted;

    /// <summary>Reads bytes.</summary>
    /// <returns>Null when the server ended before.</returns>
    public async ValueTask<byte[]?> ReadAsync(int count, CancellationToken cancel)
    {
        var bytes = new byte[count];
        for (var have = 0; have < count;)
        {
            var result = await _connection.Input.ReadAsync(cancel).ConfigureAwait(false);
            var piece = result.Buffer.Slice(0, Math.Min(result.Buffer.Length, count - have));
            piece.CopyTo(bytes.AsSpan(have));
            have += (int)piece.Length;
            _connection.Input.AdvanceTo(piece.End);
            if (result.IsCompleted && have < count && piece.IsEmpty)
            {
                return null;
            }
        }
        return bytes;
    }

    /// <summary>Reads up to a byte, which is taken too and not returned.</summary>
    /// <param name="end">The byte.</param>
    /// <param name="limit">Bytes before it.</param>
    /// <param name="cancel">The caller's end.</param>
    /// <returns>Null when the server ended before; longer than the limit when there were more.</returns>
    public async ValueTask<byte[]?> ReadToAsync(byte end, int limit, CancellationToken cancel)
    {
        while (true)
        {
            var result = await _connection.Input.ReadAsync(cancel).ConfigureAwait(false);
            var buffer = result.Buffer;
            if (buffer.PositionOf(end) is { } at)
            {
                var line = buffer.Slice(0, at).ToArray();
                _connection.Input.AdvanceTo(buffer.GetPosition(1, at));
                return line;
            }
            if (buffer.Length > limit)
            {
                var line = buffer.ToArray();
                _connection.Input.AdvanceTo(buffer.End);
                return line;
            }
            _connection.Input.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted)
            {
                return null;
            }
        }
    }

    /// <summary>Puts TLS on it.</summary>
    /// <param name="tls">The client's side.</param>
    /// <param name="serverName">The name to ask for and to be certified.</param>
    /// <param name="verify">The certificate must be the server's, by a trusted authority.</param>
    /// <param name="cancel">The caller's end.</param>
    /// <returns>Null, or what went wrong.</returns>
    public async ValueTask<string?> StartTlsAsync(ITlsHandshake tls, string serverName, bool verify, CancellationToken cancel)
    {
        var result = await tls.HandshakeAsync(_connection, serverName, cancel).ConfigureAwait(false);
        if (result.Connection is null)
        {
            return result.Error;
        }
        _connection = result.Connection;
        return verify && result.Facts?.Trust != PeerTrust.Verified ? "certificate verify failed" : null;
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();
}
