using Facteur.Tables.Index;

namespace Facteur.Tables.Tests.Index;

public sealed class IndexFileTests
{
    /// <summary>What is written takes the place of Postfix's file: none of its entries may be lost.</summary>
    [Theory]
    [InlineData("hash", true)]
    [InlineData("btree", true)]
    [InlineData("lmdb", false)]
    [InlineData("dbm", false)]
    public void A_change_begins_with_what_Postfix_made(string type, bool serves)
    {
        using var tables = new TestTables();
        var path = tables.Write("t", "");
        File.WriteAllBytes(path + ".db", BerkeleyTests.Sample(type == "btree" ? type : "hash"));
        Assert.Equal(serves, IndexFile.Exists($"{type}:{path}", path));
        if (!serves)
        {
            Assert.Equal($"open database {path}.lmdb: No such file or directory", Assert.Throws<TableException>(() => IndexFile.Load($"{type}:{path}", path, new TableOptions())).Message);
            return;
        }
        using (var index = IndexFile.Load($"{type}:{path}", path, new TableOptions()))
        {
            Assert.True(index.Add("new", "one", replace: false));
            Assert.True(index.Remove("key7919"));
            Assert.False(index.Remove("nosuchkey"));
            index.Save(inheritMode: true);
        }
        Assert.Equal("= one", tables.Find($"{type}:@E@/t", "new"));
        Assert.Equal("-", tables.Find($"{type}:@E@/t", "key7919"));
        Assert.Equal("= v0-v0-", tables.Find($"{type}:@E@/t", "key0"));
        Assert.True(File.Exists(path + ".lmdb"));
        // The next change begins with ours.
        using var next = IndexFile.Load($"{type}:{path}", path, new TableOptions());
        Assert.True(next.Remove("new"));
    }
}
