using Facteur.Tables.Index;
using Facteur.Tables.Types;
using Facteur.Unix;

namespace Facteur.Tables.Tests.Types;

public sealed class FileTableTests
{
    private static void Postmap(TestTables tables, string type, string name, params (string Key, string Value)[] entries)
    {
        var path = Path.Combine(tables.Directory, name);
        using var index = IndexFile.Create($"{type}:{path}", path, new TableOptions());
        foreach (var (key, value) in entries)
        {
            Assert.True(index.Add(key, value, replace: false));
        }
        index.Save(inheritMode: true);
    }

    [Fact]
    public void A_text_is_read_again_when_its_change_has_come_to_rest()
    {
        using var tables = new TestTables();
        tables.Write("t", "a 1\n");
        Assert.Equal("= 1", tables.Find("texthash:@E@/t", "A"));
        tables.Advance(10);
        tables.Write("t", "a 2\nhalf");
        tables.Advance(1.5);
        Assert.Equal("= 1", tables.Find("texthash:@E@/t", "a"));
        tables.Write("t", "a 2\nb 3\n");
        tables.Advance(3);
        Assert.Equal("= 3", tables.Find("texthash:@E@/t", "b"));
        Assert.Equal(["info: table texthash:@E@/t has changed -- reloaded"], tables.Said);
    }

    [Fact]
    public void A_file_that_goes_leaves_its_content()
    {
        using var tables = new TestTables();
        var path = tables.Write("t", "a 1\n");
        Assert.Equal("= 1", tables.Find("texthash:@E@/t", "a"));
        File.Delete(path);
        for (var i = 0; i < 3; i++)
        {
            tables.Advance(5);
            Assert.Equal("= 1", tables.Find("texthash:@E@/t", "a"));
        }
        Assert.Equal("warning: table texthash:@E@/t has changed, but: open database @E@/t: No such file or directory; its old content stays in use", Assert.Single(tables.Said));
    }

    [Fact]
    public void A_copy_that_is_read_in_a_files_place_is_what_is_seen_to_change()
    {
        using var tables = new TestTables();
        var path = tables.Write("t", "a copied\n");
        Give("a copied\n");
        Assert.Equal("= copied", tables.Find("texthash:@E@/t", "a"));
        tables.Advance(10);
        // The next copy is not here yet: a look meanwhile must not take this change for one that was read.
        tables.Write("t", "a renewed\n");
        tables.Advance(5);
        Assert.Equal("= copied", tables.Find("texthash:@E@/t", "a"));
        Give("a renewed\n");
        tables.Advance(5);
        Assert.Equal("= renewed", tables.Find("texthash:@E@/t", "a"));
        tables.Write("t", "a everybody's\n");
        tables.Advance(5);
        Assert.Equal("= renewed", tables.Find("texthash:@E@/t", "a"));
        SealedFiles.Forget(path);
        tables.Advance(5);
        Assert.Equal("= everybody's", tables.Find("texthash:@E@/t", "a"));
        Assert.Equal(Enumerable.Repeat("info: table texthash:@E@/t has changed -- reloaded", 2), tables.Said);

        void Give(string text)
        {
            var copy = tables.Write("copy", text);
            SealedFiles.Add(path, Libc.open(copy, Libc.O_RDONLY | Libc.O_CLOEXEC, 0));
            File.Delete(copy);
        }
    }

    [Theory]
    [InlineData("hash")]
    [InlineData("btree")]
    public void Without_an_index_the_text_is_used_and_postmap_takes_over(string type)
    {
        using var tables = new TestTables();
        tables.Write("t", "a 1\n");
        Assert.Equal("= 1", tables.Find($"{type}:@E@/t", "a"));
        Assert.Equal($"warning: table {type}:@E@/t: no index @E@/t.lmdb: using one made of @E@/t in memory; \"postmap {type}:@E@/t\" makes the file", Assert.Single(tables.Said));
        Postmap(tables, type, "t", ("a", "indexed"));
        tables.Advance(2);
        Assert.Equal("= indexed", tables.Find($"{type}:@E@/t", "a"));
        tables.Advance(5);
        tables.Write("t", "a edited\n");
        tables.Advance(500);
        Assert.Equal("= indexed", tables.Find($"{type}:@E@/t", "a"));
    }

    [Fact]
    public void Beside_a_Berkeley_DB_file_an_edit_alone_changes_nothing()
    {
        using var tables = new TestTables();
        tables.Write("t", "a text\n");
        var path = Path.Combine(tables.Directory, "t.db");
        File.WriteAllBytes(path, Index.BerkeleyTests.Sample("hash"));
        Assert.Equal("= v0-v0-", tables.Find("hash:@E@/t", "KEY0"));
        Assert.Equal("-", tables.Find("hash:@E@/t", "a"));
        tables.Advance(10);
        tables.Write("t", "a 2\n");
        tables.Advance(10);
        Assert.Equal("= v0-v0-", tables.Find("hash:@E@/t", "key0"));
        File.WriteAllText(path, "damaged");
        tables.Advance(10);
        Assert.Equal("= v0-v0-", tables.Find("hash:@E@/t", "key0"));
        Assert.Equal("warning: table hash:@E@/t has changed, but: open database @E@/t.db: not a Berkeley DB file; its old content stays in use", tables.Said[^1]);
        Postmap(tables, "hash", "t", ("a", "indexed"));
        tables.Advance(10);
        Assert.Equal("= indexed", tables.Find("hash:@E@/t", "a"));
        Assert.Equal("damaged", File.ReadAllText(path));
    }

    [Fact]
    public async Task The_text_of_alias_maps_is_in_the_form_of_aliases()
    {
        using var tables = new TestTables();
        tables.Write("aliases", "postmaster: root\n\"list one\": a,b\n");
        using var set = new TableSet(new Facteur.Testing.TestConfig(("alias_maps", $"proxy:hash:{tables.Directory}/aliases")), tables, tables);
        var table = set.Open($"hash:{tables.Directory}/aliases");
        Assert.Equal("root", (await table.LookupAsync("Postmaster", default)).Value);
        Assert.Equal("a, b", (await table.LookupAsync("list one", default)).Value);
        Assert.Contains("\"postalias hash:@E@/aliases\"", Assert.Single(tables.Said));
    }

    [Fact]
    public void An_old_index_is_told()
    {
        using var tables = new TestTables();
        Postmap(tables, "lmdb", "t", ("a", "1"));
        File.SetLastWriteTimeUtc(Path.Combine(tables.Directory, "t.lmdb"), tables.GetUtcNow().UtcDateTime);
        tables.Advance(60);
        tables.Write("t", "a 2\n");
        tables.Advance(200);
        Assert.Equal("= 1", tables.Find("lmdb:@E@/t", "a"));
        Assert.Equal("warning: database @E@/t.lmdb is older than source file @E@/t", Assert.Single(tables.Said));
    }

    [Theory]
    [InlineData("lmdb:@E@/none", "open database @E@/none.lmdb: No such file or directory")]
    [InlineData("hash:@E@/none", "open database @E@/none.lmdb: No such file or directory")]
    [InlineData("texthash:@E@/none", "open database @E@/none: No such file or directory")]
    [InlineData("cidr:@E@/none", "open @E@/none: No such file or directory")]
    [InlineData("regexp:@E@", "open @E@: Is a directory")]
    [InlineData("nosuchtype:x", "unsupported dictionary type: nosuchtype")]
    [InlineData("x", "open dictionary: expecting \"type:name\" form instead of \"x\"")]
    public void What_cannot_be_opened_answers_with_an_error_and_is_said_once(string name, string why)
    {
        using var tables = new TestTables();
        Assert.Equal($"! {name} is unavailable. {why}", tables.Find(name, "k"));
        Assert.Equal($"! {name} is unavailable. {why}", tables.Find(name, "k"));
        Assert.Equal($"error: {why}", Assert.Single(tables.Said));
    }

    [Fact]
    public void What_was_missing_is_found_a_few_seconds_after_it_came()
    {
        using var tables = new TestTables();
        Assert.StartsWith("! ", tables.Find("texthash:@E@/t", "a"));
        tables.Write("t", "a 1\n");
        tables.Advance(1);
        Assert.StartsWith("! ", tables.Find("texthash:@E@/t", "a"));
        tables.Advance(10);
        Assert.Equal("= 1", tables.Find("texthash:@E@/t", "a"));
        Assert.Equal(["error: open database @E@/t: No such file or directory", "info: table texthash:@E@/t is available now"], tables.Said);
    }

    [Fact]
    public async Task Who_opened_what_was_missing_has_it_too()
    {
        using var tables = new TestTables();
        var table = tables.Set.Open($"hash:{tables.Directory}/t");
        for (var i = 0; i < 3; i++)
        {
            tables.Advance(6);
            Assert.Equal(LookupStatus.Error, (await table.LookupAsync("a", default)).Status);
        }
        Postmap(tables, "hash", "t", ("a", "1"));
        tables.Advance(6);
        Assert.Equal("1", (await table.LookupAsync("a", default)).Value);
        Assert.Equal(["error: open database @E@/t.lmdb: No such file or directory", "info: table hash:@E@/t is available now"], tables.Said);
    }

    [Fact]
    public void A_change_that_cannot_be_read_is_told_once_and_read_once_it_can_be()
    {
        using var tables = new TestTables();
        Postmap(tables, "lmdb", "t", ("a", "1"));
        var path = Path.Combine(tables.Directory, "t.lmdb");
        Assert.Equal("= 1", tables.Find("lmdb:@E@/t", "a"));
        Postmap(tables, "lmdb", "t", ("a", "2"));
        var good = File.ReadAllBytes(path);
        var at = File.GetLastWriteTimeUtc(path).AddSeconds(7);
        Put(new byte[good.Length]);
        for (var i = 0; i < 4; i++)
        {
            tables.Advance(6);
            Assert.Equal("= 1", tables.Find("lmdb:@E@/t", "a"));
        }
        Assert.StartsWith("warning: table lmdb:@E@/t has changed, but: ", Assert.Single(tables.Said));
        // As chmod would: what can be read now has the stamp of what could not.
        Put(good);
        tables.Advance(6);
        Assert.Equal("= 2", tables.Find("lmdb:@E@/t", "a"));
        Assert.Equal(2, tables.Said.Count);

        void Put(byte[] content)
        {
            File.WriteAllBytes(path, content);
            File.SetLastWriteTimeUtc(path, at);
        }
    }

    [Fact]
    public async Task One_reads_a_change_and_the_others_go_on_with_the_old_content()
    {
        var cancel = TestContext.Current.CancellationToken;
        using var tables = new TestTables();
        using var go = new ManualResetEventSlim();
        var path = tables.Write("t", "");
        var loads = 0;
        var table = new FileTable(new TableRequest(tables.Set, "texthash:t", "texthash", path), false, request =>
        {
            var stamp = FileStamp.Of(path);
            if (++loads > 1)
            {
                go.Wait(TimeSpan.FromSeconds(30), cancel);
            }
            return new FileContent(new MemoryContent(new Dictionary<string, string> { ["a"] = $"{loads}" }, request.Options), [(path, stamp)], IsText: false, 0);
        });
        Assert.Equal("1", (await table.LookupAsync("a", cancel)).Value);
        tables.Advance(5);
        tables.Write("t", "changed");
        var first = table.LookupAsync("a", cancel).AsTask();
        for (var i = 0; i < 10; i++)
        {
            tables.Advance(5);
            var other = table.LookupAsync("a", cancel);
            Assert.True(other.IsCompletedSuccessfully);
            Assert.Equal("1", (await other).Value);
        }
        Assert.False(first.IsCompleted);
        go.Set();
        Assert.Equal("2", (await first).Value);
        Assert.Equal("2", (await table.LookupAsync("a", cancel)).Value);
        Assert.Equal(2, loads);
        Assert.Equal(["info: table texthash:t has changed -- reloaded"], tables.Said);
    }

    [Fact]
    public async Task A_file_that_does_not_answer_is_told_once_and_holds_up_one_lookup_for_a_while()
    {
        var cancel = TestContext.Current.CancellationToken;
        using var tables = new TestTables();
        using var go = new ManualResetEventSlim();
        var time = new Facteur.Testing.ManualTime();
        using var set = new TableSet(tables.Config, tables, time);
        var path = tables.Write("t", "");
        var loads = 0;
        var table = new FileTable(new TableRequest(set, "texthash:t", "texthash", path), false, request =>
        {
            var stamp = FileStamp.Of(path);
            if (++loads > 1)
            {
                go.Wait(TimeSpan.FromSeconds(30), cancel);
            }
            return new FileContent(new MemoryContent(new Dictionary<string, string> { ["a"] = $"{loads}" }, request.Options), [(path, stamp)], IsText: false, 0);
        });
        tables.Write("t", "changed");
        time.Advance(TimeSpan.FromSeconds(5));
        var first = table.LookupAsync("a", cancel).AsTask();
        time.Advance(TimeSpan.FromSeconds(19));
        Assert.False(first.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal("1", (await first).Value);
        time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal("1", (await table.LookupAsync("a", cancel)).Value);
        Assert.Equal(["warning: table texthash:t: the file does not answer; the content from before stays in use until it does"], tables.Said);
        go.Set();
    }

    [Fact]
    public void Tables_that_are_open_are_shared()
    {
        using var tables = new TestTables(null, ("proxy_read_maps", "proxy:static:x"));
        Assert.Same(tables.Set.Open("static:x"), tables.Set.Open("static:x"));
        Assert.Same(tables.Set.Open("static:x"), tables.Set.Open("proxy:static:x"));
    }

    [Fact]
    public void A_change_by_one_key_keeps_the_form_of_the_keys()
    {
        using var tables = new TestTables();
        var path = Path.Combine(tables.Directory, "t");
        using (var index = IndexFile.Create("lmdb:t", path, new TableOptions { NulTerminated = false }))
        {
            index.Add("a", "1", replace: false);
            index.Save(inheritMode: true);
        }
        using (var index = IndexFile.Load("lmdb:t", path, new TableOptions()))
        {
            Assert.False(index.Add("A", "2", replace: false));
            Assert.True(index.Add("b", "2", replace: false));
            Assert.True(index.Remove("a"));
            index.Save(inheritMode: true);
        }
        Assert.Equal("b", System.Text.Encoding.UTF8.GetString(Assert.Single(LmdbFile.Open(path + ".lmdb").Entries()).Key));
        Assert.Equal(path + ".lmdb", Assert.Single(Directory.GetFiles(tables.Directory)));
    }
}
