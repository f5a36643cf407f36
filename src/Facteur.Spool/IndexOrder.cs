namespace Facteur.Spool;

/// <summary>
/// The order of each queue: a treap over the entries themselves, by (key, number). The priority is a hash of the number,
/// so that the depth stays logarithmic whatever the order of coming and going.
/// </summary>
internal sealed class IndexOrder(Index index)
{
    private readonly int[] _roots = new int[5];

    public void Insert(int slot)
    {
        ref var entry = ref index[slot];
        var key = entry.Key;
        var id = entry.Id;
        var priority = Priority(id);
        ref var link = ref _roots[(int)entry.State];
        while (link != 0)
        {
            ref var at = ref index[link];
            if (Priority(at.Id) < priority)
            {
                break;
            }
            link = ref (Less(at, key, id) ? ref at.Right : ref at.Left);
        }
        Split(link, key, id, ref entry.Left, ref entry.Right);
        link = slot;
    }

    /// <summary>Makes the order of a queue that has none, of its messages in order: each goes to the end of the right edge.</summary>
    public void Build(QueueState state, ReadOnlySpan<Place> places)
    {
        var edge = new List<int>();
        foreach (var place in places)
        {
            ref var entry = ref index[place.Slot];
            entry.Left = entry.Right = 0;
            var priority = Priority(entry.Id);
            while (edge.Count > 0 && Priority(index[edge[^1]].Id) < priority)
            {
                entry.Left = edge[^1];
                edge.RemoveAt(edge.Count - 1);
            }
            if (edge.Count > 0)
            {
                index[edge[^1]].Right = place.Slot;
            }
            edge.Add(place.Slot);
        }
        _roots[(int)state] = edge.Count > 0 ? edge[0] : 0;
    }

    public void Remove(int slot)
    {
        ref var entry = ref index[slot];
        var key = entry.Key;
        ref var link = ref _roots[(int)entry.State];
        while (link != slot)
        {
            ref var at = ref index[link];
            link = ref (Less(at, key, entry.Id) ? ref at.Right : ref at.Left);
        }
        Merge(ref link, entry.Left, entry.Right);
        entry.Left = entry.Right = 0;
    }

    public int After(QueueState state, long key, ulong id)
    {
        var best = 0;
        var at = _roots[(int)state];
        while (at != 0)
        {
            ref var entry = ref index[at];
            var k = entry.Key;
            if (k > key || (k == key && entry.Id > id))
            {
                best = at;
                at = entry.Left;
            }
            else
            {
                at = entry.Right;
            }
        }
        return best;
    }

    public int Before(QueueState state, long key, ulong id)
    {
        var best = 0;
        var at = _roots[(int)state];
        while (at != 0)
        {
            ref var entry = ref index[at];
            if (Less(entry, key, id))
            {
                best = at;
                at = entry.Right;
            }
            else
            {
                at = entry.Left;
            }
        }
        return best;
    }

    /// <summary>A message's place in the order of its queue, for sorting.</summary>
    internal readonly record struct Place(uint Key, int Slot, ulong Id) : IComparable<Place>
    {
        public int CompareTo(Place other) => Key != other.Key ? Key.CompareTo(other.Key) : Id.CompareTo(other.Id);
    }

    private static bool Less(in Entry entry, long key, ulong id)
    {
        var k = entry.Key;
        return k < key || (k == key && entry.Id < id);
    }

    private static ulong Priority(ulong id)
    {
        id = (id ^ (id >> 31)) * 0xBF58476D1CE4E5B9;
        return id ^ (id >> 29);
    }

    private void Split(int root, long key, ulong id, ref int left, ref int right)
    {
        while (root != 0)
        {
            ref var entry = ref index[root];
            if (Less(entry, key, id))
            {
                left = root;
                left = ref entry.Right;
                root = entry.Right;
            }
            else
            {
                right = root;
                right = ref entry.Left;
                root = entry.Left;
            }
        }
        left = 0;
        right = 0;
    }

    private void Merge(ref int link, int left, int right)
    {
        while (left != 0 && right != 0)
        {
            ref var l = ref index[left];
            ref var r = ref index[right];
            if (Priority(l.Id) >= Priority(r.Id))
            {
                link = left;
                link = ref l.Right;
                left = l.Right;
            }
            else
            {
                link = right;
                link = ref r.Left;
                right = r.Left;
            }
        }
        link = left != 0 ? left : right;
    }
}
