using Facteur.Config;
using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>How an mbox is locked: mailbox_delivery_lock or virtual_mailbox_lock, and how long it is tried.</summary>
/// <param name="Fcntl">POSIX record lock.</param>
/// <param name="Flock">flock(2).</param>
/// <param name="Dotlock">A file with ".lock" at the end of its name.</param>
/// <param name="Attempts">deliver_lock_attempts.</param>
/// <param name="Delay">deliver_lock_delay.</param>
/// <param name="StaleAfter">stale_lock_time: an older lock file is removed.</param>
internal sealed record MailboxLocks(bool Fcntl, bool Flock, bool Dotlock, int Attempts, TimeSpan Delay, TimeSpan StaleAfter)
{
    /// <summary>Reads a lock parameter's value.</summary>
    /// <exception cref="ConfigException">It names no or an unknown lock.</exception>
    public static MailboxLocks Parse(string parameter, string value, int attempts, TimeSpan delay, TimeSpan staleAfter)
    {
        var locks = new MailboxLocks(false, false, false, attempts, delay, staleAfter);
        foreach (var name in ListSyntax.Split(value))
        {
            locks = name.ToLowerInvariant() switch
            {
                "fcntl" => locks with { Fcntl = true },
                "flock" => locks with { Flock = true },
                "dotlock" => locks with { Dotlock = true },
                _ => throw new ConfigException($"{parameter}: unknown lock \"{name}\": expected fcntl, flock or dotlock"),
            };
        }
        return locks is { Fcntl: false, Flock: false, Dotlock: false }
            ? throw new ConfigException($"{parameter}: empty: expected fcntl, flock or dotlock") : locks;
    }

    /// <summary>Takes the kernel's locks of an open file; they end when it is closed.</summary>
    /// <returns>0 or the errno; EAGAIN when another keeps one.</returns>
    public int TakeKernelLocks(UnixFile file)
    {
        var errno = Flock ? file.TryLockFlock() : 0;
        return errno == 0 && Fcntl ? file.TryLockPosix() : errno;
    }

    /// <summary>Makes the lock file of a mailbox.</summary>
    /// <returns>0 or the errno; EEXIST when another keeps it.</returns>
    public int TakeDotlock(string mailbox, TimeProvider time)
    {
        const int flags = Libc.O_WRONLY | Libc.O_CREAT | Libc.O_EXCL | Libc.O_NOFOLLOW;
        var path = mailbox + ".lock";
        for (var isStale = false; ; isStale = true)
        {
            var errno = UnixFile.Open(path, flags, 0, out var file);
            file?.Dispose();
            if (errno != Libc.EEXIST || isStale || UnixFile.Status(path, followLinks: false, out var status) != 0
                || time.GetUtcNow() - DateTimeOffset.FromUnixTimeSeconds(status.Changed.Seconds) <= StaleAfter)
            {
                return errno;
            }
            _ = UnixPath.Unlink(path);
        }
    }

    /// <summary>Removes the lock file of a mailbox.</summary>
    public static void ReleaseDotlock(string mailbox) => _ = UnixPath.Unlink(mailbox + ".lock");
}
