namespace Facteur.Unix.Tests;

public sealed class SealedFilesTests
{
    [Fact]
    public void A_newer_file_takes_the_place_of_the_older_one_and_no_descriptor_is_left()
    {
        var (one, two) = (Path.GetTempFileName(), Path.GetTempFileName());
        try
        {
            File.WriteAllText(one, "one");
            File.WriteAllText(two, "two");
            var first = Libc.open(one, Libc.O_RDONLY | Libc.O_CLOEXEC, 0);
            SealedFiles.Add("/given", first);
            Assert.Equal("one", File.ReadAllText(SealedFiles.PathOf("/given")));
            var second = Libc.open(two, Libc.O_RDONLY | Libc.O_CLOEXEC, 0);
            SealedFiles.Add("/given", second);
            Assert.Equal("two", File.ReadAllText(SealedFiles.PathOf("/given")));
            Assert.Equal(first, SealedFiles.DescriptorOf("/given"));
            Assert.NotEqual(two, new FileInfo($"/proc/self/fd/{second}").LinkTarget);
            Assert.Equal("/other", SealedFiles.PathOf("/other"));
        }
        finally
        {
            File.Delete(one);
            File.Delete(two);
        }
    }
}
