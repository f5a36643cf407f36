using System.Diagnostics;
using System.Text;
using Facteur.Tables.Patterns;
using Facteur.Unix;

namespace Facteur.Tables.Tests.Patterns;

/// <summary>Our matcher of patterns with back-references against libc's.</summary>
public sealed class BoundedRegexTests
{
    // Without a loop round something that can be empty: (.*)[ab](a*)*\1 keeps glibc 2.36 busy for ever with eight bytes.
    private static readonly string[] Atoms = ["a", "b", "[ab]", ".", "[^a]", "\\1", "(a)", "(b|ab)", "(.)", "(a|b)", "c", "[[:alpha:]]", "\\w", "(a|(b))"];
    private static readonly string[] Times = ["", "", "", "*", "+", "?", "{2}", "{1,2}"];
    private static readonly string[] Alone = ["\\b", "(a*)", "(.*)", "\\>", "a|b", "\\B"];
    private static readonly string[] FirstGroups = ["(a|b)", "(a*)", "(.)", "(ab?)", "(.*)", "((a)|b)", "(a|ab)"];

    private static string Show(IExpression regex, string text)
    {
        var matches = new Libc.RegMatch[regex.Groups + 1];
        return regex.Match([.. Encoding.Latin1.GetBytes(text), 0], matches, out _) == Matched.Yes
            ? string.Join(' ', matches.Select(m => $"{m.Start}-{m.End}")) : "no";
    }

    private static void AreAsLibc(string pattern, string text, int flags)
    {
        var bytes = Encoding.Latin1.GetBytes(pattern);
        using var libc = PosixRegex.Compile(bytes, flags, out _);
        if (libc is null || BoundedRegex.Of(bytes, flags) is not { } ours)
        {
            return;
        }
        var (theirs, our) = (Show(libc, text), Show(ours, text));
        // With a back-reference to nothing glibc loses groups, or takes them elsewhere: only the match is compared then, and where a group took no part in libc's eyes, not that group.
        var (their, own) = (theirs.Split(' '), our.Split(' '));
        var nothing = own.Length > 1 && own[1].Split('-') is [var from, var to] && from == to;
        var same = their[0] == own[0] && (nothing || their.Zip(own).All(pair => pair.First == pair.Second || pair.First.StartsWith('-')));
        Assert.True(same, $"/{pattern}/ '{text}' flags {flags}: libc {theirs}, here {our}");
        Assert.Equal(theirs == "no" ? Matched.No : Matched.Yes, ours.Match([.. Encoding.Latin1.GetBytes(text), 0], [], out _));
    }

    /// <summary>The same patterns each time: among all there are some with which glibc does not end.</summary>
    [Fact]
    public void Matches_and_groups_are_those_of_libc()
    {
        var random = new Random(5321);
        string One(string[] of) => of[random.Next(of.Length)];
        string Some(int most) => string.Concat(Enumerable.Range(0, random.Next(most + 1)).Select(_ => random.Next(3) == 0 ? One(Alone) : One(Atoms) + One(Times)));
        for (var i = 0; i < 5000; i++)
        {
            var pattern = (random.Next(2) == 0 ? "^" : "") + One(FirstGroups) + Some(4) + "\\1" + Some(3) + (random.Next(2) == 0 ? "$" : "");
            AreAsLibc(pattern, random.GetString("abAB ", random.Next(9)), PosixRegex.Extended | (random.Next(2) * PosixRegex.IgnoreCase));
        }
    }

    [Theory]
    [InlineData("\\(a\\|b\\)*c\\1$", 0)]
    [InlineData("^\\(.*\\)\\n*\\1*$", 0)]
    [InlineData("*\\(a\\)^\\1", 0)]
    [InlineData("\\(^a\\)\\1\\{1,3\\}", 0)]
    [InlineData("\\(a$b\\)x\\1$", 0)]
    [InlineData("\\(a\\+\\)b\\?\\1", 0)]
    [InlineData("(a)\\1)", 1)]
    [InlineData("(^a|b$)(.)\\2", 1)]
    [InlineData("()(a|)\\1\\2", 1)]
    [InlineData("(a){0}b", 1)]
    [InlineData("([[:upper:]])\\1", 1)]
    [InlineData("([[:upper:]])\\1", 3)]
    [InlineData("([]a])\\1|([^]a-b-])\\2", 1)]
    [InlineData("([[.a.][=b=]-])\\1", 1)]
    [InlineData("(.)\\1", 5)]
    [InlineData("^([^x])\\1$", 5)]
    [InlineData("(\\w)\\1\\W|(\\s)\\2\\S", 1)]
    [InlineData("\\`(.)\\1|(b)\\2\\'", 1)]
    [InlineData("\\<(.)\\1\\>", 1)]
    [InlineData("(\xe4)\\1", 3)]
    [InlineData("(a{,2})b\\1", 1)]
    [InlineData("((a{2}){1,2})b\\2", 1)]
    [InlineData("(\\.)\\1", 1)]
    [InlineData("(a\\{)\\1", 1)]
    public void All_syntax_is_read_as_libc_reads_it(string pattern, int flags)
    {
        foreach (var text in (string[])["", "a", "aa", "aca", "*a^a", "aaa", "a$bxa$b", "aba", "aa)", "bxx", "AA", "aA", "]]", "cc", "--", "\n\n", "x\n\n\nx", "\nb\nb", "aa ", "  a", "bb", "\xe4\xe4", "\xc4\xe4", "aabaa", "aaaabaa", "..", "a{a{", "b\xe4\xe4c"])
        {
            AreAsLibc(pattern, text, flags);
        }
    }

    [Fact]
    public void What_would_take_for_ever_fails_soon()
    {
        var regex = BoundedRegex.Of("^(a*)*(a*)*(a*)*(a*)*(a*)*\\1x$"u8, PosixRegex.Extended)!;
        var started = Stopwatch.GetTimestamp();
        Assert.Equal(Matched.Failed, regex.Match([.. Encoding.Latin1.GetBytes(new string('a', 3000)), 0], [], out var error));
        Assert.Equal("more than 1000000 steps for a pattern with a back-reference", error);
        Assert.InRange(Stopwatch.GetElapsedTime(started).TotalSeconds, 0, 10);
        // What libc 2.36 never answers.
        Assert.Equal("0-6 0-1 2-3 5-6", Show(BoundedRegex.Of("(.*)[ab](a*)*\\1[ab]?(.)"u8, PosixRegex.Extended)!, "aaaabbba"));
    }

    [Fact]
    public void Others_stay_with_libc()
    {
        Assert.Null(BoundedRegex.Of("(a)[\\1]"u8, PosixRegex.Extended));
        Assert.Null(BoundedRegex.Of("(a)\\\\1"u8, PosixRegex.Extended));
        Assert.Throws<TableException>(() => BoundedRegex.Of("(((((a{200}){200}){200})))\\1"u8, PosixRegex.Extended));
    }

    [Fact]
    public void A_table_defers_when_a_pattern_fails()
    {
        using var tables = new TestTables();
        tables.Write("re", "/^(.+)@\\1\\.example$/ twice $1\n/^(a*)*(a*)*(a*)*(a*)*\\1x$/ never\n");
        Assert.Equal("= twice joe", tables.Find("regexp:@E@/re", "joe@JOE.example"));
        Assert.Equal("-", tables.Find("regexp:@E@/re", "joe@else.example"));
        Assert.Equal("! regexp map @E@/re, line 2: more than 1000000 steps for a pattern with a back-reference", tables.Find("regexp:@E@/re", new string('a', 3000)));
    }
}
