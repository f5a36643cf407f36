using System.Runtime.InteropServices;

namespace Facteur.Unix;

/// <summary>An open file with errno-exact results: every call returns 0 or the errno, and nothing is retried behind one's back but EINTR.</summary>
public sealed unsafe class UnixFile : IDisposable
{
    private int _fd;

    private UnixFile(int fd) => _fd = fd;

    /// <summary>The descriptor; -1 when closed.</summary>
    public int Descriptor => _fd;

    /// <summary>A descriptor that came from elsewhere; it is closed with the file.</summary>
    public static UnixFile Own(int descriptor) => new(descriptor);

    /// <summary>Opens a file; O_CLOEXEC is always added.</summary>
    /// <param name="path">Its name.</param>
    /// <param name="flags">Flags of open(2).</param>
    /// <param name="mode">Permissions of a new file.</param>
    /// <param name="file">The file, or null.</param>
    /// <returns>0 or the errno.</returns>
    public static int Open(string path, int flags, uint mode, out UnixFile? file)
    {
        int fd;
        do
        {
            fd = path.Contains('\0') ? -1 : Libc.open(path, flags | Libc.O_CLOEXEC, mode);
        }
        while (fd < 0 && !path.Contains('\0') && Marshal.GetLastPInvokeError() == Libc.EINTR);
        file = fd < 0 ? null : new UnixFile(fd);
        return fd >= 0 ? 0 : path.Contains('\0') ? Libc.EINVAL : Marshal.GetLastPInvokeError();
    }

    /// <summary>Opens a regular file of a user's for reading; the caller's thread or process has the user's identity. Nothing waits.</summary>
    /// <param name="path">Its name.</param>
    /// <param name="followLinks">Whether its last name may be a link.</param>
    /// <param name="status">What the name is, when it is there: else its mode is 0.</param>
    /// <param name="file">The file, or null: also without an errno, when it is no regular one.</param>
    /// <returns>0 or the errno.</returns>
    public static int OpenRegular(string path, bool followLinks, out Stat status, out UnixFile? file)
    {
        const int noControllingTerminal = 0x100;
        const long procFileSystem = 0x9FA0;
        (file, status) = (null, default);
        if (path.Contains('\0'))
        {
            return Libc.EINVAL;
        }
        var errno = Status(path, followLinks, out var named);
        if (errno != 0)
        {
            return errno;
        }
        status = named;
        if ((named.Mode & Libc.S_IFMT) != Libc.S_IFREG)
        {
            return 0;
        }
        // It may be a pipe by now. What counts is what was opened.
        errno = Open(path, Libc.O_RDONLY | Libc.O_NONBLOCK | noControllingTerminal | (followLinks ? 0 : Libc.O_NOFOLLOW), 0, out file);
        if (file is null)
        {
            return errno;
        }
        Libc.StatFs system = default;
        errno = file.Status(out status);
        errno = errno != 0 ? errno : Result(Libc.fstatfs(file.Descriptor, &system));
        // Files below /proc/self show a process itself, whoever may read them.
        errno = errno == 0 && system.Type == procFileSystem ? Libc.EACCES : errno;
        if (errno != 0 || (status.Mode & Libc.S_IFMT) != Libc.S_IFREG)
        {
            file.Dispose();
            file = null;
        }
        return errno;
    }

    /// <summary>Owner, mode, size and identity.</summary>
    public int Status(out Stat status)
    {
        fixed (Stat* pointer = &status)
        {
            return Result(Libc.fstat(_fd, pointer));
        }
    }

    /// <summary>Identity of a name, following links or not.</summary>
    public static int Status(string path, bool followLinks, out Stat status)
    {
        fixed (Stat* pointer = &status)
        {
            return Result(followLinks ? Libc.stat(path, pointer) : Libc.lstat(path, pointer));
        }
    }

    /// <summary>The kind of the file system a name is in: the magic number of statfs(2), such as <see cref="Libc.NFS_SUPER_MAGIC"/>.</summary>
    public static int FileSystem(string path, out long type)
    {
        Libc.StatFs status = default;
        var errno = Result(Libc.statfs(path, &status));
        type = status.Type;
        return errno;
    }

    /// <summary>Whether set-uid and set-gid bits have no effect on the file system a name is in (nosuid), as far as it can be asked.</summary>
    public static bool IgnoresSetId(string path)
    {
        Libc.StatVfs status = default;
        return Libc.statvfs(path, &status) == 0 && (status.Flags & Libc.ST_NOSUID) != 0;
    }

    /// <summary>Writes all bytes at the current place.</summary>
    public int Write(ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            var at = 0;
            while (at < bytes.Length)
            {
                var n = Libc.write(_fd, start + at, bytes.Length - at);
                if (n > 0)
                {
                    at += (int)n;
                }
                else if (n == 0)
                {
                    return Libc.ENOSPC;
                }
                else if (Marshal.GetLastPInvokeError() is var errno && errno != Libc.EINTR)
                {
                    return errno;
                }
            }
        }
        return 0;
    }

    /// <summary>Reads up to the buffer's length.</summary>
    /// <param name="buffer">Where to.</param>
    /// <param name="count">Bytes read; 0 at the end.</param>
    public int Read(Span<byte> buffer, out int count)
    {
        fixed (byte* start = buffer)
        {
            nint n;
            do
            {
                n = Libc.read(_fd, start, buffer.Length);
            }
            while (n < 0 && Marshal.GetLastPInvokeError() == Libc.EINTR);
            count = (int)Math.Max(n, 0);
            return n < 0 ? Marshal.GetLastPInvokeError() : 0;
        }
    }

    /// <summary>Goes to the end.</summary>
    /// <param name="offset">The file's length.</param>
    public int SeekEnd(out long offset)
    {
        const int seekEnd = 2;
        offset = Libc.lseek(_fd, 0, seekEnd);
        return offset < 0 ? Marshal.GetLastPInvokeError() : 0;
    }

    /// <summary>Cuts or extends to a length.</summary>
    public int Truncate(long length) => Result(Libc.ftruncate(_fd, length));

    /// <summary>Changes owner and group.</summary>
    public int ChangeOwner(uint uid, uint gid) => Result(Libc.fchown(_fd, uid, gid));

    /// <summary>Changes permissions.</summary>
    public int ChangeMode(uint mode) => Result(Libc.fchmod(_fd, mode));

    /// <summary>Brings content and attributes to stable storage (fsync). An error is final: never retry on the same file.</summary>
    public int Sync() => Result(Libc.fsync(_fd));

    /// <summary>Brings all of the file system that the file is in to stable storage (syncfs).</summary>
    public int SyncFileSystem() => Result(Libc.syncfs(_fd));

    /// <summary>Brings a directory's entries to stable storage.</summary>
    /// <param name="path">The directory.</param>
    public static int SyncDirectory(string path)
    {
        var errno = Open(path, Libc.O_RDONLY | Libc.O_DIRECTORY, 0, out var directory);
        if (directory is null)
        {
            return errno;
        }
        using (directory)
        {
            return directory.Sync();
        }
    }

    /// <summary>Takes the exclusive POSIX lock of the whole file without waiting; as an open file description lock, so that threads exclude each other too.</summary>
    public int TryLockPosix()
    {
        var range = new Libc.Flock { Type = Libc.F_WRLCK };
        return Result(Libc.fcntl(_fd, Libc.F_OFD_SETLK, &range));
    }

    /// <summary>Takes the exclusive flock(2) without waiting.</summary>
    public int TryLockFlock() => Result(Libc.flock(_fd, Libc.LOCK_EX | Libc.LOCK_NB));

    /// <summary>Gives the descriptor away: whoever takes it closes it.</summary>
    public int Release() => Interlocked.Exchange(ref _fd, -1);

    /// <summary>Gives up both locks, also where another process has a copy of the descriptor, as a child that is being started.</summary>
    public void Unlock()
    {
        var range = new Libc.Flock { Type = Libc.F_UNLCK };
        _ = Libc.fcntl(_fd, Libc.F_OFD_SETLK, &range);
        _ = Libc.flock(_fd, Libc.LOCK_UN);
    }

    /// <summary>Closes; the errno is that of a deferred write (NFS, quota).</summary>
    public int Close()
    {
        var fd = Interlocked.Exchange(ref _fd, -1);
        return fd < 0 ? 0 : Result(Libc.close(fd));
    }

    /// <inheritdoc/>
    public void Dispose() => Close();

    internal static int Result(int result) => result < 0 ? Marshal.GetLastPInvokeError() : 0;
}
