using System.Runtime.InteropServices;
using Facteur.Unix;

namespace Facteur.Root.LocalParent;

/// <summary>
/// A mailbox and its lock file in a directory of mailboxes: both are made here, by descriptors of the directory, with the file identity of whoever
/// may write it, and no name in it is ever followed. What is in the mailbox is not looked at.
/// </summary>
internal static unsafe class LocalSpool
{
    private const uint OnlyOwner = 0x180; // 0600
    private const int NoControllingTerminal = 0x100;
    private const int Attempts = 5;

    /// <summary>Opens a user's mailbox for appending, makes it when it is not there, and locks it.</summary>
    /// <param name="directory">The directory, open.</param>
    /// <param name="user">The user.</param>
    /// <param name="byRoot">The thread is root, for nobody else may write the directory: what is not the user's is refused.</param>
    /// <param name="locks">The kernel's locks, which go with the descriptor.</param>
    /// <returns>The descriptor, or the errno.</returns>
    public static LocalAnswer Open(int directory, UserAccount user, bool byRoot, LocalBits locks)
    {
        const int flags = Libc.O_WRONLY | Libc.O_APPEND | Libc.O_NOFOLLOW | Libc.O_NONBLOCK | Libc.O_CLOEXEC | NoControllingTerminal;
        for (var attempt = 1; ; attempt++)
        {
            var file = Libc.openat(directory, user.Name, flags, 0);
            var errno = file < 0 ? Marshal.GetLastPInvokeError() : 0;
            var where = LocalWhere.File;
            if (errno == Libc.ENOENT)
            {
                where = LocalWhere.NewFile;
                file = Libc.openat(directory, user.Name, flags | Libc.O_CREAT | Libc.O_EXCL, OnlyOwner);
                errno = file < 0 || (byRoot && Libc.fchown(file, user.Uid, user.Gid) < 0) || Libc.fsync(directory) < 0 ? Marshal.GetLastPInvokeError() : 0;
                if (file >= 0 && errno != 0)
                {
                    // Half made it would be nobody's.
                    _ = Libc.unlinkat(directory, user.Name, 0);
                }
            }
            var answer = errno != 0 ? new LocalAnswer(errno, where, Descriptor: file) : Check(directory, file, user, byRoot, locks);
            // Another made it, or put another file in its place, meanwhile: it is looked at like any other.
            var again = attempt < Attempts && (answer.Errno == Libc.ESTALE || (answer is { Errno: Libc.EEXIST, Where: LocalWhere.NewFile }));
            if (answer.Errno == 0)
            {
                return answer;
            }
            if (file >= 0)
            {
                _ = Libc.close(file);
            }
            if (!again)
            {
                return answer with { Errno = answer.Errno == Libc.ESTALE ? Libc.EAGAIN : answer.Errno, Descriptor = -1 };
            }
        }
    }

    /// <summary>Makes a user's lock file; one that is older than so many seconds is removed.</summary>
    /// <returns>0 or the errno; EEXIST when another keeps it.</returns>
    public static int Lock(int directory, string user, uint staleSeconds, TimeProvider time)
    {
        var name = user + ".lock";
        for (var attempt = 1; ; attempt++)
        {
            var file = Libc.openat(directory, name, Libc.O_WRONLY | Libc.O_CREAT | Libc.O_EXCL | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, 0);
            if (file >= 0)
            {
                _ = Libc.close(file);
                return 0;
            }
            var errno = Marshal.GetLastPInvokeError();
            Stat status;
            if (errno != Libc.EEXIST || attempt > 1 || Libc.fstatat(directory, name, &status, Libc.AT_SYMLINK_NOFOLLOW) < 0
                || time.GetUtcNow().ToUnixTimeSeconds() - status.Changed.Seconds <= staleSeconds || Libc.unlinkat(directory, name, 0) < 0)
            {
                return errno;
            }
        }
    }

    /// <summary>Removes a user's lock file.</summary>
    public static void Unlock(int directory, string user) => _ = Libc.unlinkat(directory, user + ".lock", 0);

    private static LocalAnswer Check(int directory, int file, UserAccount user, bool byRoot, LocalBits locks)
    {
        Stat status, now;
        if (Libc.fstat(file, &status) < 0)
        {
            return new LocalAnswer(Marshal.GetLastPInvokeError(), LocalWhere.File);
        }
        if ((status.Mode & Libc.S_IFMT) != Libc.S_IFREG)
        {
            return new LocalAnswer(Libc.EINVAL, LocalWhere.File);
        }
        var range = new Libc.Flock { Type = Libc.F_WRLCK };
        if ((locks.HasFlag(LocalBits.Flock) && Libc.flock(file, Libc.LOCK_EX | Libc.LOCK_NB) < 0)
            || (locks.HasFlag(LocalBits.Fcntl) && Libc.fcntl(file, Libc.F_OFD_SETLK, &range) < 0))
        {
            return new LocalAnswer(Marshal.GetLastPInvokeError(), LocalWhere.Locks);
        }
        // A mail reader may have put another file in its place before it was locked.
        return Libc.fstatat(directory, user.Name, &now, Libc.AT_SYMLINK_NOFOLLOW) < 0 || now.Inode != status.Inode || now.Device != status.Device ? new(Libc.ESTALE, LocalWhere.File)
            : now.Links != 1 ? new(Libc.EMLINK, LocalWhere.File, (uint)now.Links)
            : !byRoot || now.Uid == user.Uid || (IsHalfMade(now) && Libc.fchown(file, user.Uid, user.Gid) == 0) ? new(0, Descriptor: file)
            : new(Libc.EPERM, LocalWhere.File);
    }

    // Made, and killed before it was given away: in this directory only root makes files.
    private static bool IsHalfMade(in Stat status) => status is { Uid: 0, Size: 0, Links: 1 } && (status.Mode & ~Libc.S_IFMT) == OnlyOwner;
}
