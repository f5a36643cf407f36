namespace Facteur.Unix.Tests;

public sealed class UnixDirectoryTests : IDisposable
{
    private readonly string _top = Directory.CreateTempSubdirectory("facteur-names-").FullName;

    public void Dispose() => Directory.Delete(_top, recursive: true);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3000)]
    public void All_names_come_each_time_it_is_asked(int count)
    {
        var expected = Enumerable.Range(0, count).Select(i => $"n\u00e4me-{i}{new string('x', i % 200)}").Order(StringComparer.Ordinal).ToArray();
        foreach (var name in expected)
        {
            File.WriteAllText(Path.Combine(_top, name), "");
        }
        Assert.Equal(0, UnixFile.Open(_top, Libc.O_RDONLY | Libc.O_DIRECTORY, 0, out var directory));
        using (directory)
        {
            Parallel.For(0, 4, _ =>
            {
                var names = new List<string>();
                Assert.Equal(0, UnixDirectory.Names(directory!.Descriptor, names));
                Assert.Equal(expected, names.Order(StringComparer.Ordinal));
            });
        }
    }

    [Fact]
    public void What_is_no_directory_says_so()
    {
        File.WriteAllText(Path.Combine(_top, "file"), "");
        Assert.Equal(0, UnixFile.Open(Path.Combine(_top, "file"), Libc.O_RDONLY, 0, out var file));
        using (file)
        {
            Assert.Equal(Libc.ENOTDIR, UnixDirectory.Names(file!.Descriptor, []));
        }
    }
}
