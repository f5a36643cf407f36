using System.Globalization;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Mail.Addresses;
using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>
/// Delivers into a Maildir: a new file in tmp, written and synced, then named in new, then new synced. A reader sees all of a message or none.
/// The caller's thread has the owner's <see cref="FileIdentity"/>.
/// </summary>
internal static class Maildir
{
    private const uint DirectoryMode = 0x1C0; // 0700
    private const uint FileMode = 0x180; // 0600
    private static long _sequence;

    /// <summary>What comes before the reason of a failure.</summary>
    public const string FailedWords = "maildir delivery failed: ";

    /// <summary>What names of files end with. Postfix: the machine's own name, whatever myhostname says; several machines may share a Maildir.</summary>
    public static string HostOf(IConfig config) => HostFacts.Current().HostName is var own && HostName.IsValid(own) ? own : config.Get(CommonParameters.Myhostname);

    /// <summary>Delivers one message.</summary>
    /// <param name="directory">The Maildir, with "/" at its end.</param>
    /// <param name="copy">The message.</param>
    public static MailboxResult Deliver(string directory, MailboxCopy copy)
    {
        var micros = (copy.Time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
        var seconds = micros / 1_000_000;
        var temporary = string.Create(CultureInfo.InvariantCulture,
            $"{directory}tmp/{seconds}.P{Environment.ProcessId}Q{Interlocked.Increment(ref _sequence)}.{copy.Job.Host}");
        var errno = Create(directory, temporary, out var file);
        if (file is null)
        {
            return MailboxResult.Failed(errno, copy.Job.ErrorClass, $"create maildir file {temporary}").Prefixed(FailedWords);
        }
        MailboxResult result;
        using (file)
        {
            result = Fill(file, copy, out var status);
            if (result.Failure is null)
            {
                var name = string.Create(CultureInfo.InvariantCulture, $"{seconds}.V{status.Device:x}I{status.Inode:x}M{micros % 1_000_000}.{copy.Job.Host}");
                result = Publish(directory, temporary, name, copy);
            }
        }
        if (result.Failure is not null)
        {
            _ = UnixPath.Unlink(temporary);
        }
        return result.Prefixed(FailedWords);
    }

    private static int Create(string directory, string temporary, out UnixFile? file)
    {
        const int flags = Libc.O_WRONLY | Libc.O_CREAT | Libc.O_EXCL | Libc.O_NOFOLLOW;
        var errno = UnixFile.Open(temporary, flags, FileMode, out file);
        if (errno != Libc.ENOENT)
        {
            return errno;
        }
        foreach (var part in new[] { "tmp", "new", "cur" })
        {
            errno = UnixPath.MakeDirectories(directory + part, DirectoryMode, out var topmost);
            if (errno == 0 && topmost is not null)
            {
                errno = SyncParents(directory + part, topmost);
            }
            if (errno != 0)
            {
                return errno;
            }
        }
        return UnixFile.Open(temporary, flags, FileMode, out file);
    }

    /// <summary>Makes the names of new directories durable, from the deepest to the one that holds the topmost new one.</summary>
    private static int SyncParents(string deepest, string topmost)
    {
        var end = UnixPath.Parent(topmost);
        for (var directory = UnixPath.Parent(deepest); ; directory = UnixPath.Parent(directory))
        {
            var errno = UnixFile.SyncDirectory(directory);
            // A directory above that may be entered and not read can't be synced by its user: the sync of what is in it carries its entry.
            if (errno != 0 && !(errno == Libc.EACCES && directory == end))
            {
                return errno;
            }
            if (directory == end || directory.Length <= end.Length)
            {
                return 0;
            }
        }
    }

    private static MailboxResult Fill(UnixFile file, MailboxCopy copy, out Stat status)
    {
        var errno = file.Status(out status);
        if (errno == 0 && copy.Job.SizeLimit > 0 && copy.Content.Length > copy.Job.SizeLimit)
        {
            errno = Libc.EFBIG;
        }
        if (errno != 0)
        {
            return MailboxResult.Failed(errno, 4, "error writing message");
        }
        var end = copy.WriteTo(file, mbox: false, out errno);
        if (end is CopyEnd.Damaged or CopyEnd.Unreadable)
        {
            return MailboxResult.NotReadable(end);
        }
        errno = errno != 0 ? errno : file.Sync();
        errno = errno != 0 ? errno : file.Close();
        return errno == 0 ? MailboxResult.Delivered : MailboxResult.Failed(errno, 4, "error writing message");
    }

    private static MailboxResult Publish(string directory, string temporary, string name, MailboxCopy copy)
    {
        var target = $"{directory}new/{name}";
        var errno = UnixPath.Rename(temporary, target);
        if (errno == Libc.ENOENT)
        {
            errno = UnixPath.MakeDirectories(directory + "cur", DirectoryMode, out _);
            errno = errno != 0 ? errno : UnixPath.MakeDirectories(directory + "new", DirectoryMode, out _);
            errno = errno != 0 ? errno : UnixFile.SyncDirectory(directory);
            errno = errno != 0 ? errno : UnixPath.Rename(temporary, target);
        }
        if (errno != 0)
        {
            return MailboxResult.Failed(errno, copy.Job.ErrorClass, $"create maildir file {target}");
        }
        errno = UnixFile.SyncDirectory(directory + "new");
        if (errno != 0)
        {
            // It will be delivered again, so it must not stay.
            _ = UnixPath.Unlink(target);
            return MailboxResult.Failed(errno, 4, $"sync directory {directory}new");
        }
        return MailboxResult.Delivered;
    }
}
