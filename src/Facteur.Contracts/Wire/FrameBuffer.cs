using System.Buffers;

namespace Facteur.Contracts.Wire;

/// <summary>A growing buffer whose written part can be patched: a frame's length is known only when its fields are written.</summary>
internal sealed class FrameBuffer : IBufferWriter<byte>
{
    private const int KeepLimit = 1 << 20;
    private byte[] _bytes = GC.AllocateUninitializedArray<byte>(16 << 10);

    public int Length { get; private set; }

    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, Length);

    public Span<byte> At(int offset) => _bytes.AsSpan(offset);

    public void Advance(int count) => Length += count;

    /// <summary>Forgets what was written after a place.</summary>
    public void Cut(int length) => Length = length;

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Grow(sizeHint);
        return _bytes.AsMemory(Length);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Grow(sizeHint);
        return _bytes.AsSpan(Length);
    }

    public void Clear()
    {
        Length = 0;
        if (_bytes.Length > KeepLimit)
        {
            _bytes = GC.AllocateUninitializedArray<byte>(16 << 10);
        }
    }

    private void Grow(int sizeHint)
    {
        var need = Length + Math.Max(sizeHint, 1);
        if (need > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Max(need, _bytes.Length * 2));
        }
    }
}
