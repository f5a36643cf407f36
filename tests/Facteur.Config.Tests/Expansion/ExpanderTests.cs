using CsCheck;
using Facteur.Config.Expansion;

namespace Facteur.Config.Tests.Expansion;

public sealed class ExpanderTests
{
    private static readonly Dictionary<string, string> Names = new()
    {
        ["a"] = "x",
        ["b"] = "$a$a",
        ["empty"] = "",
        ["asEmpty"] = "$empty",
        ["n10"] = "10",
        ["n9"] = "9",
        ["level"] = "3.6",
        ["loop"] = "${loop}",
        ["up"] = "$down",
        ["down"] = "$up",
        ["dom"] = "bücher.example",
    };

    private static Expanded Expand(string text) => Expander.Expand(text, name => Names.GetValueOrDefault(name));

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("$a", "x")]
    [InlineData("${a}", "x")]
    [InlineData("$(a)", "x")]
    [InlineData("<$b>", "<xx>")]
    [InlineData("$undefined.", ".")]
    [InlineData("$$a", "$a")]
    [InlineData("$a-$a", "x-x")]
    [InlineData("${a?yes}", "yes")]
    [InlineData("${loop?x}", "x")]
    [InlineData("${asEmpty?x}", "x")]
    [InlineData("${a?{yes}}", "yes")]
    [InlineData("${a?{ yes }}", " yes ")]
    [InlineData("${empty? { yes } : { no } }", " no ")]
    [InlineData("${{ x } == {$a} ? {same} : {other}}", "other")]
    [InlineData("${{$a} == {x}}", "true")]
    [InlineData("${{$a} == {y}}", "")]
    [InlineData("${{3.1} ==level {3.1.0} ? {same} : {other}}", "same")]
    [InlineData("${{3}>level{2.9}?y:n}", "y:n")]
    [InlineData("${a? yes}", " yes")]
    [InlineData("${empty?yes}", "")]
    [InlineData("${empty:no}", "no")]
    [InlineData("${empty:{no}}", "no")]
    [InlineData("${a:no}", "")]
    [InlineData("${a?{yes}:{no}}", "yes")]
    [InlineData("${empty?{yes}:{no}}", "no")]
    [InlineData("${empty?{yes}:no}", "no")]
    [InlineData("${empty? {yes} : {no}}", "no")]
    [InlineData("${a?{$b}}", "xx")]
    [InlineData("${empty?{1}:{${a?{2}:{3}}}}", "2")]
    [InlineData("${{$a} == {x} ? {same} : {other}}", "same")]
    [InlineData("${{$a} != {x} ? {other} : {same}}", "same")]
    [InlineData("${{$n9} < {$n10} ? {less} : {not}}", "less")]
    [InlineData("${{9x} < {10x} ? {less} : {not}}", "not")]
    [InlineData("${{9} >= {9}?{yes}}", "yes")]
    [InlineData("${{$level} <level {3.11} ? {old} : {new}}", "old")]
    [InlineData("${{$level} >=level {3.6.0} ? {yes} : {no}}", "yes")]
    [InlineData("${{$level} < {3.11} ? {old} : {new}}", "new")]
    [InlineData("${{1} == {2}:{differ}}", "differ")]
    [InlineData("${domain_to_ascii{$dom}}", "xn--bcher-kva.example")]
    [InlineData("${stress?{1}:{20}}s", "20s")]
    public void Expressions(string text, string expected) => Assert.Equal(new Expanded(expected, null), Expand(text));

    [Theory]
    [InlineData("${a", "truncated macro reference: \"${a\"")]
    [InlineData("${}", "empty macro name: \"${}\"")]
    [InlineData("a $ b", "empty macro name: \"a $ b\"")]
    [InlineData("${a b}", "attribute name syntax error at: \"...a>>> b\"")]
    [InlineData("${-a}", "attribute name syntax error at: \"...>>>-a\"")]
    [InlineData("${a!b}", "attribute name syntax error at: \"...a>>>!b\"")]
    [InlineData("${a:{b}:{c}}", "unexpected input at: \"...b}>>>:{c}\"")]
    [InlineData("${a?{b}c}", "\":\" expected at: \"...b}>>>c\"")]
    [InlineData("${{$a} ~ {x} ? {y}}", "\"==\" or \"!=\"\" or \"<\"\" or \"<=\"\" or \">=\"\" or \">\" expected at: \"...x}>>>~ {x} ? {y}\"")]
    [InlineData("${{$a} == x}", "\"{expression}\" expected at: \"...{$a} ==>>> x\"")]
    [InlineData("${{$a} <level {3} ? {y}}", "malformed compatibility level syntax: \"x\"")]
    [InlineData("${shout{a}}", "unknown function \"shout\"")]
    [InlineData("$loop", "unreasonable macro call nesting: \"loop\"")]
    [InlineData("$up", "unreasonable macro call nesting")]
    public void Errors_are_values(string text, string error) => Assert.StartsWith(error, Expand(text).Error);

    [Fact]
    public void A_text_that_doubles_at_each_level_is_refused_before_it_fills_the_memory()
    {
        var expanded = Expander.Expand("$n0", name => name == "n90" ? "0123456789" : $"$n{int.Parse(name[1..]) + 1}$n{int.Parse(name[1..]) + 1}");
        Assert.Equal("the expanded text is too long", expanded.Error);
        Assert.InRange(expanded.Text.Length, 0, 2 << 20);
    }

    [Fact]
    public void Scan_finds_the_names_of_all_branches()
    {
        var names = new List<string>();
        Assert.Null(Expander.Scan("$a ${b?{$c}:{$d}} ${{$e} == {$f} ? {$g} : {$h}} ${i:$j}", names.Add));
        Assert.Equal(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"], names);
    }

    [Fact]
    public void Any_text_ends_in_a_value_or_an_error() =>
        Check.Sample(Gen.String[Gen.Char["ab${}()?:=< level"], 0, 40], text => Expand(text).Text is not null);

    [Fact]
    public void Text_without_a_dollar_is_itself() =>
        Check.Sample(Gen.String[Gen.Char["ab{}()?:=< "], 0, 40], text => Expand(text) == new Expanded(text, null));
}
