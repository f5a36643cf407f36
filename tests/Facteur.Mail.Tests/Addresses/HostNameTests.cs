using Facteur.Mail.Addresses;

namespace Facteur.Mail.Tests.Addresses;

public sealed class HostNameTests
{
    [Theory]
    [InlineData("a", true)]
    [InlineData("mx.dest.example", true)]
    [InlineData("a_b.example", true)]
    [InlineData("3com.example", true)]
    [InlineData("", false)]
    [InlineData(".", false)]
    [InlineData("a.", false)]
    [InlineData(".a", false)]
    [InlineData("a..b", false)]
    [InlineData("-a.b", false)]
    [InlineData("a-.b", false)]
    [InlineData("a.b-", false)]
    [InlineData("1.2.3.4", false)]
    [InlineData("a b", false)]
    [InlineData("::1", false)]
    [InlineData("-bad_name-", false)]
    [InlineData("a_b", true)]
    [InlineData("b\u00fccher.example", false)]
    public void Knows_host_names(string name, bool expected) => Assert.Equal(expected, HostName.IsValid(name));

    [Theory]
    [InlineData("a.b", true)]
    [InlineData("a.b.", true)]
    [InlineData("a", false)]
    [InlineData("a.b..", false)]
    [InlineData("a.", false)]
    public void Knows_full_names(string name, bool expected) => Assert.Equal(expected, HostName.IsFullyQualified(name));

    [Theory]
    [InlineData("a.example", "a.example")]
    [InlineData("b\u00fccher.example", "xn--bcher-kva.example")]
    [InlineData("B\u00dcCHER.Example", "xn--bcher-kva.example")]
    [InlineData("b\u00fccher\u3002example", "xn--bcher-kva.example")]
    [InlineData("\uff22\u00fccher.example", "xn--bcher-kva.example")]
    [InlineData("fa\u00df.example", "xn--fa-hia.example")]
    [InlineData("b\u00fc\u00adcher.example", "xn--bcher-kva.example")]
    [InlineData("bu\u0308cher.example", "xn--bcher-kva.example")]
    [InlineData("BU\u0308CHER.example", "xn--bcher-kva.example")]
    [InlineData("vie\u0302\u0323t.example", "xn--vit-5kz.example")]
    [InlineData("vie\u0323\u0302t.example", "xn--vit-5kz.example")]
    [InlineData("vi\u00ea\u0323t.example", "xn--vit-5kz.example")]
    [InlineData("vi\u1ec7t.example", "xn--vit-5kz.example")]
    [InlineData("\u1112\u1161\u11ab\u1100\u1173\u11af.example", "xn--bj0bj06e.example")]
    [InlineData("\ud55c\uae00.example", "xn--bj0bj06e.example")]
    [InlineData("\u03b1\u0313\u0301.example", "xn--hng.example")]
    [InlineData("\u0438\u0306.example", "xn--i1a.example")]
    public void Makes_a_labels(string name, string expected) => Assert.Equal(expected, HostName.ToAscii(name));

    [Theory]
    [InlineData("stra\u00dfe.example", "strasse.example", "xn--strae-oqa.example")]
    [InlineData("\u03b1\u03c2.example", "xn--mxa4a.example", null)]
    public void Makes_a_labels_as_in_2003(string name, string transitional, string? otherwise)
    {
        Assert.Equal(otherwise ?? HostName.ToAscii(name), HostName.ToAscii(name));
        Assert.NotEqual(transitional, HostName.ToAscii(name));
        Assert.Equal(transitional == "xn--mxa4a.example" ? HostName.ToAscii("\u03b1\u03c3.example") : transitional, HostName.ToAscii(name, transitional: true));
    }

    [Fact]
    public void Bounds_labels_and_names()
    {
        Assert.True(HostName.IsValid(new string('a', 63) + ".b"));
        Assert.False(HostName.IsValid(new string('a', 64) + ".b"));
        Assert.False(HostName.IsValid(string.Join('.', Enumerable.Repeat("abcdefg", 40))));
        Assert.True(HostName.IsValid("b\u00fccher.example", international: true));
    }

    [Theory]
    [InlineData("[192.0.2.1]", "192.0.2.1")]
    [InlineData("[IPv6:2001:db8::1]", "2001:db8::1")]
    [InlineData("[ipv6:::1]", "::1")]
    [InlineData("[2001:db8::1]", null)]
    [InlineData("[1]", null)]
    [InlineData("[1.2.3]", null)]
    [InlineData("[1.2.3.256]", null)]
    [InlineData("[0x1.2.3.4]", null)]
    [InlineData("[0.1.2.3]", null)]
    [InlineData("[0.0.0.0]", "0.0.0.0")]
    [InlineData("[IPv6:fe80::1%eth0]", null)]
    [InlineData("[]", null)]
    [InlineData("192.0.2.1", null)]
    public void Parses_literals(string text, string? expected) => Assert.Equal(expected, HostName.ParseLiteral(text)?.ToString());

    [Theory]
    [InlineData("a@b@c", 1, 3)]
    [InlineData("\"a@b\"@c", 5, 5)]
    [InlineData("a\\@b@c", 4, 4)]
    [InlineData("a@[x@y]", 1, 1)]
    [InlineData("\"a@b", -1, -1)]
    [InlineData("abc", -1, -1)]
    public void Finds_operators_outside_of_quotes(string address, int first, int last)
    {
        Assert.Equal(first, AddressOperator.First(address, '@'));
        Assert.Equal(last, AddressOperator.Last(address, '@'));
    }
}
