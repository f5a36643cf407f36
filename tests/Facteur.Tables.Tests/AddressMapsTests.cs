using System.Net;

namespace Facteur.Tables.Tests;

public sealed class AddressMapsTests
{
    private const AddressKeys Canonical = AddressKeys.Full | AddressKeys.LocalUser | AddressKeys.AtDomain;
    private const AddressKeys Access = AddressKeys.Full | AddressKeys.Domain | AddressKeys.Parents | AddressKeys.UserAt;
    private const AddressKeys Transport = AddressKeys.Full | AddressKeys.Domain | AddressKeys.DotParents;

    /// <summary>The keys that are asked, in order.</summary>
    [Theory]
    [InlineData(Canonical, "user+ext@dest.example", "user+ext@dest.example user@dest.example user+ext user @dest.example")]
    [InlineData(Canonical, "user+ext@other.example", "user+ext@other.example user@other.example @other.example")]
    [InlineData(Canonical, "user@[127.0.0.1]", "user@[127.0.0.1] user @[127.0.0.1]")]
    [InlineData(Canonical, "user@[127.0.0.2]", "user@[127.0.0.2] @[127.0.0.2]")]
    [InlineData(Canonical, "user+x", "user+x user user+x user")]
    [InlineData(Canonical, "\"a b+c\"@other.example", "\"a b+c\"@other.example a b+c@other.example \"a b\"@other.example a b@other.example @other.example")]
    [InlineData(Access, "u+e@a.b.c", "u+e@a.b.c u@a.b.c a.b.c b.c c u+e@ u@")]
    [InlineData(Transport, "u@a.b.c", "u@a.b.c a.b.c .b.c .c")]
    [InlineData(Transport, "", "")]
    [InlineData(Canonical, "postmaster@x.example", "postmaster@x.example @x.example")]
    [InlineData(Canonical, "u@b\u00fccher.example", "u@b\u00fccher.example @b\u00fccher.example u@xn--bcher-kva.example @xn--bcher-kva.example")]
    [InlineData(Transport, "u@a.xn--bcher-kva", "u@a.xn--bcher-kva a.xn--bcher-kva .xn--bcher-kva u@a.b\u00fccher a.b\u00fccher .b\u00fccher")]
    [InlineData(Canonical, "u@xn--nonsense-.example", "u@xn--nonsense-.example @xn--nonsense-.example")]
    public async Task Keys_come_in_order(AddressKeys keys, string address, string expected)
    {
        using var tables = new TestTables(null, ("recipient_delimiter", "+"));
        var maps = Maps.Open(tables.Set, "test_maps", "debug:inline:{none=x}");
        var lookups = new AddressMaps(tables.Config, new MatchLists(tables.Config, tables.Set, tables), a => a.Equals(IPAddress.Loopback));
        var found = await lookups.FindAsync(maps, address, keys, default);
        Assert.Equal(LookupStatus.NotFound, found.Lookup.Status);
        var asked = tables.Said.Select(s => s["info: inline:{none=x} lookup: \"".Length..^"\" = \"not_found\"".Length]);
        Assert.Equal(expected, string.Join(' ', asked));
    }

    [Theory]
    [InlineData("inline:{user@x.example=r}", "user+ext@x.example", "r +ext")]
    [InlineData("inline:{user+ext@x.example=r}", "user+ext@x.example", "r ")]
    [InlineData("inline:{@x.example=r}", "user+ext@x.example", "r ")]
    [InlineData("regexp:{{/^user@x/ r}}", "user+ext@x.example", "NotFound")]
    [InlineData("regexp:{{/^user\\+ext@x/ r}}", "user+ext@x.example", "r ")]
    [InlineData("inline:{a=b} inline:{user+ext@x.example=2} inline:{user@x.example=3}", "user+ext@x.example", "2 ")]
    [InlineData("inline:{user@x.example=1} inline:{user+ext@x.example=2}", "user+ext@x.example", "2 ")]
    [InlineData("pipemap:{inline:{@x.example=r},regexp:{{/r/ s}}}", "user+ext@x.example", "s ")]
    [InlineData("unionmap:{inline:{@x.example=r},regexp:{{/@x/ s}}}", "user+ext@x.example", "s ")]
    [InlineData("pipemap:{regexp:{{/^user@x/ r}},inline:{r=s}}", "user+ext@x.example", "NotFound")]
    [InlineData("fail:x inline:{user@x.example=1}", "user@x.example", "Error")]
    [InlineData("inline:{{user@x.example=}}", "user@x.example", "Error")]
    [InlineData("", "user@x.example", "NotFound")]
    public async Task The_first_key_of_any_table_answers(string value, string address, string expected)
    {
        using var tables = new TestTables(null, ("recipient_delimiter", "+"));
        var lookups = new AddressMaps(tables.Config, new MatchLists(tables.Config, tables.Set, tables), _ => false);
        var found = await lookups.FindAsync(Maps.Open(tables.Set, "test_maps", value), address, Canonical, default);
        Assert.Equal(expected, found.Lookup.Status == LookupStatus.Found ? $"{found.Lookup.Value} {found.UnmatchedExtension}" : found.Lookup.Status.ToString());
    }

    [Fact]
    public void Lookups_that_cannot_block_complete_at_once()
    {
        using var tables = new TestTables();
        var lookups = new AddressMaps(tables.Config, new MatchLists(tables.Config, tables.Set, tables), _ => false);
        Assert.True(lookups.FindAsync(Maps.Open(tables.Set, "m", "inline:{a=b}, regexp:{{/x/ y}}"), "u@dest.example", Canonical, default).AsTask().IsCompleted);
    }
}
