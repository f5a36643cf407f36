using System.Runtime.InteropServices;
using Facteur.Config;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>
/// Changes a configuration file: the new text goes to FILE.tmp, which is locked while it is made (two editors wait for each other), synced, and renamed into place.
/// Mode and owner stay. A change that returns the text itself leaves the file as it is.
/// </summary>
internal static unsafe class ConfigFile
{
    /// <summary>Changes a file; says what failed, or null.</summary>
    internal static string? Rewrite(string path, Func<string, string> change)
    {
        var temporary = path + ".tmp";
        var fd = OpenLocked(temporary);
        if (fd < 0)
        {
            return $"open {temporary}: {Reason()}";
        }
        string? failed = "interrupted";
        try
        {
            failed = Fill(fd, path, temporary, change);
            return failed;
        }
        catch (ConfigException e)
        {
            return e.Message;
        }
        finally
        {
            if (failed is not null)
            {
                Libc.unlink(temporary);
            }
            Libc.close(fd);
        }
    }

    private static string? Fill(int fd, string path, string temporary, Func<string, string> change)
    {
        var old = ConfigText.Read(path);
        var text = change(old.Text);
        if (ReferenceEquals(text, old.Text))
        {
            Libc.unlink(temporary);
            return null;
        }
        var bytes = old.Encoding.GetBytes(text);
        Stat stat;
        if (Libc.stat(path, &stat) != 0 || Libc.ftruncate(fd, 0) != 0 || Libc.fchmod(fd, stat.Mode & 0xFFF) != 0)
        {
            return $"write {temporary}: {Reason()}";
        }
        if (Libc.geteuid() == 0 && Libc.fchown(fd, stat.Uid, stat.Gid) != 0)
        {
            return $"chown {temporary}: {Reason()}";
        }
        if (!Write(fd, bytes) || Libc.fsync(fd) != 0)
        {
            return $"write {temporary}: {Reason()}";
        }
        return Libc.rename(temporary, path) == 0 ? null : $"rename {temporary} to {path}: {Reason()}";
    }

    // The lock counts only if the name still stands for the locked file: another editor may have renamed it while we waited.
    private static int OpenLocked(string path)
    {
        while (true)
        {
            var fd = Libc.open(path, Libc.O_RDWR | Libc.O_CREAT | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, 0x180);
            if (fd < 0)
            {
                return fd;
            }
            Stat mine, named;
            if (Libc.flock(fd, Libc.LOCK_EX) == 0 && Libc.fstat(fd, &mine) == 0 && Libc.lstat(path, &named) == 0 && mine.Inode == named.Inode)
            {
                return fd;
            }
            Libc.close(fd);
        }
    }

    private static bool Write(int fd, ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            fixed (byte* at = bytes)
            {
                var written = Libc.write(fd, at, bytes.Length);
                if (written <= 0)
                {
                    return false;
                }
                bytes = bytes[(int)written..];
            }
        }
        return true;
    }

    private static string Reason() => Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());
}
