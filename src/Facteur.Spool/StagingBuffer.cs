using System.Buffers;
using System.Diagnostics;

namespace Facteur.Spool;

/// <summary>The records of the next batch, one after the other, as they will lie in the segment. Pinned, so that a write never moves it.</summary>
internal sealed class StagingBuffer(int size) : IBufferWriter<byte>
{
    private const int KeepLimit = 8 << 20;

    private byte[] _bytes = Allocate(size);
    private int _recordStart = -1;

    public int Length { get; private set; }

    public Span<byte> All => _bytes.AsSpan(0, Length);

    /// <summary>Begins a record; its payload is what is written until <see cref="Finish"/>.</summary>
    public void Begin(ulong mark, uint sequence, RecordType type, ulong id)
    {
        Debug.Assert(_recordStart < 0);
        _recordStart = Length;
        Record.WriteHeader(GetSpan(Record.HeaderLength), mark, sequence, type, id);
        Advance(Record.HeaderLength);
    }

    /// <summary>Completes the record.</summary>
    /// <returns>Where it begins in the buffer.</returns>
    public int Finish()
    {
        var start = _recordStart;
        Record.Finish(_bytes.AsSpan(start, Length - start));
        _recordStart = -1;
        return start;
    }

    /// <summary>Takes back the record that was begun.</summary>
    public void Cancel()
    {
        Length = _recordStart;
        _recordStart = -1;
    }

    /// <summary>Payload bytes of the record begun.</summary>
    public int PayloadLength => Length - _recordStart - Record.HeaderLength;

    public Span<byte> Take(int count)
    {
        var span = GetSpan(count)[..count];
        Length += count;
        return span;
    }

    public void Clear()
    {
        Length = 0;
        _recordStart = -1;
        if (_bytes.Length > KeepLimit)
        {
            _bytes = Allocate(size);
        }
    }

    public void Advance(int count) => Length += count;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Ensure(Math.Max(1, sizeHint));
        return _bytes.AsMemory(Length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Ensure(Math.Max(1, sizeHint));
        return _bytes.AsSpan(Length);
    }

    private void Ensure(int count)
    {
        if (_bytes.Length - Length < count)
        {
            var grown = Allocate(Math.Max(_bytes.Length * 2, Length + count));
            All.CopyTo(grown);
            _bytes = grown;
        }
    }

    private static byte[] Allocate(int size) => GC.AllocateUninitializedArray<byte>(size, pinned: size > 64 << 10);
}
