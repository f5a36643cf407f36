using Facteur.Tables.Patterns;

namespace Facteur.Tables.Tests.Types;

public sealed class PatternTableTests
{
    /// <summary>Debian's postmap 3.7 said this about the same file.</summary>
    [Fact]
    public void Bad_lines_of_a_regexp_table_are_told_as_Postfix_tells_them()
    {
        using var tables = new TestTables();
        tables.Write("r", """
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
            //  empty
             /cont/ 
            """.Replace("\r", "") + "\n");
        Assert.Equal("= empty /cont/", tables.Find("regexp:@E@/r", "zzz"));
        string[] expected =
        [
            "line 1: no closing regexp delimiter \"/\": skipping this rule",
            "line 2: unknown regexp option \"q\": skipping this rule",
            "line 3: ignoring extra text after IF statement: \"junk\"",
            "line 3: do not prepend whitespace to statements between IF and ENDIF",
            "line 4: ignoring extra text after ENDIF",
            "line 5: ignoring ENDIF without matching IF",
            "line 8: no regexp: skipping this rule",
            "line 9: no closing regexp delimiter \"a\": skipping this rule",
            "line 10: $number found in negative match replacement text: skipping this rule",
            "truncated macro reference: \"${1\"",
            "line 11: bad replacement syntax: skipping this rule",
            "line 12: non-numeric replacement index \"x\"",
            "line 12: bad replacement syntax: skipping this rule",
            "line 13: out of range replacement index \"2\": skipping this rule",
            "empty macro name: \"$\"",
            "line 14: bad replacement syntax: skipping this rule",
            "line 15: out-of-range replacement index \"0\"",
            "line 15: bad replacement syntax: skipping this rule",
            "line 16: unknown regexp option \"a\": skipping this rule",
            "line 17: no closing regexp delimiter \"f\": skipping this rule",
            "line 18: ignoring unrecognized request",
        ];
        Assert.Equal(expected.Select(e => "warning: " + (e.StartsWith("line", StringComparison.Ordinal) ? "regexp map @E@/r, " : "") + e), tables.Said);
    }

    [Fact]
    public void Bad_lines_of_a_cidr_table_are_told_as_Postfix_tells_them()
    {
        using var tables = new TestTables();
        tables.Write("c", """
            10.0.0.0/33 x
            10.0.0.0/8
            10.0.0.0/x y
            [10.1.0.0]/16 br
            [10.2.0.0/16] br2
            [2001:db8::]/32 v6b
            [::1 z
            if 10.0.0.0/8 junk
            endif junk
            endif
            if
            if bad
            ! 1.2.3.4 spaced
            nothing
            300.1.1.1 a
            1.2.3.4/ q
            if 9.0.0.0/8
            """.Replace("\r", "") + "\n");
        Assert.Equal("= spaced", tables.Find("cidr:@E@/c", "1.1.1.1"));
        Assert.Equal("= br", tables.Find("cidr:@E@/c", "10.1.1.1"));
        Assert.Equal("= br2", tables.Find("cidr:@E@/c", "10.2.1.1"));
        Assert.Equal("= v6b", tables.Find("cidr:@E@/c", "2001:db8::1"));
        Assert.Equal("-", tables.Find("cidr:@E@/c", "[10.1.1.1]"));
        string[] expected =
        [
            "line 1: bad mask length in \"10.0.0.0/33\": skipping this rule",
            "line 2: no lookup result: skipping this rule",
            "line 3: bad mask value in \"10.0.0.0/x\": skipping this rule",
            "line 7: missing ']' character after \"[::1\": skipping this rule",
            "line 8: bad mask value in \"10.0.0.0/8 junk\": skipping this rule",
            "line 9: garbage after ENDIF: skipping this rule",
            "line 10: ENDIF without IF: skipping this rule",
            "line 11: no address pattern: skipping this rule",
            "line 12: bad address pattern: \"bad\": skipping this rule",
            "line 14: bad address pattern: \"nothing\": skipping this rule",
            "line 15: bad address pattern: \"300.1.1.1\": skipping this rule",
            "line 16: bad mask value in \"1.2.3.4/\": skipping this rule",
            "line 17: IF has no matching ENDIF",
        ];
        Assert.Equal(expected.Select(e => "warning: cidr map @E@/c, " + e), tables.Said);
    }

    /// <summary>A byte 0xA0 and its like are white space in Unicode, and none in Postfix.</summary>
    [Theory]
    [InlineData("regexp", "\u00a0")]
    [InlineData("regexp", "!\u00a0")]
    [InlineData("regexp", "if \u2003")]
    [InlineData("pcre", "\u3000")]
    [InlineData("cidr", "\u00a0")]
    public void A_line_of_white_space_that_is_none_in_Postfix_is_left_out(string type, string line)
    {
        using var tables = new TestTables();
        tables.Write("t", $"{line}\n{(type == "cidr" ? "10.0.0.0/8" : "/^10/")} found\n");
        Assert.Equal("= found", tables.Find($"{type}:@E@/t", "10.0.0.1"));
        Assert.Matches(": (skipp|ignor)ing this rule$", Assert.Single(tables.Said, s => s.Contains("line 1", StringComparison.Ordinal)));
    }

    /// <summary>REG_NOMATCH is 1; anything else of regexec's is no answer.</summary>
    [Theory]
    [InlineData(0, Matched.Yes, "")]
    [InlineData(1, Matched.No, "")]
    [InlineData(12, Matched.Failed, "Memory exhausted")]
    public void What_regexec_says(int code, object end, string error)
    {
        Assert.Equal(end, PosixRegex.Ended(code, out var said));
        Assert.Equal(error, said);
    }

    [Theory]
    [InlineData("cidr:{ {127.0.0.9 permit}, {10.0.0.0/8 reject me} }", "10.1.2.3", "= reject me")]
    [InlineData("regexp:{ {/^a(.*)$/ x-${1}}, {!/z/ noz} }", "abc", "= x-bc")]
    [InlineData("regexp:{{/a/ f$${x}}}", "abc", "= f${x}")]
    [InlineData("regexp:{{/b.c/m yes}}", "b\nc", "-")]
    [InlineData("regexp:{{/^c/m yes}}", "b\nc", "= yes")]
    [InlineData("regexp:{{/^c/ yes}}", "b\nc", "-")]
    [InlineData("regexp:{{/^ü(.)$/ <$1>}}", "üx", "= <x>")]
    [InlineData("cidr:{x}", "1.2.3.4", "! cidr:{x} is unavailable. cidr map: no '{' at start of text in \"x\"")]
    [InlineData("unionmap:{static:{a,b}, inline:{a=c}}", "a", "= a,b,c")]
    [InlineData("unionmap:{foo}", "a", "! unionmap:{foo} is unavailable. bad syntax: \"unionmap:{foo}\"; need \"unionmap:{type:name...}\"")]
    [InlineData("pipemap:{inline:{a=b},fail:x}", "a", "! Application error")]
    [InlineData("randmap:{}", "a", "! randmap:{} is unavailable. bad syntax: \"randmap:{}\"; need \"randmap:{value...}\"")]
    [InlineData("randmap:{{a b}}", "a", "= {a b}")]
    [InlineData("inline:{ k=v, { j = w x } }", "J", "= w x")]
    [InlineData("inline:{ { j k = w } }", "j k", "! inline:{ { j k = w } } is unavailable. missing '=' after attribute name: \"inline:{ { j k = w } }\"; need \"inline:{name=value...}\"")]
    [InlineData("static:{x}y", "a", "! static:{x}y is unavailable. bad static:name syntax: syntax error after '}' in \"{x}y\"")]
    [InlineData("regexp:{{\\a\\ no}, {/./ yes}}", "a", "= yes")]
    [InlineData("pcre:{{\\a\\ no}, {/./ yes}}", "a", "= yes")]
    [InlineData("static:all", "", "= all")]
    [InlineData("unix:passwd.byname", "ROOT", "= root:x:0:0:root:/root:/bin/bash")]
    [InlineData("unix:passwd.byname", "root\0x", "-")]
    [InlineData("unix:foo", "x", "! unix:foo is unavailable. unknown table: unix:foo")]
    [InlineData("unix:group.byname", "no such group", "-")]
    public void Tables_in_a_name(string table, string key, string expected)
    {
        using var tables = new TestTables();
        Assert.Equal(expected, tables.Find(table, key));
    }

    [Fact]
    public void Where_results_decide_about_rights_a_sender_steers_none()
    {
        using var tables = new TestTables(new TableOptions { SecuritySensitive = true });
        Assert.Equal("-", tables.Find("regexp:{{/(a)/ |$1}}", "a"));
        Assert.Equal("! proxy:static:x is unavailable. proxy:static:x: proxy map is not allowed for security sensitive data", tables.Find("proxy:static:x", "a"));
    }

    [Fact]
    public async Task Lookups_that_block_run_elsewhere_and_a_found_name_is_remembered()
    {
        using var tables = new TestTables(null, ("proxy_read_maps", "proxy:unix:passwd.byname"));
        var table = tables.Set.Open("proxy:unix:passwd.byname");
        Assert.True(table.CanBlock);
        Assert.Equal(LookupStatus.Found, (await table.LookupAsync("root", default)).Status);
        Assert.True(table.LookupAsync("root", default).AsTask().IsCompleted);
        var many = Enumerable.Range(0, 200).Select(i => table.LookupAsync($"nosuch{i}", default).AsTask());
        Assert.All(await Task.WhenAll(many), l => Assert.Equal(LookupStatus.NotFound, l.Status));
    }

    [Fact]
    public void Deep_nesting_of_blocks_needs_no_stack()
    {
        using var tables = new TestTables();
        tables.Write("c", string.Concat(Enumerable.Repeat("if 10.0.0.0/8\n", 50_000)) + "10.1.1.1 deep\n" + string.Concat(Enumerable.Repeat("endif\n", 50_000)) + "0.0.0.0/0 last\n");
        Assert.Equal("= deep", tables.Find("cidr:@E@/c", "10.1.1.1"));
        Assert.Equal("= last", tables.Find("cidr:@E@/c", "11.1.1.1"));
    }
}
