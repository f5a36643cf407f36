namespace Facteur.Unix;

/// <summary>What kind of thing an <see cref="OwnedPath"/> is, and what is done with it.</summary>
[Flags]
public enum OwnedPathKind
{
    /// <summary>A file.</summary>
    File = 0,

    /// <summary>A directory.</summary>
    Directory = 1,

    /// <summary>It is made when it is missing.</summary>
    Make = 2,

    /// <summary>What is below it belongs to the same owner.</summary>
    Tree = 4,
}

/// <summary>
/// A path of the mail system with the owner, group and mode that it must have. Run by root over directories that others own, so each thing is opened without
/// following a link, looked at, and changed by its descriptor.
/// </summary>
/// <param name="Path">The path.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Uid">Its owner.</param>
/// <param name="Gid">Its group; null is any.</param>
/// <param name="Mode">Its permissions. A directory keeps the set-gid and sticky bits that it has.</param>
public sealed record OwnedPath(string Path, OwnedPathKind Kind, uint Uid, uint? Gid, uint Mode)
{
    private const int DepthLimit = 20; // hash_queue_depth goes to 16
    private const uint KeptBits = 0x600; // set-gid, sticky
    private const uint Permissions = 0xFFF;

    private bool IsDirectory => (Kind & OwnedPathKind.Directory) != 0;

    /// <summary>Makes the directory when it is missing and may be made. What is there already stays as it is.</summary>
    /// <returns>0 or the errno.</returns>
    public int Make()
    {
        if ((Kind & OwnedPathKind.Make) == 0 || UnixFile.Status(Path, followLinks: true, out _) != Libc.ENOENT)
        {
            return 0;
        }
        // Nobody gets in before its owner and mode are right: mkdir's mode goes through the umask of whoever starts us.
        var errno = UnixFile.Result(Libc.mkdir(Path, 0x1C0));
        return errno != 0 ? errno : Set();
    }

    /// <summary>Gives it owner, group and mode, and with <see cref="OwnedPathKind.Tree"/> owner and group to all that is below.</summary>
    /// <returns>0 or the errno; ENOENT when it is not there.</returns>
    public int Set()
    {
        // A file may be a link in a directory of root's (sbin); a directory may not, others could put it there.
        var errno = UnixFile.Open(Path, Libc.O_RDONLY | Libc.O_NONBLOCK | (IsDirectory ? Libc.O_DIRECTORY | Libc.O_NOFOLLOW : 0), 0, out var file);
        if (file is null)
        {
            return errno;
        }
        using (file)
        {
            errno = file.Status(out var status);
            if (errno != 0)
            {
                return errno;
            }
            if ((status.Uid != Uid || (Gid is { } gid && status.Gid != gid)) && (errno = file.ChangeOwner(Uid, Gid ?? uint.MaxValue)) != 0)
            {
                return errno;
            }
            // After the owner: a change of owner takes the set-gid bit away.
            var mode = IsDirectory ? Mode | (status.Mode & KeptBits) : Mode;
            errno = file.ChangeMode(mode);
            return errno != 0 || (Kind & OwnedPathKind.Tree) == 0 ? errno : SetTree(file.Descriptor, 0);
        }
    }

    /// <summary>What differs from what must be; all false when it is not there.</summary>
    public (bool Missing, bool Owner, bool Group, bool Mode) Differences()
    {
        if (UnixFile.Status(Path, followLinks: !IsDirectory, out var status) != 0)
        {
            return (true, false, false, false);
        }
        var kept = IsDirectory ? KeptBits : 0;
        return (false, status.Uid != Uid, Gid is { } gid && status.Gid != gid, ((status.Mode & Permissions) | kept) != (Mode | kept));
    }

    // Its owner may have put links to others' files there: links are not followed, and a file with two names is left alone.
    private int SetTree(int directory, int depth)
    {
        var names = new List<string>();
        var unread = UnixDirectory.Names(directory, names);
        if (unread != 0)
        {
            return unread;
        }
        foreach (var name in names)
        {
            var fd = Libc.openat(directory, name, Libc.O_RDONLY | Libc.O_NOFOLLOW | Libc.O_NONBLOCK | Libc.O_CLOEXEC, 0);
            if (fd < 0)
            {
                continue;
            }
            using var file = UnixFile.Own(fd);
            var errno = file.Status(out var status);
            var kind = status.Mode & Libc.S_IFMT;
            if (errno == 0 && (status.Uid != Uid || (Gid is { } gid && status.Gid != gid)) && (kind == Libc.S_IFDIR || (kind == Libc.S_IFREG && status.Links == 1)))
            {
                errno = file.ChangeOwner(Uid, Gid ?? uint.MaxValue);
            }
            if (errno == 0 && kind == Libc.S_IFDIR && depth < DepthLimit)
            {
                errno = SetTree(fd, depth + 1);
            }
            if (errno != 0)
            {
                return errno;
            }
        }
        return 0;
    }
}
