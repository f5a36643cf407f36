using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.InteropServices;
using Facteur.Contracts.Wire;
using Facteur.Unix;

namespace Facteur.Services.Master.Links;

/// <summary>
/// A link between two processes: one end of a Unix stream socket as an <see cref="IDuplexPipe"/>. Nothing blocks: reading takes what is
/// there, writing hands over what the socket takes and leaves the rest to the thread that waits with the link's bell.
/// </summary>
internal sealed unsafe class StreamLink : IDuplexPipe, IDisposable
{
    private readonly PollBell _bell;
    private readonly Reader _reader;
    private readonly Writer _writer;
    private readonly Lock _gate = new();
    private int _fd;

    /// <summary>Takes over a descriptor.</summary>
    /// <param name="fd">A connected stream socket; closed with the link, when its reading end is completed.</param>
    /// <param name="bell">The bell of the thread that reads it.</param>
    public StreamLink(int fd, PollBell bell)
    {
        (_fd, _bell) = (fd, bell);
        _ = Libc.fcntl(fd, Libc.F_SETFL, Libc.fcntl(fd, Libc.F_GETFL, 0) | Libc.O_NONBLOCK);
        (_reader, _writer) = (new Reader(this), new Writer(this));
        bell.Add(this);
    }

    /// <inheritdoc/>
    public PipeReader Input => _reader;

    /// <inheritdoc/>
    public PipeWriter Output => _writer;

    /// <summary>The socket; -1 when it is closed, which poll(2) passes over.</summary>
    public int Fd => Volatile.Read(ref _fd);

    /// <summary>The socket did not take all that was written.</summary>
    public bool WantsToWrite => _writer.Blocked;

    /// <summary>The socket takes more, or its other end is gone.</summary>
    public void Continue() => _writer.Continue();

    /// <inheritdoc/>
    public void Dispose() => _reader.Complete();

    // Nobody reads one direction of a link without the other: the end of reading ends both. The other end sees it.
    private void Close()
    {
        _writer.Complete();
        lock (_gate)
        {
            if (_fd < 0)
            {
                return;
            }
            _bell.Remove(this);
            _ = Libc.close(_fd);
            Volatile.Write(ref _fd, -1);
        }
    }

    private void EndWriting()
    {
        lock (_gate)
        {
            if (_fd >= 0)
            {
                const int writing = 1;
                _ = Libc.shutdown(_fd, writing);
            }
        }
    }

    private sealed class Reader(StreamLink link) : PipeReader, IPolledReader
    {
        private const int Room = 256 << 10;
        private byte[] _buffer = GC.AllocateUninitializedArray<byte>(Room);
        private int _start;
        private int _end;
        private int _examined;
        private bool _ended;
        private bool _completed;

        public Bell Bell => link._bell;

        public override bool TryRead(out ReadResult result)
        {
            if (_examined == _end && !_ended && !_completed)
            {
                Receive();
            }
            if (_examined == _end && !_ended)
            {
                result = default;
                return false;
            }
            result = new ReadResult(new ReadOnlySequence<byte>(_buffer, _start, _end - _start), isCanceled: false, isCompleted: _ended);
            return true;
        }

        public override void AdvanceTo(SequencePosition consumed) => AdvanceTo(consumed, consumed);

        public override void AdvanceTo(SequencePosition consumed, SequencePosition examined)
        {
            (_start, _examined) = (consumed.GetInteger(), examined.GetInteger());
            if (_start == _end)
            {
                _start = _end = _examined = 0;
            }
        }

        public override ValueTask<ReadResult> ReadAsync(CancellationToken cancellationToken = default) =>
            throw new NotSupportedException("this end is polled: its bell waits");

        public override void CancelPendingRead()
        {
        }

        public override void Complete(Exception? exception = null)
        {
            if (!_completed)
            {
                _completed = true;
                link.Close();
            }
        }

        private void Receive()
        {
            MakeRoom();
            fixed (byte* to = &_buffer[_end])
            {
                var count = Libc.recv(link.Fd, to, _buffer.Length - _end, Libc.MSG_DONTWAIT);
                if (count > 0)
                {
                    _end += (int)count;
                }
                else if (count == 0 || Marshal.GetLastPInvokeError() is not (Libc.EAGAIN or Libc.EINTR))
                {
                    _ended = true;
                }
            }
        }

        // A frame is bounded (Frame.PayloadLimit) by whoever reads: so is this.
        private void MakeRoom()
        {
            if (_start > 0 && _buffer.Length - _end < Room / 4)
            {
                Buffer.BlockCopy(_buffer, _start, _buffer, 0, _end - _start);
                (_examined, _end, _start) = (_examined - _start, _end - _start, 0);
            }
            if (_buffer.Length - _end < Room / 4)
            {
                Array.Resize(ref _buffer, _buffer.Length * 2);
            }
            else if (_end == 0 && _buffer.Length > Room)
            {
                _buffer = GC.AllocateUninitializedArray<byte>(Room);
            }
        }
    }

    private sealed class Writer(StreamLink link) : PipeWriter
    {
        private const int Room = 64 << 10;
        private readonly Lock _gate = new();
        private byte[] _buffer = GC.AllocateUninitializedArray<byte>(Room);
        private int _start;
        private int _end;
        private TaskCompletionSource<FlushResult>? _waiting;
        private bool _lost;
        private bool _completed;

        public bool Blocked { get; private set; }

        public override bool CanGetUnflushedBytes => true;

        public override long UnflushedBytes => _end - _start;

        public override void Advance(int bytes) => _end += bytes;

        public override Memory<byte> GetMemory(int sizeHint = 0)
        {
            Grow(sizeHint);
            return _buffer.AsMemory(_end);
        }

        public override Span<byte> GetSpan(int sizeHint = 0)
        {
            Grow(sizeHint);
            return _buffer.AsSpan(_end);
        }

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default)
        {
            TaskCompletionSource<FlushResult> waiting;
            lock (_gate)
            {
                Send();
                if (!Blocked)
                {
                    return new ValueTask<FlushResult>(new FlushResult(isCanceled: false, isCompleted: _lost));
                }
                _waiting = waiting = new TaskCompletionSource<FlushResult>();
            }
            // Who waits with the bell waits for room from now on.
            link._bell.Ring();
            return new ValueTask<FlushResult>(waiting.Task);
        }

        public void Continue()
        {
            TaskCompletionSource<FlushResult>? waiting;
            lock (_gate)
            {
                if (!Blocked)
                {
                    return;
                }
                Send();
                if (Blocked)
                {
                    return;
                }
                waiting = _waiting;
                _waiting = null;
            }
            waiting?.SetResult(new FlushResult(isCanceled: false, isCompleted: _lost));
        }

        public override void CancelPendingFlush()
        {
        }

        public override void Complete(Exception? exception = null)
        {
            TaskCompletionSource<FlushResult>? waiting;
            lock (_gate)
            {
                if (_completed)
                {
                    return;
                }
                _completed = true;
                Send();
                _lost = true;
                Blocked = false;
                (waiting, _waiting) = (_waiting, null);
            }
            link.EndWriting();
            waiting?.SetResult(new FlushResult(isCanceled: false, isCompleted: true));
        }

        private void Send()
        {
            while (_start < _end && !_lost)
            {
                fixed (byte* from = &_buffer[_start])
                {
                    var count = Libc.send(link.Fd, from, _end - _start, Libc.MSG_DONTWAIT | Libc.MSG_NOSIGNAL);
                    if (count >= 0)
                    {
                        _start += (int)count;
                    }
                    else if (Marshal.GetLastPInvokeError() is var errno && errno == Libc.EAGAIN)
                    {
                        Blocked = true;
                        return;
                    }
                    else if (errno != Libc.EINTR)
                    {
                        _lost = true;
                    }
                }
            }
            Blocked = false;
            _start = _end = 0;
            if (_buffer.Length > 16 * Room)
            {
                _buffer = GC.AllocateUninitializedArray<byte>(Room);
            }
        }

        private void Grow(int sizeHint)
        {
            if (_buffer.Length - _end < Math.Max(sizeHint, 1))
            {
                Array.Resize(ref _buffer, Math.Max(_end + Math.Max(sizeHint, 1), _buffer.Length * 2));
            }
        }
    }
}
