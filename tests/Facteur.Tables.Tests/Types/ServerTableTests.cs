using System.Text;
using Facteur.Tables.Tests.Databases;

namespace Facteur.Tables.Tests.Types;

/// <summary>tcp: and socketmap:, byte by byte, and what all tables behind servers do when one fails.</summary>
public sealed class ServerTableTests
{
    [Theory]
    [InlineData("200 some%20value\n", "= some value")]
    [InlineData("200 plain value\n", "= plain value")]
    [InlineData("500 no such key\n", "-")]
    [InlineData("400 try later\n", "! tcp:: try later")]
    [InlineData("garbage\n", "!")]
    [InlineData("900 what\n", "!")]
    [InlineData("200   two \n", "=   two ")]
    [InlineData("200 %ff\n", "! tcp:: key \"key\": non-UTF-8 value \"?\": malformed UTF-8 or invalid codepoint")]
    [InlineData("200 %zz\n", "!")]
    [InlineData("", "!")]
    public void Tcp_replies(string reply, string answer)
    {
        using var server = new ScriptedServer(_ => reply.Length == 0 ? null : Encoding.UTF8.GetBytes(reply));
        using var tables = new TestTables();
        var found = tables.Find($"tcp:127.0.0.1:{server.Port}", "key");
        Assert.Equal(answer.Replace("tcp::", $"tcp:127.0.0.1:{server.Port}:"), answer == "!" ? found[..1] : found);
    }

    [Fact]
    public void Tcp_keys_are_encoded()
    {
        var asked = "";
        using var server = new ScriptedServer(bytes =>
        {
            asked = Encoding.UTF8.GetString(bytes);
            return "500 no\n"u8.ToArray();
        });
        using var tables = new TestTables();
        Assert.Equal("-", tables.Find($"tcp:127.0.0.1:{server.Port}", "A b%\nget c\u00e9"));
        Assert.Equal("get A%20b%25%0aget%20c%c3%a9\n", asked);
    }

    [Theory]
    [InlineData("8:OK value,", "= value")]
    [InlineData("3:OK ,", "= ")]
    [InlineData("2:OK,", "-")]
    [InlineData("9:NOTFOUND ,", "-")]
    [InlineData("10:TEMP later,", "!")]
    [InlineData("10:PERM never,", "!")]
    [InlineData("7:TIMEOUT,", "!")]
    [InlineData("3:???,", "!")]
    [InlineData("8:OK value;", "!")]
    [InlineData("999999:OK", "!")]
    [InlineData("x:", "!")]
    public void Socketmap_replies(string reply, string answer)
    {
        var asked = "";
        using var server = new ScriptedServer(bytes =>
        {
            asked = Encoding.UTF8.GetString(bytes);
            return Encoding.UTF8.GetBytes(reply);
        });
        using var tables = new TestTables();
        var found = tables.Find($"socketmap:inet:127.0.0.1:{server.Port}:names", "User@Example");
        Assert.Equal(answer, answer == "!" ? found[..1] : found);
        Assert.Equal("18:names User@Example,", asked);
    }

    [Theory]
    [InlineData("6", "= yes")]
    [InlineData("5", "!")]
    public void Socketmap_replies_have_a_limit(string limit, string answer)
    {
        using var server = new ScriptedServer(_ => "6:OK yes,"u8.ToArray());
        using var tables = new TestTables(null, ("socketmap_max_reply_size", limit));
        var found = tables.Find($"socketmap:inet:127.0.0.1:{server.Port}:names", "a");
        Assert.Equal(answer, answer == "!" ? found[..1] : found);
    }

    [Fact]
    public void A_connection_that_the_server_ended_is_made_anew()
    {
        using var server = new ScriptedServer(_ => "200 yes\n"u8.ToArray());
        using var tables = new TestTables();
        var table = $"tcp:127.0.0.1:{server.Port}";
        Assert.Equal("= yes", tables.Find(table, "a"));
        Assert.Equal("= yes", tables.Find(table, "b"));
        Assert.Equal(1, server.Connections);
        server.DropAll();
        Assert.Equal("= yes", tables.Find(table, "c"));
        Assert.Equal(2, server.Connections);
        Assert.Empty(tables.Said);
    }

    [Fact]
    public void A_server_that_is_gone_is_an_error_until_it_is_back()
    {
        var server = new ScriptedServer(_ => "200 yes\n"u8.ToArray());
        var port = server.Port;
        using var tables = new TestTables();
        var table = $"tcp:127.0.0.1:{port}";
        Assert.Equal("= yes", tables.Find(table, "a"));
        server.Dispose();
        Assert.StartsWith("! ", tables.Find(table, "a"), StringComparison.Ordinal);
        Assert.Contains($"warning: connect to TCP map 127.0.0.1:{port}: Connection refused", tables.Said);
        using var again = new ScriptedServer(_ => "200 again\n"u8.ToArray(), port);
        tables.Advance(2);
        Assert.Equal("= again", tables.Find(table, "a"));
    }

    [Theory]
    [InlineData("tcp:nohost")]
    [InlineData("tcp:host:nosuchport")]
    [InlineData("socketmap:inet:127.0.0.1:25")]
    [InlineData("socketmap:other:x:y")]
    [InlineData("memcache:/nonexistent")]
    [InlineData("pgsql:/nonexistent")]
    public void What_is_no_address_is_told(string table)
    {
        using var tables = new TestTables();
        Assert.StartsWith("! ", tables.Find(table, "key"), StringComparison.Ordinal);
        Assert.Contains(tables.Said, s => s.StartsWith("error: ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("tcp:127.0.0.1:1")]
    [InlineData("socketmap:inet:127.0.0.1:1:name")]
    [InlineData("memcache:cache")]
    public void Security_sensitive_data_does_not_come_from_strangers(string table)
    {
        using var tables = new TestTables(new TableOptions { SecuritySensitive = true });
        Assert.Contains("not allowed for security", tables.Find(table, "key"), StringComparison.Ordinal);
    }
}
