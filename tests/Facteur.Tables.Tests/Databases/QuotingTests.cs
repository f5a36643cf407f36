using CsCheck;
using Facteur.Tables.Databases;
using Facteur.Tables.Ldap;
using System.Formats.Asn1;
using System.Text;

namespace Facteur.Tables.Tests.Databases;

/// <summary>Whatever a key holds, it stays within its quotes and is read as itself.</summary>
public sealed class QuotingTests
{
    private static readonly Gen<string> Keys = Gen.String[Gen.OneOf(Gen.Char["'\"\\*()&|!=,;<>#+ \n\r\u001a%_-"], Gen.Char['a', 'z'], Gen.Char['\u00e0', '\u0250'])];

    [Fact]
    public void Standard_sql() => Keys.Sample(key =>
    {
        Assert.Equal((key, " AND x"), ReadSql($"'{SqlQuoting.Standard(key)}' AND x", backslashes: false));
        Assert.Equal((key, " AND x"), ReadSql($"'{SqlQuoting.Backslashes(key)}' AND x", backslashes: true));
    });

    [Fact]
    public void Mysql() => Keys.Sample(key =>
    {
        Assert.Equal((key, " AND x"), ReadSql($"'{SqlQuoting.Mysql(key)}' AND x", backslashes: true));
        Assert.Equal((key, " AND x"), ReadSql($"\"{SqlQuoting.Mysql(key)}\" AND x", backslashes: true));
    });

    /// <summary>The filter has the one item of the template, and its value is the key.</summary>
    [Fact]
    public void Ldap_filters() => Keys.Where(k => k.Length > 0).Sample(key =>
    {
        var writer = new AsnWriter(AsnEncodingRules.BER);
        Assert.True(LdapFilter.TryWrite($"(&(objectClass=person)(mail={LdapQuoting.Filter(key)}))", writer));
        var and = new AsnReader(writer.Encode(), AsnEncodingRules.BER).ReadSetOf(true, new Asn1Tag(TagClass.ContextSpecific, 0, true));
        var values = new List<string>();
        while (and.HasData)
        {
            var item = and.ReadSequence(new Asn1Tag(TagClass.ContextSpecific, 3, true));
            item.ReadOctetString();
            values.Add(Encoding.UTF8.GetString(item.ReadOctetString()));
            Assert.False(item.HasData);
        }
        Assert.Equal(new HashSet<string> { "person", key }, values.ToHashSet());
    });

    /// <summary>A name keeps its parts: nothing of a key separates them.</summary>
    [Fact]
    public void Ldap_names() => Keys.Sample(key =>
    {
        var quoted = LdapQuoting.Name(key);
        Assert.Equal(-1, quoted.AsSpan().IndexOfAny(",+\"<>;#= "));
        Assert.Equal(key, System.Text.RegularExpressions.Regex.Replace(quoted, @"\\(..)", m => $"{(char)Convert.ToByte(m.Groups[1].Value, 16)}"));
    });

    [Theory]
    [InlineData("mail=a", true)]
    [InlineData("(mail=a)", true)]
    [InlineData("(&(a=b)(|(c=d)(!(e=f*g*h))))", true)]
    [InlineData("& (a=b) (c=*)", true)]
    [InlineData("(a>=1)", true)]
    [InlineData("(cn:dn:2.4.6.8.10:=Dino)", true)]
    [InlineData("(a=b", false)]
    [InlineData("(a=b))", false)]
    [InlineData("(a=\\zz)", false)]
    [InlineData("(=b)", false)]
    [InlineData("", false)]
    [InlineData("()", false)]
    public void Filters_are_read(string text, bool right) => Assert.Equal(right, LdapFilter.TryWrite(text, new AsnWriter(AsnEncodingRules.BER)));

    [Fact]
    public void No_filter_breaks_the_reader() => Gen.String[Gen.Char["()&|!=*\\a0:~<> "]].Sample(text => { LdapFilter.TryWrite(text, new AsnWriter(AsnEncodingRules.BER)); });

    /// <summary>A server's lexer: the text in quotes, and what follows.</summary>
    private static (string Text, string After) ReadSql(string sql, bool backslashes)
    {
        var (quote, text) = (sql[0], new StringBuilder());
        for (var i = 1; i < sql.Length; i++)
        {
            if (backslashes && sql[i] == '\\')
            {
                i++;
                text.Append(sql[i] switch { '0' => '\0', 'n' => '\n', 'r' => '\r', 'Z' => '\u001a', var c => c });
            }
            else if (sql[i] != quote)
            {
                text.Append(sql[i]);
            }
            else if (i + 1 < sql.Length && sql[i + 1] == quote)
            {
                text.Append(sql[i++]);
            }
            else
            {
                return (text.ToString(), sql[(i + 1)..]);
            }
        }
        return (text.ToString(), "unterminated");
    }
}
