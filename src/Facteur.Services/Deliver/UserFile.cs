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
        var errno = UnixFile.OpenRegular(path, followLinks, out var status, out var file);
        using (file)
        {
            return file is not null ? Read(file) : new FileRead(errno, status.Mode != 0, status.Mode, status.Uid, null);
        }
    }

    /// <summary>Reads a file that was opened.</summary>
    public static FileRead Read(UnixFile file)
    {
        var errno = file.Status(out var status);
        return errno == 0 && (status.Mode & Libc.S_IFMT) == Libc.S_IFREG && status.Size <= Limit
            ? Text(file, status) : new FileRead(errno, true, status.Mode, status.Uid, null);
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
