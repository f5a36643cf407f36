using System.IO.Pipelines;
using System.Net;
using System.Net.Security;
using Facteur.Net.Connections;

namespace Facteur.Net.Tls;

/// <summary>A connection under SslStream. Idle, it holds no read buffer (zero-byte reads go down to the socket). A broken stream is an end, never an exception.</summary>
internal sealed class TlsConnection : Connection
{
    private static readonly StreamPipeReaderOptions ReaderOptions = new(bufferSize: 16 * 1024, leaveOpen: true, useZeroByteReads: true);
    private static readonly StreamPipeWriterOptions WriterOptions = new(minimumBufferSize: 4096, leaveOpen: true);
    private static readonly TimeSpan ShutdownTimeout = TimeSpan.FromSeconds(1);

    private readonly Connection _inner;
    private readonly SslStream _stream;
    private readonly TimeProvider _time;
    private volatile bool _broken;

    internal TlsConnection(Connection inner, SslStream stream, TimeProvider time)
    {
        _inner = inner;
        _stream = stream;
        _time = time;
        var quiet = new QuietStream(this);
        Input = PipeReader.Create(quiet, ReaderOptions);
        Output = PipeWriter.Create(quiet, WriterOptions);
    }

    public override PipeReader Input { get; }

    public override PipeWriter Output { get; }

    public override EndPoint? RemoteEndPoint => _inner.RemoteEndPoint;

    public override EndPoint? LocalEndPoint => _inner.LocalEndPoint;

    public override bool WriteFailed => _broken;

    public override void Abort()
    {
        _broken = true;
        _inner.Abort();
    }

    public override async ValueTask DisposeAsync()
    {
        if (!_broken)
        {
            try
            {
                await _stream.ShutdownAsync().WaitAsync(ShutdownTimeout, _time).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or InvalidOperationException or TimeoutException)
            {
                // close_notify is a courtesy: the peer is gone or does not read.
            }
        }
        await _inner.DisposeAsync().ConfigureAwait(false);
        await _stream.DisposeAsync().ConfigureAwait(false);
    }

    /// <summary>The SslStream, with ends in place of exceptions.</summary>
    private sealed class QuietStream(TlsConnection owner) : AsyncStream
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            try
            {
                return await owner._stream.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
            {
                owner._broken = true;
                return 0;
            }
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            try
            {
                await owner._stream.WriteAsync(buffer, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
            {
                // The next read says that the peer is gone.
                owner._broken = true;
            }
        }
    }
}
