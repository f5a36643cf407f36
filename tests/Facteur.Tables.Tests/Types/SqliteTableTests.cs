using Facteur.Tables.Tests.Servers;
using Facteur.Testing.Servers;
using Facteur.Unix;

namespace Facteur.Tables.Tests.Types;

/// <summary>sqlite:, and with it what all databases share: templates, result_format, domain, expansion_limit. Held against Debian's postmap where that is.</summary>
public sealed class SqliteTableTests
{
    private static readonly string? Program = ServerProcess.Find("/usr/bin/sqlite3");

    [Theory]
    [InlineData("query = SELECT goto FROM alias WHERE address = '%s'", "user@example.com", "= target@example.org")]
    [InlineData("query = SELECT goto FROM alias WHERE address = '%s'", "USER@Example.com", "= target@example.org")]
    [InlineData("query = SELECT goto FROM alias WHERE address = '%s'", "nobody", "-")]
    [InlineData("query = SELECT goto FROM alias WHERE address = '%s'", "o'brien@example.com", "= irish@example.org")]
    [InlineData("query = SELECT goto FROM alias WHERE address = '%s'", "x' OR '1'='1", "-")]
    [InlineData("query = SELECT goto FROM alias WHERE address = '%s'", "many", "= a@x,b@y,c")]
    [InlineData("query = SELECT goto FROM alias WHERE address = '%s'", "nulls", "-")]
    [InlineData("query = SELECT goto, address FROM alias WHERE address = '%s'", "many", "= a@x,b@y,c")]
    [InlineData("query = SELECT '%u|%d|%S|%U|%D'", "user@example.com", "= user|example.com|user@example.com|user|example.com")]
    [InlineData("query = SELECT '%u'", "plain", "= plain")]
    [InlineData("query = SELECT '%d'", "plain", "-")]
    [InlineData("query = SELECT '%u'", "@example.com", "-")]
    [InlineData("query = SELECT '%d'", "user@", "-")]
    [InlineData("query = SELECT '%u %d'", "a@b@c", "= a@b c")]
    [InlineData("query = SELECT '%1 %2 %3'", "user@mail.example.com", "= com example mail")]
    [InlineData("query = SELECT '%1 %2 %3'", "user@example.com", "-")]
    [InlineData("query = SELECT '100%%'", "x", "= 100%")]
    [InlineData("query = SELECT goto FROM alias WHERE address = '%s'\nresult_format = smtp:[%s]", "many", "= smtp:[a@x],smtp:[b@y],smtp:[c]")]
    [InlineData("query = SELECT goto FROM alias WHERE address = '%s'\nresult_format = %d", "many", "= x,y")]
    [InlineData("query = SELECT goto FROM alias WHERE address = '%s'\nresult_format = %u", "many", "= a,b,c")]
    [InlineData("query = SELECT 'v'\nresult_format = %s/%D/%1", "user@example.com", "= v/example.com/com")]
    [InlineData("query = SELECT 'v'\nresult_format = %s/%D", "user", "-")]
    [InlineData("query = SELECT 'v@w'\nresult_format = %S %U %s", "user@example.com", "= user@example.com user v@w")]
    [InlineData("query = SELECT goto FROM alias WHERE address = '%s'\nexpansion_limit = 3", "many", "= a@x,b@y,c")]
    [InlineData("query = SELECT goto FROM alias WHERE address = '%s'\nexpansion_limit = 2", "many", "!")]
    [InlineData("query = SELECT 'v'\ndomain = example.com, example.net", "user@example.net", "= v")]
    [InlineData("query = SELECT 'v'\ndomain = example.com, example.net", "user@sub.example.net", "-")]
    [InlineData("query = SELECT 'v'\ndomain = example.com", "user", "-")]
    [InlineData("query = SELECT 'v'\ndomain = example.com", "@example.com", "-")]
    [InlineData("query = SELECT 'v'\ndomain = example.com", "example.com", "-")]
    [InlineData("query = SELECT ''", "x", "-")]
    [InlineData("query = SELECT x FROM nosuchtable", "x", "!")]
    [InlineData("query = SELECT 1.5 UNION ALL SELECT 7 UNION ALL SELECT NULL UNION ALL SELECT x'4142'", "x", "= 1.5,7,AB")]
    [InlineData("table = alias\nselect_field = goto\nwhere_field = address\nadditional_conditions = AND goto <> 'b@y'", "many", "= a@x,c")]
    [InlineData("query = SELECT goto\n  FROM alias\n# comment\n  WHERE address = '%s'", "user@example.com", "= target@example.org")]
    [InlineData("query = SELECT '%s'", "b\u00fccher@example.com", "= b\u00fccher@example.com")]
    public void Queries(string settings, string key, string answer)
    {
        using var tables = Made();
        tables.Write("table.cf", $"dbpath = {tables.Directory}/db\n{settings}\n");
        RealPostmap.Agrees(tables, "sqlite:@E@/table.cf", key, answer);
    }

    [Theory]
    [InlineData("SELECT goto FROM alias WHERE address = \"%s\"", true)]
    [InlineData("SELECT goto FROM alias WHERE address = '\"' || \"%u\"", true)]
    [InlineData("SELECT goto FROM \"alias\" WHERE address = '%s'", false)]
    [InlineData("SELECT '\"%s\"', \"100%%\"", false)]
    public void A_key_in_double_quotes_is_told(string query, bool told)
    {
        using var tables = Made();
        tables.Write("table.cf", $"dbpath = {tables.Directory}/db\nquery = {query}\n");
        tables.Find("sqlite:@E@/table.cf", "x");
        Assert.Equal(told, tables.Said.Any(s => s.Contains("between double quotes, where it is not protected against SQL injection", StringComparison.Ordinal)));
    }

    [Fact]
    public void Parameters_may_stand_in_main_cf()
    {
        using var made = Made();
        using var tables = new TestTables(null, ("mine_dbpath", $"{made.Directory}/db"), ("mine_query", "SELECT goto FROM $thetable WHERE address = '%s'"), ("thetable", "alias"));
        Assert.Equal("= target@example.org", tables.Find("sqlite:mine", "user@example.com"));
    }

    [Fact]
    public void A_file_that_is_replaced_is_opened_anew()
    {
        using var tables = Made();
        tables.Write("table.cf", $"dbpath = {tables.Directory}/db\nquery = SELECT goto FROM alias WHERE address = '%s'\n");
        Assert.Equal("= target@example.org", tables.Find("sqlite:@E@/table.cf", "user@example.com"));
        Make($"{tables.Directory}/new", "CREATE TABLE alias(address, goto); INSERT INTO alias VALUES('user@example.com', 'new');");
        File.Move($"{tables.Directory}/new", $"{tables.Directory}/db", overwrite: true);
        Assert.Equal("= new", tables.Find("sqlite:@E@/table.cf", "user@example.com"));
        File.Delete($"{tables.Directory}/db");
        Assert.StartsWith("! ", tables.Find("sqlite:@E@/table.cf", "user@example.com"), StringComparison.Ordinal);
    }

    [Fact]
    public void Parameters_that_change_are_read_again()
    {
        using var tables = Made();
        tables.Write("table.cf", $"dbpath = {tables.Directory}/db\nquery = SELECT 'old'\n");
        Assert.Equal("= old", tables.Find("sqlite:@E@/table.cf", "key"));
        tables.Write("table.cf", $"dbpath = {tables.Directory}/db\nquery = SELECT 'newer'\n");
        tables.Advance(1.5);
        Assert.Equal("= old", tables.Find("sqlite:@E@/table.cf", "key"));
        tables.Advance(2);
        Assert.Equal("= newer", tables.Find("sqlite:@E@/table.cf", "key"));
        tables.Write("table.cf", $"dbpath = {tables.Directory}/later\nquery = SELECT 'last'\n");
        for (var look = 0; look < 3; look++)
        {
            tables.Advance(5);
            Assert.Equal("= newer", tables.Find("sqlite:@E@/table.cf", "key"));
        }
        Assert.Equal("error: sqlite:@E@/table.cf: Can't open database: unable to open database file", Assert.Single(tables.Said));
        File.Copy($"{tables.Directory}/db", $"{tables.Directory}/later");
        tables.Advance(5);
        Assert.Equal("= last", tables.Find("sqlite:@E@/table.cf", "key"));
    }

    [Theory]
    [InlineData("query = SELECT 1", "bad string length 0 < 1: dbpath = ")]
    [InlineData("dbpath = @E@/nosuch\nquery = SELECT 1", "Can't open database: unable to open database file")]
    [InlineData("dbpath = @E@/db", "bad string length 0 < 1: table = ")]
    [InlineData("dbpath = @E@/db\nquery = SELECT '%x'", "Invalid query template: SELECT '%x'")]
    [InlineData("dbpath = @E@/db\nquery = SELECT 1\nexpansion_limit = many", "bad numerical configuration: expansion_limit = many")]
    [InlineData("dbpath = @E@/db\nquery = SELECT 1\nexpansion_limit = -1", "invalid expansion_limit parameter value -1 < 0")]
    public void What_can_t_be_used_is_told(string settings, string reason)
    {
        using var tables = Made();
        tables.Write("table.cf", settings.Replace("@E@", tables.Directory) + "\n");
        Assert.Contains(reason, tables.Find("sqlite:@E@/table.cf", "key"), StringComparison.Ordinal);
        Assert.Contains(tables.Said, s => s.StartsWith("error: ", StringComparison.Ordinal) && s.Contains(reason, StringComparison.Ordinal));
    }

    [Fact]
    public void A_parameter_that_is_none_is_told()
    {
        using var tables = Made();
        tables.Write("table.cf", $"dbpath = {tables.Directory}/db\nquery = SELECT 'v'\nquerry = x\n");
        Assert.Equal("= v", tables.Find("sqlite:@E@/table.cf", "key"));
        Assert.Contains("warning: @E@/table.cf, line 3: unused parameter: querry=x", tables.Said);
    }

    private static TestTables Made()
    {
        Assert.SkipWhen(Program is null || !Sqlite3.IsAvailable, "needs the packages sqlite3 and libsqlite3-0");
        var tables = new TestTables();
        Make($"{tables.Directory}/db", """
            CREATE TABLE alias(address TEXT, goto TEXT);
            INSERT INTO alias VALUES('user@example.com', 'target@example.org'), ('o''brien@example.com', 'irish@example.org'),
              ('many', 'a@x'), ('many', 'b@y'), ('many', 'c'), ('nulls', NULL);
            """);
        return tables;
    }

    private static void Make(string path, string sql) => Assert.Equal((0, ""), ServerProcess.Run(Program!, [path], sql));
}
