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

    /// <summary>Says what is wrong; Postfix's warnings.</summary>
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
        }
        foreach (var file in Below($"{queue}/corrupt").Take(LineLimit))
        {
            say($"warning: damaged message: {Path.GetRelativePath(queue, file)}");
        }
    }

    private void Owners(IConfig config, PostfixFiles files, string queue)
    {
        var (data, root, mail) = (config.Get(CommonParameters.DataDirectory), files.Directories[0].Uid, files.Directories[1].Uid);
        var name = root == 0 ? "root" : files.MailOwner;
        Tree([$"{queue}/.", $"{queue}/pid"], root, name, othersToo: true);
        Tree([$"{config.ConfigDirectory}/.", .. Below(config.ConfigDirectory)], root, name, othersToo: true);
        Tree([$"{data}/.", .. Below(data)], mail, files.MailOwner, othersToo: true);
        // Not down into maildrop: it is the least trusted directory (Postfix).
        foreach (var path in files.Directories.Where(d => d.Path.StartsWith(queue + "/", StringComparison.Ordinal) && d.Uid != root))
        {
            var owner = path.Uid == mail ? files.MailOwner : config.Get(FacteurParameters.QueueOwner);
            Tree([path.Path, .. path.Path == $"{queue}/maildrop" ? [] : Below(path.Path)], path.Uid, owner, othersToo: false);
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

    private void Tree(IEnumerable<string> paths, uint owner, string name, bool othersToo)
    {
        var said = 0;
        foreach (var path in paths)
        {
            if (UnixFile.Status(path, followLinks: false, out var status) != 0)
            {
                continue;
            }
            var kind = status.Mode & Libc.S_IFMT;
            var exempt = !othersToo && kind is not (Libc.S_IFREG or Libc.S_IFDIR);
            var (wrongOwner, writable) = (!exempt && status.Uid != owner, othersToo && kind != Libc.S_IFLNK && (status.Mode & OthersWrite) != 0);
            if (wrongOwner)
            {
                say($"warning: not owned by {name}: {path}");
            }
            if (writable)
            {
                say($"warning: group or other writable: {path}");
            }
            said += (wrongOwner ? 1 : 0) + (writable ? 1 : 0);
            if (said >= LineLimit)
            {
                say("warning: and more");
                return;
            }
        }
    }

    private static IEnumerable<string> Below(string directory) => !Directory.Exists(directory) ? []
        : Directory.EnumerateFileSystemEntries(directory, "*", new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 8, AttributesToSkip = FileAttributes.ReparsePoint, IgnoreInaccessible = true });

    private bool Done(OwnedPath path, int errno)
    {
        if (errno != 0)
        {
            say($"error: set owner and mode of {path.Path}: {Errno.Text(errno)}");
        }
        return errno == 0;
    }
}
