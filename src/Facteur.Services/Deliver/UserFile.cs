using System.Text;
using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>Reads .forward and :include: files. The caller's thread or process has the identity of the one in whose name they count.</summary>
internal static class UserFile
{
    /// <summary>Longest file read, in bytes.</summary>
    public const int Limit = 4 * 1024 * 1024;

    /// <summary>Reads a file.</summary>
    /// <param name="path">Its name.</param>
    /// <param name="followLinks">Whether its last name may be a link.</param>
    public static FileRead Read(string path, bool followLinks)
    {
        if (path.Contains('\0'))
        {
            return new FileRead(Libc.EINVAL, false, 0, 0, null);
        }
        var errno = UnixFile.Status(path, followLinks, out var status);
        if (errno != 0)
        {
            return new FileRead(errno, false, 0, 0, null);
        }
        if ((status.Mode & Libc.S_IFMT) != Libc.S_IFREG)
        {
            return new FileRead(0, true, status.Mode, status.Uid, null);
        }
        // Without waiting: it may be a pipe by now. What counts is what was opened.
        errno = UnixFile.Open(path, Libc.O_RDONLY | Libc.O_NONBLOCK | (followLinks ? 0 : Libc.O_NOFOLLOW), 0, out var file);
        if (file is null)
        {
            return new FileRead(errno, true, status.Mode, status.Uid, null);
        }
        using (file)
        {
            errno = file.Status(out status);
            return errno == 0 && (status.Mode & Libc.S_IFMT) == Libc.S_IFREG && status.Size <= Limit
                ? Text(file, status) : new FileRead(errno, true, status.Mode, status.Uid, null);
        }
    }

    private static FileRead Text(UnixFile file, in Stat status)
    {
        var bytes = new byte[(int)status.Size];
        var used = 0;
        while (used < bytes.Length)
        {
            var errno = file.Read(bytes.AsSpan(used), out var count);
            if (errno != 0)
            {
                return new FileRead(errno, true, status.Mode, status.Uid, null);
            }
            if (count == 0)
            {
                break;
            }
            used += count;
        }
        return new FileRead(0, true, status.Mode, status.Uid, Encoding.UTF8.GetString(bytes, 0, used));
    }
}
