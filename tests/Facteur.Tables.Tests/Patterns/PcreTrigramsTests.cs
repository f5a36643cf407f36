using System.Text;
using CsCheck;
using Facteur.Tables.Patterns;
using Facteur.Unix;

namespace Facteur.Tables.Tests.Patterns;

public sealed class PcreTrigramsTests
{
    private static readonly string[] Pieces =
    [
        "^", "$", ".", ".*", "|", "|", "(", "(", ")", ")", "(?:", "(?i)", "(?-i:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?<n>", "(?|", "(?#", "(?x)", "(*ACCEPT)", "(?R)", "(?1)",
        "a", "b", "ab", "abc", "aba", "bab", "A", "1", "a1", " ", "\t", "#", "]", "}", "{", ",", "-", ":",
        "[a]", "[^b|]", "[]a]", "[^]a)]", "[[:alpha:])]", "[[:abc]", "[\\]b]", "[\\c]b]", "[\\Q]\\Ea]", "[", "[[.a.]]",
        "*", "?", "+", "{2}", "{0}", "{0,1}", "{1,}", "{,2}", "{00}", "{ 1 }", "*?", "++", "{2}+",
        "\\", "\\.", "\\(", "\\)", "\\[", "\\\\", "\\b", "\\B", "\\A", "\\z", "\\K", "\\G", "\\d", "\\w", "\\s", "\\R", "\\X", "\\n", "\\1", "\\x61", "\\x{61}", "\\ca", "\\Q", "\\E", "\\Qa)b|\\E", "\\p{L}", "\\é",
        "é", "ſ", "\u212a", "k", "s", "\n",
    ];

    private static readonly string[] Texts = ["a", "b", "ab", "abc", "A", "B", "BA", "1", " ", ")", "]", "|", "{", "\n", "é", "É", "k", "S", "ſ", "\u212a", "."];

    public PcreTrigramsTests() => Assert.SkipUnless(Pcre2.IsAvailable, "libpcre2-8 is not installed");

    /// <summary>Whether a text is matched at all: "no" for one that can't, "yes" for one that may, "all" when nothing is known of the pattern.</summary>
    [Theory]
    [InlineData("^Subject: .*sale", "Subject: the Sale", "yes")]
    [InlineData("^Subject: .*sale", "Subject: other", "no")]
    [InlineData("^Subject: .*sale", "X-Subject: sale", "no")]
    [InlineData("^Subject", "subject", "yes")]
    [InlineData("^(From|Sender): .*@evil\\.example", "Sender: a@EVIL.example", "yes")]
    [InlineData("^(From|Sender): .*@evil\\.example", "Sender: a@good.example", "no")]
    [InlineData("^(From|Sender): ", "Reply-From: a", "no")]
    [InlineData("viagra|cialis", "cialis", "yes")]
    [InlineData("viagra|cialis", "other", "no")]
    [InlineData("(?:viagra|(cialis|levitra)s) ?now", "levitras", "no")]
    [InlineData("(?:viagra|(cialis|levitra)s)+now", "LEVITRASnow", "yes")]
    [InlineData("viagra|c.*s", "other", "all")]
    [InlineData("abc?", "ab", "all")]
    [InlineData("ab+cd", "abbcd", "all")]
    [InlineData("abc{1,2}", "ab", "no")]
    [InlineData("abc{0,2}", "ab", "all")]
    [InlineData("(abc)*", "ab", "all")]
    [InlineData("(abc)+?", "ab", "no")]
    [InlineData("ab(?=x)cd", "abcd", "yes")]
    [InlineData("ab(?=x)cd", "abxd", "no")]
    [InlineData("abc(?!def)", "abc", "yes")]
    [InlineData("\\.exe\\b", "a.exe", "yes")]
    [InlineData("\\.exe\\b", "a.txt", "no")]
    [InlineData("[]abc]def", "xabcd", "no")]
    [InlineData("abc\\1(x)", "-", "all")]
    [InlineData("abc\\Kdef", "-", "all")]
    [InlineData("(?x)a b c", "abc", "all")]
    [InlineData("(*UTF)abc", "-", "all")]
    [InlineData("abc{x", "-", "all")]
    [InlineData("[0-9]+", "-", "all")]
    [InlineData("", "-", "all")]
    public void Texts_without_the_literal_text_are_not_matched(string pattern, string text, string expected) =>
        Assert.Equal(expected, Ask(Encoding.Latin1.GetBytes(pattern), Pcre2.CASELESS, Encoding.Latin1.GetBytes(text)) switch { null => "all", true => "yes", _ => "no" });

    [Theory]
    [InlineData("^abc", Pcre2.MULTILINE, "x\nabc", true)]
    [InlineData("^abc", Pcre2.DOTALL, "x\nabc", false)]
    [InlineData("\\Aabc", Pcre2.MULTILINE, "x\nabc", false)]
    [InlineData("ask", Pcre2.UTF | Pcre2.CASELESS, "a\u017f\u212a", true)]
    [InlineData("ask", Pcre2.UTF | Pcre2.CASELESS, "other", false)]
    [InlineData("a b c", Pcre2.EXTENDED, "abc", null)]
    public void Options_count(string pattern, uint options, string text, bool? expected) =>
        Assert.Equal(expected, Ask(Encoding.UTF8.GetBytes(pattern), options, Encoding.UTF8.GetBytes(text)));

    /// <summary>Whatever the pattern, its options and the text: a text that matches is never held back.</summary>
    [Fact]
    public void No_answer_changes()
    {
        uint[] options = [Pcre2.CASELESS, Pcre2.CASELESS | Pcre2.DOTALL, 0, Pcre2.MULTILINE, Pcre2.ANCHORED, Pcre2.UNGREEDY, Pcre2.EXTENDED, Pcre2.UTF, Pcre2.UTF | Pcre2.CASELESS, Pcre2.DOLLAR_ENDONLY];
        var (asked, matched, held) = (0, 0, 0);
        Gen.Select(Gen.Int[0, Pieces.Length - 1].Array[1, 8], Gen.Int[0, options.Length - 1], Gen.Int[0, Texts.Length * 2].Array[8].Array[8]).Sample(
            (pieces, option, texts) =>
            {
                var encoding = (options[option] & Pcre2.UTF) != 0 ? Encoding.UTF8 : Encoding.Latin1;
                var pattern = encoding.GetBytes(string.Concat(pieces.Select(i => Pieces[i])));
                using var expression = PcreRegex.Compile(pattern, options[option], out _);
                if (expression?.Trigrams is null)
                {
                    return;
                }
                foreach (var choice in texts)
                {
                    // What is literal in the pattern, with other things here and there.
                    var text = string.Concat(choice.Select((c, i) => c < Texts.Length ? Texts[c] : i < pieces.Length ? Literal(Pieces[pieces[i]]) : ""));
                    var bytes = encoding.GetBytes(text + "\0");
                    var may = Ask(pattern, options[option], bytes.AsSpan(0, bytes.Length - 1))!.Value;
                    var matches = expression.Match(bytes, [], out _);
                    Assert.True(may || matches == Matched.No, $"/{Encoding.UTF8.GetString(pattern)}/ with options {options[option]:x} matches \"{text}\", which was held back");
                    asked++;
                    held += may ? 0 : 1;
                    matched += matches == Matched.Yes ? 1 : 0;
                }
            },
            iter: 100_000,
            threads: 1);
        // Else nothing was tried.
        Assert.True(asked > 5000 && matched > 1000 && held > 1000, $"{asked} asked, {matched} matched, {held} held back");
    }

    /// <summary>A long table, whose rules are told apart by what the text holds, answers as its rules do one by one.</summary>
    [Fact]
    public void A_long_table_answers_as_its_rules_do_alone()
    {
        string[] words = ["alpha", "beta", "gamma", "(alpha|beta)", "^beta", "^(gamma|alpha)", "beta$", "al.ha", "[ab]lpha", "gam{2}a", "x?beta", "\\bgamma"];
        var rule = Gen.Select(Gen.Int[0, words.Length - 1], Gen.Int[0, 5], Gen.Bool);
        Gen.Select(rule.Array[4, 12], Gen.Int[0, 5].Select(i => new[] { "alpha", "beta", "gamma", " ", "ALPHA", "x" }[i]).Array[0, 4]).Sample((rules, parts) =>
        {
            var text = string.Concat(parts);
            var lines = new List<string>();
            var expected = new Stack<bool>();
            var answer = "-";
            for (var i = 0; i < rules.Length; i++)
            {
                var (word, kind, not) = rules[i];
                var pattern = $"{(not ? "!" : "")}/{words[word]}/";
                if (kind == 0)
                {
                    lines.Add($"if {pattern}");
                    expected.Push(Alone(pattern));
                }
                else if (kind == 1 && expected.Count > 0)
                {
                    lines.Add("endif");
                    expected.Pop();
                }
                else
                {
                    lines.Add($"{pattern} {i}");
                    answer = answer == "-" && expected.All(e => e) && Alone(pattern) ? $"= {i}" : answer;
                }
            }
            lines.AddRange(expected.Select(_ => "endif"));
            using var tables = new TestTables();
            tables.Write("p", string.Join('\n', lines) + "\n");
            Assert.Equal(answer, tables.Find("pcre:@E@/p", text));

            bool Alone(string pattern)
            {
                using var table = new TestTables();
                return table.Find($"pcre:{{{{{pattern} x}}}}", text) == "= x";
            }
        }, iter: 150);
    }

    private static string Literal(string piece) => string.Concat(piece.Where(c => char.IsLetterOrDigit(c) || c is ' ' or '.' or '-' or ':'));

    private static bool? Ask(ReadOnlySpan<byte> pattern, uint options, ReadOnlySpan<byte> text)
    {
        Span<ulong> room = stackalloc ulong[TrigramSet.Words];
        return PcreTrigrams.Of(pattern, options)?.MayMatch(new TrigramSet(room, text));
    }
}
