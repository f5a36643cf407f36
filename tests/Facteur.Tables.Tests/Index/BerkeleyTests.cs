using System.IO.Compression;
using System.Text;
using CsCheck;
using Facteur.Tables.Index;

namespace Facteur.Tables.Tests.Index;

/// <summary>The samples were made by Postfix's postmap of 700 entries, some of them on pages of their own.</summary>
public sealed class BerkeleyTests
{
    internal static byte[] Sample(string type)
    {
        using var stream = new GZipStream(typeof(BerkeleyTests).Assembly.GetManifestResourceStream($"{type}.db.gz")!, CompressionMode.Decompress);
        using var whole = new MemoryStream();
        stream.CopyTo(whole);
        return whole.ToArray();
    }

    private static (string Key, string Value)[] Text() =>
        [.. Enumerable.Range(0, 700).Select(i => ($"key{i * 7919 % 100003}", string.Concat(Enumerable.Repeat($"v{i}-", i % 200 == 7 ? 3000 : 2))))];

    [Theory]
    [InlineData("hash")]
    [InlineData("btree")]
    public void All_entries_are_read(string type)
    {
        var store = BerkeleyFile.Parse("x", Sample(type));
        var entries = store.Entries().Select(e => (Encoding.UTF8.GetString(e.Key), Encoding.UTF8.GetString(e.Value))).ToList();
        Assert.Equal(Text().Select(e => (e.Key + "\0", e.Value + "\0")).Order(), entries.Order());
        Assert.True(store.TryGet("key7919\0"u8, out var value));
        Assert.Equal("v1-v1-\0"u8, value);
        Assert.False(store.TryGet("key7920\0"u8, out _));
        if (type == "btree")
        {
            Assert.Equal(entries.Order(Comparer<(string Key, string)>.Create((a, b) => string.CompareOrdinal(a.Key, b.Key))), entries);
        }
    }

    [Theory]
    [InlineData("hash")]
    [InlineData("btree")]
    public void Damage_is_an_error_and_never_more(string type)
    {
        var whole = Sample(type);
        var pages = whole.Length / 4096;
        Gen.Select(Gen.Int[0, pages - 1], Gen.Int[0, 127], Gen.Byte, Gen.Int[0, whole.Length - 1], Gen.Byte, Gen.Int[0, whole.Length]).Sample(
            (page, at, value, at2, value2, length) =>
            {
                var damaged = (byte[])whole.Clone();
                // Structure stands at the start of pages: aim there.
                damaged[(page * 4096) + at] = value;
                damaged[at2] = value2;
                try
                {
                    Assert.InRange(BerkeleyFile.Parse("x", length % 3 == 0 ? damaged[..length] : damaged).Count, 0, whole.Length);
                }
                catch (TableException e)
                {
                    Assert.StartsWith("open database x: ", e.Message);
                }
            },
            iter: 1500);
    }

    [Fact]
    public void What_is_no_such_file_is_told()
    {
        Assert.Equal("open database x: not a Berkeley DB file", Assert.Throws<TableException>(() => BerkeleyFile.Parse("x", new byte[9000])).Message);
        var swapped = Sample("hash");
        swapped.AsSpan(12, 4).Reverse();
        Assert.EndsWith("with another byte order", Assert.Throws<TableException>(() => BerkeleyFile.Parse("x", swapped)).Message);
        var future = Sample("hash");
        future[16] = 99;
        Assert.EndsWith("version 99 of its kind is not read", Assert.Throws<TableException>(() => BerkeleyFile.Parse("x", future)).Message);
    }

    [Theory]
    [InlineData("hash", 0)]
    [InlineData("hash", 1)]
    [InlineData("hash", 20_000)]
    [InlineData("btree", 0)]
    [InlineData("btree", 1)]
    [InlineData("btree", 20_000)]
    public void What_Postfix_builds_is_served_in_its_order(string type, int count)
    {
        RealPostmap.Need(type);
        using var tables = new TestTables();
        tables.Write("main.cf", "compatibility_level = 3.6\n");
        var path = tables.Write("t", string.Concat(Enumerable.Range(0, count).Select(i => $"user{i * 7919}@domain{i % 31}.example value{i}{new string('x', i % 500 == 3 ? 5000 : 0)}\n")));
        RealPostmap.Run("-c", tables.Directory, $"{type}:{path}");
        Assert.Equal(count == 0 ? "" : RealPostmap.Run("-c", tables.Directory, "-s", $"{type}:{path}"),
            string.Join('\n', BerkeleyFile.Open(path + ".db").Entries().Select(e => $"{Encoding.UTF8.GetString(e.Key)[..^1]}\t{Encoding.UTF8.GetString(e.Value)[..^1]}")));
        Assert.Equal(count > 0 ? "= value0" : "-", tables.Find($"{type}:@E@/t", "USER0@domain0.example"));
        Assert.Empty(tables.Said);
    }
}
