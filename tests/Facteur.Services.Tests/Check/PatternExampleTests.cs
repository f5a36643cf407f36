using System.Text.RegularExpressions;
using Facteur.Services.Check;

namespace Facteur.Services.Tests.Check;

public sealed class PatternExampleTests
{
    [Theory]
    [InlineData("/@example\\.com$/", "@example.com")]
    [InlineData("/^.*@example\\.com$/i", "x@example.com")]
    [InlineData("/^[a-z]+@(.*\\.)?(one|two)\\.(com|org)$/", "a@x.one.com")]
    [InlineData("/^(?:a|b(c|d))e/", "ae")]
    [InlineData("!^[[:alnum:]]{3}[^x-z]\\d\\w!", "xxx11x")]
    [InlineData("/^(ab){2,}c?$/", "ababc")]
    [InlineData("/a|b/", "a")]
    [InlineData("/^(?=x)/", null)]
    [InlineData("/a\\b/", null)]
    [InlineData("/[a/", null)]
    [InlineData("/(a/", null)]
    [InlineData("/a{2/", null)]
    [InlineData("//", null)]
    [InlineData("/", null)]
    [InlineData("a(", null)]
    public void An_example_matches(string rule, string? example)
    {
        Assert.Equal(example, PatternExample.Of(rule));
        if (example is not null && !rule.Contains("[:"))
        {
            Assert.Matches(new Regex(rule[1..rule.LastIndexOf(rule[0])]), example);
        }
    }
}
