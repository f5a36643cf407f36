using Facteur.Unix;

namespace Facteur.Tables.Tests.Types;

/// <summary>Whose answers are, where tables are made of tables: as Postfix's pipemap and unionmap have owners.</summary>
public sealed class OwnedTableTests
{
    private const uint User = 12345, Other = 12346, Nobody = uint.MaxValue;

    [Theory]
    [InlineData("texthash:@E@/user", "a", User, "user")]
    [InlineData("debug:texthash:@E@/user", "a", User, "user")]
    [InlineData("unionmap:{texthash:@E@/root, static:x}", "a,x", 0u, "root")]
    [InlineData("unionmap:{texthash:@E@/root, texthash:@E@/user}", "a,a", User, "root user")]
    [InlineData("unionmap:{texthash:@E@/user, texthash:@E@/other}", "a,b", Nobody, "user other")]
    [InlineData("pipemap:{texthash:@E@/user, static:x}", "x", User, "user")]
    [InlineData("pipemap:{static:k, texthash:@E@/user}", "a", User, "user")]
    [InlineData("unionmap:{static:x, pipemap:{static:k, debug:texthash:@E@/user}}", "x,a", User, "user")]
    [InlineData("pipemap:{static:x, inline:{x=y}}", "y", 0u, "")]
    [InlineData("sqlite:@E@/query", "a", User, "query")]
    [InlineData("debug:sqlite:@E@/query", "a", User, "query")]
    [InlineData("sqlite:mine", "a", 0u, "")]
    [InlineData("unionmap:{texthash:@E@/other, sqlite:@E@/query}", "b,a", Nobody, "other query")]
    public void An_answer_is_its_file_s_owner_s(string name, string value, uint owner, string files)
    {
        Assert.SkipUnless(FileIdentity.CanChange, "needs root: files of several users");
        Assert.SkipUnless(Sqlite3.IsAvailable || !name.Contains("sqlite", StringComparison.Ordinal), "needs libsqlite3");
        using var database = new TestTables();
        // An empty file is a database without tables.
        var path = database.Write("db", "");
        using var tables = new TestTables(null, ("mine_dbpath", path), ("mine_query", "SELECT 'a'"));
        Assert.Equal(0, Libc.chown(tables.Write("query", $"dbpath = {path}\nquery = SELECT 'a'\n"), User, User));
        foreach (var (file, uid, answer) in ((string, uint, string)[])[("root", 0, "a"), ("user", User, "a"), ("other", Other, "b")])
        {
            Assert.Equal(0, Libc.chown(tables.Write(file, $"k {answer}\n"), uid, uid));
        }
        var table = Assert.IsAssignableFrom<IOwnedTable>(tables.Set.Open(name.Replace("@E@", tables.Directory, StringComparison.Ordinal)));
        Assert.Equal((Lookup.Found(value), owner), table.FindOwned("k"));
        Assert.Equal(files, string.Join(' ', table.Files.Select(Path.GetFileName)));
    }

    [Fact]
    public void What_could_not_be_opened_has_an_owner_when_it_can()
    {
        Assert.SkipUnless(FileIdentity.CanChange, "needs root: files of several users");
        using var tables = new TestTables();
        var table = Assert.IsAssignableFrom<IOwnedTable>(tables.Set.Open($"texthash:{tables.Directory}/late"));
        Assert.Equal(LookupStatus.Error, table.FindOwned("k").Lookup.Status);
        Assert.Equal(0, Libc.chown(tables.Write("late", "k a\n"), User, User));
        tables.Advance(10);
        Assert.Equal("= a", tables.Find("texthash:@E@/late", "k"));
        Assert.Equal((Lookup.Found("a"), User), table.FindOwned("k"));
        Assert.Equal("late", Path.GetFileName(Assert.Single(table.Files)));
    }
}
