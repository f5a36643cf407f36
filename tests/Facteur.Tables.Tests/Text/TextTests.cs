using System.Text;
using CsCheck;
using Facteur.Tables.Text;

namespace Facteur.Tables.Tests.Text;

public sealed class TextTests
{
    private sealed class Said : List<string>, ITableEvents
    {
        public void Info(string text) => Add(text);

        public void Warning(string text) => Add(text);

        public void Error(string text) => Add(text);
    }

    /// <summary>Debian's postalias 3.7 made these of the same lines.</summary>
    [Theory]
    [InlineData("a: b,c  d", "a", "b, c d")]
    [InlineData("b:\"q r\"@x, \"|cmd a\" , :include:/x", "b", "\"q r\"@x, \"|cmd a\", :include:/x")]
    [InlineData("c: d (comment) e", "c", "d (comment) e")]
    [InlineData("d: <x@y>, z", "d", "<x@y>, z")]
    [InlineData("e : f", "e", "f")]
    [InlineData("f: \"a\\\"b\"", "f", "\"a\\\"b\"")]
    [InlineData("\"g@h\": i", "g@h", "i")]
    [InlineData("i j: k", "i j", "k")]
    [InlineData("n: \"|/usr/bin/vacation -a \\\"x y\\\" joe\", \\joe", "n", "\"|/usr/bin/vacation -a \\\"x y\\\" joe\", joe")]
    [InlineData("o: a b@c.d x . y", "o", "a b@c.d x.y")]
    [InlineData("p: /dev/null", "p", "/dev/null")]
    [InlineData("q: error:5.1.1 no such user", "q", "error:5.1.1 no such user")]
    [InlineData("r: foo;bar", "r", "foo;bar")]
    [InlineData("t: a\tb", "t", "a b")]
    [InlineData("u: \"\"", "u", "\"\"")]
    public void An_alias_is_cut_as_postalias_cuts_it(string line, string key, string value)
    {
        var said = new Said();
        var entry = Assert.Single(AliasText.Parse(Encoding.UTF8.GetBytes(line + "\n"), "f", true, said));
        Assert.Equal((key, value), (entry.Key, entry.Value));
        Assert.Empty(said);
    }

    [Theory]
    [InlineData("l, m: n", "f, line 1: need name:value pair")]
    [InlineData(": x", "f, line 1: need name:value pair")]
    [InlineData("x:", "f, line 1: need name:value pair")]
    [InlineData("none", "f, line 1: need name:value pair")]
    [InlineData("s%t: u", "f, line 1: name must be local and have no domain")]
    [InlineData("s@t: u", "f, line 1: name must be local and have no domain")]
    public void A_line_that_is_no_alias_is_told(string line, string warning)
    {
        var said = new Said();
        Assert.Empty(AliasText.Parse(Encoding.UTF8.GetBytes(line), "f", true, said));
        Assert.Equal(warning, Assert.Single(said));
    }

    /// <summary>Debian's postmap 3.7 takes the key alone for a line without value.</summary>
    [Fact]
    public void A_line_ends_at_a_null_byte()
    {
        var said = new Said();
        var lines = LogicalLines.Read("a \0b\n\0c d\ne f\n\tg\0h\n"u8.ToArray(), "f", utf8: true, said);
        Assert.Equal(["a ", "e f\tg"], lines.Select(l => l.Text));
        Assert.Equal(new[] { 1, 2, 3 }.Select(line => $"f, line {line}: text after null byte may be ignored"), said);
    }

    /// <summary>Debian's postmap 3.7 made these of the same lines.</summary>
    [Fact]
    public void A_table_is_cut_as_postmap_cuts_it()
    {
        byte[] text =
        [
            .. "  lead ws\na b\n# c\n  cont\nx: y\n\"unb z\n\"a b\"c d\né UTF\nk\\ z v\nk2\nk3   \"a  b\"  \n\"\" emptyq\n"u8,
            .. "bad"u8, 0xff, .. " v\n"u8,
        ];
        var said = new Said();
        var entries = TableText.Parse(text, "t1", true, said).Select(e => $"{e.Line} {e.Key}={e.Value}");
        Assert.Equal(["2 a=b  cont", "5 x:=y", "7 \"a b\"c=d", "8 é=UTF", "9 k\\ z=v", "11 k3=\"a  b\"", "12 \"\"=emptyq"], entries);
        Assert.Equal(
            [
                "t1: logical line must not start with whitespace: \"  lead ws\"",
                "t1, line 5: record is in \"key: value\" format; is this an alias file?",
                "t1, line 6: unbalanced '\"' in '\"unb z' -- ignoring this line",
                "t1, line 10: expected format: key whitespace value",
                "t1, line 13: non-UTF-8 input \"bad? v\" -- ignoring this line",
            ],
            said);
    }

    [Fact]
    public void Any_bytes_are_read_or_told() =>
        Gen.OneOf(Gen.Byte.Array[0, 200], Gen.String["ab :\"\\@,#(){}[]<>\n\t"].Select(Encoding.UTF8.GetBytes)).Sample(
            bytes =>
            {
                var said = new Said();
                foreach (var utf8 in new[] { true, false })
                {
                    Assert.All(TableText.Parse(bytes, "f", utf8, said), e => Assert.True(e.Line > 0 && e.Key.Length > 0 && e.Value.Length > 0));
                    Assert.All(AliasText.Parse(bytes, "f", utf8, said), e => Assert.True(e.Line > 0));
                }
            },
            iter: 3000);
}
