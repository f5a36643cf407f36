using Facteur.Config.Parameters;

namespace Facteur.Tables.Tests.Databases;

/// <summary>Every parameter of a database table is acted on, or is told with its name when it is set; so is one that the type does not have.</summary>
public sealed class ToldParametersTests
{
    private static readonly Dictionary<string, string> Least = new(StringComparer.Ordinal)
    {
        ["ldap"] = "search_base = dc=x",
        ["mysql"] = "query = SELECT 1",
        ["pgsql"] = "query = SELECT 1",
        ["mongodb"] = "uri = mongodb://127.0.0.1:1\ndbname = d\ncollection = c\nquery_filter = {\"a\": \"%s\"}\nresult_attribute = b",
        ["memcache"] = "",
    };

    [Theory]
    [InlineData("ldap", "chase_referrals = yes", "ldap:@E@/table: chase_referrals = yes has no effect")]
    [InlineData("ldap", "tls_cert = /x", "ldap:@E@/table: tls_cert = /x has no effect")]
    [InlineData("ldap", "tls_key = /x", "ldap:@E@/table: tls_key = /x has no effect")]
    [InlineData("ldap", "tls_cipher_suite = HIGH", "ldap:@E@/table: tls_cipher_suite = HIGH has no effect")]
    [InlineData("ldap", "tls_random_file = /x", "ldap:@E@/table: tls_random_file = /x has no effect")]
    [InlineData("ldap", "debuglevel = 3", "ldap:@E@/table: debuglevel = 3 has no effect")]
    [InlineData("ldap", "sasl_realm = X", "ldap:@E@/table: sasl_realm = X has no effect")]
    [InlineData("ldap", "sasl_minssf = 56", "ldap:@E@/table: sasl_minssf = 56 has no effect")]
    [InlineData("ldap", "cache_size = 5", "dict_ldap_open: @E@/table ignoring cache_size")]
    [InlineData("ldap", "start_tls = yes\nversion = 2", "dict_ldap_open: @E@/table start_tls requires protocol version 3")]
    [InlineData("mysql", "charset = latin1", "mysql:@E@/table: charset = latin1 has no effect")]
    [InlineData("mysql", "tls_CApath = /x", "mysql:@E@/table: tls_CApath = /x has no effect")]
    [InlineData("mysql", "tls_ciphers = X", "mysql:@E@/table: tls_ciphers = X has no effect")]
    [InlineData("pgsql", "encoding = LATIN1", "pgsql:@E@/table: encoding = LATIN1 has no effect: text is UTF-8 on the way to the server, which converts it")]
    [InlineData("mysql", "nosuch = 1", "@E@/table, line 1: unused parameter: nosuch=1")]
    [InlineData("ldap", "query = x", "@E@/table, line 1: unused parameter: query=x")]
    [InlineData("memcache", "hosts = x", "@E@/table, line 1: unused parameter: hosts=x")]
    public void What_has_no_effect_is_told(string type, string setting, string warning)
    {
        using var tables = new TestTables();
        tables.Write("table", $"{setting}\n{Least[type]}\n");
        _ = tables.Set.OpenOrThrow($"{type}:{tables.Directory}/table");
        Assert.Equal([$"warning: {warning}"], tables.Said);
    }

    [Theory]
    [InlineData("bind = sasl\nsasl_mechs = GSSAPI", "dict_ldap_open: @E@/table: unsupported parameter value: sasl_mechs = GSSAPI (supported: EXTERNAL, PLAIN)")]
    [InlineData("bind = kerberos", "dict_ldap_open: @E@/table: unsupported parameter value: bind = kerberos")]
    public void What_can_t_be_done_is_refused(string setting, string reason)
    {
        using var tables = new TestTables();
        tables.Write("table", $"{setting}\nsearch_base = dc=x\n");
        var thrown = Assert.Throws<TableException>(() => tables.Set.OpenOrThrow($"ldap:{tables.Directory}/table"));
        Assert.Equal(reason, thrown.Message.Replace(tables.Directory, "@E@", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("ldap")]
    [InlineData("mysql")]
    [InlineData("pgsql")]
    [InlineData("mongodb")]
    [InlineData("memcache")]
    public void What_a_type_has_is_no_unused_parameter(string type)
    {
        using var tables = new TestTables();
        var set = Least[type].Split('\n').Select(l => l.Split(' ')[0]).ToHashSet();
        var others = DatabaseParameters.Of(type, "").Select(n => n[1..]).Where(n => !set.Contains(n));
        tables.Write("table", $"{Least[type]}\n{string.Join('\n', others.Select(n => $"{n} = "))}\n");
        try
        {
            _ = tables.Set.OpenOrThrow($"{type}:{tables.Directory}/table");
        }
        catch (TableException)
        {
            // An empty value is not every parameter's.
        }
        Assert.DoesNotContain(tables.Said, s => s.Contains("unused parameter", StringComparison.Ordinal));
    }
}
