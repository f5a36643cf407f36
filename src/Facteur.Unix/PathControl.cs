namespace Facteur.Unix;

/// <summary>
/// Whether a user has a say in what a path leads to. Where nobody but those who are trusted may change a directory on the way, also behind links, what is looked at
/// and what is opened afterwards are the same thing: there is nothing to race with. openat2(2) would forbid links, which administrators use for keys and logs.
/// </summary>
public static class PathControl
{
    private const int LinkLimit = 40;
    private const uint OthersWrite = 0x2, GroupWrites = 0x10, Sticky = 0x200;

    /// <summary>Looks at each directory from the root on.</summary>
    /// <param name="user">The user who is not trusted.</param>
    /// <param name="path">A whole path; its last name need not exist.</param>
    /// <returns>True also for what can't be looked at.</returns>
    public static bool MayChange(UserAccount user, string path)
    {
        var groups = ProcessIdentity.GroupsOf(user);
        var rest = new Stack<string>();
        Push(rest, path);
        // Never a link, so that ".." is its parent.
        var at = "/";
        for (var links = 0; rest.TryPop(out var name);)
        {
            if (name == "..")
            {
                at = UnixPath.Parent(at);
                continue;
            }
            var next = at == "/" ? $"/{name}" : $"{at}/{name}";
            var errno = UnixFile.Status(next, followLinks: false, out var entry);
            if (UnixFile.Status(at, followLinks: false, out var directory) != 0 || errno is not 0 and not Libc.ENOENT)
            {
                return true;
            }
            var writes = directory.Uid == user.Uid || (directory.Mode & OthersWrite) != 0 || ((directory.Mode & GroupWrites) != 0 && groups.Contains(directory.Gid));
            // Of a sticky directory others' names can't be taken; a directory has no second name.
            var safe = errno == 0 && (directory.Mode & Sticky) != 0 && directory.Uid != user.Uid && entry.Uid != user.Uid && (entry.Mode & Libc.S_IFMT) == Libc.S_IFDIR;
            if (writes && !safe)
            {
                return true;
            }
            if (errno != 0)
            {
                // Only who is trusted can make it.
                return false;
            }
            if ((entry.Mode & Libc.S_IFMT) != Libc.S_IFLNK)
            {
                at = next;
                continue;
            }
            if (++links > LinkLimit || new FileInfo(next).LinkTarget is not { Length: > 0 } target)
            {
                return true;
            }
            at = target[0] == '/' ? "/" : at;
            Push(rest, target);
        }
        return false;
    }

    private static void Push(Stack<string> rest, string path)
    {
        foreach (var name in path.Split('/').Reverse().Where(n => n is not "" and not "."))
        {
            rest.Push(name);
        }
    }
}
