namespace Facteur.Commands.Tests;

public sealed class GetOptTests
{
    private static string Read(string options, params string[] arguments)
    {
        var words = new List<string>();
        var reader = new GetOpt(arguments, options);
        while (reader.Next())
        {
            words.Add(reader.Option == '?' ? reader.Error! : $"{reader.Option}={reader.Argument}");
        }
        return $"{string.Join(' ', words)} | {string.Join(' ', reader.Operands)}";
    }

    [Theory]
    [InlineData("ab:", "a= | x y", "-a", "x", "y")]
    [InlineData("ab:", "a= b=v | x", "-abv", "x")]
    [InlineData("ab:", "a= b=v | x", "-ab", "v", "x")]
    [InlineData("ab:", "b=-a | ", "-b", "-a")]
    [InlineData("ab:", "a= | -b", "-a", "--", "-b")]
    [InlineData("ab:", " | - -a", "-", "-a")]
    [InlineData("ab:", " | x -a", "x", "-a")]
    [InlineData("ab:", "invalid option -- 'z' a= | ", "-za")]
    [InlineData("ab:", "invalid option -- ':' | ", "-:")]
    [InlineData("ab:", "option requires an argument -- 'b' | ", "-b")]
    [InlineData("q::a", "q=5m a= | x", "-q5m", "-a", "x")]
    [InlineData("q::a", "q= | x", "-q", "x")]
    [InlineData("a", " | ")]
    public void Options(string options, string expected, params string[] arguments) => Assert.Equal(expected, Read(options, arguments));
}
