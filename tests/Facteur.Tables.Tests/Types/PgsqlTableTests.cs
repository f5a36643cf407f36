using Facteur.Tables.Databases;
using Facteur.Tables.Tests.Servers;
using Facteur.Testing.Servers;

namespace Facteur.Tables.Tests.Types;

/// <summary>pgsql: against PostgreSQL, and Debian's postmap against the same where that is.</summary>
public sealed class PgsqlTableTests(PgsqlServer server) : IClassFixture<PgsqlServer>
{
    private const string Query = "query = SELECT goto FROM alias WHERE address = '%s'";

    [Theory]
    [InlineData(Query, "user@example.com", "= target@example.org")]
    [InlineData(Query, "User@Example.COM", "= target@example.org")]
    [InlineData(Query, "o'brien", "= irish")]
    [InlineData(Query, "back\\slash", "= yes")]
    [InlineData(Query, "x' OR '1'='1", "-")]
    [InlineData(Query, "x'; DROP TABLE alias; --", "-")]
    [InlineData(Query, "many", "= a@x,b@y")]
    [InlineData(Query, "nobody", "-")]
    [InlineData("query = SELECT goto, number, flag FROM alias WHERE address = '%s'", "user@example.com", "= target@example.org,7,t")]
    [InlineData("query = SELECT 'a:b', '@c' || '%u'", "user@example.com", "= a:b,@cuser")]
    [InlineData("query = SELECT E'%s'", "b\u00fccher", "= b\u00fccher")]
    [InlineData("select_function = find", "user@example.com", "= target@example.org")]
    [InlineData("table = alias\nselect_field = goto\nwhere_field = address", "o'brien", "= irish")]
    [InlineData("query = SELECT goto FROM nosuch", "x", "!")]
    [InlineData(Query + "\nresult_format = <%s>", "many", "= <a@x>,<b@y>")]
    [InlineData(Query + "\nexpansion_limit = 1", "many", "!")]
    [InlineData("query = SELECT 1.50::numeric, now() > '2000-01-01', NULL, '2026-01-02'::date", "x", "= 1.50,t,2026-01-02")]
    public void Queries(string query, string key, string answer)
    {
        using var tables = Tables(query, "127.0.0.1:@P@");
        RealPostmap.Agrees(tables, "pgsql:@E@/table.cf", key, answer);
    }

    [Theory]
    [InlineData("inet:127.0.0.1:@P@")]
    [InlineData("postgresql://mail:se%27cret@127.0.0.1:@P@/postgres?sslmode=disable")]
    public void Hosts(string host)
    {
        using var tables = Tables(Query, host);
        RealPostmap.Agrees(tables, "pgsql:@E@/table.cf", "user@example.com", "= target@example.org");
    }

    [Fact]
    public void What_a_uri_does_not_say_the_table_says()
    {
        using var tables = Tables(Query, "postgresql://127.0.0.1:@P@");
        Assert.Equal("= target@example.org", tables.Find("pgsql:@E@/table.cf", "user@example.com"));
    }

    [Fact]
    public void The_other_host_answers_where_one_is_dead()
    {
        using var tables = Tables(Query, $"127.0.0.1:{ServerProcess.FreePort()} 127.0.0.1:@P@");
        for (var i = 0; i < 10; i++)
        {
            Assert.Equal("= target@example.org", tables.Find("pgsql:@E@/table.cf", "user@example.com"));
        }
        Assert.InRange(tables.Said.Count(s => s.StartsWith("warning: connect to pgsql server 127.0.0.1: ", StringComparison.Ordinal)), 0, 1);
    }

    /// <summary>Whoever can say what no server understands shall not stop everybody's mail for a minute.</summary>
    [Fact]
    public void A_query_that_fails_leaves_the_server_in_use()
    {
        using var tables = Tables("query = SELECT goto FROM alias WHERE address = '%s' AND '%u'::int > 0", "127.0.0.1:@P@");
        Assert.StartsWith("! ", tables.Find("pgsql:@E@/table.cf", "user@example.com"), StringComparison.Ordinal);
        Assert.Contains("warning: pgsql query failed: fatal error from host 127.0.0.1: ERROR:  invalid input syntax for type integer: \"user\"", tables.Said);
        Assert.Equal("-", tables.Find("pgsql:@E@/table.cf", "7@example.com"));
    }

    [Fact]
    public void A_result_that_is_too_long_leaves_the_server_in_use()
    {
        using var tables = Tables("query = SELECT repeat('x', '%u'::int)", "127.0.0.1:@P@");
        Assert.Equal("! pgsql:@E@/table.cf: a result of more than 10485760 bytes", tables.Find("pgsql:@E@/table.cf", "11000000@x"));
        Assert.Equal("= xx", tables.Find("pgsql:@E@/table.cf", "2@x"));
    }

    [Fact]
    public void A_server_that_dies_is_an_error_until_it_is_back()
    {
        using var tables = Tables(Query, "127.0.0.1:@P@");
        Assert.Equal("= irish", tables.Find("pgsql:@E@/table.cf", "o'brien"));
        server.Stop();
        var (found, other) = (tables.Find("pgsql:@E@/table.cf", "o'brien"), tables.Find("pgsql:@E@/table.cf", "nobody"));
        server.Start();
        Assert.Equal(("! ", "! "), (found[..2], other[..2]));
        Assert.Contains($"warning: connect to pgsql server 127.0.0.1: connection to server at \"127.0.0.1\", port {server.Server.Port} failed: Connection refused", tables.Said);
        Assert.StartsWith("! ", tables.Find("pgsql:@E@/table.cf", "o'brien"), StringComparison.Ordinal);
        tables.Advance(61);
        Assert.Equal("= irish", tables.Find("pgsql:@E@/table.cf", "o'brien"));
        server.Stop();
        server.Start();
        Assert.Equal("= irish", tables.Find("pgsql:@E@/table.cf", "o'brien"));
    }

    [Fact]
    public async Task Many_lookups_share_few_connections()
    {
        using var tables = Tables("query = SELECT count(*) FROM pg_stat_activity WHERE usename = 'mail'", "127.0.0.1:@P@");
        var table = tables.Set.Open($"pgsql:{tables.Directory}/table.cf");
        var found = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => table.LookupAsync($"key{i}", CancellationToken.None).AsTask()));
        Assert.All(found, f => Assert.InRange(int.Parse(f.Value, null), 1, 6));
    }

    [Fact]
    public void Wrong_passwords_are_told()
    {
        using var tables = Tables(Query, "127.0.0.1:@P@", "other");
        Assert.StartsWith("! ", tables.Find("pgsql:@E@/table.cf", "user@example.com"), StringComparison.Ordinal);
        Assert.Contains(tables.Said, s => s.EndsWith("FATAL:  password authentication failed for user \"mail\"", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("postgresql://u:p%40w@h:1/d?sslmode=require", "u|p@w|h|1|d|Require")]
    [InlineData("postgres://h", "||h|5432||Prefer")]
    [InlineData("postgresql:///d?host=/run/postgresql", "||/run/postgresql|5432|d|Prefer")]
    [InlineData("postgresql://h?nonsense=1", null)]
    [InlineData("postgresql://a,b/d", null)]
    public void Uris(string uri, string? settings) =>
        Assert.Equal(settings, PgsqlUri.Parse(uri) is { } s ? $"{s.Username}|{s.Password}|{s.Host}|{s.Port}|{s.Database}|{s.SslMode}" : null);

    [Fact]
    public void Logs_have_no_passwords() => Assert.Equal("postgresql://u@h/d", PgsqlUri.WithoutPassword("postgresql://u:secret@h/d"));

    private TestTables Tables(string query, string hosts, string password = "se'cret")
    {
        Assert.SkipUnless(server.IsThere, "needs the package postgresql");
        var tables = new TestTables();
        tables.Write("table.cf", $"hosts = {hosts.Replace("@P@", $"{server.Server.Port}")}\nuser = mail\npassword = {password}\ndbname = postgres\n{query}\n");
        return tables;
    }
}
