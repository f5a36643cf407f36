using Facteur.Services.Rewrite.TrivialRewrite;

namespace Facteur.Services.Tests.Rewrite.TrivialRewrite;

public sealed class RewriteTests
{
    private static readonly AddressRewriter Rewriter = new(swapBangpath: true, percentHack: true);
    private static readonly RewriteContext Local = new("origin.example", "");
    private static readonly RewriteContext Appending = new("origin.example", "my.example");

    [Theory]
    [InlineData("", "")]
    [InlineData("joe", "joe@origin.example")]
    [InlineData("joe@host", "joe@host")]
    [InlineData("joe@host.example.", "joe@host.example")]
    [InlineData("joe@host.example..", "joe@host.example..")]
    [InlineData("joe@.", "joe@.")]
    [InlineData("joe@", "joe@")]
    [InlineData("site!joe", "joe@site")]
    [InlineData("one!two!joe", "two!joe@one")]
    [InlineData("site!joe@host.example", "site!joe@host.example")]
    [InlineData("joe%site", "joe@site")]
    [InlineData("joe%one%two", "joe%one@two")]
    [InlineData("joe%site@host.example", "joe%site@host.example")]
    [InlineData("@a.example,@b.example:joe@c.example", "joe@c.example")]
    [InlineData("@a.example:", "@a.example:")]
    [InlineData("\"joe@x\"", "\"joe@x\"@origin.example")]
    [InlineData("\"joe x\"@host.example.", "\"joe x\"@host.example")]
    [InlineData("joe@[192.0.2.1]", "joe@[192.0.2.1]")]
    [InlineData("\"joe\"@x.example", "joe@x.example")]
    [InlineData("joe.@x.example", "\"joe.\"@x.example")]
    [InlineData("u@x@y", "\"u@x\"@y")]
    [InlineData("\"\"", "\"\"")]
    [InlineData("@", "@")]
    [InlineData("@x.example", "\"\"@x.example")]
    [InlineData("\"\"@x.example", "\"\"@x.example")]
    [InlineData("@a.example:@x.example", "\"\"@x.example")]
    [InlineData("site!", "\"\"@site")]
    public void Completes_addresses(string address, string expected) => Assert.Equal(expected, Rewriter.Rewrite(Local, address));

    [Theory]
    [InlineData("joe@host", "joe@host.my.example")]
    [InlineData("joe@host.example", "joe@host.example")]
    [InlineData("site!joe", "joe@site.my.example")]
    [InlineData("joe@[192.0.2.1]", "joe@[192.0.2.1]")]
    [InlineData("joe@", "joe@")]
    public void Appends_the_domain_where_asked(string address, string expected) => Assert.Equal(expected, Rewriter.Rewrite(Appending, address));

    [Fact]
    public void Leaves_operators_alone_that_are_switched_off()
    {
        var plain = new AddressRewriter(swapBangpath: false, percentHack: false);
        Assert.Equal("site!joe@origin.example", plain.Rewrite(Local, "site!joe"));
        Assert.Equal("joe%site@origin.example", plain.Rewrite(Local, "joe%site"));
    }
}
