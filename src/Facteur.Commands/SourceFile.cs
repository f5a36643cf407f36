using Facteur.Tables;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>A file that postmap(1) and postalias(1) read whole.</summary>
internal static class SourceFile
{
    /// <summary>Reads a file, and says whose it is.</summary>
    /// <exception cref="TableException">With the words of the system.</exception>
    public static (byte[] Content, (uint Uid, uint Gid)? Owner) Read(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1);
            using var content = new MemoryStream();
            file.CopyTo(content);
            // Of the file that was opened: by its name another could be there meanwhile.
            return (content.ToArray(), StatusOf((int)file.SafeFileHandle.DangerousGetHandle()) is { } status ? (status.Uid, status.Gid) : null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TableException($"open {path}: {(e is FileNotFoundException or DirectoryNotFoundException ? "No such file or directory"
                : e is UnauthorizedAccessException && !Directory.Exists(path) ? "Permission denied"
                : Directory.Exists(path) ? "Is a directory" : e.Message)}");
        }
    }

    /// <summary>The status of an open file, or null.</summary>
    public static Stat? StatusOf(int descriptor)
    {
        var file = UnixFile.Own(descriptor);
        var errno = file.Status(out var status);
        _ = file.Release();
        return errno == 0 ? status : null;
    }
}
