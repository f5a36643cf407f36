using Facteur.Unix;

namespace Facteur.Spool;

/// <summary>Whole writes and whole files over <see cref="IDisk"/>.</summary>
internal static class DiskWrites
{
    /// <summary>Writes all bytes.</summary>
    /// <returns>0 or the errno.</returns>
    public static int WriteAll(this IDisk disk, int file, ReadOnlySpan<byte> bytes, long offset)
    {
        while (!bytes.IsEmpty)
        {
            var n = disk.Write(file, bytes, offset);
            if (n <= 0)
            {
                return n < 0 ? -n : Libc.EIO;
            }
            bytes = bytes[n..];
            offset += n;
        }
        return 0;
    }

    /// <summary>Makes a directory that may be there already, durably.</summary>
    /// <returns>0 or the errno.</returns>
    public static int EnsureDirectory(this IDisk disk, string path, string parent)
    {
        var result = disk.MakeDirectory(path);
        return result is 0 or -Libc.EEXIST ? -disk.SyncDirectory(parent) : -result;
    }

    /// <summary>Whether an errno means that there is no room.</summary>
    public static bool IsNoSpace(int errno) => errno is Libc.ENOSPC or Libc.EDQUOT;
}
