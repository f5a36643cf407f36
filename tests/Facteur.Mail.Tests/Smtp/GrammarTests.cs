using CsCheck;
using Facteur.Mail.Dsn;
using Facteur.Mail.Smtp;

namespace Facteur.Mail.Tests.Smtp;

public sealed class GrammarTests
{
    [Theory]
    [InlineData("MAIL FROM:<a@b> SIZE=5", "MAIL|FROM:|<a@b>|SIZE=5")]
    [InlineData("mail from: a@b", "mail|from:|a@b")]
    [InlineData("RCPT TO:<\"a > b\"@c> X", "RCPT|TO:|<\"a > b\"@c>|X")]
    [InlineData("EHLO [IPv6:::1]", "EHLO|[IPv6:::1]")]
    [InlineData("  NOOP\t x ", "NOOP|x")]
    [InlineData("", "")]
    [InlineData("MAIL FROM:<a b@c>", "MAIL|FROM:|<a b@c>")]
    public void Cuts_lines(string line, string tokens)
    {
        var list = new List<CommandToken>();
        CommandLine.Tokenize(line, list);
        Assert.Equal(tokens, string.Join('|', list.Select(token => token.Text)));
        Assert.DoesNotContain(list, token => token.Kind == TokenKind.Error);
    }

    [Theory]
    [InlineData("MAIL FROM:<a@b")]
    [InlineData("MAIL FROM:<\"a@b>")]
    [InlineData("EHLO [1.2.3.4")]
    public void Sees_what_is_not_closed(string line)
    {
        var list = new List<CommandToken>();
        CommandLine.Tokenize(line, list);
        Assert.Contains(list, token => token.Kind == TokenKind.Error);
    }

    [Theory]
    [InlineData("<a@b.example>", "a@b.example")]
    [InlineData("a@b.example", "a@b.example")]
    [InlineData("<>", "")]
    [InlineData("<\"a\"@b>", "a@b")]
    [InlineData("<\"a b\"@c>", "\"a b\"@c")]
    [InlineData("<a@b@c>", "\"a@b\"@c")]
    [InlineData("<@x.example,@y:a@b>", "a@b")]
    [InlineData("<\"\">", "")]
    [InlineData("<\"a@b.example\">", "a@b.example")]
    [InlineData("<\"a c@b.example\">", "\"a c\"@b.example")]
    [InlineData("<\"a@b.example\"@c.example>", "\"a@b.example\"@c.example")]
    [InlineData("<\"a@b c\">", "\"a@b c\"")]
    [InlineData("<postmaster>", "postmaster")]
    [InlineData("<a@[1.2.3.4]>", "a@[1.2.3.4]")]
    [InlineData("<jörg@bücher.example>", "jörg@bücher.example")]
    [InlineData("<a\\ b@c>", "\"a b\"@c")]
    [InlineData("<a@[127.0.0.25>", "a@[127.0.0.25]")]
    [InlineData("<a(of (course))@b(c)>", "a@b")]
    [InlineData("<(a)@b>", "\"\"@b")]
    [InlineData("<()>", "")]
    [InlineData("<\"\" @b>", "\"\"@b")]
    [InlineData("<@b.example>", "\"\"@b.example")]
    [InlineData("<:include:x@b>", "\":include:x\"@b")]
    [InlineData("<a:b@c>", "\"a:b\"@c")]
    [InlineData("<a @b .c>", "a@b.c")]
    [InlineData("<\"a\".\"b\"@c>", "a.b@c")]
    [InlineData("<[a]@b>", "\"[a]\"@b")]
    [InlineData("<a@\"b.example\">", "a@b.example")]
    [InlineData("<a\\@b.example>", "a@b.example")]
    [InlineData("<a@[b\\>", "a@[b]")]
    [InlineData("<<a@b>>", "a@b")]
    [InlineData("<Joe User <a@b>>", "a@b")]
    [InlineData("<\"Joe, User\" <a@b>>", "a@b")]
    [InlineData("Joe <a@b>", "a@b")]
    [InlineData("<a@b;>", "a@b")]
    public void Takes_addresses(string token, string address)
    {
        Assert.True(SmtpPath.TryParse(token, false, out var found));
        Assert.Equal(address, found);
    }

    [Theory]
    [InlineData("<a b@c>")]
    [InlineData("<@>")]
    [InlineData("<a,b@c>")]
    [InlineData("<a@b")]
    [InlineData("<a@b <c@d>>")]
    [InlineData("<Joe <a@b>")]
    [InlineData("<a@b;c@d>")]
    [InlineData("<a@b>x")]
    [InlineData("<a@@c>")]
    [InlineData("<a@>")]
    [InlineData("<\"q x\"+e@c>")]
    [InlineData("<\"a\"b@c>")]
    [InlineData("<a\"b\"@c>")]
    [InlineData("<\"a\" \"b\"@c>")]
    [InlineData("<a(x)b@c>")]
    [InlineData("<a@[1.2.3.4]x>")]
    [InlineData("<a[x@c>")]
    [InlineData("<a@\"b c\">")]
    [InlineData("<\"a@b>")]
    public void Refuses_what_is_no_address(string token) => Assert.False(SmtpPath.TryParse(token, false, out _));

    [Fact]
    public void Strict_envelopes_need_brackets_and_neither_names_nor_comments()
    {
        Assert.False(SmtpPath.TryParse("a@b", true, out _));
        Assert.True(SmtpPath.TryParse("<@x:a@b>", true, out var routed));
        Assert.Equal("a@b", routed);
        Assert.True(SmtpPath.TryParse("<a @ b>", true, out _));
        Assert.True(SmtpPath.TryParse("<<a@b>>", true, out _));
        Assert.False(SmtpPath.TryParse("<Joe <a@b>>", true, out _));
        Assert.False(SmtpPath.TryParse("<a@b;>", true, out _));
        Assert.False(SmtpPath.TryParse("<\"\"@b>", true, out _));
        Assert.True(SmtpPath.TryParse("<@x,@y:a@b>", true, out var address) && address == "a@b");
        Assert.True(SmtpPath.TryParse("< a@b >", true, out address) && address == "a@b");
        Assert.False(SmtpPath.TryParse("<a(x)@b>", true, out _));
        Assert.False(SmtpPath.TryParse("<@b>", true, out _));
        Assert.True(SmtpPath.TryParse("<a@b>", true, out _));
    }

    [Fact]
    public void Any_text_gives_an_address_or_not_and_an_address_parses_to_itself()
    {
        Gen.String[Gen.OneOf(Gen.Char["ab@<>\\\"[]:;,. %!()"], Gen.Char), 0, 20].Sample(text =>
        {
            if (SmtpPath.TryParse(text, false, out var address) && address.Length > 0)
            {
                Assert.True(SmtpPath.TryParse($"<{address}>", false, out var again), address);
                Assert.Equal(address, again);
            }
            var tokens = new List<CommandToken>();
            CommandLine.Tokenize(text, tokens);
        });
    }

    [Fact]
    public void Xtext_comes_back()
    {
        Gen.String.Where(text => !text.Any(char.IsSurrogate)).Sample(text =>
        {
            var encoded = Xtext.Encode(text);
            return !encoded.AsSpan().ContainsAnyExceptInRange('!', '~') && Xtext.TryDecode(encoded, out var decoded) && decoded == text;
        });
        Assert.False(Xtext.TryDecode("a+4", out _));
        Assert.False(Xtext.TryDecode("a+GG", out _));
        Assert.False(Xtext.TryDecode("+FF", out _));
    }

    [Theory]
    [InlineData("NEVER", DsnNotify.Never)]
    [InlineData("success,Failure", DsnNotify.Success | DsnNotify.Failure)]
    [InlineData("NEVER,FAILURE", DsnNotify.None)]
    [InlineData("", DsnNotify.None)]
    [InlineData(",", DsnNotify.None)]
    [InlineData("DELAY,LATER", DsnNotify.None)]
    [InlineData("DELAY,DELAY", DsnNotify.Delay)]
    [InlineData(",DELAY,,SUCCESS,", DsnNotify.Delay | DsnNotify.Success)]
    public void Reads_notify(string text, DsnNotify expected) =>
        Assert.Equal(expected, DsnParameters.TryNotify(text, out var notify) ? notify : DsnNotify.None);

    [Theory]
    [InlineData("rfc822;x+40y", "rfc822;x@y")]
    [InlineData("utf-8;j\\x{F6}rg@x", "utf-8;jörg@x")]
    [InlineData("rfc822", null)]
    [InlineData(";x", null)]
    [InlineData("rfc822;", "rfc822;")]
    [InlineData("rfc822;+zz", null)]
    [InlineData("rfc822;a+0Ab", "rfc822;a?b")]
    public void Reads_orcpt(string text, string? expected) =>
        Assert.Equal(expected, DsnParameters.TryOriginalRecipient(text, out var value) ? value : null);
}
