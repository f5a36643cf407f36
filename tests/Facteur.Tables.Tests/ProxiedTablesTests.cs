namespace Facteur.Tables.Tests;

/// <summary>proxy_read_maps and proxy_write_maps, as the proxymap(8) of Postfix 3.7 asks them.</summary>
public sealed class ProxiedTablesTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("mx.example, hash:/a proxy:hash:/b,proxy:mysql:/c.cf", "hash:/b mysql:/c.cf")]
    [InlineData("proxy:proxy:hash:/b", "hash:/b")]
    [InlineData("check_client_access proxy:hash:/b, { check_sender_access proxy:cidr:/c, permit }", "cidr:/c hash:/b")]
    [InlineData("proxy:inline:{ a=b, {c = d e} }", "inline:{ a=b, {c = d e} }")]
    [InlineData("unionmap:{proxy:hash:/a,proxy:hash:/b}", "")]
    [InlineData("proxy:hash { proxy:hash:/b", "")]
    public void What_a_list_approves(string list, string approved) => Assert.Equal(approved, string.Join(' ', ProxiedTables.In(list).Order(StringComparer.Ordinal)));

    [Fact]
    public void What_is_not_approved_is_told_and_can_not_be_opened()
    {
        using var tables = new TestTables(null, ("proxy_read_maps", "$virtual_alias_maps"), ("virtual_alias_maps", "proxy:inline:{a=b}"));
        Assert.Equal("= b", tables.Find("proxy:inline:{a=b}", "a"));
        Assert.Equal("! proxy:static:x is unavailable. proxymap service is not configured for table \"static:x\"", tables.Find("proxy:static:x", "a"));
        Assert.Equal(
            [
                "warning: request for unapproved table: \"static:x\"", "warning: to approve this table for read-only access, list proxy:static:x in main.cf:proxy_read_maps",
                "error: proxymap service is not configured for table \"static:x\"",
            ],
            tables.Said.Take(3));
    }

    [Theory]
    [InlineData("btree:/x", "", true)]
    [InlineData("proxy:btree:/x", "", false)]
    [InlineData("proxy:btree:/x", "proxy:btree:/x", true)]
    public void What_may_be_written(string table, string list, bool may) => Assert.Equal(may, ProxiedTables.MayWrite(table, list));
}
