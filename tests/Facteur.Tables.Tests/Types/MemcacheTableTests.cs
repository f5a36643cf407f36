using Facteur.Testing.Servers;

namespace Facteur.Tables.Tests.Types;

/// <summary>memcache: against memcached.</summary>
public sealed class MemcacheTableTests
{
    private static readonly string? Program = ServerProcess.Find("/usr/bin/memcached");

    [Fact]
    public async Task A_cache_is_written_asked_and_emptied()
    {
        Assert.SkipWhen(Program is null, "needs the package memcached");
        using var server = new ServerProcess("memcached", s => (Program!, ["-u", Environment.UserName, "-l", "127.0.0.1", "-p", $"{s.Port}"]));
        server.Start();
        using var tables = new TestTables(null, ("cache_memcache", $"inet:127.0.0.1:{server.Port}"), ("cache_key_format", "test:%s"), ("cache_ttl", "60"));
        var table = Assert.IsAssignableFrom<IUpdatableTable>(tables.Set.Open("memcache:cache"));
        Assert.Equal("-", tables.Find("memcache:cache", "key"));
        Assert.Null(await table.UpdateAsync("key", "a value\r\nEND\r\n", CancellationToken.None));
        Assert.Equal("= a value\r\nEND\r\n", tables.Find("memcache:cache", "KEY"));
        Assert.Equal(LookupStatus.Found, (await table.DeleteAsync("key", CancellationToken.None)).Status);
        Assert.Equal(LookupStatus.NotFound, (await table.DeleteAsync("key", CancellationToken.None)).Status);
        Assert.Equal("-", tables.Find("memcache:cache", "key"));

        // No key is another command.
        Assert.NotNull(await table.UpdateAsync("a\r\nflush_all", "x", CancellationToken.None));
        Assert.Equal("-", tables.Find("memcache:cache", "a b"));
        Assert.NotNull(await table.UpdateAsync(new string('k', 300), "x", CancellationToken.None));

        Assert.Null(await table.UpdateAsync("kept", "yes", CancellationToken.None));
        server.Kill();
        Assert.StartsWith("! ", tables.Find("memcache:cache", "kept"), StringComparison.Ordinal);
        server.Start();
        tables.Advance(2);
        Assert.Equal("-", tables.Find("memcache:cache", "kept"));
    }

    /// <summary>As Debian's postmap 3.7 answers, with and without a server.</summary>
    [Theory]
    [InlineData("backup = texthash:@E@/backup\n", 300, "= long")]
    [InlineData("backup = texthash:@E@/backup\n", 299, "-")]
    [InlineData("", 300, "! memcache:@E@/cache.cf: no key of memcache: \"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkk\"")]
    [InlineData("backup = static:x\nkey_format = %s %s\n", 3, "-")]
    public void A_key_that_is_too_long_for_the_protocol_is_asked_of_what_lasts(string settings, int length, string answer)
    {
        using var tables = new TestTables();
        tables.Write("backup", $"{new string('k', 300)} long\n");
        tables.Write("cache.cf", $"memcache = inet:127.0.0.1:1\n{settings.Replace("@E@", tables.Directory, StringComparison.Ordinal)}");
        Assert.Equal(answer, tables.Find("memcache:@E@/cache.cf", new string('k', length)));
    }

    [Theory]
    [InlineData("127.0.0.1:1", "invalid transport name: 127.0.0.1 in service: 127.0.0.1:1")]
    [InlineData("cache", "need service transport:endpoint instead of \"cache\"")]
    [InlineData("inet:127.0.0.1:1", "connect to 127.0.0.1:1: Connection refused")]
    public void A_server_is_told_as_in_Postfix(string server, string told)
    {
        using var tables = new TestTables(null, ("cache_memcache", server));
        Assert.StartsWith("! ", tables.Find("memcache:cache", "k"), StringComparison.Ordinal);
        Assert.Contains(tables.Said, s => s.EndsWith(told, StringComparison.Ordinal));
    }

    [Fact]
    public void Behind_it_is_a_table_that_lasts()
    {
        Assert.SkipWhen(Program is null, "needs the package memcached");
        using var server = new ServerProcess("memcached", s => (Program!, ["-u", Environment.UserName, "-l", "127.0.0.1", "-p", $"{s.Port}"]));
        server.Start();
        using var tables = new TestTables();
        tables.Write("backup", "key stored\n");
        tables.Write("cache.cf", $"memcache = inet:127.0.0.1:{server.Port}\nbackup = texthash:{tables.Directory}/backup\n");
        Assert.Equal("= stored", tables.Find("memcache:@E@/cache.cf", "key"));
        tables.Write("plain.cf", $"memcache = inet:127.0.0.1:{server.Port}\n");
        Assert.Equal("= stored", tables.Find("memcache:@E@/plain.cf", "key"));
        server.Kill();
        Assert.Equal("= stored", tables.Find("memcache:@E@/cache.cf", "key"));
        Assert.Equal("-", tables.Find("memcache:@E@/cache.cf", "other"));
        Assert.Equal("key", Assert.Single(Assert.IsAssignableFrom<IListableTable>(tables.Set.Open($"memcache:{tables.Directory}/cache.cf")).Entries()).Key);
    }
}
