using System.IO.Pipelines;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts.Wire;

/// <summary>Writes the fields of one frame.</summary>
/// <typeparam name="T">What is written.</typeparam>
public delegate void FrameBody<T>(T body, ref FieldWriter writer) where T : allows ref struct;

/// <summary>
/// The sending end of a link. Any thread writes; nobody ever waits here: what the pipe does not take stays in an own buffer,
/// which the contracts bound by credits and windows (two ends that block on each other would stop all mail).
/// </summary>
public sealed class LinkWriter
{
    private readonly PipeWriter _pipe;
    private readonly Lock _gate = new();
    private readonly Action _continue;
    private FrameBuffer _buffer = new();
    private System.Runtime.CompilerServices.ValueTaskAwaiter<FlushResult> _flush;
    private bool _flushing;
    private bool _direct;
    private bool _closed;
    private bool _completing;
    private bool _completed;

    /// <summary>The sending end over a pipe.</summary>
    public LinkWriter(PipeWriter pipe)
    {
        _pipe = pipe;
        _continue = Continue;
    }

    /// <summary>The other end is gone; frames written are dropped.</summary>
    public bool Closed => _closed;

    /// <summary>Bytes of frames that wait for <see cref="Flush"/>.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate)
            {
                return _buffer.Length;
            }
        }
    }

    /// <summary>Appends a frame; it leaves with the next <see cref="Flush"/>.</summary>
    public void Write<T>(ushort type, ushort version, ulong id, T body, FrameBody<T> fields) where T : allows ref struct
    {
        lock (_gate)
        {
            if (_closed || _completing)
            {
                return;
            }
            var start = _buffer.Length;
            _buffer.GetSpan(Frame.HeaderLength);
            _buffer.Advance(Frame.HeaderLength);
            var writer = new FieldWriter(_buffer);
            try
            {
                fields(body, ref writer);
            }
            catch
            {
                // Half a frame would make all that follow unreadable.
                _buffer.Cut(start);
                throw;
            }
            Frame.WriteHeader(_buffer.At(start), _buffer.Length - start - Frame.HeaderLength, type, version, id);
        }
    }

    /// <summary>Appends a frame with one field, bytes: straight into the pipe when nothing waits before it, which saves long content a copy.</summary>
    public void Write(ushort type, ushort version, ulong id, ReadOnlySpan<byte> bytes)
    {
        lock (_gate)
        {
            if (_buffer.Length > 0 || _flushing || _closed || _completing || !_pipe.CanGetUnflushedBytes)
            {
                Write(type, version, id, bytes, static (ReadOnlySpan<byte> field, ref FieldWriter writer) => writer.Bytes(field));
                return;
            }
            var header = _pipe.GetMemory(Frame.HeaderLength + sizeof(int) + 1 + bytes.Length);
            _pipe.Advance(Frame.HeaderLength);
            var before = _pipe.UnflushedBytes;
            var writer = new FieldWriter(_pipe);
            writer.Bytes(bytes);
            Frame.WriteHeader(header.Span, (int)(_pipe.UnflushedBytes - before), type, version, id);
            _direct = true;
        }
    }

    /// <summary>Appends a frame without fields.</summary>
    public void Write(ushort type, ushort version, ulong id) => Write(type, version, id, 0, static (int _, ref FieldWriter _) => { });

    /// <summary>Sends what was appended.</summary>
    public void Flush()
    {
        lock (_gate)
        {
            FlushLocked();
        }
    }

    /// <summary>Ends the link once all that was written has left.</summary>
    public void Complete()
    {
        lock (_gate)
        {
            _completing = true;
            FlushLocked();
        }
    }

    private void FlushLocked()
    {
        while (!_flushing && !_closed && (_direct || _buffer.Length > 0))
        {
            if (_buffer.Length > 0)
            {
                _buffer.Written.CopyTo(_pipe.GetSpan(_buffer.Length));
                _pipe.Advance(_buffer.Length);
                _buffer.Clear();
            }
            _direct = false;
#pragma warning disable CA2012 // Consumed once: by Finish.
            _flush = _pipe.FlushAsync().GetAwaiter();
#pragma warning restore CA2012
            if (!_flush.IsCompleted)
            {
                _flushing = true;
                _flush.UnsafeOnCompleted(_continue);
                return;
            }
            Finish();
        }
        if (!_flushing && (_completing || _closed) && !_completed)
        {
            _closed = _completed = true;
            _pipe.Complete();
        }
    }

    private void Continue()
    {
        lock (_gate)
        {
            _flushing = false;
            Finish();
            FlushLocked();
        }
    }

    private void Finish()
    {
        if (_flush.GetResult().IsCompleted)
        {
            _closed = true;
        }
    }
}
