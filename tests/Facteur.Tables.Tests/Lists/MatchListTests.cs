using System.Net;

namespace Facteur.Tables.Tests.Lists;

public sealed class MatchListTests
{
    [Theory]
    [InlineData("mydestination", "example.com, localhost", "EXAMPLE.com", "Found")]
    [InlineData("mydestination", "example.com", "a.example.com", "NotFound")]
    [InlineData("mydestination", ".example.com", "a.example.com", "NotFound")]
    [InlineData("mydestination", "static:all", "anything", "Found")]
    [InlineData("mydestination", "!a.example inline:{a.example=x,b.example=y}", "a.example", "NotFound")]
    [InlineData("mydestination", "!a.example inline:{a.example=x,b.example=y}", "b.example", "Found")]
    [InlineData("mydestination", "fail:x, example.com", "example.com", "Error")]
    [InlineData("mydestination", "example.com, fail:x", "example.com", "Found")]
    [InlineData("mydestination", "nosuchtype:x", "example.com", "Error")]
    [InlineData("mydestination", "", "example.com", "NotFound")]
    [InlineData("relay_domains", "example.com", "a.b.example.com", "Found")]
    [InlineData("relay_domains", "example.com", "badexample.com", "NotFound")]
    [InlineData("relay_domains", "!b.example.com example.com", "a.b.example.com", "NotFound")]
    [InlineData("relay_domains", "inline:{example.com=x}", "a.b.example.com", "Found")]
    [InlineData("relay_domains", "regexp:{{/^example/ x}}", "a.example", "NotFound")]
    [InlineData("other", ".example.com", "a.example.com", "Found")]
    [InlineData("mydestination", "b\u00fccher.example", "xn--bcher-kva.example", "Found")]
    [InlineData("mydestination", "xn--bcher-kva.example", "B\u00dcCHER.example", "Found")]
    [InlineData("relay_domains", "!a.b\u00fccher.example xn--bcher-kva.example", "a.xn--bcher-kva.example", "NotFound")]
    [InlineData("relay_domains", "inline:{b\u00fccher.example=x}", "a.xn--bcher-kva.example", "Found")]
    [InlineData("mydestination", "bucher.example", "xn--bcher-kva.example", "NotFound")]
    [InlineData("other", ".example.com", "example.com", "NotFound")]
    [InlineData("other", "inline:{.example.com=x}", "a.b.example.com", "Found")]
    [InlineData("relay_domains", "/@E@/list", "x.one.example", "Found")]
    [InlineData("relay_domains", "/@E@/list", "three.example", "NotFound")]
    [InlineData("relay_domains", "!/@E@/list static:all", "two.example", "NotFound")]
    [InlineData("relay_domains", "/@E@/missing", "two.example", "Error")]
    [InlineData("relay_domains", "one.example {two.example", "one.example", "Error")]
    [InlineData("relay_domains", "two.example /@E@/open", "one.example", "Error")]
    [InlineData("relay_domains", "two.example /@E@/open", "two.example", "Found")]
    [InlineData("relay_domains", "/@E@/circle", "two.example", "Error")]
    public async Task Domains(string parameter, string list, string domain, string expected)
    {
        using var tables = new TestTables();
        tables.Write("list", "# a comment, three.example\none.example\n two.example\n");
        tables.Write("open", "one.example\n{\n");
        tables.Write("circle", $"{tables.Directory}/circle\n");
        var domains = new MatchLists(tables.Config, tables.Set, tables).Domains(parameter, list.Replace("/@E@", tables.Directory));
        Assert.Equal(expected, (await domains.MatchAsync(domain, default)).ToString());
    }

    [Theory]
    [InlineData("127.0.0.0/8 [::1]/128", "127.9.9.9", null, "Found")]
    [InlineData("127.0.0.0/8 [::1]/128", "::1", null, "Found")]
    [InlineData("127.0.0.0/8 [::1]/128", "::ffff:127.0.0.1", null, "Found")]
    [InlineData("127.0.0.0/8 [::1]/128", "::2", null, "NotFound")]
    [InlineData("[2001:db8::]/32", "2001:DB8:1::", null, "Found")]
    [InlineData("!10.1.1.1 10.0.0.0/8", "10.1.1.1", null, "NotFound")]
    [InlineData("!10.1.1.1 10.0.0.0/8", "10.1.1.2", null, "Found")]
    [InlineData("192.0.2.1", "192.0.2.1", null, "Found")]
    [InlineData("127.0.0.0/8 [ ::1 ]/128", "127.0.0.1", null, "Found")]
    [InlineData("127.0.0.0/8 [ ::1 ]/128", "192.0.2.1", null, "Error")]
    [InlineData("[ ] [] 192.0.2.1", "192.0.2.1", null, "Found")]
    [InlineData("[ ] [ 192.0.2.1", "192.0.2.2", null, "NotFound")]
    [InlineData("10.0.0.5/8, 192.0.2.1", "192.0.2.1", null, "Error")]
    [InlineData("192.0.2.1 10.0.0.5/8", "192.0.2.1", null, "Found")]
    [InlineData("cidr:{{10.0.0.0/8 x}}", "10.2.3.4", null, "Found")]
    [InlineData("inline:{10.2.3.4=x}", "10.2.3.4", null, "Found")]
    [InlineData("static:all", "203.0.113.9", null, "Found")]
    [InlineData("trusted.example", "203.0.113.9", "a.trusted.example", "Found")]
    [InlineData("trusted.example", "203.0.113.9", null, "NotFound")]
    [InlineData("fe80.dead.beef", "203.0.113.9", "fe80.dead.beef", "Found")]
    public async Task Networks(string list, string address, string? name, string expected)
    {
        using var tables = new TestTables();
        var networks = new MatchLists(tables.Config, tables.Set, tables).Networks("mynetworks", list);
        Assert.Equal(expected, (await networks.MatchAsync(IPAddress.Parse(address), name, default)).ToString());
    }

    [Fact]
    public void A_network_with_host_bits_is_told_with_what_was_meant()
    {
        using var tables = new TestTables();
        new MatchLists(tables.Config, tables.Set, tables).Networks("mynetworks", "10.0.0.5/8");
        Assert.Equal(
            "warning: mynetworks: 10.0.0.5/8: non-null host address bits in \"10.0.0.5/8\", perhaps you should use \"10.0.0.0/8\" instead", Assert.Single(tables.Said));
    }
}
