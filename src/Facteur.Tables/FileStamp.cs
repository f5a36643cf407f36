using Facteur.Unix;

namespace Facteur.Tables;

/// <summary>By what a file is seen to have changed; default when it is not there.</summary>
/// <param name="Inode">Which file it is.</param>
/// <param name="Size">Its length.</param>
/// <param name="Seconds">Time of the last change of its content.</param>
/// <param name="Nanoseconds">Its part below a second.</param>
internal readonly record struct FileStamp(ulong Inode, long Size, long Seconds, long Nanoseconds)
{
    public bool Exists => Inode != 0;

    /// <summary>Of what is read for a path: the copy that was given in its place, where there is one, which may be older than the file itself.</summary>
    public static FileStamp Of(string path) => OnDisk(SealedFiles.PathOf(path));

    /// <summary>Of the file itself.</summary>
    public static unsafe FileStamp OnDisk(string path)
    {
        Stat stat;
        return Libc.stat(path, &stat) == 0 ? new(stat.Inode, stat.Size, stat.Modified.Seconds, stat.Modified.Nanoseconds) : default;
    }
}
