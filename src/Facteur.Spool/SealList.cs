using System.Buffers.Binary;

namespace Facteur.Spool;

/// <summary>
/// Segments whose end the next durable batch must name: a seal record's payload is count u32, then (segment u32, end u32) each.
/// An end stays listed until a batch that names it is durable, so that two failures in a row are both named.
/// </summary>
internal sealed class SealList
{
    public const int EntryLength = 8;

    private readonly List<(uint Segment, uint End)> _ends = [];

    public bool IsEmpty => _ends.Count == 0;

    public void Add(uint segment, long end) => _ends.Add((segment, (uint)end));

    public void Clear() => _ends.Clear();

    public void Write(StagingBuffer buffer)
    {
        var at = buffer.Take(4 + _ends.Count * EntryLength);
        BinaryPrimitives.WriteInt32LittleEndian(at, _ends.Count);
        for (var i = 0; i < _ends.Count; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(at[(4 + i * EntryLength)..], _ends[i].Segment);
            BinaryPrimitives.WriteUInt32LittleEndian(at[(8 + i * EntryLength)..], _ends[i].End);
        }
    }
}
