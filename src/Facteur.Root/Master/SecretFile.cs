using System.Runtime.InteropServices;
using Facteur.Unix;

namespace Facteur.Root.Master;

/// <summary>A file that only root may read, copied unparsed into sealed memory: a role can read it, and nobody can change it.</summary>
internal static unsafe class SecretFile
{
    private const long Limit = 256L << 20;
    private const int Piece = 64 << 10;

    /// <summary>Copies a file when it is new or has changed.</summary>
    /// <param name="path">Its path, as the plan gives it.</param>
    /// <param name="configDirectory">Its last name must stand in a file there: the plan's maker may ask for nothing else.</param>
    /// <param name="reader">The user of who gets it: where that user has a say, nothing is opened.</param>
    /// <param name="known">The version that is at hand, 0 for none.</param>
    /// <param name="version">What its content is known by.</param>
    /// <param name="problem">Why there is none; null when there need be none.</param>
    /// <returns>A descriptor of the copy, or -1.</returns>
    public static int Open(string path, string configDirectory, UserAccount reader, ulong known, out ulong version, out string? problem)
    {
        (version, problem) = (known, null);
        var file = Libc.open(path, Libc.O_RDONLY | Libc.O_CLOEXEC | Libc.O_NONBLOCK, 0);
        if (file < 0)
        {
            // The role that wants it says so.
            version = 0;
            return -1;
        }
        try
        {
            Stat status;
            const uint others = 0x4;
            if (Libc.fstat(file, &status) < 0 || (status.Mode & Libc.S_IFMT) == Libc.S_IFDIR || (status.Mode & others) != 0)
            {
                version = 0;
                return -1;
            }
            if ((status.Mode & Libc.S_IFMT) != Libc.S_IFREG || status.Size > Limit)
            {
                problem = "not a regular file of at most 256 MiB";
                return -1;
            }
            if (!IsNamed(Path.GetFileName(path), configDirectory))
            {
                problem = "not named in main.cf or master.cf: not opened for a role";
                return -1;
            }
            if (PathControl.MayChange(reader, path))
            {
                problem = $"{reader.Name} may change a directory on the way to it: not opened for a role";
                return -1;
            }
            version = status.Inode * 31 + (ulong)status.Modified.Nanoseconds * 17 + (ulong)status.Modified.Seconds * 7 + (ulong)status.Size;
            return version == known ? -1 : Copy(file, status.Size, out problem);
        }
        finally
        {
            _ = Libc.close(file);
        }
    }

    private static int Copy(int file, long size, out string? problem)
    {
        const int sealAll = 0x1 | 0x2 | 0x4 | 0x8;
        problem = null;
        var copy = Libc.memfd_create("secret", Libc.MFD_CLOEXEC | Libc.MFD_ALLOW_SEALING);
        var buffer = (byte*)NativeMemory.Alloc(Piece);
        try
        {
            for (long at = 0; copy >= 0 && at < size;)
            {
                var count = Libc.read(file, buffer, Piece);
                if (count <= 0 || Libc.write(copy, buffer, count) != count)
                {
                    break;
                }
                at += count;
            }
            if (copy >= 0 && Libc.lseek(copy, 0, 1) >= size && Libc.fcntl(copy, Libc.F_ADD_SEALS, sealAll) == 0)
            {
                return copy;
            }
            problem = $"could not be copied: {Errno.Text(Marshal.GetLastPInvokeError())}";
            if (copy >= 0)
            {
                _ = Libc.close(copy);
            }
            return -1;
        }
        finally
        {
            NativeMemory.Clear(buffer, Piece);
            NativeMemory.Free(buffer);
        }
    }

    private static bool IsNamed(string name, string directory)
    {
        try
        {
            // An index is named without its ending.
            name = Path.GetExtension(name) is ".lmdb" or ".db" or ".cdb" ? Path.ChangeExtension(name, null) : name;
            return name.Length > 0 && ((string[])["main.cf", "master.cf"]).Select(f => Path.Combine(directory, f)).Any(f => File.Exists(f) && File.ReadAllText(f).Contains(name, StringComparison.Ordinal));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
