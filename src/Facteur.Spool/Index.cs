using System.Numerics;
using System.Runtime.InteropServices;

namespace Facteur.Spool;

/// <summary>
/// The messages in memory: entries in chunks, an open-addressing table from number to slot, and an ordered tree per queue.
/// Slots begin at 1; 0 is none. Nothing is allocated per message.
/// </summary>
internal sealed class Index
{
    private const int ChunkBits = 10;
    private const int ChunkSize = 1 << ChunkBits;

    private readonly long[] _counts = new long[5];
    private readonly IndexOrder _order;
    private Entry[][] _chunks = new Entry[4][];
    private int[] _table = new int[64];
    private int _mask = 63;
    private int _free;

    public Index() => _order = new IndexOrder(this);

    public long Count { get; private set; }

    /// <summary>One more than the highest slot ever used.</summary>
    public int SlotEnd { get; private set; } = 1;

    public ref Entry this[int slot] => ref _chunks[slot >> ChunkBits][slot & (ChunkSize - 1)];

    public long CountOf(QueueState state) => _counts[(int)state];

    /// <summary>The slot of a message, or 0.</summary>
    public int Find(ulong id)
    {
        for (var at = Home(id); _table[at] != 0; at = (at + 1) & _mask)
        {
            if (this[_table[at]].Id == id)
            {
                return _table[at];
            }
        }
        return 0;
    }

    /// <summary>Adds a message that is not in the index; a claimed one stands in no order.</summary>
    public int Add(in Entry entry)
    {
        if ((Count + 1) * 4 > (long)_table.Length * 3)
        {
            GrowTable();
        }
        var slot = TakeSlot();
        this[slot] = entry;
        this[slot].Left = this[slot].Right = 0;
        Place(entry.Id, slot);
        Count++;
        _counts[(int)entry.State]++;
        if ((entry.Flags & Entry.ClaimedFlag) == 0)
        {
            _order.Insert(slot);
        }
        return slot;
    }

    public void Remove(int slot)
    {
        ref var entry = ref this[slot];
        Withdraw(slot);
        _counts[(int)entry.State]--;
        Count--;
        RemoveFromTable(entry.Id);
        entry = default;
        entry.Right = _free;
        _free = slot;
    }

    /// <summary>Moves a message to a queue.</summary>
    public void Move(int slot, QueueState state, uint due)
    {
        ref var entry = ref this[slot];
        Withdraw(slot);
        entry.Flags &= unchecked((byte)~Entry.ClaimedFlag);
        _counts[(int)entry.State]--;
        entry.State = state;
        entry.Due = due;
        _counts[(int)state]++;
        _order.Insert(slot);
    }

    /// <summary>Takes a message out of the order of its queue until it moves.</summary>
    public void Claim(int slot)
    {
        Withdraw(slot);
        this[slot].Flags |= Entry.ClaimedFlag;
    }

    /// <summary>Puts all messages in the order of their queues, where none stood in any: far cheaper than one by one.</summary>
    public unsafe void Arrange()
    {
        // Not the collector's memory: so much of it would stay with the process.
        var memory = (IndexOrder.Place*)NativeMemory.Alloc((nuint)Math.Max(1, Count), (nuint)sizeof(IndexOrder.Place));
        for (var state = QueueState.Incoming; state <= QueueState.Corrupt; state++)
        {
            var places = new Span<IndexOrder.Place>(memory, (int)_counts[(int)state]);
            var n = 0;
            for (var slot = 1; slot < SlotEnd && n < places.Length; slot++)
            {
                ref var entry = ref this[slot];
                if (entry.Id != 0 && entry.State == state)
                {
                    entry.Flags &= unchecked((byte)~Entry.ClaimedFlag);
                    places[n++] = new IndexOrder.Place((uint)entry.Key, slot, entry.Id);
                }
            }
            places.Sort();
            _order.Build(state, places);
        }
        NativeMemory.Free(memory);
    }

    /// <summary>The first message of a queue after a place, or 0.</summary>
    public int After(QueueState state, long key, ulong id) => _order.After(state, key, id);

    public int Before(QueueState state, long key, ulong id) => _order.Before(state, key, id);

    /// <summary>Whether a slot holds a message.</summary>
    public bool IsUsed(int slot) => this[slot].Id != 0;

    /// <summary>Whether a message is out of the order of its queue.</summary>
    public bool IsClaimed(int slot) => (this[slot].Flags & Entry.ClaimedFlag) != 0;

    private void Withdraw(int slot)
    {
        if (!IsClaimed(slot))
        {
            _order.Remove(slot);
        }
    }

    private int TakeSlot()
    {
        if (_free != 0)
        {
            var slot = _free;
            _free = this[slot].Right;
            return slot;
        }
        var chunk = SlotEnd >> ChunkBits;
        if (chunk == _chunks.Length)
        {
            Array.Resize(ref _chunks, chunk * 2);
        }
        _chunks[chunk] ??= new Entry[ChunkSize];
        return SlotEnd++;
    }

    /// <summary>Makes room for so many messages at once: growing step by step leaves as much again for the collector.</summary>
    public void Reserve(long count)
    {
        var length = (int)BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(count * 4 / 3 + 1, 64, 1 << 30));
        if (Count == 0 && length > _table.Length)
        {
            _table = new int[length];
            _mask = length - 1;
        }
    }

    // Numbers come in sequence; the multiplication spreads them.
    private int Home(ulong id) => (int)((id * 0x9E3779B97F4A7C15) >> 32) & _mask;

    private void Place(ulong id, int slot)
    {
        var at = Home(id);
        while (_table[at] != 0)
        {
            at = (at + 1) & _mask;
        }
        _table[at] = slot;
    }

    private void GrowTable()
    {
        var old = _table;
        _table = new int[old.Length * 2];
        _mask = _table.Length - 1;
        foreach (var slot in old)
        {
            if (slot != 0)
            {
                Place(this[slot].Id, slot);
            }
        }
    }

    // Entries after the hole move back, so that a search never meets a gap.
    private void RemoveFromTable(ulong id)
    {
        var hole = Home(id);
        while (this[_table[hole]].Id != id)
        {
            hole = (hole + 1) & _mask;
        }
        for (var at = (hole + 1) & _mask; _table[at] != 0; at = (at + 1) & _mask)
        {
            if (((at - Home(this[_table[at]].Id)) & _mask) >= ((at - hole) & _mask))
            {
                _table[hole] = _table[at];
                hole = at;
            }
        }
        _table[hole] = 0;
    }
}
