using System.Runtime.InteropServices;
using Facteur.Unix;

namespace Facteur.Spool;

/// <summary>The real file system, by libc. Safe to use from any thread.</summary>
/// <param name="owner">User and group that files and directories made here are given to; null for who makes them.</param>
public sealed unsafe class UnixDisk((uint Uid, uint Gid)? owner = null) : IDisk
{
    private const int SeekEnd = 2;

    /// <summary>The disk of a directory's owner: root may read and write all, and what it makes there is the owner's.</summary>
    public static UnixDisk OfOwner(string directory) =>
        Libc.geteuid() == 0 && UnixFile.Status(directory, followLinks: true, out var status) == 0 ? new UnixDisk((status.Uid, status.Gid)) : new UnixDisk();

    private const int DirentNameOffset = 19;

    /// <inheritdoc/>
    public int Open(string path, DiskOpen how)
    {
        var flags = Libc.O_CLOEXEC | Libc.O_NOFOLLOW | how switch
        {
            DiskOpen.Read => Libc.O_RDONLY,
            DiskOpen.Write => Libc.O_RDWR,
            DiskOpen.Create => Libc.O_RDWR | Libc.O_CREAT | Libc.O_EXCL,
            _ => Libc.O_RDWR | Libc.O_CREAT,
        };
        // 0640: where the queue has a user of its own, the agents read through its directory's group; else that directory is the owner's alone.
        var file = Result(Libc.open(path, flags, 0x1A0));
        if (owner is { } to && file >= 0 && (flags & Libc.O_CREAT) != 0 && Libc.fchown(file, to.Uid, to.Gid) < 0)
        {
            var errno = Marshal.GetLastPInvokeError();
            _ = Libc.close(file);
            return -errno;
        }
        return file;
    }

    /// <inheritdoc/>
    public int Close(int file) => Result(Libc.close(file));

    /// <inheritdoc/>
    public int Read(int file, Span<byte> into, long offset)
    {
        var done = 0;
        fixed (byte* bytes = into)
        {
            while (done < into.Length)
            {
                var n = (int)Libc.pread(file, bytes + done, into.Length - done, offset + done);
                if (n == 0)
                {
                    break;
                }
                if (n < 0)
                {
                    var errno = Marshal.GetLastPInvokeError();
                    if (errno == Libc.EINTR)
                    {
                        continue;
                    }
                    return -errno;
                }
                done += n;
            }
        }
        return done;
    }

    /// <inheritdoc/>
    public int Write(int file, ReadOnlySpan<byte> bytes, long offset)
    {
        fixed (byte* from = bytes)
        {
            while (true)
            {
                var n = Result((int)Libc.pwrite(file, from, bytes.Length, offset));
                if (n != -Libc.EINTR)
                {
                    return n;
                }
            }
        }
    }

    // Without a flag that waits it leaves the file's error for fdatasync to say.
    /// <inheritdoc/>
    public void StartWriting(int file, long offset, long length) => _ = Libc.sync_file_range(file, offset, length, Libc.SYNC_FILE_RANGE_WRITE);

    /// <inheritdoc/>
    public int SyncData(int file) => Result(Libc.fdatasync(file));

    /// <inheritdoc/>
    public int SyncDirectory(string path)
    {
        var directory = Result(Libc.open(path, Libc.O_RDONLY | Libc.O_DIRECTORY | Libc.O_CLOEXEC, 0));
        if (directory < 0)
        {
            return directory;
        }
        var result = Result(Libc.fsync(directory));
        _ = Libc.close(directory);
        return result;
    }

    /// <inheritdoc/>
    public int Rename(string from, string to) => Result(Libc.rename(from, to));

    /// <inheritdoc/>
    public int Unlink(string path) => Result(Libc.unlink(path));

    /// <inheritdoc/>
    public int MakeDirectory(string path) =>
        Result(Libc.mkdir(path, 0x1E8)) is < 0 and var failed ? failed : owner is { } to ? Result(Libc.chown(path, to.Uid, to.Gid)) : 0;

    /// <inheritdoc/>
    public int List(string path, List<string> names)
    {
        var directory = Libc.opendir(path);
        if (directory == 0)
        {
            return -Marshal.GetLastPInvokeError();
        }
        while (true)
        {
            var entry = (byte*)Libc.readdir(directory);
            if (entry == null)
            {
                break;
            }
            var name = Marshal.PtrToStringUTF8((nint)(entry + DirentNameOffset));
            if (name is not (null or "." or ".."))
            {
                names.Add(name);
            }
        }
        // Only errno, which was 0 before the call, tells the end from an error.
        var errno = Marshal.GetLastPInvokeError();
        _ = Libc.closedir(directory);
        return -errno;
    }

    /// <inheritdoc/>
    public int TryLock(int file) => Result(Libc.flock(file, Libc.LOCK_EX | Libc.LOCK_NB));

    /// <inheritdoc/>
    public int Truncate(int file, long length) => Result(Libc.ftruncate(file, length));

    // posix_fallocate returns the error itself and leaves errno alone.
    /// <inheritdoc/>
    public int Allocate(int file, long length) => -Libc.posix_fallocate(file, 0, length);

    /// <inheritdoc/>
    public long Length(int file)
    {
        var n = Libc.lseek(file, 0, SeekEnd);
        return n < 0 ? -Marshal.GetLastPInvokeError() : n;
    }

    /// <inheritdoc/>
    public long FreeBytes(string path)
    {
        Libc.StatVfs stat;
        return Libc.statvfs(path, &stat) < 0 ? -Marshal.GetLastPInvokeError() : (long)(stat.AvailableBlocks * stat.FragmentSize);
    }

    private static int Result(int value) => value < 0 ? -Marshal.GetLastPInvokeError() : value;
}
