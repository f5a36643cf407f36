using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.CompilerServices;

namespace Facteur.Contracts.Wire;

/// <summary>
/// The receiving end of a link, polled by one thread: <see cref="TryRead"/> never waits; when it says false, the bell given
/// rings once there is more to read.
/// </summary>
public sealed class LinkReader(PipeReader pipe, Action bell)
{
    private ValueTaskAwaiter<ReadResult> _pending;
    private bool _armed;
    private ReadOnlySequence<byte> _buffer;
    private bool _holding;
    private bool _completed;
    private byte[] _joined = [];

    /// <summary>The other end is gone, or sent what is no frame.</summary>
    public bool Closed { get; private set; }

    /// <summary>Reads the next frame if one is there. The frame before it becomes invalid.</summary>
    public bool TryRead(out Frame frame)
    {
        while (!Closed)
        {
            if (!_holding && !Take())
            {
                break;
            }
            if (TryParse(out frame))
            {
                return true;
            }
            pipe.AdvanceTo(_buffer.Start, _buffer.End);
            _holding = false;
            if (_completed)
            {
                Close();
            }
        }
        frame = default;
        return false;
    }

    /// <summary>Ends the link.</summary>
    public void Close()
    {
        if (!Closed)
        {
            Closed = true;
            if (!_armed)
            {
                pipe.Complete();
            }
        }
    }

    private bool Take()
    {
        ReadResult result;
        if (_armed)
        {
            if (!_pending.IsCompleted)
            {
                return false;
            }
            _armed = false;
            result = _pending.GetResult();
        }
        else if (!pipe.TryRead(out result))
        {
            if (pipe is IPolledReader)
            {
                return false;
            }
#pragma warning disable CA2012 // Consumed once: by the poll that finds it completed.
            _pending = pipe.ReadAsync().GetAwaiter();
#pragma warning restore CA2012
            if (!_pending.IsCompleted)
            {
                _armed = true;
                _pending.UnsafeOnCompleted(bell);
                return false;
            }
            result = _pending.GetResult();
        }
        _buffer = result.Buffer;
        _completed = result.IsCompleted || result.IsCanceled;
        _holding = true;
        return true;
    }

    private bool TryParse(out Frame frame)
    {
        frame = default;
        if (_buffer.Length < Frame.HeaderLength)
        {
            return false;
        }
        Span<byte> header = stackalloc byte[Frame.HeaderLength];
        _buffer.Slice(0, Frame.HeaderLength).CopyTo(header);
        if (!Frame.TryReadHeader(header, out var length, out var type, out var version, out var id))
        {
            _completed = true;
            return false;
        }
        if (_buffer.Length < Frame.HeaderLength + length)
        {
            return false;
        }
        var payload = _buffer.Slice(Frame.HeaderLength, length);
        frame = new Frame(type, version, id, payload.IsSingleSegment ? payload.FirstSpan : Join(payload, length));
        _buffer = _buffer.Slice(Frame.HeaderLength + length);
        return true;
    }

    private ReadOnlySpan<byte> Join(ReadOnlySequence<byte> payload, int length)
    {
        if (_joined.Length < length)
        {
            _joined = GC.AllocateUninitializedArray<byte>(Math.Max(length, 64 << 10));
        }
        payload.CopyTo(_joined);
        return _joined.AsSpan(0, length);
    }
}
