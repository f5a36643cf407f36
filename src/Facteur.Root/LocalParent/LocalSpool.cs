using System.Runtime.InteropServices;
using Facteur.Unix;

namespace Facteur.Root.LocalParent;

/// <summary>
/// A mailbox and its lock file in a directory where only root may make files (or the mailbox is root's): both are made here, by descriptors
/// of the directory, and no name in it is ever followed. What is in the mailbox is not looked at.
/// </summary>
internal static unsafe class LocalSpool
{
    private const uint OnlyOwner = 0x180; // 0600
    private const int NoControllingTerminal = 0x100;
    private const int Attempts = 5;

    /// <summary>Opens a user's mailbox for appending, and makes it when it is not there.</summary>
    /// <param name="directory">The directory, open.</param>
    /// <param name="user">The user.</param>
    /// <param name="errno">0, or why not.</param>
    /// <returns>The descriptor, or -1.</returns>
    public static int Open(int directory, UserAccount user, out int errno)
    {
        const int flags = Libc.O_WRONLY | Libc.O_APPEND | Libc.O_NOFOLLOW | Libc.O_NONBLOCK | Libc.O_CLOEXEC | NoControllingTerminal;
        for (var attempt = 1; ; attempt++)
        {
            var file = Libc.openat(directory, user.Name, flags, 0);
            if (file >= 0)
            {
                return Check(file, user, out errno);
            }
            errno = Marshal.GetLastPInvokeError();
            if (errno != Libc.ENOENT || attempt > Attempts)
            {
                return -1;
            }
            file = Libc.openat(directory, user.Name, flags | Libc.O_CREAT | Libc.O_EXCL, OnlyOwner);
            if (file >= 0)
            {
                errno = Libc.fchown(file, user.Uid, user.Gid) < 0 || Libc.fsync(directory) < 0 ? Marshal.GetLastPInvokeError() : 0;
                if (errno != 0)
                {
                    // Half made it would be nobody's.
                    _ = Libc.unlinkat(directory, user.Name, 0);
                    return Refuse(file);
                }
                return Check(file, user, out errno);
            }
            // Another made it meanwhile: it is looked at like any other.
            errno = Marshal.GetLastPInvokeError();
            if (errno != Libc.EEXIST)
            {
                return -1;
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

    private static int Check(int file, UserAccount user, out int errno)
    {
        Stat status;
        errno = Libc.fstat(file, &status) < 0 ? Marshal.GetLastPInvokeError()
            : (status.Mode & Libc.S_IFMT) != Libc.S_IFREG ? Libc.EISDIR
            : status.Links != 1 ? Libc.EMLINK
            : status.Uid == user.Uid || (IsHalfMade(status) && Libc.fchown(file, user.Uid, user.Gid) == 0) ? 0 : Libc.EPERM;
        return errno == 0 ? file : Refuse(file);
    }

    // Made, and killed before it was given away: in this directory only root makes files.
    private static bool IsHalfMade(in Stat status) => status is { Uid: 0, Size: 0, Links: 1 } && (status.Mode & ~Libc.S_IFMT) == OnlyOwner;

    private static int Refuse(int file)
    {
        _ = Libc.close(file);
        return -1;
    }
}
