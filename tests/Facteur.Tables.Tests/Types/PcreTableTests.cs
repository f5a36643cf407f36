using Facteur.Unix;

namespace Facteur.Tables.Tests.Types;

public sealed class PcreTableTests
{
    public PcreTableTests() => Assert.SkipUnless(Pcre2.IsAvailable, "libpcre2-8 is not installed");

    /// <summary>Debian's postmap 3.7 said this about the same file.</summary>
    [Fact]
    public void Bad_lines_are_told_as_Postfix_tells_them()
    {
        using var tables = new TestTables();
        tables.Write("p", """
            /noclose foo
            /a/q unk
            if /x/ junk
            endif junk
            endif
            if !/y/
            endif
            if
            if abc
            !/z(.)/ $1
            /a(b)/ ${1
            /a(b)/ $x
            /a(b)/ $(1)-$2
            /a(b)/ $
            /e/ $0
            /f/ab$$
            !foo
            a/b/ alnum delim
            %p%i pct
            /[/ bad
            /a(/ bad2
            /o/X opt X
            /u/U opt U
            /R/R opt
            /O/O opt
            /nothing/
            /ab/x!y/
            /big/ $300
            !/qqqqqqqq/ yes$$no
            /^evil:(a+)+$/ boom
            if /foo/x
            """.Replace("\r", "") + "\n");
        Assert.Equal("= yes$no", tables.Find("pcre:@E@/p", "zzz"));
        string[] expected =
        [
            "line 1: no closing regexp delimiter \"/\": ignoring this rule",
            "line 2: unknown regexp option \"q\": skipping this rule",
            "line 3: ignoring extra text after IF statement: \"junk\"",
            "line 3: do not prepend whitespace to statements between IF and ENDIF",
            "line 4: ignoring extra text after ENDIF",
            "line 5: ignoring ENDIF without matching IF",
            "line 8: no regexp: skipping this rule",
            "line 9: no closing regexp delimiter \"a\": ignoring this rule",
            "line 10: $number found in negative match replacement text: skipping this rule",
            "truncated macro reference: \"${1\"",
            "line 11: bad replacement syntax: skipping this rule",
            "line 12: non-numeric replacement index \"x\"",
            "line 12: bad replacement syntax: skipping this rule",
            "line 13: out of range replacement index \"2\": skipping this rule",
            "empty macro name: \"$\"",
            "line 14: bad replacement syntax: skipping this rule",
            "line 15: out of range replacement index \"0\"",
            "line 15: bad replacement syntax: skipping this rule",
            "line 16: unknown regexp option \"a\": skipping this rule",
            "line 17: no closing regexp delimiter \"f\": ignoring this rule",
            "line 18: ignoring unrecognized request",
            "line 20: error in regex at offset 1: missing terminating ] for character class",
            "line 21: error in regex at offset 2: missing closing parenthesis",
            "line 22: ignoring obsolete regexp option \"X\"",
            "line 24: unknown regexp option \"R\": skipping this rule",
            "line 25: unknown regexp option \"O\": skipping this rule",
            "line 26: no replacement text: using empty string",
            "line 27: unknown regexp option \"!\": skipping this rule",
            "line 28: out of range replacement index \"300\": skipping this rule",
            "line 31: IF has no matching ENDIF",
        ];
        Assert.Equal(expected.Select(e => "warning: " + (e.StartsWith("line", StringComparison.Ordinal) ? "pcre map @E@/p, " : "") + e), tables.Said);
    }

    [Theory]
    [InlineData("/^Subject: (?<w>sale|offer)\\b/ REJECT $1", "subject: OFFER now", "= REJECT OFFER")]
    [InlineData("/^Subject:/i x", "subject: y", "-")]
    [InlineData("/^a.b$/ x", "a\nb", "= x")]
    [InlineData("/^a.b$/s x", "a\nb", "-")]
    [InlineData("/^b$/ x", "a\nb\nc", "-")]
    [InlineData("/^b$/m x", "a\nb\nc", "= x")]
    [InlineData("/a b # c/x x", "xabx", "= x")]
    [InlineData("/a b/x x", "xabx", "= x")]
    [InlineData("/b/A x", "ab", "-")]
    [InlineData("/b/A x", "ba", "= x")]
    [InlineData("/a$/ x", "a\n", "= x")]
    [InlineData("/a$/E x", "a\n", "-")]
    [InlineData("/(a+)/ $1", "aaa", "= aaa")]
    [InlineData("/(a+)/U $1", "aaa", "= a")]
    [InlineData("/(x)?(b)/ [$1][${2}][$(2)]$$", "ab", "= [][b][b]$")]
    [InlineData("/\\Q.*\\E\\h++(?=z)/ x", "q.* z", "= x")]
    [InlineData("!/^a/ not", "b", "= not")]
    [InlineData("!/^a/ not", "A", "-")]
    [InlineData("if /^a/\nif !/b/\n/c/ ac\nendif\n/b/ ab\nendif\n/./ other", "abc", "= ab")]
    [InlineData("if /^a/\nif !/b/\n/c/ ac\nendif\n/b/ ab\nendif\n/./ other", "ac", "= ac")]
    [InlineData("if /^a/\nif !/b/\n/c/ ac\nendif\n/b/ ab\nendif\n/./ other", "xc", "= other")]
    public void Flags_groups_and_blocks(string rules, string key, string expected)
    {
        using var tables = new TestTables();
        tables.Write("p", rules + "\n");
        Assert.Equal(expected, tables.Find("pcre:@E@/p", key));
    }

    [Theory]
    [InlineData("pcre", "/^\xe4/ x\n/(.)$/ REJECT gr\xfcn\n")]
    [InlineData("regexp", "/^\xe4/ x\n/(.)$/ REJECT gr\xfcn\n")]
    [InlineData("cidr", "192.0.2.0/24 REJECT gr\xfcn\n")]
    public void A_rule_that_is_not_UTF_8_is_a_rule(string type, string rules)
    {
        using var tables = new TestTables();
        tables.Write("p", "");
        File.WriteAllBytes(Path.Combine(tables.Directory, "p"), System.Text.Encoding.Latin1.GetBytes(rules));
        Assert.Equal(
            $"! {type}:@E@/p: key \"192.0.2.1\": non-UTF-8 value \"REJECT gr?n\": malformed UTF-8 or invalid codepoint", tables.Find($"{type}:@E@/p", "192.0.2.1"));
        Assert.Empty(tables.Said);
        using var bytes = new TestTables(new TableOptions { Utf8 = false });
        File.WriteAllBytes(Path.Combine(bytes.Directory, "p"), System.Text.Encoding.Latin1.GetBytes(rules));
        Assert.Equal("= REJECT gr\xfcn", bytes.Find($"{type}:@E@/p", "192.0.2.1"));
    }

    [Fact]
    public async Task A_character_is_a_byte()
    {
        using var utf8 = new TestTables();
        Assert.Equal("= ä", utf8.Find("pcre:{{/^U(..)V$/ $1}}", "UäV"));
        Assert.Equal("= ä", utf8.Find("pcre:{{/(*UTF)^U(.)V$/ $1}}", "UäV"));
        Assert.Equal("-", utf8.Find("pcre:{{/^U(.)V$/ $1}}", "UäV"));
        Assert.Equal("-", utf8.Find("pcre:{{/^Ä/ other}}", "ä"));
        Assert.Equal("= Ü", utf8.Find("pcre:{{/^Ä/ Ü}}", "Ä"));
        // Postfix: the key was found, and what was said of it is no text.
        Assert.Equal("! pcre:{{/^(.)/ x$1}}: key \"äb\": non-UTF-8 value \"x?\": malformed UTF-8 or invalid codepoint", utf8.Find("pcre:{{/^(.)/ x$1}}", "äb"));
        // With (*UTF) Kelvin sign and long s are letters: no look at bytes may hide them.
        Assert.Equal("= k", utf8.Find("pcre:{{/(*UTF)^key/ k}}", "\u212aey"));
        Assert.Equal("= k", utf8.Find("pcre:{{/^one/ 1}, {/^two/ 2}, {/^three/ 3}, {/(*UTF)^key/ k}}", "\u212aey"));
        using var bytes = new TestTables(new TableOptions { Utf8 = false });
        Assert.Equal("= \xe4", bytes.Find("pcre:{{/^U(.)V$/ $1}}", "U\xe4V"));
        Assert.Equal("-", bytes.Find("pcre:{{/^U.V$/ x}}", "U\xc3\xa4V"));
        var lookup = await bytes.Set.Open("pcre:{{/^U(.)V$/ $1}}").LookupAsync(new byte[] { (byte)'U', 0xff, (byte)'V' }, CancellationToken.None);
        Assert.Equal("\xff", lookup.Value);
    }

    [Fact]
    public void A_pattern_that_takes_too_long_is_an_error_and_no_answer()
    {
        using var tables = new TestTables();
        tables.Write("p", "/^evil:(a+)+$/ boom\n/^evil/ passes\n");
        Assert.Equal("! pcre map @E@/p, line 1: match limit exceeded", tables.Find("pcre:@E@/p", "evil:" + new string('a', 60) + "b"));
        Assert.Equal("= boom", tables.Find("pcre:@E@/p", "evil:aaa"));
        Assert.Equal("= passes", tables.Find("pcre:@E@/p", "evil:aab"));
    }

    [Fact]
    public void Tables_that_decide_about_files_have_no_substitution()
    {
        using var tables = new TestTables(new TableOptions { SecuritySensitive = true });
        Assert.Equal("-", tables.Find("pcre:{{/^(.*)$/ $1}}", "x"));
        Assert.Contains("regular expression substitution is not allowed: skipping this rule", Assert.Single(tables.Said), StringComparison.Ordinal);
    }
}
