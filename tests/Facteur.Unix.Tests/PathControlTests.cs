namespace Facteur.Unix.Tests;

public sealed class PathControlTests : IDisposable
{
    private readonly string _top = Directory.CreateTempSubdirectory("facteur-path-").FullName;

    public void Dispose() => Directory.Delete(_top, recursive: true);

    // Directories are of root, and nobody else writes them, unless it is said.
    [Theory]
    [InlineData("", "a/b/file", false)]
    [InlineData("", "a/b/missing", false)]
    [InlineData("", "a/missing/missing", false)]
    [InlineData("own a", "a/b/file", true)]
    [InlineData("own a/b", "a/b/file", true)]
    [InlineData("own a/b", "a/b/missing", true)]
    [InlineData("own a/b/file", "a/b/file", false)]
    [InlineData("mode a 777", "a/b/file", true)]
    [InlineData("mode a 1777", "a/b/file", false)]
    [InlineData("mode a 1777;own a/b", "a/b/file", true)]
    [InlineData("mode a/b 1777", "a/b/file", true)]
    [InlineData("group a;mode a 775", "a/b/file", true)]
    [InlineData("mode a 775", "a/b/file", false)]
    [InlineData("link a/link TOP/c;own c", "a/link/file", true)]
    [InlineData("link a/link TOP/c", "a/link/file", false)]
    [InlineData("link a/link ../c/file", "a/link", false)]
    [InlineData("link a/link ../c/file;own c", "a/link", true)]
    [InlineData("link c/link TOP/a/b/file;own c", "c/link", true)]
    [InlineData("link c/link TOP/a/b;own c", "c/../a/b/file", false)]
    [InlineData("link a/link link", "a/link", true)]
    [InlineData("", "a/b/file/x", true)]
    public void Who_may_change_a_directory_on_the_way_has_a_say(string changes, string path, bool expected)
    {
        Assert.SkipUnless(Libc.geteuid() == 0, "needs root: directories of others");
        Assert.Equal(0, UserAccount.Find("games", out var games));
        Directory.CreateDirectory($"{_top}/a/b");
        Directory.CreateDirectory($"{_top}/c");
        File.WriteAllText($"{_top}/a/b/file", "");
        File.WriteAllText($"{_top}/c/file", "");
        foreach (var words in changes.Split(';', StringSplitOptions.RemoveEmptyEntries).Select(c => c.Split(' ')))
        {
            var name = $"{_top}/{words[1]}";
            Assert.Equal(0, words[0] switch
            {
                "own" => Libc.lchown(name, games!.Uid, games.Gid),
                "group" => Libc.lchown(name, 0, games!.Gid),
                "mode" => Libc.chmod(name, Convert.ToUInt32(words[2], 8)),
                _ => Link(name, words[2].Replace("TOP", _top, StringComparison.Ordinal)),
            });
        }
        Assert.Equal(expected, PathControl.MayChange(games!, $"{_top}/{path}"));

        static int Link(string name, string target)
        {
            File.CreateSymbolicLink(name, target);
            return 0;
        }
    }
}
