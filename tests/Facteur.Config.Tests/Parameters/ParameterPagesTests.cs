using Facteur.Config.Parameters;

namespace Facteur.Config.Tests.Parameters;

/// <summary>The pages in docs say what the rows say.</summary>
public sealed class ParameterPagesTests
{
    [Fact]
    public void The_manual_page_is_what_the_rows_make() => Same(ParameterPages.All(), "man/man5/parameters.md", "facteur parameters");

    [Fact]
    public void The_list_of_those_without_effect_is_what_the_rows_make() => Same(ParameterPages.NotYet(), "no-effect.md", "facteur parameters -u");

    [Fact]
    public void Every_row_has_a_sentence() =>
        Assert.Empty(ParameterRegistry.All.Where(row => row.Summary.Length < 5 || !row.Summary.EndsWith('.')).Select(row => row.Name));

    [Fact]
    public void Every_row_without_anything_to_do_says_why() =>
        Assert.Empty(ParameterRegistry.All.Where(row => row.Class == ParameterClass.NothingToDo && row.Reason.Length == 0 && !ParameterRegistry.Typed.Contains(row)).Select(row => row.Name));

    private static void Same(string expected, string page, string command)
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(directory.FullName, "Facteur.slnx")))
        {
            directory = directory.Parent!;
        }
        var path = Path.Combine(directory.FullName, "docs", page);
        Assert.True(File.Exists(path) && File.ReadAllText(path) == expected, $"docs/{page} is stale: {command} >docs/{page}");
    }
}
