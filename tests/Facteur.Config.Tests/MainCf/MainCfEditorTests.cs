using CsCheck;
using Facteur.Config.MainCf;

namespace Facteur.Config.Tests.MainCf;

// What Postfix's own postconf made of the same text.
public sealed class MainCfEditorTests
{
    private const string Text = """
        # top
        level = 3.6

        # before a
        a = 1,
          # inside
          2

          3
        # after a
        b = $a
        a = 9
        # tail

        """;

    [Fact]
    public void A_first_line_that_continues_none_stays() => Assert.Equal(" a = 1\n  2\nb = 3\na = 7\n", MainCfEditor.Set(" a = 1\n  2\nb = 3\n", [new("a", "7")]));

    [Fact]
    public void Set_replaces_each_place_keeps_comments_and_adds_new_names() => Assert.Equal(
        """
        # top
        level = 3.6

        # before a
        a = 7
          # inside

        # after a
        b = $a
        a = 7
        # tail
        new = x y

        """, MainCfEditor.Set(Text, [new("a", "7"), new("new", "x y")]));

    [Fact]
    public void Remove() => Assert.Equal(
        """
        # top
        level = 3.6

        # before a
          # inside

        # after a
        b = $a
        # tail

        """, MainCfEditor.Remove(Text, new HashSet<string> { "a" }));

    [Fact]
    public void Comment_out() => Assert.Equal(
        """
        # top
        level = 3.6

        # before a
        #a = 1,
          # inside
        #  2

        #  3
        # after a
        b = $a
        #a = 9
        # tail

        """, MainCfEditor.CommentOut(Text, new HashSet<string> { "a" }));

    [Fact]
    public void A_last_line_without_its_end_gets_one() => Assert.Equal("a = 1\nb = 2\n", MainCfEditor.Set("a = 1", [new("b", "2")]));

    [Fact]
    public void What_is_set_is_read_back() =>
        Gen.Select(Gen.String[Gen.Char["ab=#$ {}\n\t"], 0, 60], Gen.String[Gen.Char["xyz=$"], 0, 8])
            .Sample((text, value) =>
            {
                var file = MainCfFile.Parse("main.cf", MainCfEditor.Set(text, [new("name", value)]));
                Assert.Equal(value, file.Entries["name"].Value);
            });

    [Fact]
    public void Other_names_stay() =>
        Gen.String[Gen.Char["ab=#$ {}\n\t"], 0, 60].Sample(text =>
        {
            var before = MainCfFile.Parse("main.cf", text).Entries.Where(e => e.Key != "a").ToDictionary(e => e.Key, e => e.Value.Value);
            var after = MainCfFile.Parse("main.cf", MainCfEditor.Remove(text, new HashSet<string> { "a" })).Entries.ToDictionary(e => e.Key, e => e.Value.Value);
            Assert.Equal(before.OrderBy(e => e.Key), after.OrderBy(e => e.Key));
        });
}
