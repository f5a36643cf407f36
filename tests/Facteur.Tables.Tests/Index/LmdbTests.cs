using System.Text;
using CsCheck;
using Facteur.Tables.Index;

namespace Facteur.Tables.Tests.Index;

public sealed class LmdbTests
{
    private static byte[] Write(SortedDictionary<byte[], byte[]> entries)
    {
        var store = new EntryStore();
        foreach (var (key, value) in entries.Reverse())
        {
            Assert.True(store.Add(key, value, replace: false));
        }
        using var file = new MemoryStream();
        new LmdbWriter(file).Write(store);
        return file.ToArray();
    }

    private static SortedDictionary<byte[], byte[]> Sorted(IEnumerable<(byte[] Key, byte[] Value)> entries)
    {
        var sorted = new SortedDictionary<byte[], byte[]>(Comparer<byte[]>.Create((a, b) => a.AsSpan().SequenceCompareTo(b)));
        foreach (var (key, value) in entries)
        {
            sorted[key] = value;
        }
        return sorted;
    }

    [Fact]
    public void What_is_written_is_read() =>
        Gen.Select(Gen.Byte.Array[1, 511], Gen.OneOf(Gen.Byte.Array[0, 100], Gen.Byte.Array[1900, 2100], Gen.Byte.Array[4000, 9000])).List[0, 300].Sample(
            list =>
            {
                var entries = Sorted(list);
                var file = LmdbFile.Parse("x", Write(entries));
                Assert.Equal(entries.Select(e => Convert.ToHexString(e.Key)), file.Entries().Select(e => Convert.ToHexString(e.Key)));
                foreach (var (key, value) in entries)
                {
                    Assert.True(file.TryGet(key, out var found));
                    Assert.True(found.SequenceEqual(value));
                    byte[] other = [.. key, 1];
                    Assert.Equal(entries.ContainsKey(other), file.TryGet(other, out _));
                }
            },
            iter: 60);

    /// <summary>Keys that are alike for long, end within others, and hold zeros.</summary>
    [Fact]
    public void Keys_are_in_the_order_of_their_bytes() =>
        Gen.Int[0, 2].Select(i => new byte[] { 0, (byte)'a', 0xff }[i]).Array[1, 20].Array[0, 200].Sample(
            keys =>
            {
                var store = new EntryStore();
                byte[][] all = [.. keys, .. keys.Select(k => (byte[])[.. "aaaaaaaaaaaaaaaa"u8, .. k]), .. keys.Select(k => (byte[])[.. k, .. k, .. k])];
                foreach (var key in all)
                {
                    store.Add(key, key, replace: false);
                }
                Assert.Equal(Sorted(all.Select(k => (k, k))).Keys.Select(Convert.ToHexString), store.Sorted().Select(i => Convert.ToHexString(store.KeyOf(i))));
            },
            iter: 300);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(5000)]
    [InlineData(100_000)]
    public void Trees_of_any_height_hold(int count)
    {
        var entries = Sorted(Enumerable.Range(0, count).Select(i => (Encoding.UTF8.GetBytes($"user{i}@example{i % 7}.com\0"), Encoding.UTF8.GetBytes($"v{i}\0"))));
        var file = LmdbFile.Parse("x", Write(entries));
        Assert.Equal(count, file.Entries().Count());
        foreach (var (key, value) in entries)
        {
            Assert.True(file.TryGet(key, out var found) && found.SequenceEqual(value));
        }
        Assert.False(file.TryGet("zzz"u8, out _));
    }

    [Fact]
    public void Damage_is_an_error_and_never_more()
    {
        var whole = Write(Sorted(Enumerable.Range(0, 400).Select(i => (Encoding.UTF8.GetBytes($"key{i}"), new byte[i * 11]))));
        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte, Gen.Int[0, whole.Length - 1], Gen.Byte, Gen.Int[0, whole.Length]).Sample(
            (at, value, at2, value2, length) =>
            {
                var damaged = (byte[])whole.Clone();
                // Structure stands at the start of pages and nodes: aim there.
                damaged[(at & ~4095) + (at % 64)] = value;
                damaged[at2] = value2;
                var data = length % 3 == 0 ? damaged[..length] : damaged;
                try
                {
                    var file = LmdbFile.Parse("x", data);
                    file.TryGet("key7"u8, out _);
                    file.TryGet("key399"u8, out _);
                    Assert.True(file.Entries().Take(2_000_000).Count() < 2_000_000);
                }
                catch (TableException e)
                {
                    Assert.Contains("x", e.Message);
                }
            },
            iter: 2000);
    }

    [Fact]
    public void A_file_that_is_none_is_told()
    {
        Assert.Equal("open database x: MDB_INVALID: File is not an LMDB file", Assert.Throws<TableException>(() => LmdbFile.Parse("x", new byte[9000])).Message);
    }

    [Fact]
    public void Postfix_reads_and_changes_what_we_write()
    {
        RealPostmap.Need("lmdb");
        using var tables = new TestTables();
        tables.Write("main.cf", "compatibility_level = 3.6\n");
        var path = tables.Write("t", "a 1\n");
        using (var index = IndexFile.Create("lmdb:" + path, path, new TableOptions()))
        {
            for (var i = 0; i < 3000; i++)
            {
                index.Add($"key{i}", i % 100 == 0 ? new string('v', 5000) : $"value{i}", replace: false);
            }
            index.Save(inheritMode: true);
        }
        Assert.Equal("value17", RealPostmap.Run("-c", tables.Directory, "-q", "key17", "lmdb:" + path));
        Assert.Equal(5000, RealPostmap.Run("-c", tables.Directory, "-q", "key2900", "lmdb:" + path).Length);
        Assert.Equal(3000, RealPostmap.Run("-c", tables.Directory, "-s", "lmdb:" + path).Split('\n').Length);
        for (var i = 100; i < 105; i++)
        {
            RealPostmap.Run("-c", tables.Directory, "-d", $"key{i}", "lmdb:" + path);
        }
        Assert.Equal(2995, LmdbFile.Open(path + ".lmdb").Entries().Count());
        RealPostmap.Run("-c", tables.Directory, "lmdb:" + path);
        Assert.Equal("= 1", tables.Find("lmdb:@E@/t", "A"));
        Assert.Equal("-", tables.Find("lmdb:@E@/t", "key17"));
    }
}
