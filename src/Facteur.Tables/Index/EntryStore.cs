using System.Buffers.Binary;
using System.Numerics;

namespace Facteur.Tables.Index;

/// <summary>
/// Entries in memory, by the million: all bytes in one array, found by their hash. What postmap collects before it writes, and what a
/// table without a file of ours holds.
/// </summary>
internal sealed class EntryStore : IEntries
{
    private const int Dead = -1;

    private byte[] _bytes = new byte[1 << 12];
    private int _used;
    private Entry[] _entries = new Entry[64];
    private int _count;
    private int[] _slots = new int[128];
    private int _dead;

    private record struct Entry(int At, int KeyLength, int ValueAt, int ValueLength, int Hash);

    public uint Owner { get; init; }

    /// <summary>How many entries there are.</summary>
    public int Count => _count - _dead;

    /// <summary>Adds an entry; false when there is one with its key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="value">The value.</param>
    /// <param name="replace">The new value takes the old one's place.</param>
    /// <exception cref="TableException">There is no room for more.</exception>
    public bool Add(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, bool replace)
    {
        var hash = HashOf(key);
        var slot = Find(key, hash, out var index);
        if (index >= 0)
        {
            if (replace)
            {
                Reserve(value.Length);
                _entries[index] = _entries[index] with { ValueAt = Append(value), ValueLength = value.Length };
            }
            return replace;
        }
        Reserve(key.Length + value.Length);
        if (_count == _entries.Length)
        {
            Array.Resize(ref _entries, _count * 2);
        }
        _entries[_count++] = new Entry(Append(key), key.Length, Append(value), value.Length, hash);
        _slots[slot] = _count;
        if (_count * 2 > _slots.Length)
        {
            Rehash();
        }
        return true;
    }

    /// <summary>Removes an entry; false when there is none with its key.</summary>
    public bool Remove(ReadOnlySpan<byte> key)
    {
        _ = Find(key, HashOf(key), out var index);
        if (index < 0)
        {
            return false;
        }
        // Its slot stays, so that those that were put behind it are found.
        _entries[index].At = Dead;
        _dead++;
        return true;
    }

    public bool TryGet(ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        _ = Find(key, HashOf(key), out var index);
        value = index < 0 ? default : ValueOf(index);
        return index >= 0;
    }

    public IEnumerable<KeyValuePair<byte[], byte[]>> Entries()
    {
        foreach (var index in InOrder())
        {
            yield return new(KeyOf(index).ToArray(), ValueOf(index).ToArray());
        }
    }

    /// <summary>The key of an entry.</summary>
    public ReadOnlySpan<byte> KeyOf(int index) => _bytes.AsSpan(_entries[index].At, _entries[index].KeyLength);

    /// <summary>The value of an entry.</summary>
    public ReadOnlySpan<byte> ValueOf(int index) => _bytes.AsSpan(_entries[index].ValueAt, _entries[index].ValueLength);

    /// <summary>The entries in the order in which they came.</summary>
    public int[] InOrder()
    {
        var order = new int[Count];
        for (int i = 0, to = 0; i < _count; i++)
        {
            if (_entries[i].At != Dead)
            {
                order[to++] = i;
            }
        }
        return order;
    }

    /// <summary>The entries by the bytes of their keys, the shorter first: the order of LMDB.</summary>
    public int[] Sorted()
    {
        var order = InOrder();
        var heads = new ulong[order.Length];
        var groups = new Stack<(int From, int To, int Depth)>([(0, order.Length, 0)]);
        while (groups.TryPop(out var group))
        {
            var (start, end, depth) = group;
            for (var i = start; i < end; i++)
            {
                heads[i] = HeadOf(order[i], depth);
            }
            Array.Sort(heads, order, start, end - start);
            // Those whose next eight bytes are equal stand together; what follows these orders them.
            for (int from = start, to; from < end; from = to)
            {
                var goOn = true;
                for (to = from; to < end && heads[to] == heads[from]; to++)
                {
                    goOn &= KeyOf(order[to]).Length > depth + sizeof(ulong);
                }
                if (to == from + 1)
                {
                    continue;
                }
                if (goOn)
                {
                    groups.Push((from, to, depth + sizeof(ulong)));
                }
                else
                {
                    order.AsSpan(from, to - from).Sort((a, b) => KeyOf(a).SequenceCompareTo(KeyOf(b)));
                }
            }
        }
        return order;
    }

    /// <summary>Eight bytes of a key; what is beyond its end counts as 0.</summary>
    private ulong HeadOf(int index, int depth)
    {
        var key = KeyOf(index);
        key = key[Math.Min(depth, key.Length)..];
        if (key.Length >= sizeof(ulong))
        {
            return BinaryPrimitives.ReadUInt64BigEndian(key);
        }
        Span<byte> head = stackalloc byte[sizeof(ulong)];
        head.Clear();
        key.CopyTo(head);
        return BinaryPrimitives.ReadUInt64BigEndian(head);
    }

    /// <summary>The slot of a key, or the free one where it belongs, and its entry; -1 when there is none.</summary>
    private int Find(ReadOnlySpan<byte> key, int hash, out int index)
    {
        var mask = _slots.Length - 1;
        for (var slot = hash & mask; ; slot = (slot + 1) & mask)
        {
            index = _slots[slot] - 1;
            if (index < 0)
            {
                return slot;
            }
            ref readonly var entry = ref _entries[index];
            if (entry.Hash == hash && entry.At != Dead && key.SequenceEqual(KeyOf(index)))
            {
                return slot;
            }
        }
    }

    private void Rehash()
    {
        _slots = new int[BitOperations.RoundUpToPowerOf2((uint)_count * 4)];
        var mask = _slots.Length - 1;
        for (var i = 0; i < _count; i++)
        {
            if (_entries[i].At == Dead)
            {
                continue;
            }
            var slot = _entries[i].Hash & mask;
            while (_slots[slot] != 0)
            {
                slot = (slot + 1) & mask;
            }
            _slots[slot] = i + 1;
        }
    }

    // The seed of HashCode is the process's own: nobody can choose keys that fall together.
    private static int HashOf(ReadOnlySpan<byte> key)
    {
        var hash = default(HashCode);
        hash.AddBytes(key);
        return hash.ToHashCode();
    }

    private void Reserve(int more)
    {
        if ((long)_used + more > Array.MaxLength)
        {
            throw new TableException($"more than {Array.MaxLength} bytes of keys and values");
        }
        if (_used + more > _bytes.Length)
        {
            Array.Resize(ref _bytes, (int)Math.Min(Array.MaxLength, Math.Max((long)_bytes.Length * 2, (long)_used + more)));
        }
    }

    private int Append(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(_bytes.AsSpan(_used));
        _used += bytes.Length;
        return _used - bytes.Length;
    }
}
