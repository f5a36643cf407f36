using System.Buffers.Binary;
using static Facteur.Tables.Index.LmdbFormat;

namespace Facteur.Tables.Index;

/// <summary>Writes a whole LMDB file from sorted entries: leaves first, then each level of branches, the meta pages last.</summary>
internal sealed class LmdbWriter(Stream file)
{
    private readonly byte[] _page = new byte[PageSize];
    private ulong _next = 2;
    private ulong _leaves, _branches, _overflows;
    private int _lower, _upper;

    /// <summary>Writes the file.</summary>
    /// <param name="store">The entries; a key is 1 to 511 bytes.</param>
    public void Write(EntryStore store)
    {
        file.SetLength(0);
        file.Write(new byte[2 * PageSize]);
        ulong count = 0;
        var level = WriteLeaves(store, ref count);
        var depth = level.Count == 0 ? 0 : 1;
        while (level.Count > 1)
        {
            level = WriteBranches(level);
            depth++;
        }
        file.Position = 0;
        WriteMeta(0, 0, NoPage, 0, 0);
        WriteMeta(1, 1, level.Count == 0 ? NoPage : level[0].Page, depth, count);
    }

    private List<(byte[] Key, ulong Page)> WriteLeaves(EntryStore store, ref ulong count)
    {
        var pages = new List<(byte[], ulong)>();
        byte[]? first = null;
        Begin();
        foreach (var entry in store.Sorted())
        {
            var key = store.KeyOf(entry);
            var value = store.ValueOf(entry);
            var big = NodeHeader + key.Length + value.Length > MaxNode;
            // Overflow pages are written at once, before the number of this leaf is known.
            var overflow = big ? WriteOverflow(value) : 0;
            var size = NodeHeader + key.Length + (big ? 8 : value.Length);
            if (!Fits(size))
            {
                pages.Add((first!, End(LeafPage)));
                _leaves++;
                first = null;
                Begin();
            }
            first ??= key.ToArray();
            var node = Add(size);
            BinaryPrimitives.WriteUInt32LittleEndian(node, (uint)value.Length);
            BinaryPrimitives.WriteUInt16LittleEndian(node[4..], big ? BigData : (ushort)0);
            BinaryPrimitives.WriteUInt16LittleEndian(node[6..], (ushort)key.Length);
            key.CopyTo(node[NodeHeader..]);
            if (big)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(node[(NodeHeader + key.Length)..], overflow);
            }
            else
            {
                value.CopyTo(node[(NodeHeader + key.Length)..]);
            }
            count++;
        }
        if (first is not null)
        {
            pages.Add((first, End(LeafPage)));
            _leaves++;
        }
        return pages;
    }

    private List<(byte[] Key, ulong Page)> WriteBranches(List<(byte[] Key, ulong Page)> children)
    {
        var pages = new List<(byte[], ulong)>();
        byte[]? first = null;
        Begin();
        for (var i = 0; i < children.Count; i++)
        {
            var (key, child) = children[i];
            // The last child never stands alone: a branch has at least two.
            if (first is not null && (!Fits(NodeHeader + key.Length) || (i == children.Count - 2 && !Fits(NodeHeader + key.Length + NodeHeader + MaxKey + 3))))
            {
                pages.Add((first, End(BranchPage)));
                _branches++;
                first = null;
                Begin();
            }
            var stored = first is null ? [] : key.AsSpan();
            first ??= key;
            var node = Add(NodeHeader + stored.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(node, (uint)child);
            BinaryPrimitives.WriteUInt16LittleEndian(node[4..], (ushort)(child >> 32));
            BinaryPrimitives.WriteUInt16LittleEndian(node[6..], (ushort)stored.Length);
            stored.CopyTo(node[NodeHeader..]);
        }
        pages.Add((first!, End(BranchPage)));
        _branches++;
        return pages;
    }

    private ulong WriteOverflow(ReadOnlySpan<byte> value)
    {
        var count = (PageHeader - 1 + value.Length) / PageSize + 1;
        var pages = new byte[count * PageSize];
        BinaryPrimitives.WriteUInt64LittleEndian(pages, _next);
        BinaryPrimitives.WriteUInt16LittleEndian(pages.AsSpan(10), OverflowPage);
        BinaryPrimitives.WriteUInt32LittleEndian(pages.AsSpan(12), (uint)count);
        value.CopyTo(pages.AsSpan(PageHeader));
        file.Write(pages);
        var first = _next;
        _next += (ulong)count;
        _overflows += (ulong)count;
        return first;
    }

    private void Begin()
    {
        Array.Clear(_page);
        _lower = PageHeader;
        _upper = PageSize;
    }

    private bool Fits(int size) => _upper - _lower >= ((size + 1) & ~1) + 2;

    /// <summary>Room for a node at the page's end, its offset at the page's start.</summary>
    private Span<byte> Add(int size)
    {
        _upper -= (size + 1) & ~1;
        BinaryPrimitives.WriteUInt16LittleEndian(_page.AsSpan(_lower), (ushort)_upper);
        _lower += 2;
        return _page.AsSpan(_upper, size);
    }

    private ulong End(ushort flags)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_page, _next);
        BinaryPrimitives.WriteUInt16LittleEndian(_page.AsSpan(10), flags);
        BinaryPrimitives.WriteUInt16LittleEndian(_page.AsSpan(12), (ushort)_lower);
        BinaryPrimitives.WriteUInt16LittleEndian(_page.AsSpan(14), (ushort)_upper);
        file.Write(_page);
        return _next++;
    }

    private void WriteMeta(ulong number, ulong transaction, ulong root, int depth, ulong entries)
    {
        Array.Clear(_page);
        var page = _page.AsSpan();
        void Long(int at, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(_page.AsSpan(at), value);
        Long(0, number);
        BinaryPrimitives.WriteUInt16LittleEndian(page[10..], MetaPage);
        BinaryPrimitives.WriteUInt32LittleEndian(page[AtMagic..], Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(page[AtVersion..], DataVersion);
        // The map must hold the file; a program that writes asks for its own size anyway.
        Long(AtMapSize, Math.Max(16UL << 20, (_next * PageSize + (1UL << 20)) & ~((1UL << 20) - 1)));
        BinaryPrimitives.WriteUInt32LittleEndian(page[AtPageSize..], PageSize);
        BinaryPrimitives.WriteUInt16LittleEndian(page[AtFreeFlags..], IntegerKey);
        Long(AtFreeRoot, NoPage);
        BinaryPrimitives.WriteUInt16LittleEndian(page[AtDepth..], (ushort)depth);
        Long(AtBranches, depth == 0 ? 0 : _branches);
        Long(AtLeaves, depth == 0 ? 0 : _leaves);
        Long(AtOverflows, depth == 0 ? 0 : _overflows);
        Long(AtEntries, entries);
        Long(AtRoot, root);
        Long(AtLastPage, root == NoPage ? 1 : _next - 1);
        Long(AtTransaction, transaction);
        file.Write(_page);
    }
}
