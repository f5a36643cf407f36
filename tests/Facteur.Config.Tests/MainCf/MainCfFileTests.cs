using CsCheck;
using Facteur.Config.MainCf;

namespace Facteur.Config.Tests.MainCf;

public sealed class MainCfFileTests
{
    private static MainCfFile Parse(string text) => MainCfFile.Parse("main.cf", text);

    [Theory]
    [InlineData("a = b", "b")]
    [InlineData("a=b", "b")]
    [InlineData("a   =   b c \t", "b c")]
    [InlineData("a =", "")]
    [InlineData("a = b\n  c\n\td", "b  c\td")]
    [InlineData("a = b,\n# comment\n   # another\n\n  c", "b,  c")]
    [InlineData("a = x = y", "x = y")]
    [InlineData("# a = no\n\na = yes\n", "yes")]
    [InlineData("a = b\r\n  c\r\n", "b\r  c")]
    [InlineData("a =\u00a0b \u00a0\n", "\u00a0b \u00a0")]
    [InlineData("a = b\n\u00a0c = d\n", "b")]
    public void Values(string text, string value) => Assert.Equal(value, Parse(text).Entries["a"].Value);

    [Theory]
    [InlineData("x\n", "main.cf, line 1: missing '=' after attribute name: \"x\"")]
    [InlineData("a = b\n\n= c\n", "main.cf, line 3: missing attribute name: \"= c\"")]
    [InlineData("a = b\nx y = c", "main.cf, line 2: missing '=' after attribute name: \"x y = c\"")]
    public void Errors_name_the_line(string text, string error) => Assert.Equal([error], Parse(text).Errors);

    [Fact]
    public void All_errors_are_found_and_the_rest_is_read()
    {
        var file = Parse("bad one\na = 1\nbad two\nb = 2\n");
        Assert.Equal(2, file.Errors.Count);
        Assert.Equal(["a", "b"], file.Entries.Keys.Order());
    }

    [Fact]
    public void The_last_wins_and_says_so()
    {
        var file = Parse("a = 1\nb = 2\na = 3\n");
        Assert.Equal(new MainCfEntry("3", 3), file.Entries["a"]);
        Assert.Equal(["main.cf, line 3: overriding earlier entry: a=1"], file.Warnings);
    }

    /// <summary>As Postfix 3.7's postconf does.</summary>
    [Theory]
    [InlineData(" a = 1\nb = 2\n", "b", "main.cf: logical line must not start with whitespace: \" a = 1\"")]
    [InlineData("# c\n\n\ta = 1\n  c = more and more and more\nb = 2\n", "b", "main.cf: logical line must not start with whitespace: \"\ta = 1  c = more and more and ...\"")]
    public void A_first_line_that_continues_none_is_left_out(string text, string names, string warning)
    {
        var file = Parse(text);
        Assert.Equal(names, string.Join(' ', file.Entries.Keys));
        Assert.Equal([warning], file.Warnings);
        Assert.Empty(file.Errors);
    }

    [Fact]
    public void The_same_value_twice_is_no_warning() => Assert.Empty(Parse("a = 1\na = 1\n").Warnings);

    [Fact]
    public void Text_after_a_null_byte_is_cut_and_warned_of()
    {
        var file = Parse("a = b\0c\n");
        Assert.Equal("b", file.Entries["a"].Value);
        Assert.Equal(["main.cf, line 1: text after null byte may be ignored"], file.Warnings);
    }

    [Fact]
    public void Any_text_is_read_without_an_exception() =>
        Check.Sample(Gen.String[Gen.Char["ab=#$ {}\n\t\0é"], 0, 60], text => Parse(text).Entries.Count >= 0);
}
