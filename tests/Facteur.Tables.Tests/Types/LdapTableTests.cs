using Facteur.Tables.Tests.Servers;
using Facteur.Testing;
using Facteur.Testing.Servers;

namespace Facteur.Tables.Tests.Types;

/// <summary>A directory of people and groups that only who binds may read.</summary>
public sealed class LdapServer : IDisposable
{
    private static readonly string? Program = ServerProcess.Find("/usr/sbin/slapd");
    private readonly ServerProcess? _server;

    public LdapServer()
    {
        if (Program is null)
        {
            return;
        }
        _server = new ServerProcess("ldap", s => (Program, ["-h", $"ldap://127.0.0.1:{s.Port} ldapi://{Uri.EscapeDataString(s.Directory + "/socket")}", "-f", $"{s.Directory}/slapd.conf", "-d", "0"]));
        var directory = _server.Directory;
        Directory.CreateDirectory($"{directory}/data");
        File.WriteAllText($"{directory}/cert.pem", Certificates.Pem.Certificate);
        File.WriteAllText($"{directory}/key.pem", Certificates.Pem.Key);
        File.WriteAllText($"{directory}/slapd.conf", $"""
            include /etc/ldap/schema/core.schema
            include /etc/ldap/schema/cosine.schema
            include /etc/ldap/schema/inetorgperson.schema
            modulepath /usr/lib/ldap
            moduleload back_mdb
            TLSCertificateFile {directory}/cert.pem
            TLSCertificateKeyFile {directory}/key.pem
            TLSCACertificateFile {directory}/cert.pem
            database mdb
            directory {directory}/data
            suffix dc=example
            rootdn cn=admin,dc=example
            rootpw secret
            dbnosync
            access to dn.subtree=ou=open,dc=example by * read
            access to * by dn=cn=admin,dc=example read by anonymous auth
            """);
        File.WriteAllText($"{directory}/data.ldif", """
            dn: dc=example
            objectClass: dcObject
            objectClass: organization
            dc: example
            o: example

            dn: ou=people,dc=example
            objectClass: organizationalUnit
            ou: people

            dn: ou=open,dc=example
            objectClass: organizationalUnit
            ou: open
            description: everybody

            dn: cn=user,ou=people,dc=example
            objectClass: inetOrgPerson
            cn: user
            sn: user
            mail: user@example.com
            uid: one@example.org
            uid: two@example.org
            description: leaf

            dn: cn=odd,ou=people,dc=example
            objectClass: inetOrgPerson
            cn: odd
            sn: odd
            mail: a*(b)\c@example.com
            uid: odd@example.org

            dn: cn=comma\2Cname,ou=people,dc=example
            objectClass: inetOrgPerson
            cn: comma,name
            sn: comma
            uid: comma@example.org

            dn: cn=group,dc=example
            objectClass: groupOfNames
            objectClass: uidObject
            cn: group
            uid: group@example.org
            member: cn=user,ou=people,dc=example
            member: cn=missing,ou=people,dc=example
            member: cn=odd,ou=people,dc=example

            dn: cn=urls,dc=example
            objectClass: groupOfNames
            objectClass: labeledURIObject
            cn: urls
            labeledURI: ldap:///ou=people,dc=example?uid?one?(mail=user*)
            member: cn=nobody

            dn: cn=circle,dc=example
            objectClass: groupOfNames
            cn: circle
            member: cn=circle,dc=example
            """);
        var (status, output) = ServerProcess.Run(Program[..^5] + "slapadd", ["-f", $"{directory}/slapd.conf", "-l", $"{directory}/data.ldif", "-q"]);
        Assert.True(status == 0, output);
        _server.Start();
    }

    internal ServerProcess Server => _server ?? throw new InvalidOperationException("no server");

    public bool IsThere => _server is not null;

    public void Dispose() => _server?.Dispose();
}

/// <summary>ldap: against OpenLDAP's slapd, and Debian's postmap against the same where that is.</summary>
public sealed class LdapTableTests(LdapServer server) : IClassFixture<LdapServer>
{
    private const string Mail = "search_base = dc=example\nquery_filter = mail=%s\nresult_attribute = uid";
    private const string Group = "search_base = dc=example\nquery_filter = cn=%s\nspecial_result_attribute = member, labeledURI\n";

    [Theory]
    [InlineData(Mail, "user@example.com", "= one@example.org,two@example.org")]
    [InlineData(Mail, "USER@example.com", "= one@example.org,two@example.org")]
    [InlineData(Mail, "nobody@example.com", "-")]
    [InlineData(Mail, "*", "-")]
    [InlineData(Mail, "user@example.com)(cn=*", "-")]
    [InlineData(Mail, "a*(b)\\c@example.com", "= odd@example.org")]
    [InlineData(Mail + "\nexpansion_limit = 1", "user@example.com", "!")]
    [InlineData(Mail + "\nresult_format = %u", "user@example.com", "= one,two")]
    [InlineData(Mail + "\nresult_filter = <%s>", "user@example.com", "= <one@example.org>,<two@example.org>")]
    [InlineData(Mail + "\ndomain = example.net", "user@example.com", "-")]
    [InlineData("search_base = dc=example\nquery_filter = (&(objectClass=inetOrgPerson)(|(mail=%u@%d)(!(sn=*))))\nresult_attribute = cn", "user@example.com", "= user")]
    [InlineData("search_base = dc=example\nquery_filter = (mail=user*exa*)\nresult_attribute = cn", "x", "= user")]
    [InlineData("search_base = dc=example\nquery_filter = mail=%s\nscope = one\nresult_attribute = cn", "user@example.com", "-")]
    [InlineData("search_base = cn=%u,ou=people,dc=example\nquery_filter = objectClass=*\nscope = base\nresult_attribute = mail", "user", "= user@example.com")]
    [InlineData("search_base = cn=%u,ou=people,dc=example\nquery_filter = objectClass=*\nscope = base\nresult_attribute = uid", "comma,name", "= comma@example.org")]
    [InlineData("search_base = cn=%u,ou=people,dc=example\nquery_filter = objectClass=*\nscope = base\nresult_attribute = mail", "nobody", "-")]
    [InlineData("search_base = cn=%u,ou=people,dc=example\nquery_filter = objectClass=*\nscope = base\nresult_attribute = mail", "x,ou=people,dc=example", "-")]
    [InlineData("search_base = dc=nosuch\nquery_filter = mail=%s\nresult_attribute = uid", "user@example.com", "!")]
    [InlineData("search_base = dc=example\nquery_filter = (uid=*@example.org)\nresult_attribute = uid\nsize_limit = 2", "x", "!")]
    [InlineData(Group + "result_attribute = uid", "group", "= group@example.org,one@example.org,two@example.org,odd@example.org")]
    [InlineData(Group + "result_attribute =\nleaf_result_attribute = uid", "group", "= one@example.org,two@example.org,odd@example.org")]
    [InlineData(Group + "result_attribute = mail\nterminal_result_attribute = uid", "group", "= group@example.org")]
    [InlineData(Group + "result_attribute = uid", "urls", "= one@example.org,two@example.org")]
    [InlineData(Group + "result_attribute = uid\nrecursion_limit = 5", "circle", "!")]
    [InlineData(Group + "result_attribute = uid\nrecursion_limit = 1", "group", "!")]
    [InlineData("search_base = dc=example\nquery_filter = mail=%s\nresult_attribute = uid\nbind_pw = wrong", "user@example.com", "!")]
    [InlineData("search_base = dc=example\nquery_filter = (mail=%s\nresult_attribute = uid", "user@example.com", "!")]
    public void Searches(string settings, string key, string answer)
    {
        using var tables = Tables(settings, "127.0.0.1:@P@");
        RealPostmap.Agrees(tables, "ldap:@E@/table.cf", key, answer);
    }

    [Theory]
    [InlineData("ldap://127.0.0.1:@P@", "bind = yes", "= one@example.org,two@example.org")]
    [InlineData("ldapi://@S@", "bind = simple", "= one@example.org,two@example.org")]
    [InlineData("127.0.0.1:1 ldap://127.0.0.1:@P@", "bind = yes", "= one@example.org,two@example.org")]
    [InlineData("ldap://127.0.0.1:@P@", "bind = none", "!")]
    [InlineData("ldap://127.0.0.1:@P@", "start_tls = yes", "= one@example.org,two@example.org")]
    [InlineData("ldap://127.0.0.1:@P@", "start_tls = yes\ntls_require_cert = yes\ntls_ca_cert_file = @C@", "!")]
    public void Ways_to_a_server(string host, string settings, string answer)
    {
        using var tables = Tables(Mail + "\n" + settings, host);
        var found = tables.Find("ldap:@E@/table.cf", "user@example.com");
        Assert.Equal(answer, found.StartsWith('!') ? "!" : found);
    }

    [Fact]
    public void Who_does_not_bind_reads_what_is_open()
    {
        using var tables = Tables("search_base = ou=open,dc=example\nquery_filter = ou=%s\nresult_attribute = description\nbind = no", "127.0.0.1:@P@");
        RealPostmap.Agrees(tables, "ldap:@E@/table.cf", "open", "= everybody");
    }

    [Fact]
    public void A_server_that_dies_is_an_error_until_it_is_back()
    {
        using var tables = Tables(Mail, "ldap://127.0.0.1:@P@");
        Assert.Equal("= odd@example.org", tables.Find("ldap:@E@/table.cf", "a*(b)\\c@example.com"));
        server.Server.Kill();
        var found = tables.Find("ldap:@E@/table.cf", "user@example.com");
        server.Server.Start();
        Assert.StartsWith("! ", found, StringComparison.Ordinal);
        Assert.Contains($"warning: dict_ldap_connect: Unable to bind to server ldap://127.0.0.1:{server.Server.Port} with dn cn=admin,dc=example: -1 (Can't contact LDAP server)", tables.Said);
        tables.Advance(2);
        Assert.Equal("= odd@example.org", tables.Find("ldap:@E@/table.cf", "a*(b)\\c@example.com"));
        server.Server.Kill();
        server.Server.Start();
        Assert.Equal("= odd@example.org", tables.Find("ldap:@E@/table.cf", "a*(b)\\c@example.com"));
    }

    [Fact]
    public void Wrong_passwords_are_told()
    {
        using var tables = Tables(Mail + "\nbind_pw = wrong", "ldap://127.0.0.1:@P@");
        Assert.StartsWith("! ", tables.Find("ldap:@E@/table.cf", "user@example.com"), StringComparison.Ordinal);
        Assert.Contains($"warning: dict_ldap_connect: Unable to bind to server ldap://127.0.0.1:{server.Server.Port} with dn cn=admin,dc=example: 49 (Invalid credentials)", tables.Said);
    }

    private TestTables Tables(string settings, string host)
    {
        Assert.SkipUnless(server.IsThere, "needs the package slapd");
        var tables = new TestTables();
        host = host.Replace("@P@", $"{server.Server.Port}").Replace("@S@", Uri.EscapeDataString($"{server.Server.Directory}/socket"));
        tables.Write("table.cf", $"server_host = {host}\nversion = 3\nbind_dn = cn=admin,dc=example\nbind_pw = secret\n{settings.Replace("@C@", $"{server.Server.Directory}/cert.pem")}\n");
        return tables;
    }
}
