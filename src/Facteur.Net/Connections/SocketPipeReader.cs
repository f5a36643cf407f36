using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Threading.Tasks.Sources;

namespace Facteur.Net.Connections;

/// <summary>
/// Reads a socket without a pump. What is returned is always one piece of memory. While waiting it holds only a buffer for a command line;
/// a bigger one comes from the pool when the peer sends more, and goes back when all of it was consumed.
/// A reset or aborted connection is an end, never an exception. Invariant: fields are changed under the gate; the buffer moves only while no result is out.
/// </summary>
internal sealed class SocketPipeReader(Socket socket) : PipeReader, IValueTaskSource<ReadResult>
{
    /// <summary>Room for the usual commands of one round trip.</summary>
    private const int SmallSize = 512;
    private const int LargeSize = 16 * 1024;

    /// <summary>For a peer that filled a large one: content of a long message.</summary>
    private const int HugeSize = 64 * 1024;
    private const int SizeLimit = 16 * 1024 * 1024;

    private readonly Lock _gate = new();
    private readonly byte[] _small = GC.AllocateUninitializedArray<byte>(SmallSize);
    private Receive? _receive;
    private byte[]? _large;
    private ManualResetValueTaskSourceCore<ReadResult> _core;
    private CancellationTokenRegistration _registration;
    private ReadOnlySequence<byte> _out;
    private int _start;
    private int _end;
    private int _examined;
    private bool _receiving;
    private bool _waiting;
    private bool _ended;
    private bool _filled;
    private bool _bulk;
    private bool _cancelRequested;
    private bool _closed;

    private byte[] Buffer => _large ?? _small;

    /// <inheritdoc/>
    public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            if (TryTake(out var result))
            {
                return new ValueTask<ReadResult>(result);
            }
            if (!_receiving && StartReceive())
            {
                return new ValueTask<ReadResult>(Take(false));
            }
            _core.Reset();
            _waiting = true;
            if (cancellationToken.CanBeCanceled)
            {
                _registration = cancellationToken.UnsafeRegister(static (reader, token) => ((SocketPipeReader)reader!).Canceled(token), this);
            }
            return new ValueTask<ReadResult>(this, _core.Version);
        }
    }

    /// <inheritdoc/>
    public override bool TryRead(out ReadResult result)
    {
        lock (_gate)
        {
            return TryTake(out result);
        }
    }

    /// <inheritdoc/>
    public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

    /// <inheritdoc/>
    public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
    {
        lock (_gate)
        {
            var from = _start;
            _start = from + (int)_out.Slice(_out.Start, consumed).Length;
            _examined = from + (int)_out.Slice(_out.Start, examined).Length;
            _out = default;
            if (_start == _end && !_receiving)
            {
                ReleaseLarge();
                _start = _end = _examined = 0;
            }
        }
    }

    /// <inheritdoc/>
    public override void CancelPendingRead()
    {
        ReadResult result;
        lock (_gate)
        {
            if (!_waiting)
            {
                _cancelRequested = true;
                return;
            }
            _waiting = false;
            result = Take(true);
        }
        _core.SetResult(result);
    }

    /// <inheritdoc/>
    public override void Complete(Exception? exception = null)
    {
        lock (_gate)
        {
            _closed = true;
            _ended = true;
            if (!_receiving)
            {
                ReleaseLarge();
                _start = _end = _examined = 0;
            }
        }
    }

    ReadResult IValueTaskSource<ReadResult>.GetResult(short token)
    {
        _registration.Unregister();
        _registration = default;
        return _core.GetResult(token);
    }

    ValueTaskSourceStatus IValueTaskSource<ReadResult>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<ReadResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    private bool TryTake(out ReadResult result)
    {
        var ready = _cancelRequested || _end > _examined || _ended;
        result = ready ? Take(_cancelRequested) : default;
        _cancelRequested &= !ready;
        return ready;
    }

    private ReadResult Take(bool canceled)
    {
        _out = new ReadOnlySequence<byte>(Buffer, _start, _end - _start);
        return new ReadResult(_out, canceled, _ended);
    }

    private void Canceled(CancellationToken token)
    {
        lock (_gate)
        {
            if (!_waiting)
            {
                return;
            }
            _waiting = false;
        }
        _core.SetException(new OperationCanceledException(token));
    }

    /// <summary>Starts to receive behind what is there.</summary>
    /// <returns>True when bytes or the end are there already.</returns>
    private bool StartReceive()
    {
        if ((_filled || _bulk) && _start == _end)
        {
            // The last receive filled its buffer, so that more is likely there: ask once before waiting.
            Grow(_bulk ? HugeSize : LargeSize);
            if (ReceiveNow())
            {
                return true;
            }
            ReleaseLarge();
        }
        MakeRoom();
        _receive ??= new Receive(this);
        _receive.SetBuffer(Buffer, _end, Buffer.Length - _end);
        try
        {
            if (socket.ReceiveAsync(_receive))
            {
                _receiving = true;
                return false;
            }
            Received(_receive.BytesTransferred, _receive.SocketError, true);
        }
        catch (ObjectDisposedException)
        {
            _ended = true;
        }
        return true;
    }

    private void MakeRoom()
    {
        if (_end < Buffer.Length)
        {
            return;
        }
        if (_start > 0)
        {
            Buffer.AsSpan(_start, _end - _start).CopyTo(Buffer);
            (_end, _examined, _start) = (_end - _start, _examined - _start, 0);
            return;
        }
        if (_large?.Length >= SizeLimit)
        {
            throw new InvalidOperationException("a reader consumes nothing of " + SizeLimit + " bytes");
        }
        Grow(Math.Max(LargeSize, Buffer.Length * 2));
    }

    private void Grow(int size)
    {
        var grown = ArrayPool<byte>.Shared.Rent(size);
        Buffer.AsSpan(_start, _end - _start).CopyTo(grown);
        (_end, _examined, _start) = (_end - _start, _examined - _start, 0);
        ReleaseLarge();
        _large = grown;
    }

    private void ReleaseLarge()
    {
        if (_large is { } large)
        {
            _large = null;
            ArrayPool<byte>.Shared.Return(large);
        }
    }

    /// <summary>Takes what the kernel holds, without waiting.</summary>
    private bool ReceiveNow()
    {
        try
        {
            var count = socket.Receive(Buffer.AsSpan(_end), SocketFlags.None, out var error);
            if (error is SocketError.WouldBlock or SocketError.IOPending or SocketError.TryAgain)
            {
                _filled = false;
                return false;
            }
            Received(count, error, false);
        }
        catch (ObjectDisposedException)
        {
            _ended = true;
        }
        return true;
    }

    private void Received(int count, SocketError error, bool more)
    {
        if (error != SocketError.Success || count == 0)
        {
            _ended = true;
            return;
        }
        _end += count;
        _filled = _end == Buffer.Length;
        _bulk = _filled ? _bulk || _large is not null : _bulk && count > SmallSize;
        if (more && _filled && _large is null)
        {
            Grow(_bulk ? HugeSize : LargeSize);
            ReceiveNow();
        }
    }

    private void OnReceived(int count, SocketError error)
    {
        ReadResult result;
        lock (_gate)
        {
            _receiving = false;
            Received(count, error, _waiting);
            if (_closed)
            {
                ReleaseLarge();
            }
            if (!_waiting)
            {
                return;
            }
            _waiting = false;
            result = Take(false);
        }
        _core.SetResult(result);
    }

    private sealed class Receive(SocketPipeReader reader) : SocketAsyncEventArgs(true)
    {
        protected override void OnCompleted(SocketAsyncEventArgs e) => reader.OnReceived(BytesTransferred, SocketError);
    }
}
