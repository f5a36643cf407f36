using System.Buffers.Binary;

namespace Facteur.Tables.Index;

/// <summary>Writes a whole CDB file (<see cref="CdbFile"/>), byte for byte as cdb and Postfix do from the same entries.</summary>
internal sealed class CdbWriter(Stream file)
{
    /// <summary>Writes the file.</summary>
    /// <param name="store">The entries; they keep their order.</param>
    /// <exception cref="TableException">The format holds no more than 4 GiB.</exception>
    public void Write(EntryStore store)
    {
        file.SetLength(0);
        file.Write(new byte[CdbFile.Head]);
        var order = store.InOrder();
        var records = new (uint Hash, uint Place)[order.Length];
        var counts = new int[CdbFile.Tables];
        Span<byte> pair = stackalloc byte[8];
        long at = CdbFile.Head;
        for (var i = 0; i < order.Length; i++)
        {
            var key = store.KeyOf(order[i]);
            var value = store.ValueOf(order[i]);
            records[i] = (CdbFile.HashOf(key), Place(at));
            counts[records[i].Hash % CdbFile.Tables]++;
            Put(pair, (uint)key.Length, (uint)value.Length);
            file.Write(key);
            file.Write(value);
            at += 8 + key.Length + value.Length;
        }
        WriteTables(records, counts, at);
    }

    private void WriteTables((uint Hash, uint Place)[] records, int[] counts, long at)
    {
        var byTable = Array.ConvertAll(counts, count => new List<(uint Hash, uint Place)>(count));
        foreach (var record in records)
        {
            byTable[record.Hash % CdbFile.Tables].Add(record);
        }
        var head = new byte[CdbFile.Head];
        Span<byte> pair = stackalloc byte[8];
        for (var table = 0; table < CdbFile.Tables; table++)
        {
            // Half of the slots stay free: a search ends soon.
            var slots = new (uint Hash, uint Place)[2 * byTable[table].Count];
            foreach (var record in byTable[table])
            {
                var slot = (record.Hash >> 8) % (uint)slots.Length;
                while (slots[slot].Place != 0)
                {
                    slot = slot + 1 == slots.Length ? 0 : slot + 1;
                }
                slots[slot] = record;
            }
            BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan(table * 8), Place(at));
            BinaryPrimitives.WriteUInt32LittleEndian(head.AsSpan((table * 8) + 4), (uint)slots.Length);
            foreach (var (hash, place) in slots)
            {
                Put(pair, hash, place);
            }
            at += 8L * slots.Length;
        }
        file.Position = 0;
        file.Write(head);
    }

    private void Put(Span<byte> pair, uint first, uint second)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(pair, first);
        BinaryPrimitives.WriteUInt32LittleEndian(pair[4..], second);
        file.Write(pair);
    }

    private static uint Place(long at) => at <= uint.MaxValue ? (uint)at : throw new TableException("a CDB file holds no more than 4 GiB");
}
