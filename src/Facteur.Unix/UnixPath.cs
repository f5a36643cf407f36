using System.Runtime.InteropServices;

namespace Facteur.Unix;

/// <summary>Changes of names in directories, with errno-exact results: each call returns 0 or the errno.</summary>
public static class UnixPath
{
    /// <summary>Gives a file a new name, replacing what has it.</summary>
    public static int Rename(string from, string to) => UnixFile.Result(Libc.rename(from, to));

    /// <summary>Gives a file a second name; EEXIST when the name is taken.</summary>
    public static int Link(string from, string to) => UnixFile.Result(Libc.link(from, to));

    /// <summary>Takes a name away.</summary>
    public static int Unlink(string path) => UnixFile.Result(Libc.unlink(path));

    /// <summary>Removes an empty directory.</summary>
    public static int RemoveDirectory(string path) => UnixFile.Result(Libc.rmdir(path));

    /// <summary>Makes a directory and its missing parents.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="mode">Permissions of each new one.</param>
    /// <param name="topmost">The first directory that was made, whose parent's entry is new too; null when all existed.</param>
    public static int MakeDirectories(string path, uint mode, out string? topmost)
    {
        topmost = null;
        for (var slash = path.IndexOf('/', 1); ; slash = path.IndexOf('/', slash + 1))
        {
            var part = slash < 0 ? path : path[..slash];
            if (part.Length > 0 && Libc.mkdir(part, mode) == 0)
            {
                topmost ??= part;
            }
            else if (Marshal.GetLastPInvokeError() is var errno && errno != Libc.EEXIST && !IsDirectory(part))
            {
                return errno;
            }
            if (slash < 0)
            {
                return IsDirectory(path) ? 0 : Libc.ENOTDIR;
            }
        }
    }

    /// <summary>Whether a name is a directory, links followed.</summary>
    public static bool IsDirectory(string path) =>
        UnixFile.Status(path, followLinks: true, out var status) == 0 && (status.Mode & Libc.S_IFMT) == Libc.S_IFDIR;

    /// <summary>The directory that holds a name: "/" and "." included.</summary>
    public static string Parent(string path)
    {
        var slash = path.TrimEnd('/').LastIndexOf('/');
        return slash < 0 ? "." : slash == 0 ? "/" : path[..slash];
    }
}
