using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>"postfix set-permissions", and what "postfix check" says of owners and modes.</summary>
/// <param name="say">Says a line.</param>
internal sealed class PostfixPermissions(Action<string> say)
{
    /// <summary>So many lines of one kind are said; a tree with a wrong owner has thousands of files.</summary>
    private const int LineLimit = 100;
    private const uint OthersWrite = 0x12; // 022
    private const uint Socket = 0xC000, Fifo = 0x1000; // S_IFSOCK, S_IFIFO

    /// <summary>Makes what is missing and sets owners, groups and modes.</summary>
    /// <returns>Whether all was done.</returns>
    public bool Set(IConfig config)
    {
        if (PostfixFiles.Of(config, out var files) is { } wrong)
        {
            say($"fatal: {wrong}");
        }
        if (files is null)
        {
            return false;
        }
        var done = true;
        foreach (var path in files.Directories)
        {
            var errno = path.Make();
            done &= Done(path, errno != 0 ? errno : path.Set());
        }
        foreach (var path in files.Commands)
        {
            if (UnixFile.Status(path.Path, followLinks: true, out _) == Libc.ENOENT)
            {
                continue;
            }
            if (!NativeProgram.Is(path.Path))
            {
                say($"error: {path.Path}: not a natively compiled program: it is not made set-gid");
                done = false;
                continue;
            }
            done &= Done(path, path.Set());
        }
        return done;
    }

    /// <summary>Makes directories that are missing, as Postfix's check does, with owner and mode.</summary>
    /// <returns>Whether all are there.</returns>
    public bool Make(IConfig config)
    {
        _ = PostfixFiles.Of(config, out var files);
        var done = true;
        foreach (var path in files?.Directories ?? [])
        {
            done &= Done(path, path.Make());
        }
        return done;
    }

    /// <summary>Says what is wrong; Postfix's warnings, in its order.</summary>
    public void Check(IConfig config)
    {
        if (PostfixFiles.Of(config, out var files) is { } wrong)
        {
            say($"warning: {wrong}");
        }
        var queue = config.Get(CommonParameters.QueueDirectory);
        if (files is not null)
        {
            Owners(config, files, queue);
            Groups(files, queue);
            Chroot(queue, files.Directories[0].Uid, files.Directories[0].Uid == 0 ? "root" : files.MailOwner);
        }
        foreach (var file in Below($"{queue}/corrupt").Take(LineLimit))
        {
            say($"warning: damaged message: {Path.GetRelativePath(queue, file)}");
        }
        Sendmail("/usr/lib/sendmail", "/usr/sbin/sendmail");
    }

    private void Owners(IConfig config, PostfixFiles files, string queue)
    {
        var (data, root, mail) = (config.Get(CommonParameters.DataDirectory), files.Directories[0].Uid, files.Directories[1].Uid);
        var name = root == 0 ? "root" : files.MailOwner;
        IReadOnlyList<string> own = [$"{queue}/.", $"{queue}/pid"];
        Owned(own, root, name);
        Writable(own, followLinks: false);
        var tree = Tree($"{config.ConfigDirectory}/.");
        Owned(tree, root, name);
        Writable(tree, followLinks: true);
        Links(tree);
        tree = Tree($"{data}/.");
        Owned(tree, mail, files.MailOwner);
        Writable(tree, followLinks: false);
        // Not down into maildrop: it is the least trusted directory (Postfix).
        foreach (var path in files.Directories.Where(d => d.Path.StartsWith(queue + "/", StringComparison.Ordinal) && d.Uid != root))
        {
            var owner = path.Uid == mail ? files.MailOwner : config.Get(FacteurParameters.QueueOwner);
            Owned(path.Path == $"{queue}/maildrop" ? [path.Path] : [.. Tree(path.Path).Where(IsNoSocket)], path.Uid, owner);
        }
    }

    /// <summary>What administrators put below queue_directory for services that they chroot: root's, and the same as outside (Postfix).</summary>
    private void Chroot(string queue, uint root, string name)
    {
        foreach (var tree in ((string[])["bin", "etc", "lib", "sbin", "usr"]).Select(d => $"{queue}/{d}").Where(Directory.Exists).Select(Tree))
        {
            Owned(tree, root, name);
            Limited(tree.Where(path => IsKind(path, Libc.S_IFREG) && File.Exists(path[queue.Length..]) && !Same(path, path[queue.Length..])), path => $"{path} and {path[queue.Length..]} differ");
        }
    }

    private void Sendmail(string one, string other)
    {
        if (File.Exists(one) && File.Exists(other) && !Same(one, other))
        {
            say($"warning: {one} and {other} differ");
            say("warning: Replace one by a symbolic link to the other");
        }
    }

    private void Groups(PostfixFiles files, string queue)
    {
        var shared = files.Directories.Where(d => d.Path == $"{queue}/public" || d.Path == $"{queue}/maildrop").Concat(files.Commands).ToList();
        foreach (var path in shared.Where(p => p.Differences() is { Missing: false, Group: true }))
        {
            say($"warning: not owned by group {files.SetgidGroup}: {path.Path}");
        }
        const uint setgidForAll = 0x449; // 02111
        foreach (var path in files.Commands.Where(c => UnixFile.Status(c.Path, followLinks: true, out var status) == 0 && (status.Mode & setgidForAll) != setgidForAll))
        {
            say($"warning: not set-gid or not owner+group+world executable: {path.Path}");
        }
        foreach (var path in files.Commands.Where(c => UnixFile.Status(c.Path, followLinks: true, out var status) == 0 && (status.Mode & Libc.S_ISGID) != 0 && !NativeProgram.Is(c.Path)))
        {
            say($"warning: set-gid, but not a natively compiled program: {path.Path}");
        }
        foreach (var path in files.Directories.Where(d => d.Path.StartsWith(queue + "/", StringComparison.Ordinal) && d.Differences() is { Missing: false, Mode: true }))
        {
            say($"warning: mode is not {Convert.ToString(path.Mode, 8)}: {path.Path}");
        }
    }

    private void Owned(IReadOnlyList<string> paths, uint owner, string name) =>
        Limited(paths.Where(path => UnixFile.Status(path, followLinks: false, out var status) == 0 && status.Uid != owner), path => $"not owned by {name}: {path}");

    // Of a link that leads nowhere its own mode counts (find -L).
    private void Writable(IReadOnlyList<string> paths, bool followLinks) =>
        Limited(
            paths.Where(path => ((followLinks && UnixFile.Status(path, followLinks: true, out var status) == 0) || UnixFile.Status(path, followLinks: false, out status) == 0) && (status.Mode & OthersWrite) != 0),
            path => $"group or other writable: {path}");

    private void Links(IReadOnlyList<string> paths) =>
        Limited(
            paths.Where(path => path != "/etc/postfix/./makedefs.out" && IsKind(path, Libc.S_IFLNK) && new FileInfo(path).LinkTarget?.Contains('/', StringComparison.Ordinal) == true),
            path => $"symlink leaves directory: {path}");

    private void Limited(IEnumerable<string> paths, Func<string, string> text)
    {
        var said = 0;
        foreach (var path in paths)
        {
            say("warning: " + text(path));
            if (++said == LineLimit)
            {
                say("warning: and more");
                return;
            }
        }
    }

    private static bool IsNoSocket(string path) => UnixFile.Status(path, followLinks: false, out var status) == 0 && (status.Mode & Libc.S_IFMT) is not (Socket or Fifo);

    private static bool IsKind(string path, uint kind) => UnixFile.Status(path, followLinks: false, out var status) == 0 && (status.Mode & Libc.S_IFMT) == kind;

    private static bool Same(string one, string other)
    {
        try
        {
            using var first = new FileStream(one, FileMode.Open, FileAccess.Read);
            using var second = new FileStream(other, FileMode.Open, FileAccess.Read);
            var (a, b) = (new byte[1 << 16], new byte[1 << 16]);
            while (true)
            {
                var (m, n) = (first.ReadAtLeast(a, a.Length, throwOnEndOfStream: false), second.ReadAtLeast(b, b.Length, throwOnEndOfStream: false));
                if (m != n || !a.AsSpan(0, m).SequenceEqual(b.AsSpan(0, n)))
                {
                    return false;
                }
                if (m < a.Length)
                {
                    return true;
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What can't be compared is not the same (cmp -s).
            return false;
        }
    }

    private static IReadOnlyList<string> Tree(string directory) => [directory, .. Below(directory)];

    private static IEnumerable<string> Below(string directory) => !Directory.Exists(directory) ? []
        : Directory.EnumerateFileSystemEntries(directory, "*", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 8, AttributesToSkip = 0, IgnoreInaccessible = true });

    private bool Done(OwnedPath path, int errno)
    {
        if (errno != 0)
        {
            say($"error: set owner and mode of {path.Path}: {Errno.Text(errno)}");
        }
        return errno == 0;
    }
}
