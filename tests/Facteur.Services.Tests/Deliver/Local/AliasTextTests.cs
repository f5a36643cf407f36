using CsCheck;
using Facteur.Services.Deliver.Local;

namespace Facteur.Services.Tests.Deliver.Local;

public sealed class AliasTextTests
{
    [Theory]
    [InlineData("alice, bob", "Address:alice Address:bob")]
    [InlineData("alice bob,carol", "Address:alice Address:bob Address:carol")]
    [InlineData("# all of this", "")]
    [InlineData("", "")]
    [InlineData("\"|cat > /tmp/x; exit 0\"", "Command:cat > /tmp/x; exit 0")]
    [InlineData("|/usr/bin/prog -a, bob", "Command:/usr/bin/prog Address:-a Address:bob")]
    [InlineData("|\"cat >> /tmp/x\", bob", "Command:cat >> /tmp/x Address:bob")]
    [InlineData("friends: alice, bob;, carol", "Address:alice Address:bob Address:carol")]
    [InlineData("my good friends : alice , Bob <bob>; carol", "Address:alice Address:bob Address:carol")]
    [InlineData("alice; bob", "Address:alice Address:bob")]
    [InlineData("error:nope", "Address:error:nope")]
    [InlineData(":include:/etc/a; bob", "Include:/etc/a Address:bob")]
    [InlineData("~/mail, ~bob/x, \"~/a b\"", "Home:~/mail Home:~bob/x Home:~/a b")]
    [InlineData("/var/log/x", "File:/var/log/x")]
    [InlineData("\"/var/a b\"", "File:/var/a b")]
    [InlineData(":include:/etc/list", "Include:/etc/list")]
    [InlineData("\":include:/etc/a, b\"", "Include:/etc/a, b")]
    [InlineData("\\alice, bob@x.example", "User:alice Address:bob@x.example")]
    [InlineData("\\\\alice", "User:alice")]
    [InlineData("\"\\\\alice\", bob", "User:alice Address:bob")]
    [InlineData("\"\\\\john smith\"", "User:john smith")]
    [InlineData("\"\\\\alice\"@x.example", "Address:\"\\\\alice\"@x.example")]
    [InlineData("Bob Example <bob@x.example>, (a comment (nested)) carol (c)", "Address:bob@x.example Address:carol")]
    [InlineData("\"john smith\"@x.example", "Address:\"john smith\"@x.example")]
    [InlineData("foo bar\"", "Address:foo Address:bar\"\"")]
    [InlineData("<", "")]
    [InlineData("(open", "")]
    [InlineData("\"|a \\\"b\\\"\"", "Command:a \"b\"")]
    public void Destinations(string text, string expected) =>
        Assert.Equal(expected, string.Join(' ', AliasText.Parse(text).Select(t => $"{t.Kind}:{t.Text}")));

    [Fact]
    public void Any_text_is_read_to_its_end() =>
        Gen.String[Gen.Char["ab\"\\,<>() |/:#\n@é"], 0, 60].Sample(text =>
        {
            foreach (var token in AliasText.Parse(text))
            {
                Assert.NotNull(token.Text);
            }
        });

    /// <summary>A user's .forward is hostile: time that grew with the square of these would be hours.</summary>
    [Theory]
    [InlineData("a:")]
    [InlineData("a:;")]
    [InlineData("<")]
    [InlineData("(")]
    [InlineData("\"")]
    [InlineData("a ")]
    public void A_long_text_of_one_sign_is_read_in_one_pass(string piece) =>
        Assert.NotNull(AliasText.Parse(string.Concat(Enumerable.Repeat(piece, 1_000_000))));

    [Theory]
    [InlineData("$home/.forward${recipient_delimiter}${extension}", "/h/.forward+x")]
    [InlineData("${extension?{a}:{b}}$(user)", "ajoe")]
    [InlineData("${nothing?a}${nothing:b}${user:c}", "b")]
    [InlineData("$$user ${user?<$user>}", "$user <joe>")]
    [InlineData("${user", null)]
    [InlineData("$", null)]
    [InlineData("${user!x}", null)]
    public void Names_expand_once(string text, string? expected) =>
        Assert.Equal(expected, LocalExpansion.Expand(text, name => name switch
        {
            "home" => "/h",
            "recipient_delimiter" => "+",
            "extension" => "x",
            "user" => "joe",
            _ => null,
        }));
}
