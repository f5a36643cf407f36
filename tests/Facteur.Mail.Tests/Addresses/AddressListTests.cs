using System.Buffers;
using System.Text;
using CsCheck;
using Facteur.Mail.Addresses;

namespace Facteur.Mail.Tests.Addresses;

public sealed class AddressListTests
{
    private static string Show(string value, int limit = 1000)
    {
        var bytes = Encoding.Latin1.GetBytes(value);
        var list = new AddressList();
        list.Parse(bytes, limit);
        return string.Join(' ', list.Tokens.Select(t => t.Kind switch
        {
            AddressTokenKind.Comma => t.Length == 0 ? "(,)" : ",",
            AddressTokenKind.Address => $"A[{AddressList.AddressText(bytes.AsSpan(t.Start, t.Length))}]",
            AddressTokenKind.Word => $"w[{value.Substring(t.Start, t.Length)}]",
            AddressTokenKind.Comment => $"c{value.Substring(t.Start, t.Length)}",
            _ => value.Substring(t.Start, t.Length),
        }));
    }

    [Theory]
    [InlineData("", "")]
    [InlineData(" joe@host.example ", "A[joe@host.example]")]
    [InlineData("joe, jane@x", "A[joe] , A[jane@x]")]
    [InlineData("Joe User <joe@x> (home), y", "w[Joe] w[User] < A[joe@x] > c(home) , A[y]")]
    [InlineData("\"Joe, User\" <joe@x>", "w[\"Joe, User\"] < A[joe@x] >")]
    [InlineData("<>", "< >")]
    [InlineData("< (c) >", "< c(c) >")]
    [InlineData("< (a) x@y (b) >", "< A[x@y] c(a) c(b) >")]
    [InlineData("joe @ host . example", "A[joe@host.example]")]
    [InlineData("joe (is) @ (at) host", "A[joe@host] c(is) c(at)")]
    [InlineData("\"a b\"@x", "A[\"a b\"@x]")]
    [InlineData("\"a (b\"@x", "A[\"a (b\"@x]")]
    [InlineData("joe@[192.0.2.1]", "A[joe@[192.0.2.1]]")]
    [InlineData("<@a,@b:joe@c>, d", "< A[@a,@b:joe@c] > , A[d]")]
    [InlineData("grp: a, b <b@x>; c", "w[grp] : A[a] , w[b] < A[b@x] > ; (,) A[c]")]
    [InlineData("grp:;", "w[grp] : ;")]
    [InlineData("@route: user@x, b", "A[@route:user@x] , A[b]")]
    [InlineData("(c) @a:b@c (d)", "A[@a:b@c] c(c) c(d)")]
    [InlineData("@a:b:c", "A[@a:b:c]")]
    [InlineData(":joe", "A[:joe]")]
    [InlineData("grp: a, b", "A[grp:a] , A[b]")]
    [InlineData("mailto:a@b", "A[mailto:a@b]")]
    [InlineData("g : h : a;", "w[g] w[:] w[h] : A[a] ;")]
    [InlineData("a:b, g: c;", "A[a:b] , w[g] : A[c] ;")]
    [InlineData("joe>, jane", "A[joe] > , A[jane]")]
    [InlineData("joe> jane", "A[joe] > (,) A[jane]")]
    [InlineData("Joe User <joe@x, y", "A[Joe] (,) A[User<joe@x] , A[y]")]
    [InlineData("joe)", "A[joe)]")]
    [InlineData("joe@\"host.example\"", "A[joe@host.example]")]
    [InlineData("joe@host.example\\", "A[joe@host.example]")]
    [InlineData("joe@ho\\st.example", "A[joe@host.example]")]
    [InlineData("joe user", "A[joe] (,) A[user]")]
    [InlineData("<a@b> <c@d>", "< A[a@b] > < A[c@d] >")]
    [InlineData("<a@b> c", "< A[a@b] > (,) A[c]")]
    [InlineData("(nested (comment) \\) here) joe", "A[joe] c(nested (comment) \\) here)")]
    [InlineData("(open", "c(open")]
    [InlineData("\"open", "A[\"open\"]")]
    [InlineData("a@[1.2", "A[a@[1.2]]")]
    [InlineData("\"open\\", "A[\"open\"]")]
    [InlineData("<open, x", "A[<open] , A[x]")]
    [InlineData("<a> <open, x", "< A[a] > (,) A[<open] , A[x]")]
    [InlineData("(a) joe (b) jane (c)", "A[joe] c(a) (,) A[jane] c(b) c(c)")]
    [InlineData("x\"y\"z", "A[x] (,) A[\"y\"] (,) A[z]")]
    [InlineData("a\\ b@x", "A[a\\ b@x]")]
    [InlineData(",,a,,", ", , A[a] , ,")]
    [InlineData("site!user, user%site", "A[site!user] , A[user%site]")]
    [InlineData("b\u00f6b@x", "A[]")]
    public void Parses_lists(string value, string expected) => Assert.Equal(expected, Show(value));

    [Fact]
    public void Stops_at_the_limit() => Assert.Equal("A[a] , A[b]", Show("a, b, c, d", 3));

    [Theory]
    [InlineData("a@b.c", true)]
    [InlineData("a@b", false)]
    [InlineData("a", false)]
    [InlineData("a@b.c.", false)]
    [InlineData("a@@b.c", false)]
    [InlineData("@b.c", false)]
    [InlineData("a@.c", false)]
    [InlineData("a.@b.c", false)]
    [InlineData(".a@b.c", false)]
    [InlineData("a..b@b.c", false)]
    [InlineData("a%b@c.d", false)]
    [InlineData("\"a b\"@c.d", false)]
    [InlineData("a@b.c (x)", false)]
    public void Knows_addresses_that_need_nothing(string address, bool expected)
    {
        Assert.Equal(expected, AddressList.IsQualified(Encoding.UTF8.GetBytes(address)));
        Assert.Equal(expected, AddressList.IsQualified(address));
    }

    [Fact]
    public void Takes_any_bytes_in_bounded_steps()
    {
        Gen.Char["ab@<>(),;:\"\\[]. \t\n\xff"].Array[0, 200].Sample(chars =>
        {
            var bytes = Encoding.Latin1.GetBytes(chars);
            var list = new AddressList();
            list.Parse(bytes, 1000);
            Assert.All(list.Tokens, token => Assert.True(token.Start >= 0 && token.Start + token.Length <= bytes.Length));
            var printed = new ArrayBufferWriter<byte>();
            list.Write("To"u8, bytes, new string?[list.Tokens.Count], printed);
            // Blanks and commas come; comments inside of an address may stand twice.
            Assert.True(printed.WrittenCount >= 4 && printed.WrittenCount <= 4 * bytes.Length + 8);
        }, iter: 20_000);
    }

    [Fact]
    public void Deep_nesting_is_no_recursion() => Assert.Equal("c" + new string('(', 100_000), Show(new string('(', 100_000)));
}
