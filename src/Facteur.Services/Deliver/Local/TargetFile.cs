using System.Text;
using Facteur.Contracts;
using Facteur.Unix;

namespace Facteur.Services.Deliver.Local;

/// <summary>How reading a file of destinations ended.</summary>
internal enum TargetRead : byte
{
    /// <summary>It was read.</summary>
    Read,

    /// <summary>There is none.</summary>
    Missing,

    /// <summary>It may not be used; a warning was logged.</summary>
    Refused,

    /// <summary>It can't be read now.</summary>
    Failed,
}

/// <summary>
/// Reads .forward and :include: files with the rights of the one in whose name they count, so that links and directories give nothing more.
/// The calling thread is one of <see cref="Facteur.Services.Server.BlockingThreads"/>.
/// </summary>
internal static class TargetFile
{
    /// <summary>Longest file read, in bytes.</summary>
    public const int Limit = 4 * 1024 * 1024;

    /// <summary>Reads a file.</summary>
    /// <param name="path">Its name.</param>
    /// <param name="rights">In whose name.</param>
    /// <param name="log">Where it is said that a file may not be used.</param>
    /// <param name="text">Its text.</param>
    /// <param name="owner">Its owner.</param>
    /// <param name="errno">Why it is missing or failed.</param>
    public static TargetRead Read(string path, Rights rights, ServiceLog log, out string text, out uint owner, out int errno)
    {
        text = "";
        owner = 0;
        using var identity = FileIdentity.Take(rights.Uid, rights.Gid);
        errno = UnixFile.Open(path, Libc.O_RDONLY | Libc.O_NONBLOCK, 0, out var file);
        if (file is null)
        {
            return errno is Libc.ENOENT or Libc.ENOTDIR ? TargetRead.Missing : errno is Libc.EACCES or Libc.ELOOP or Libc.ENAMETOOLONG or Libc.EINVAL ? TargetRead.Refused : TargetRead.Failed;
        }
        using (file)
        {
            errno = file.Status(out var status);
            if (errno != 0)
            {
                return TargetRead.Failed;
            }
            owner = status.Uid;
            if ((status.Mode & Libc.S_IFMT) != Libc.S_IFREG)
            {
                LocalLog.NotRegular(log, path);
                return TargetRead.Refused;
            }
            if ((status.Mode & 2) != 0)
            {
                LocalLog.WorldWritable(log, path);
                return TargetRead.Refused;
            }
            if (status.Size > Limit)
            {
                LocalLog.TooLong(log, path, Limit);
                return TargetRead.Refused;
            }
            var bytes = new byte[(int)status.Size];
            var used = 0;
            while (used < bytes.Length)
            {
                errno = file.Read(bytes.AsSpan(used), out var count);
                if (errno != 0)
                {
                    return TargetRead.Failed;
                }
                if (count == 0)
                {
                    break;
                }
                used += count;
            }
            text = Encoding.UTF8.GetString(bytes, 0, used);
            return TargetRead.Read;
        }
    }

    /// <summary>All destinations of a file, line by line.</summary>
    public static List<AliasToken> Parse(string text)
    {
        var tokens = new List<AliasToken>();
        foreach (var line in text.Split('\n'))
        {
            tokens.AddRange(AliasText.Parse(line));
        }
        return tokens;
    }
}
