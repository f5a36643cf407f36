using System.Buffers.Binary;
using Facteur.Tables.Text;

namespace Facteur.Tables.Index;

/// <summary>
/// A constant database of D. J. Bernstein's cdb, read into memory. 256 pairs (place, slots) head it; then the records (key length, value
/// length, key, value); then 256 tables of slots (hash, place), a slot with place 0 being free. All numbers have four bytes, the lowest first.
/// Every offset is checked: a damaged file is an error and never more.
/// </summary>
internal sealed class CdbFile : IEntries
{
    public const int Tables = 256, Head = Tables * 8;

    private readonly string _path;
    private readonly byte[] _data;

    private CdbFile(string path, byte[] data, uint owner) => (_path, _data, Owner) = (path, data, owner);

    public uint Owner { get; }

    /// <summary>Reads a file.</summary>
    /// <exception cref="TableException">It is not there or no such file.</exception>
    public static CdbFile Open(string path) => Parse(path, TableSource.Read(path, "open database", out var owner), owner);

    /// <summary>Takes the bytes of a file.</summary>
    /// <exception cref="TableException">They are too few.</exception>
    public static CdbFile Parse(string path, byte[] data, uint owner = 0) =>
        data.Length >= Head ? new CdbFile(path, data, owner) : throw new TableException($"open database {path}: not a CDB file");

    /// <summary>The hash that places a key.</summary>
    public static uint HashOf(ReadOnlySpan<byte> key)
    {
        var hash = 5381u;
        foreach (var b in key)
        {
            hash = ((hash << 5) + hash) ^ b;
        }
        return hash;
    }

    public bool TryGet(ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        value = default;
        var hash = HashOf(key);
        var head = (int)(hash % Tables) * 8;
        var (table, slots) = (Word(head), Word(head + 4));
        if (slots == 0)
        {
            return false;
        }
        if (table > (uint)_data.Length || slots > ((uint)_data.Length - table) / 8)
        {
            throw Damaged("a table of slots outside the file");
        }
        var slot = (hash >> 8) % slots;
        for (var tried = 0u; tried < slots; tried++)
        {
            var at = (int)(table + (slot * 8));
            var place = Word(at + 4);
            if (place == 0)
            {
                return false;
            }
            if (Word(at) == hash && Record(place, out var found, out value) && key.SequenceEqual(found))
            {
                return true;
            }
            slot = slot + 1 == slots ? 0 : slot + 1;
        }
        value = default;
        return false;
    }

    public IEnumerable<KeyValuePair<byte[], byte[]>> Entries()
    {
        // The records end where the first table begins.
        var end = (uint)_data.Length;
        for (var i = 0; i < Tables; i++)
        {
            end = Math.Min(end, Word(i * 8));
        }
        for (long at = Head; at < end;)
        {
            var (key, value) = Copy((uint)at);
            at += 8 + key.Length + value.Length;
            yield return new(key, value);
        }
    }

    private (byte[] Key, byte[] Value) Copy(uint place)
    {
        Record(place, out var key, out var value);
        return (key.ToArray(), value.ToArray());
    }

    private bool Record(uint place, out ReadOnlySpan<byte> key, out ReadOnlySpan<byte> value)
    {
        if (place < Head || (long)place + 8 > _data.Length)
        {
            throw Damaged("a record outside the file");
        }
        var (keyLength, valueLength) = (Word((int)place), Word((int)place + 4));
        if (place + 8L + keyLength + valueLength > _data.Length)
        {
            throw Damaged("a record longer than the file");
        }
        key = _data.AsSpan((int)place + 8, (int)keyLength);
        value = _data.AsSpan((int)place + 8 + (int)keyLength, (int)valueLength);
        return true;
    }

    private uint Word(int at) => BinaryPrimitives.ReadUInt32LittleEndian(_data.AsSpan(at));

    private TableException Damaged(string how) => new($"{_path}: damaged CDB file: {how}");
}
