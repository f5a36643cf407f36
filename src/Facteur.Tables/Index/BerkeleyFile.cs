using System.Buffers.Binary;
using System.Numerics;
using Facteur.Tables.Text;

namespace Facteur.Tables.Index;

/// <summary>
/// A Berkeley DB file that Postfix's postmap wrote (hash: version 5 to 10, btree: 8 to 10; no subdatabases, duplicates, checksums or encryption),
/// read whole. Every offset is checked and every chain counted: a damaged file is an error and never more. Nothing here writes such files.
/// A page: log place (8), number (4), previous (4), next (4), entries (2), free or length (2), level (1), type (1), then 2-byte offsets of its items.
/// </summary>
internal sealed class BerkeleyFile
{
    private const uint HashMagic = 0x061561, BtreeMagic = 0x053162;
    private const int PageHeader = 26, MetaEnd = 256, AtMagic = 12, AtVersion = 16, AtPageSize = 20, AtEncryption = 24, AtFlags = 26;
    private const int AtMaxBucket = 72, AtSpares = 96, Spares = 32, AtRoot = 88;
    private const byte OldHashPage = 2, BtreeBranch = 3, BtreeLeaf = 5, Overflow = 7, HashPage = 13, Unused = 0;

    private readonly string _path;
    private readonly byte[] _data;
    private readonly EntryStore _store;
    private int _pageSize;
    private int _pagesLeft;

    private BerkeleyFile(string path, byte[] data, uint owner)
    {
        _path = path;
        _data = data;
        _store = new EntryStore { Owner = owner };
    }

    /// <summary>Reads a file; its entries are in its order.</summary>
    /// <exception cref="TableException">It is not there, or none that Postfix writes.</exception>
    public static EntryStore Open(string path) => Parse(path, TableSource.Read(path, "open database", out var owner), owner);

    /// <summary>Takes the bytes of a file.</summary>
    /// <exception cref="TableException">They are none that Postfix writes.</exception>
    public static EntryStore Parse(string path, byte[] data, uint owner = 0) => new BerkeleyFile(path, data, owner).Read();

    private EntryStore Read()
    {
        var magic = _data.Length >= MetaEnd ? Word(AtMagic) : 0;
        if (magic is not (HashMagic or BtreeMagic))
        {
            throw new TableException($"open database {_path}: {(BinaryPrimitives.ReverseEndianness(magic) is HashMagic or BtreeMagic
                ? "a Berkeley DB file of a machine with another byte order" : "not a Berkeley DB file")}");
        }
        var version = Word(AtVersion);
        if (version < (magic == HashMagic ? 5u : 8u) || version > 10)
        {
            throw new TableException($"open database {_path}: Berkeley DB version {version} of its kind is not read");
        }
        if (_data[AtEncryption] != 0 || (_data[AtFlags] & 1) != 0)
        {
            throw new TableException($"open database {_path}: a Berkeley DB file with encryption or checksums is not read");
        }
        _pageSize = (int)Word(AtPageSize);
        if (_pageSize is < 512 or > 65536 || !BitOperations.IsPow2(_pageSize))
        {
            throw Damaged("bad page size");
        }
        _pagesLeft = _data.Length / _pageSize;
        if (magic == HashMagic)
        {
            ReadBuckets();
        }
        else
        {
            ReadLeaves();
        }
        return _store;
    }

    /// <summary>hash: buckets in order, each a chain of pages. Buckets lie in groups that double, each group where spares says.</summary>
    private void ReadBuckets()
    {
        var last = Word(AtMaxBucket);
        if (last >= (uint)(_data.Length / _pageSize))
        {
            throw Damaged("more buckets than pages");
        }
        for (var bucket = 0u; bucket <= last; bucket++)
        {
            var group = BitOperations.Log2(BitOperations.RoundUpToPowerOf2(bucket + 1));
            var page = bucket + (group < Spares ? Word(AtSpares + (4 * group)) : throw Damaged("a bucket beyond all groups"));
            for (var at = Page(page, BucketPages); ; at = Page(Word(at + 16), [HashPage, OldHashPage]))
            {
                ReadPairs(at, HashItem);
                if (Word(at + 16) == 0 || _data[at + 25] == Unused)
                {
                    break;
                }
            }
        }
    }

    // A bucket that never held anything may be a page that was never written.
    private static ReadOnlySpan<byte> BucketPages => [HashPage, OldHashPage, Unused];

    /// <summary>btree: down to the first leaf, then along the leaves.</summary>
    private void ReadLeaves()
    {
        var number = Word(AtRoot);
        var at = Page(number, [BtreeBranch, BtreeLeaf]);
        while (_data[at + 25] == BtreeBranch)
        {
            // Its first child: length (2), type (1), unused (1), page (4).
            var item = Item(at, 0);
            number = item + 8 <= at + _pageSize ? Word(item + 4) : throw Damaged("an item outside its page");
            at = Page(number, [BtreeBranch, BtreeLeaf]);
        }
        while (true)
        {
            ReadPairs(at, BtreeItem);
            number = Word(at + 16);
            if (number == 0)
            {
                return;
            }
            at = Page(number, [BtreeLeaf]);
        }
    }

    private delegate ReadOnlySpan<byte> ItemReader(int page, int index, out bool deleted);

    private void ReadPairs(int page, ItemReader read)
    {
        if (_data[page + 25] == Unused)
        {
            return;
        }
        var items = Short(page + 20);
        for (var i = 0; i + 1 < items; i += 2)
        {
            var key = read(page, i, out var deletedKey);
            var value = read(page, i + 1, out var deletedValue);
            if (!deletedKey && !deletedValue)
            {
                _store.Add(key, value, replace: false);
            }
        }
    }

    /// <summary>An item of a hash page: it ends where the one before it begins. Its first byte is its kind: 1 here, 3 on pages of its own.</summary>
    private ReadOnlySpan<byte> HashItem(int page, int index, out bool deleted)
    {
        deleted = false;
        var at = Item(page, index);
        var end = index == 0 ? page + _pageSize : Item(page, index - 1);
        return end <= at ? throw Damaged("items that overlap") : _data[at] switch
        {
            1 => _data.AsSpan(at + 1, end - at - 1),
            3 when end - at >= 12 => Chain(Word(at + 4), Word(at + 8)),
            _ => throw Damaged("an item of a kind that postmap does not write"),
        };
    }

    /// <summary>An item of a leaf: length (2), kind (1), bytes; or unused (2), kind, unused (1), page (4), length (4).</summary>
    private ReadOnlySpan<byte> BtreeItem(int page, int index, out bool deleted)
    {
        var at = Item(page, index);
        var kind = at + 3 <= page + _pageSize ? _data[at + 2] : (byte)0;
        deleted = (kind & 0x80) != 0;
        var length = Short(at);
        return (kind & 0x7f) switch
        {
            1 when at + 3 + length <= page + _pageSize => _data.AsSpan(at + 3, length),
            3 when at + 12 <= page + _pageSize => Chain(Word(at + 4), Word(at + 8)),
            _ => throw Damaged("an item of a kind that postmap does not write"),
        };
    }

    /// <summary>What is too large for a page: a chain of pages.</summary>
    private byte[] Chain(uint number, uint length)
    {
        if (length > (uint)_data.Length)
        {
            throw Damaged("a value longer than the file");
        }
        var whole = new byte[length];
        var have = 0;
        while (have < whole.Length)
        {
            var at = Page(number, [Overflow]);
            var part = Short(at + 22);
            if (part == 0 || part > _pageSize - PageHeader || part > whole.Length - have)
            {
                throw Damaged("a long value in bad pieces");
            }
            _data.AsSpan(at + PageHeader, part).CopyTo(whole.AsSpan(have));
            have += part;
            number = Word(at + 16);
        }
        return whole;
    }

    private int Item(int page, int index)
    {
        var place = PageHeader + (2 * index);
        var offset = place + 2 <= _pageSize && index < Short(page + 20) ? Short(page + place) : 0;
        // The least item has three bytes.
        return offset >= PageHeader && offset + 3 <= _pageSize ? page + offset : throw Damaged("an item outside its page");
    }

    /// <summary>Where a page begins; each may be asked for once.</summary>
    private int Page(uint number, ReadOnlySpan<byte> types)
    {
        if (_pagesLeft-- <= 0)
        {
            throw Damaged("pages form a loop");
        }
        var at = At(number);
        return types.Contains(_data[at + 25]) ? at : throw Damaged($"page {number} is of another kind");
    }

    private int At(uint number) =>
        number > 0 && number < (uint)(_data.Length / _pageSize) ? (int)number * _pageSize : throw Damaged($"no page {number}");

    private ushort Short(int at) => BinaryPrimitives.ReadUInt16LittleEndian(_data.AsSpan(at));

    private uint Word(int at) => BinaryPrimitives.ReadUInt32LittleEndian(_data.AsSpan(at));

    private TableException Damaged(string how) => new($"open database {_path}: damaged Berkeley DB file: {how}");
}
