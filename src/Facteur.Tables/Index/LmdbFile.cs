using System.Buffers.Binary;
using Facteur.Tables.Text;
using static Facteur.Tables.Index.LmdbFormat;

namespace Facteur.Tables.Index;

/// <summary>
/// An LMDB file read into memory as it was at one moment. Every offset in it is checked, so that a damaged file is an error and never more:
/// nothing is mapped, so a file that shrinks can't kill the process.
/// </summary>
internal sealed class LmdbFile : IEntries
{
    private const int MaxDepth = 32;

    private readonly string _path;
    private readonly byte[] _data;
    private readonly int _pageSize;
    private readonly ulong _root;

    private LmdbFile(string path, byte[] data, int pageSize, ulong root)
    {
        _path = path;
        _data = data;
        _pageSize = pageSize;
        _root = root;
    }

    public uint Owner { get; private set; }

    /// <summary>Reads a file.</summary>
    /// <exception cref="TableException">It is not there or no LMDB file.</exception>
    public static LmdbFile Open(string path)
    {
        for (var attempt = 0; ; attempt++)
        {
            var before = FileStamp.Of(path);
            var data = TableSource.Read(path, "open database", out var owner);
            // A writer that updates in place (Postfix's postmap) was at work: what was read may be of two moments.
            if (before == FileStamp.Of(path) || attempt == 3)
            {
                var file = Parse(path, data);
                file.Owner = owner;
                return file;
            }
        }
    }

    /// <summary>Takes the bytes of a file.</summary>
    /// <exception cref="TableException">They are no LMDB file.</exception>
    public static LmdbFile Parse(string path, byte[] data)
    {
        if (data.Length < MetaEnd || Word(data, AtMagic) != Magic)
        {
            throw new TableException($"open database {path}: MDB_INVALID: File is not an LMDB file");
        }
        var pageSize = (int)Word(data, AtPageSize);
        if (Word(data, AtVersion) != DataVersion)
        {
            throw new TableException($"open database {path}: LMDB version {Word(data, AtVersion)}, expected {DataVersion}");
        }
        if (pageSize is < 256 or > 65536 || data.Length < pageSize + MetaEnd || Word(data, pageSize + AtMagic) != Magic)
        {
            throw new TableException($"open database {path}: damaged LMDB file: bad meta page");
        }
        var meta = Long(data, AtTransaction) > Long(data, pageSize + AtTransaction) ? 0 : pageSize;
        return new LmdbFile(path, data, pageSize, Long(data, meta + AtRoot));
    }

    public bool TryGet(ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (_root == NoPage)
        {
            return false;
        }
        var number = _root;
        for (var depth = 0; depth < MaxDepth; depth++)
        {
            var page = Page(number);
            var leaf = IsLeaf(page);
            var index = Search(page, key, leaf, out var exact);
            if (leaf)
            {
                if (exact)
                {
                    value = Value(Node(page, index));
                }
                return exact;
            }
            number = Child(Node(page, index));
        }
        throw Damaged("deeper than any tree");
    }

    public IEnumerable<KeyValuePair<byte[], byte[]>> Entries()
    {
        var path = new Stack<(ulong Page, int Index)>();
        if (_root != NoPage)
        {
            path.Push((_root, 0));
        }
        // A loop of pages in a damaged file ends here.
        for (var steps = (long)_data.Length; path.Count > 0; steps--)
        {
            if (steps == 0 || path.Count > MaxDepth)
            {
                throw Damaged("pages form a loop");
            }
            var (number, index) = path.Pop();
            if (index >= Count(Page(number)))
            {
                continue;
            }
            path.Push((number, index + 1));
            if (IsLeaf(Page(number)))
            {
                yield return Entry(number, index);
            }
            else
            {
                path.Push((Child(Node(Page(number), index)), 0));
            }
        }
    }

    private KeyValuePair<byte[], byte[]> Entry(ulong number, int index)
    {
        var node = Node(Page(number), index);
        return new(Key(node).ToArray(), Value(node).ToArray());
    }

    /// <summary>The index of the key in a leaf, or of the child that may hold it in a branch, whose first key counts as the least.</summary>
    private int Search(ReadOnlySpan<byte> page, ReadOnlySpan<byte> key, bool leaf, out bool exact)
    {
        exact = false;
        var low = leaf ? 0 : 1;
        var high = Count(page) - 1;
        while (low <= high)
        {
            var middle = (low + high) / 2;
            var order = key.SequenceCompareTo(Key(Node(page, middle)));
            if (order == 0)
            {
                exact = true;
                return middle;
            }
            if (order < 0)
            {
                high = middle - 1;
            }
            else
            {
                low = middle + 1;
            }
        }
        return leaf ? low : low - 1;
    }

    private ReadOnlySpan<byte> Page(ulong number)
    {
        if (number < 2 || number >= (ulong)(_data.Length / _pageSize))
        {
            throw Damaged($"no page {number}");
        }
        return _data.AsSpan((int)number * _pageSize, _pageSize);
    }

    private bool IsLeaf(ReadOnlySpan<byte> page) => (Short(page, 10) & (LeafPage | BranchPage)) switch
    {
        LeafPage => true,
        BranchPage => false,
        _ => throw Damaged("a page is neither leaf nor branch"),
    };

    private int Count(ReadOnlySpan<byte> page)
    {
        var lower = Short(page, 12);
        return lower >= PageHeader && lower <= _pageSize ? (lower - PageHeader) / 2 : throw Damaged("bad page header");
    }

    private ReadOnlySpan<byte> Node(ReadOnlySpan<byte> page, int index)
    {
        if (index < 0 || index >= Count(page))
        {
            throw Damaged("an empty branch");
        }
        var at = Short(page, PageHeader + (2 * index));
        if (at + NodeHeader > _pageSize || at + NodeHeader + Short(page, at + 6) > _pageSize)
        {
            throw Damaged("a node outside its page");
        }
        return page[at..];
    }

    private static ReadOnlySpan<byte> Key(ReadOnlySpan<byte> node) => node.Slice(NodeHeader, Short(node, 6));

    private static ulong Child(ReadOnlySpan<byte> node) => Short(node, 0) | ((ulong)Short(node, 2) << 16) | ((ulong)Short(node, 4) << 32);

    private ReadOnlySpan<byte> Value(ReadOnlySpan<byte> node)
    {
        var size = (int)(Short(node, 0) | ((uint)Short(node, 2) << 16));
        var start = NodeHeader + Short(node, 6);
        var flags = Short(node, 4);
        if (size < 0 || (flags & (SubData | DupData)) != 0)
        {
            throw Damaged("an entry of a kind that postmap does not write");
        }
        if ((flags & BigData) == 0)
        {
            return start + size <= node.Length ? node.Slice(start, size) : throw Damaged("a value outside its page");
        }
        var first = start + 8 <= node.Length ? Long(node, start) : 0;
        var at = first < 2 || first > (ulong)(_data.Length / _pageSize) ? long.MaxValue : ((long)first * _pageSize) + PageHeader;
        return at <= _data.Length - size ? _data.AsSpan((int)at, size) : throw Damaged("a value outside the file");
    }

    private TableException Damaged(string how) => new($"{_path}: damaged LMDB file: {how}");

    private static ushort Short(ReadOnlySpan<byte> data, int at) => BinaryPrimitives.ReadUInt16LittleEndian(data[at..]);

    private static uint Word(ReadOnlySpan<byte> data, int at) => BinaryPrimitives.ReadUInt32LittleEndian(data[at..]);

    private static ulong Long(ReadOnlySpan<byte> data, int at) => BinaryPrimitives.ReadUInt64LittleEndian(data[at..]);
}
