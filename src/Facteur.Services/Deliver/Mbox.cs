using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>What an mbox must be for a delivery.</summary>
internal sealed record MboxRules
{
    /// <summary>How it is locked.</summary>
    public required MailboxLocks Locks { get; init; }

    /// <summary>A file named in an alias may be a device or a pipe, and goes without lock file where none can be made.</summary>
    public bool AnyFile { get; init; }

    /// <summary>strict_mailbox_ownership: the owner it must have, or null.</summary>
    public uint? Owner { get; init; }

    /// <summary>Owner of a new file, when it is not the thread's identity; else null.</summary>
    public (uint Uid, uint Gid)? NewOwner { get; init; }
}

/// <summary>
/// Appends to an mbox: lock, append, sync; on any error the file is cut back to what it was. The last name of the path is never followed
/// when it is a link, and a file with several names is refused, so that a lock always covers what is written.
/// </summary>
internal static class Mbox
{
    private const uint FileMode = 0x180; // 0600
    private const int OpenAttempts = 5;
    private const int NoControllingTerminal = 0x100;

    /// <summary>It is a directory, a pipe, a device.</summary>
    public static MailboxResult NotRegular => new(Mail.Dsn.DeliveryStatus.Bounced(2, 0, "destination is not a regular file"));

    /// <summary>Its name leads elsewhere.</summary>
    /// <param name="errorClass">4 or 5.</param>
    public static MailboxResult SymbolicLink(byte errorClass)
    {
        const string reason = "file is a symbolic link";
        return new(errorClass == 4 ? Mail.Dsn.DeliveryStatus.Deferred(2, 0, reason) : Mail.Dsn.DeliveryStatus.Bounced(2, 0, reason));
    }

    /// <summary>A lock would not cover all of its names.</summary>
    public static MailboxResult SeveralNames(ulong count) => new(Mail.Dsn.DeliveryStatus.Bounced(2, 0, $"file has {count} hard links"));

    /// <summary>strict_mailbox_ownership.</summary>
    public static MailboxResult NotOwned(string path) => new(Mail.Dsn.DeliveryStatus.Deferred(2, 0, $"destination {path} is not owned by recipient"));

    /// <summary>Appends one message, or says that the mailbox is locked; it never waits (<see cref="MailboxEnd"/>).</summary>
    /// <param name="path">The file.</param>
    /// <param name="copy">The message.</param>
    /// <param name="rules">What it must be.</param>
    /// <param name="warn">Called with a warning.</param>
    public static MailboxResult Deliver(string path, MailboxCopy copy, MboxRules rules, Action<string> warn)
    {
        var isFile = UnixFile.Status(path, followLinks: false, out var before) != 0 || (before.Mode & Libc.S_IFMT) == Libc.S_IFREG;
        if (!rules.Locks.Dotlock || !isFile)
        {
            return Append(path, copy, rules);
        }
        var errno = rules.Locks.TakeDotlock(path, copy.Time);
        if (errno != 0)
        {
            var failure = MailboxResult.Failed(errno, errno == Libc.EEXIST ? (byte)4 : copy.Job.ErrorClass, $"unable to create lock file {path}.lock") with { Locked = errno == Libc.EEXIST };
            if (!rules.AnyFile || errno is not (Libc.EACCES or Libc.ENOENT or Libc.EROFS or Libc.EPERM))
            {
                return failure;
            }
            var result = Append(path, copy, rules);
            if (!result.Locked)
            {
                warn($"unable to create lock file {path}.lock: {Errno.Text(errno)}");
            }
            return result;
        }
        try
        {
            return Append(path, copy, rules);
        }
        finally
        {
            MailboxLocks.ReleaseDotlock(path);
        }
    }

    /// <summary>Appends one message to an mbox that somebody with more rights opened, locked by name and answers for; it never waits.</summary>
    /// <param name="path">Its name, for texts.</param>
    /// <param name="file">The file.</param>
    /// <param name="copy">The message.</param>
    /// <param name="locks">How it is locked besides.</param>
    /// <param name="owner">The owner it must have, or null.</param>
    public static MailboxResult DeliverOpened(string path, UnixFile file, MailboxCopy copy, MailboxLocks locks, uint? owner)
    {
        var errno = file.Status(out var status);
        errno = errno != 0 ? errno : locks.TakeKernelLocks(file);
        return errno != 0
            ? MailboxResult.Failed(errno, 4, "unable to lock for exclusive access") with { Locked = errno == Libc.EAGAIN }
            : owner is { } user && status.Uid != user ? NotOwned(path)
            : Check(path, status, new MboxRules { Locks = locks }) ?? AppendLocked(path, file, copy, new MboxRules { Locks = locks }, created: false);
    }

    private static MailboxResult Append(string path, MailboxCopy copy, MboxRules rules)
    {
        for (var attempt = 1; ; attempt++)
        {
            var failure = Open(path, copy, rules, out var file, out var created);
            if (file is null)
            {
                return failure;
            }
            using (file)
            {
                if (file.Status(out var status) is var errno && errno != 0)
                {
                    return MailboxResult.Failed(errno, 4, "cannot open file");
                }
                if ((status.Mode & Libc.S_IFMT) != Libc.S_IFREG)
                {
                    return rules.AnyFile ? Write(file, copy, -1) : NotRegular;
                }
                errno = rules.Locks.TakeKernelLocks(file);
                if (errno != 0)
                {
                    return MailboxResult.Failed(errno, 4, "unable to lock for exclusive access") with { Locked = errno == Libc.EAGAIN };
                }
                // A mail reader may have put another file in its place while we waited for the lock.
                if (UnixFile.Status(path, followLinks: false, out var now) != 0 || now.Inode != status.Inode || now.Device != status.Device)
                {
                    if (attempt < OpenAttempts)
                    {
                        continue;
                    }
                    return MailboxResult.Failed(Libc.EAGAIN, 4, "cannot open file");
                }
                return Check(path, now, rules) ?? AppendLocked(path, file, copy, rules, created);
            }
        }
    }

    private static MailboxResult Open(string path, MailboxCopy copy, MboxRules rules, out UnixFile? file, out bool created)
    {
        const int flags = Libc.O_WRONLY | Libc.O_APPEND | Libc.O_NOFOLLOW | Libc.O_NONBLOCK | NoControllingTerminal;
        for (var attempt = 1; ; attempt++)
        {
            created = false;
            var errno = UnixFile.Open(path, flags, 0, out file);
            if (errno != Libc.ENOENT)
            {
                return errno == 0 ? default : errno == Libc.ELOOP ? SymbolicLink(copy.Job.ErrorClass) : MailboxResult.Failed(errno, copy.Job.ErrorClass, "cannot open file");
            }
            created = true;
            errno = UnixFile.Open(path, flags | Libc.O_CREAT | Libc.O_EXCL, FileMode, out file);
            if (file is not null && rules.NewOwner is var (uid, gid) && file.ChangeOwner(uid, gid) is var refused && refused != 0)
            {
                file.Dispose();
                file = null;
                _ = UnixPath.Unlink(path);
                return MailboxResult.Failed(refused, 4, "cannot change owner of new file");
            }
            if (errno != Libc.EEXIST || attempt >= OpenAttempts)
            {
                return errno == 0 ? default : MailboxResult.Failed(errno, copy.Job.ErrorClass, "cannot create file exclusively");
            }
        }
    }

    private static MailboxResult? Check(string path, in Stat status, MboxRules rules)
    {
        if (status.Links != 1)
        {
            return SeveralNames(status.Links);
        }
        // Without root's rights one user delivers for all, and owns what it made: only its own mailbox can be judged.
        if (rules.Owner is { } owner && (FileIdentity.CanChange || owner == Libc.geteuid()) && status.Uid != owner)
        {
            return NotOwned(path);
        }
        return rules.AnyFile && (status.Mode & 0x49) != 0 ? new(Mail.Dsn.DeliveryStatus.Bounced(7, 1, "file is executable")) : null;
    }

    private static MailboxResult AppendLocked(string path, UnixFile file, MailboxCopy copy, MboxRules rules, bool created)
    {
        var errno = file.SeekEnd(out var length);
        if (errno != 0)
        {
            return MailboxResult.Failed(errno, 4, "cannot seek to end of file");
        }
        var result = copy.Job.SizeLimit > 0 && length + copy.Content.Length > copy.Job.SizeLimit
            ? MailboxResult.Failed(Libc.EFBIG, 5, "error writing message")
            : Write(file, copy, length);
        if (result.Failure is null && created && UnixFile.SyncDirectory(UnixPath.Parent(path)) is var unsynced && unsynced != 0
            && !(unsynced == Libc.EACCES && rules.Owner is not null))
        {
            // A spool directory that its users may not read (1733) is synced with the new file's own sync on every journalling file system.
            _ = file.Truncate(length);
            return MailboxResult.Failed(unsynced, 4, "cannot sync directory");
        }
        return result;
    }

    /// <param name="file">The file, locked.</param>
    /// <param name="copy">The message.</param>
    /// <param name="length">Its length, to which it is cut back; -1 for a device.</param>
    private static MailboxResult Write(UnixFile file, MailboxCopy copy, long length)
    {
        var end = copy.WriteTo(file, mbox: true, out var errno);
        if (end == CopyEnd.Done && length >= 0)
        {
            errno = file.Sync();
        }
        if (end == CopyEnd.Done && errno == 0)
        {
            return MailboxResult.Delivered;
        }
        if (length >= 0)
        {
            _ = file.Truncate(length);
        }
        return end is CopyEnd.Damaged or CopyEnd.Unreadable ? MailboxResult.NotReadable(end) : MailboxResult.Failed(errno, 4, "error writing message");
    }
}
