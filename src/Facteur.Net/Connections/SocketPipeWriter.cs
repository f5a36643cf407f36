using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Threading.Tasks.Sources;

namespace Facteur.Net.Connections;

/// <summary>
/// Writes to a socket: what was written since the last flush goes out in one send, tried at once on the caller's thread. The buffer comes from the pool
/// and goes back after each flush. A peer that is gone is a completed flush, never an exception. Cancelling a flush aborts the connection,
/// since bytes half sent can't be taken back.
/// </summary>
internal sealed class SocketPipeWriter(Socket socket) : PipeWriter, IValueTaskSource<FlushResult>
{
    private const int FirstSize = 4096;

    private Send? _send;
    private byte[]? _buffer;
    private int _length;
    private ReadOnlyMemory<byte> _rest;
    private ReadOnlyMemory<byte> _next;
    private ManualResetValueTaskSourceCore<FlushResult> _core;
    private CancellationTokenRegistration _registration;
    private volatile bool _failed;
    private bool _canceled;

    /// <summary>The peer or the connection is gone: what was written last did not go out whole.</summary>
    public bool Failed => _failed;

    /// <inheritdoc/>
    public override bool CanGetUnflushedBytes => true;

    /// <inheritdoc/>
    public override long UnflushedBytes => _length;

    /// <inheritdoc/>
    public override void Advance(int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)bytes, (uint)((_buffer?.Length ?? 0) - _length), nameof(bytes));
        _length += bytes;
    }

    /// <inheritdoc/>
    public override Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsMemory(_length);
    }

    /// <inheritdoc/>
    public override Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return _buffer.AsSpan(_length);
    }

    /// <inheritdoc/>
    public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return SendAll(_buffer.AsMemory(0, _length), default, cancellationToken);
    }

    /// <inheritdoc/>
    public override ValueTask<FlushResult> WriteAsync(ReadOnlyMemory<byte> source, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (source.Length < FirstSize)
        {
            source.Span.CopyTo(GetSpan(source.Length));
            _length += source.Length;
            source = default;
        }
        return SendAll(_buffer.AsMemory(0, _length), source, cancellationToken);
    }

    /// <inheritdoc/>
    public override void CancelPendingFlush()
    {
        _canceled = true;
        Abort();
    }

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null)
    {
        // A send in flight keeps its buffer: the collector gets it, not the pool.
        if (_rest.IsEmpty)
        {
            Release();
        }
    }

    FlushResult IValueTaskSource<FlushResult>.GetResult(short token)
    {
        _registration.Unregister();
        _registration = default;
        return _core.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<FlushResult>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<FlushResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    private void Reserve(int sizeHint)
    {
        var wanted = _length + Math.Max(sizeHint, 256);
        if (_buffer is null || _buffer.Length < wanted)
        {
            var grown = ArrayPool<byte>.Shared.Rent(Math.Max(FirstSize, Math.Max(wanted, _length * 2)));
            _buffer.AsSpan(0, _length).CopyTo(grown);
            if (_buffer is { } old)
            {
                ArrayPool<byte>.Shared.Return(old);
            }
            _buffer = grown;
        }
    }

    private ValueTask<FlushResult> SendAll(ReadOnlyMemory<byte> first, ReadOnlyMemory<byte> second, CancellationToken cancel)
    {
        _rest = first.IsEmpty ? second : first;
        _next = first.IsEmpty ? default : second;
        if (_rest.IsEmpty || _failed)
        {
            return new ValueTask<FlushResult>(Finish());
        }
        if (!SendNow())
        {
            return new ValueTask<FlushResult>(Finish());
        }
        _core.Reset();
        if (cancel.CanBeCanceled)
        {
            _registration = cancel.UnsafeRegister(static writer => ((SocketPipeWriter)writer!).Abort(), this);
        }
        return SendLater() ? new ValueTask<FlushResult>(this, _core.Version) : new ValueTask<FlushResult>(Finish());
    }

    /// <summary>Sends without waiting.</summary>
    /// <returns>True when bytes are left that the kernel has no room for.</returns>
    private bool SendNow()
    {
        try
        {
            while (!_rest.IsEmpty)
            {
                var sent = socket.Send(_rest.Span, SocketFlags.None, out var error);
                if (error is SocketError.WouldBlock or SocketError.IOPending or SocketError.TryAgain)
                {
                    return true;
                }
                if (error != SocketError.Success)
                {
                    _failed = true;
                    return false;
                }
                Sent(sent);
            }
        }
        catch (ObjectDisposedException)
        {
            _failed = true;
        }
        return false;
    }

    /// <summary>Goes on sending in the background.</summary>
    /// <returns>False when it ended at once.</returns>
    private bool SendLater()
    {
        _send ??= new Send(this);
        try
        {
            while (!_rest.IsEmpty && !_failed)
            {
                _send.SetBuffer(System.Runtime.InteropServices.MemoryMarshal.AsMemory(_rest));
                if (socket.SendAsync(_send))
                {
                    return true;
                }
                _failed |= _send.SocketError != SocketError.Success;
                Sent(_send.BytesTransferred);
            }
        }
        catch (ObjectDisposedException)
        {
            _failed = true;
        }
        return false;
    }

    private void OnSent(int count, SocketError error)
    {
        _failed |= error != SocketError.Success;
        Sent(count);
        if (!SendLater())
        {
            _core.SetResult(Finish());
        }
    }

    private void Sent(int count)
    {
        _rest = _rest[count..];
        if (_rest.IsEmpty)
        {
            (_rest, _next) = (_next, default);
        }
    }

    private FlushResult Finish()
    {
        _rest = _next = default;
        Release();
        var canceled = _canceled;
        _canceled = false;
        return new FlushResult(canceled, _failed);
    }

    private void Release()
    {
        _length = 0;
        // The end of a send and the end of the connection may meet here on two threads.
        if (Interlocked.Exchange(ref _buffer, null) is { } buffer)
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void Abort()
    {
        _failed = true;
        socket.Dispose();
    }

    private sealed class Send(SocketPipeWriter writer) : SocketAsyncEventArgs(true)
    {
        protected override void OnCompleted(SocketAsyncEventArgs e) => writer.OnSent(BytesTransferred, SocketError);
    }
}
