using Facteur.Tables.Databases;
using Facteur.Tables.Tests.Servers;
using Facteur.Testing.Servers;

namespace Facteur.Tables.Tests.Types;

/// <summary>A MariaDB with a user whose password it asks for.</summary>
public sealed class MysqlServer : IDisposable
{
    private static readonly string? Program = ServerProcess.Find("/usr/sbin/mariadbd", "/usr/sbin/mysqld");
    private static readonly string? Installer = ServerProcess.Find("/usr/bin/mariadb-install-db");
    private readonly ServerProcess? _server;

    public MysqlServer()
    {
        if (Program is null || Installer is null)
        {
            return;
        }
        _server = new ServerProcess("mysql", s => (Program,
            ["--no-defaults", $"--user={Environment.UserName}", $"--datadir={s.Directory}/data", $"--socket={s.Directory}/socket", $"--pid-file={s.Directory}/pid", "--bind-address=127.0.0.1", $"--port={s.Port}",
             "--skip-name-resolve", "--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=16M", "--performance-schema=off"]));
        var installed = ServerProcess.Run(Installer, ["--no-defaults", $"--user={Environment.UserName}", $"--datadir={_server.Directory}/data", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        Assert.True(installed.Status == 0, installed.Output);
        _server.Start();
        var made = ServerProcess.Run(
            "/usr/bin/mariadb", ["--no-defaults", $"--socket={Socket}", "-u", "root"],
            """
            CREATE DATABASE mail CHARACTER SET utf8mb4; USE mail;
            CREATE TABLE alias(address VARCHAR(100), goto VARCHAR(100), number INT, small TINYINT(1), at DATETIME, price DECIMAL(10,2), day DATE, bits BLOB);
            INSERT INTO alias VALUES('user@example.com', 'target@example.org', 7, 1, '2026-01-02 03:04:05', 1.50, '2026-01-02', 'blob'), ('many', 'a@x', 1, 0, NULL, NULL, NULL, NULL), ('many', 'b@y', 2, 0, NULL, NULL, NULL, NULL);
            INSERT INTO alias(address, goto) VALUES('o''brien', 'irish'), ('back\\slash', 'yes'), ('say "x"', 'quoted');
            DELIMITER //
            CREATE PROCEDURE lookup(IN param VARCHAR(255)) BEGIN SELECT goto FROM alias WHERE address = param; END//
            CREATE PROCEDURE twice() BEGIN SELECT 1; SELECT 2; END//
            CREATE PROCEDURE nothing() BEGIN SET @x = 1; END//
            DELIMITER ;
            CREATE USER mail@'%' IDENTIFIED BY 'se\'cret'; GRANT ALL ON mail.* TO mail@'%';
            """);
        Assert.Equal((0, ""), made);
    }

    internal ServerProcess Server => _server ?? throw new InvalidOperationException("no server");

    internal string Socket => $"{Server.Directory}/socket";

    public bool IsThere => _server is not null;

    public void Dispose() => _server?.Dispose();
}

/// <summary>mysql: against MariaDB, and Debian's postmap against the same where that is.</summary>
public sealed class MysqlTableTests(MysqlServer server) : IClassFixture<MysqlServer>
{
    private const string Query = "query = SELECT goto FROM alias WHERE address = '%s'";

    [Theory]
    [InlineData(Query, "user@example.com", "= target@example.org")]
    [InlineData(Query, "o'brien", "= irish")]
    [InlineData(Query, "back\\slash", "= yes")]
    [InlineData(Query, "say \"x\"", "= quoted")]
    [InlineData("query = SELECT goto FROM alias WHERE address = \"%s\"", "say \"x\"", "= quoted")]
    [InlineData(Query, "x' OR '1'='1", "-")]
    [InlineData(Query, "x\\' OR 1=1 -- ", "-")]
    [InlineData(Query, "many", "= a@x,b@y")]
    [InlineData(Query, "nobody", "-")]
    [InlineData("query = SELECT number, small, at, price, day, bits FROM alias WHERE address = '%s'", "user@example.com", "= 7,1,2026-01-02 03:04:05,1.50,2026-01-02,blob")]
    [InlineData("query = SELECT CAST('12:03:04' AS TIME), 1.5e0, 0.1e0 + 0.2e0, @x, NULL", "x", "= 12:03:04,1.5,0.30000000000000004")]
    [InlineData("query = SELECT CAST('12345678901234567890123456789012345678901234567890.50' AS DECIMAL(65,2)), CAST(NULL AS DECIMAL(65)), CAST(0 AS DECIMAL(3,1))", "x",
        "= 12345678901234567890123456789012345678901234567890.50,0.0")]
    [InlineData("query = CALL lookup('%s')", "many", "= a@x,b@y")]
    [InlineData("query = CALL twice()", "x", "!")]
    [InlineData("query = CALL nothing()", "x", "!")]
    [InlineData("query = CALL nothing()\nrequire_result_set = no", "x", "-")]
    [InlineData("query = SELECT goto FROM nosuch", "x", "!")]
    [InlineData("query = SELECT '%s'", "b\u00fccher", "= b\u00fccher")]
    [InlineData("table = alias\nselect_field = goto\nwhere_field = address", "o'brien", "= irish")]
    [InlineData(Query + "\nexpansion_limit = 1", "many", "!")]
    public void Queries(string query, string key, string answer)
    {
        using var tables = Tables(query, "127.0.0.1:@P@");
        RealPostmap.Agrees(tables, "mysql:@E@/table.cf", key, answer);
    }

    [Fact]
    public void Sockets()
    {
        using var tables = Tables(Query, $"unix:{(server.IsThere ? server.Socket : "")}");
        RealPostmap.Agrees(tables, "mysql:@E@/table.cf", "o'brien", "= irish");
    }

    [Fact]
    public void An_option_file_says_what_the_table_does_not()
    {
        using var tables = Tables("", "localhost");
        tables.Write("my.cnf", $"[client]\nuser = \"mail\"\npassword = \"se'cret\"\n[other]\npassword = wrong\n[mine]\nsocket = {server.Socket}\n");
        tables.Write("table.cf", $"hosts = localhost\ndbname = mail\noption_file = {tables.Directory}/my.cnf\noption_group = mine\n{Query}\n");
        Assert.Equal("= irish", tables.Find("mysql:@E@/table.cf", "o'brien"));
    }

    [Fact]
    public void A_server_that_dies_is_an_error_until_it_is_back()
    {
        using var tables = Tables(Query, "127.0.0.1:@P@");
        Assert.Equal("= irish", tables.Find("mysql:@E@/table.cf", "o'brien"));
        // Heeded, for what was just written is not on disk yet.
        server.Server.Kill("TERM");
        var (found, other) = (tables.Find("mysql:@E@/table.cf", "o'brien"), tables.Find("mysql:@E@/table.cf", "nobody"));
        server.Server.Start();
        Assert.Equal(("! ", "! "), (found[..2], other[..2]));
        Assert.Contains("warning: connect to mysql server 127.0.0.1: Can't connect to server on '127.0.0.1' (Connection refused)", tables.Said);
        tables.Advance(30);
        Assert.StartsWith("! ", tables.Find("mysql:@E@/table.cf", "o'brien"), StringComparison.Ordinal);
        tables.Advance(31);
        Assert.Equal("= irish", tables.Find("mysql:@E@/table.cf", "o'brien"));
    }

    [Fact]
    public void A_query_that_fails_leaves_the_server_in_use()
    {
        using var tables = Tables("query = SELECT %u FROM alias LIMIT 1", "127.0.0.1:@P@");
        Assert.StartsWith("! ", tables.Find("mysql:@E@/table.cf", "nosuchfield@x"), StringComparison.Ordinal);
        Assert.Contains(tables.Said, s => s.StartsWith("warning: mysql:@E@/table.cf: query failed: Unknown column 'nosuchfield' in ", StringComparison.Ordinal));
        Assert.Equal("= 8", tables.Find("mysql:@E@/table.cf", "8@x"));
    }

    [Fact]
    public void A_result_that_is_too_long_leaves_the_server_in_use()
    {
        using var tables = Tables("query = SELECT REPEAT('x', %u) FROM alias LIMIT 1", "127.0.0.1:@P@");
        Assert.Equal("! mysql:@E@/table.cf: a result of more than 10485760 bytes", tables.Find("mysql:@E@/table.cf", "11000000@x"));
        Assert.Equal("= xx", tables.Find("mysql:@E@/table.cf", "2@x"));
    }

    [Fact]
    public void Options_are_read_from_files_and_the_files_they_name()
    {
        using var tables = new TestTables();
        tables.Write("a.cnf", $"# comment\n[client]\nuser=one\n!include {tables.Directory}/b.cnf\n[mysqld]\nuser=server\n");
        tables.Write("b.cnf", "[client]\nuser = two\nssl_ca = '/etc/ca.pem'\n");
        var options = MysqlOptions.Read($"{tables.Directory}/a.cnf", ["client"]);
        Assert.Equal(("two", "/etc/ca.pem"), (options["user"], options["ssl-ca"]));
        Assert.Throws<TableException>(() => MysqlOptions.Read($"{tables.Directory}/none", ["client"]));
    }

    private TestTables Tables(string query, string hosts)
    {
        Assert.SkipUnless(server.IsThere, "needs the package mariadb-server");
        var tables = new TestTables();
        tables.Write("table.cf", $"hosts = {hosts.Replace("@P@", $"{server.Server.Port}")}\nuser = mail\npassword = se'cret\ndbname = mail\noption_group =\n{query}\n");
        return tables;
    }
}
