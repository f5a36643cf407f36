using Facteur.Tables.Cache;
using Facteur.Testing;

namespace Facteur.Tables.Tests.Cache;

public sealed class TableCacheTests
{
    private static TableCache Open(TestTables tables, string type = "btree", int limit = 1000) => new($"{type}:{tables.Directory}/c", limit, tables, tables);

    private static string Show(TableCache cache) => string.Join(' ', cache.Entries().Select(e => $"{e.Key}={e.Value}"));

    [Fact]
    public void Who_leaves_writes_what_it_knows_and_nothing_after()
    {
        using var tables = new TestTables();
        using var old = Open(tables);
        old.Update("a", "1");
        old.Leave();
        using (var next = Open(tables))
        {
            Assert.Equal("a=1", Show(next));
            next.Update("b", "2");
        }
        old.Update("c", "3");
        old.Write();
        Assert.Equal("a=1 c=3", Show(old));
        using var last = Open(tables);
        Assert.Equal("a=1 b=2", Show(last));
    }

    [Fact]
    public void What_was_written_is_there_after_a_restart()
    {
        using var tables = new TestTables();
        using (var cache = Open(tables))
        {
            cache.Update("a", "1");
            cache.Update("b", "2 two");
            cache.Update("a", "3");
            cache.Update("odd\tkey", "in memory only");
            cache.Update("c", "4");
            cache.Delete("c");
            cache.Delete("never");
            Assert.True(cache.TryGet("odd\tkey", out _));
            cache.Write();
            Assert.Equal("= 3", tables.Find("btree:@E@/c", "a"));
        }
        using var again = Open(tables, "lmdb");
        Assert.Equal("a=3 b=2 two", Show(again));
        Assert.False(again.TryGet("c", out _));
        Assert.Equal((1, 1), again.Clean((key, _) => key == "a"));
        again.Write();
        using var cleaned = Open(tables);
        Assert.Equal("b=2 two", Show(cleaned));
        Assert.Empty(tables.Said);
    }

    [Theory]
    [InlineData("btree", true)]
    [InlineData("proxy:btree", true)]
    [InlineData("proxy:lmdb", true)]
    [InlineData("internal", false)]
    [InlineData("memcache", false)]
    [InlineData("proxy:mysql", false)]
    public void Behind_proxy_it_is_the_same_file_and_what_is_no_file_is_memory(string type, bool isFile)
    {
        using var tables = new TestTables();
        using (var cache = Open(tables, type))
        {
            cache.Update("a", "1");
            Assert.True(cache.TryGet("a", out _));
        }
        Assert.Equal(isFile, File.Exists($"{tables.Directory}/c.cache"));
        using var again = Open(tables, "btree");
        Assert.Equal(isFile ? "a=1" : "", Show(again));
        Assert.Equal(isFile || type == "internal" ? [] : [$"warning: {type}:@E@/c: the cache is kept in memory only: expected btree:path, hash:path or lmdb:path"], tables.Said);
    }

    [Theory]
    [InlineData("")]
    [InlineData("rubbish\n")]
    [InlineData("facteur cache, format 1\nrubbish\n")]
    public void A_damaged_one_is_replaced(string content)
    {
        using var tables = new TestTables();
        tables.Write("c.cache", content);
        using (var cache = Open(tables))
        {
            Assert.Equal(0, cache.Count);
            cache.Update("a", "1");
        }
        Assert.Equal("warning: @E@/c.cache: the file is damaged and is written anew; 0 entries could be read", Assert.Single(tables.Said));
        using var again = Open(tables);
        Assert.Equal("a=1", Show(again));
        Assert.Single(tables.Said);
    }

    [Fact]
    public void One_that_was_cut_keeps_what_can_be_read()
    {
        using var tables = new TestTables();
        using (var cache = Open(tables))
        {
            cache.Update("a", "1");
            cache.Update("b", "2");
        }
        var path = Path.Combine(tables.Directory, "c.cache");
        File.WriteAllText(path, File.ReadAllText(path)[..^4]);
        using var again = Open(tables);
        Assert.Equal("a=1", Show(again));
    }

    [Fact]
    public void Where_nothing_can_be_written_it_goes_on_in_memory()
    {
        using var tables = new TestTables();
        System.IO.Directory.CreateDirectory(Path.Combine(tables.Directory, "c.cache"));
        using var cache = Open(tables);
        for (var i = 0; i < 3; i++)
        {
            cache.Update("a", "1");
            cache.Write();
        }
        Assert.True(cache.TryGet("a", out _));
        Assert.EndsWith("its content is kept in memory only", Assert.Single(tables.Said));
    }

    [Fact]
    public void When_it_can_be_written_again_all_of_it_is()
    {
        using var tables = new TestTables();
        var path = Path.Combine(tables.Directory, "c.cache");
        System.IO.Directory.CreateDirectory(path);
        var time = new ManualTime();
        using var cache = new TableCache($"btree:{tables.Directory}/c", 1000, tables, time);
        cache.Update("a", "1");
        time.Advance(TimeSpan.FromSeconds(1));
        cache.Update("b", "2");
        System.IO.Directory.Delete(path);
        time.Advance(TimeSpan.FromSeconds(59));
        Assert.False(File.Exists(path));
        time.Advance(TimeSpan.FromSeconds(1));
        using var again = Open(tables);
        Assert.Equal("a=1 b=2", Show(again));
        Assert.Equal(2, tables.Said.Count);
        Assert.Equal("info: @E@/c.cache: is written again", tables.Said[1]);
    }

    [Fact]
    public void What_can_not_be_written_is_not_kept_to_be_written()
    {
        using var tables = new TestTables();
        System.IO.Directory.CreateDirectory(Path.Combine(tables.Directory, "c.cache"));
        using var cache = Open(tables);
        cache.Update("a", "1");
        cache.Write();
        var value = new string('v', 1000);
        var before = GC.GetTotalMemory(forceFullCollection: true);
        for (var i = 0; i < 20_000; i++)
        {
            cache.Update("a", value);
        }
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 10 << 20);
        Assert.Equal(1, cache.Count);
    }

    [Fact]
    public void Beyond_its_limit_the_oldest_go()
    {
        using var tables = new TestTables();
        using var cache = Open(tables, limit: 100);
        for (var i = 0; i < 250; i++)
        {
            cache.Update($"k{i}", "v");
            cache.Update("k0", "v");
        }
        Assert.InRange(cache.Count, 90, 100);
        Assert.True(cache.TryGet("k0", out _) && cache.TryGet("k249", out _));
        Assert.False(cache.TryGet("k1", out _));
    }

    [Fact]
    public void What_Postfix_kept_is_taken_over_once()
    {
        using var tables = new TestTables();
        File.WriteAllBytes(Path.Combine(tables.Directory, "c.db"), Index.BerkeleyTests.Sample("btree"));
        using (var cache = Open(tables))
        {
            Assert.Equal(700, cache.Count);
        }
        Assert.Equal("info: @E@/c.cache: 700 entries are taken over from @E@/c.db", Assert.Single(tables.Said));
        File.Delete(Path.Combine(tables.Directory, "c.db"));
        using var again = Open(tables);
        Assert.Equal(700, again.Count);
    }

    [Fact]
    public void A_damaged_one_of_Postfix_is_left()
    {
        using var tables = new TestTables();
        tables.Write("c.lmdb", "rubbish");
        using var cache = Open(tables);
        Assert.Equal(0, cache.Count);
        Assert.Equal("warning: open database @E@/c.lmdb: MDB_INVALID: File is not an LMDB file: nothing is taken over", Assert.Single(tables.Said));
    }
}
