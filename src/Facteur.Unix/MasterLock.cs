using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Facteur.Unix;

/// <summary>
/// The lock that says who runs a mail system: pid/master.pid in the queue directory, the very file Postfix locks, so that neither a
/// Postfix nor a second Facteur starts on the same directory. Held as long as the object lives.
/// </summary>
public sealed unsafe class MasterLock : IDisposable
{
    private int _fd;

    private MasterLock(int fd) => _fd = fd;

    /// <summary>Takes the lock and writes the process number.</summary>
    /// <param name="queueDirectory">queue_directory; its pid directory is made when it is missing.</param>
    /// <param name="holder">When the lock is taken: by which process, 0 when it can't be said.</param>
    /// <param name="error">When the file can't be used: why.</param>
    /// <returns>The lock, or null.</returns>
    public static MasterLock? TryTake(string queueDirectory, out int holder, out string? error)
    {
        (holder, error) = (0, null);
        _ = Libc.mkdir(Path.Combine(queueDirectory, "pid"), 0x1ED);
        var path = PathOf(queueDirectory);
        var fd = Libc.open(path, Libc.O_RDWR | Libc.O_CREAT | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, 0x180);
        if (fd < 0)
        {
            error = $"open lock file {path}: {Marshal.GetLastPInvokeErrorMessage()}";
            return null;
        }
        if (Libc.flock(fd, Libc.LOCK_EX | Libc.LOCK_NB) < 0)
        {
            holder = ReadNumber(fd);
            _ = Libc.close(fd);
            return null;
        }
        var text = Encoding.UTF8.GetBytes(Libc.getpid().ToString(CultureInfo.InvariantCulture).PadLeft(20) + "\n");
        fixed (byte* bytes = text)
        {
            if (Libc.ftruncate(fd, 0) < 0 || Libc.pwrite(fd, bytes, text.Length, 0) != text.Length)
            {
                error = $"write lock file {path}: {Marshal.GetLastPInvokeErrorMessage()}";
                _ = Libc.close(fd);
                return null;
            }
        }
        return new MasterLock(fd);
    }

    /// <summary>The process that holds the lock; 0 when nobody does.</summary>
    public static int Holder(string queueDirectory)
    {
        var fd = Libc.open(PathOf(queueDirectory), Libc.O_RDONLY | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, 0);
        if (fd < 0)
        {
            return 0;
        }
        var free = Libc.flock(fd, Libc.LOCK_SH | Libc.LOCK_NB) == 0;
        var holder = free ? 0 : ReadNumber(fd);
        _ = Libc.close(fd);
        return holder;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_fd >= 0)
        {
            _ = Libc.ftruncate(_fd, 0);
            _ = Libc.close(_fd);
            _fd = -1;
        }
    }

    private static string PathOf(string queueDirectory) => Path.Combine(queueDirectory, "pid", "master.pid");

    private static int ReadNumber(int fd)
    {
        var bytes = stackalloc byte[64];
        var n = (int)Libc.pread(fd, bytes, 64, 0);
        return n > 0 && int.TryParse(Encoding.UTF8.GetString(bytes, n).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var pid) ? pid : 0;
    }
}
