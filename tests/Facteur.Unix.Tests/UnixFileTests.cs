namespace Facteur.Unix.Tests;

public sealed class UnixFileTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-unix-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private string At(string name) => Path.Combine(_directory, name);

    [Fact]
    public void Errors_are_errno_values()
    {
        Assert.Equal(Libc.ENOENT, UnixFile.Open(At("none"), Libc.O_RDONLY, 0, out var none));
        Assert.Null(none);
        Assert.Equal(Libc.EINVAL, UnixFile.Open("a\0b", Libc.O_RDONLY, 0, out _));
        File.CreateSymbolicLink(At("link"), At("target"));
        Assert.Equal(Libc.ELOOP, UnixFile.Open(At("link"), Libc.O_WRONLY | Libc.O_NOFOLLOW, 0, out _));
        Assert.Equal(0, UnixFile.Open("/dev/full", Libc.O_WRONLY, 0, out var full));
        using (full)
        {
            Assert.Equal(Libc.ENOSPC, full!.Write("x"u8));
        }
        Assert.Equal("No such file or directory", Errno.Text(Libc.ENOENT));
    }

    [Fact]
    public void The_kind_of_a_file_system_is_that_of_statfs()
    {
        Assert.Equal(0, UnixFile.FileSystem("/proc", out var type));
        Assert.Equal(0x9fa0, type);
        Assert.Equal(Libc.ENOENT, UnixFile.FileSystem(At("none"), out _));
    }

    [Fact]
    public void Bytes_are_written_cut_and_synced()
    {
        Assert.Equal(0, UnixFile.Open(At("file"), Libc.O_RDWR | Libc.O_CREAT | Libc.O_EXCL, 0x180, out var file));
        using (file)
        {
            Assert.Equal(0, file!.Write("hello"u8));
            Assert.Equal(0, file.SeekEnd(out var end));
            Assert.Equal(5, end);
            Assert.Equal(0, file.Truncate(2));
            Assert.Equal(0, file.Sync());
            Assert.Equal(0, file.ChangeMode(0x1C0));
            Assert.Equal(0, file.Status(out var status));
            Assert.Equal((0x81C0u, 2L, 1ul), (status.Mode, status.Size, status.Links));
            Assert.Equal(0, file.Close());
        }
        Assert.Equal("he", File.ReadAllText(At("file")));
        Assert.Equal(0, UnixFile.SyncDirectory(_directory));
        Assert.Equal(Libc.ENOTDIR, UnixFile.SyncDirectory(At("file")));
    }

    [Fact]
    public void Two_descriptors_of_one_process_exclude_each_other()
    {
        UnixFile.Open(At("file"), Libc.O_RDWR | Libc.O_CREAT, 0x180, out var first);
        UnixFile.Open(At("file"), Libc.O_RDWR, 0, out var second);
        using (second)
        {
            Assert.Equal(0, first!.TryLockPosix());
            Assert.Equal(0, first.TryLockFlock());
            Assert.Equal(Libc.EAGAIN, second!.TryLockPosix());
            Assert.Equal(Libc.EAGAIN, second.TryLockFlock());
            Assert.Equal(0, first.Close());
            Assert.Equal(0, second.TryLockPosix());
            Assert.Equal(0, second.TryLockFlock());
        }
    }

    [Fact]
    public void Directories_are_made_with_their_parents()
    {
        Assert.Equal(0, UnixPath.MakeDirectories(At("a/b/c"), 0x1C0, out var topmost));
        Assert.Equal(At("a"), topmost);
        Assert.Equal(0, UnixPath.MakeDirectories(At("a/b/c"), 0x1C0, out topmost));
        Assert.Null(topmost);
        File.WriteAllText(At("file"), "");
        Assert.NotEqual(0, UnixPath.MakeDirectories(At("file/x"), 0x1C0, out _));
        Assert.Equal("/a/b", UnixPath.Parent("/a/b/c/"));
        Assert.Equal("/", UnixPath.Parent("/a"));
        Assert.Equal(".", UnixPath.Parent("a"));
    }

    [Fact]
    public void Users_are_found_by_name_and_number()
    {
        Assert.Equal(0, UserAccount.Find("root", out var root));
        Assert.Equal(0u, root!.Uid);
        Assert.Equal(0, UserAccount.Find(0u, out var again));
        Assert.Equal(root, again);
        Assert.Equal(0, UserAccount.Find("no-such-user-here", out var none));
        Assert.Null(none);
        Assert.Equal(0, UserAccount.Find("root\0x", out none));
        Assert.Null(none);
        Assert.Equal("Joe Example", new UserAccount("joe", 1, 1, "& Example,room 1,,", "/", "/").FullName);
    }

    [Fact]
    public void An_identity_is_one_threads_and_takes_roots_rights_away()
    {
        if (!FileIdentity.CanChange)
        {
            Assert.Skip("needs root: identities are taken");
        }
        File.WriteAllText(At("secret"), "x");
        Assert.Equal(0, Libc.chmod(At("secret"), 0x180));
        Assert.Equal(0, Libc.chmod(_directory, 0x1FF));
        int inside = -1, outside = -1, after = -1;
        uint owner = 0;
        var thread = new Thread(() =>
        {
            FileIdentity.DropGroups();
            using (FileIdentity.Take(4711, 4712))
            {
                inside = UnixFile.Open(At("secret"), Libc.O_RDONLY, 0, out _);
                UnixFile.Open(At("mine"), Libc.O_WRONLY | Libc.O_CREAT, 0x180, out var mine);
                mine!.Status(out var status);
                owner = status.Uid;
                mine.Dispose();
            }
            after = Open(At("secret"));
        });
        thread.Start();
        outside = Open(At("secret"));
        thread.Join();
        Assert.Equal((Libc.EACCES, 0, 0, 4711u), (inside, outside, after, owner));
    }

    private static int Open(string path)
    {
        var errno = UnixFile.Open(path, Libc.O_RDONLY, 0, out var file);
        file?.Dispose();
        return errno;
    }
}
