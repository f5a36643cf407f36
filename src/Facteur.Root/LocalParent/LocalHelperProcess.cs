using System.Globalization;
using Facteur.Unix;

namespace Facteur.Root.LocalParent;

/// <summary>What a helper does with its identity.</summary>
internal enum LocalHelperKind
{
    /// <summary>All that is the user's own: it has the user's group.</summary>
    User,

    /// <summary>The same, for a command that master.cf names.</summary>
    Pipe,

    /// <summary>Its group or the mailbox it writes is a mail spool directory's: it delivers into mboxes.</summary>
    Spool,

    /// <summary>Its numbers are a virtual mailbox's: it delivers into mboxes and Maildirs.</summary>
    Virtual,
}

/// <summary>A helper: a process that has become one user and will never be another.</summary>
/// <param name="Pid">The process.</param>
/// <param name="Socket">Sessions go to it; one byte comes back when one is over, and its end is its end.</param>
/// <param name="Uid">User.</param>
/// <param name="Gid">Group.</param>
/// <param name="Kind">What it does.</param>
/// <param name="Root">Its root directory (pipe's chroot=), or "" for the system's.</param>
internal sealed record LocalHelperProcess(int Pid, DescriptorSocket Socket, uint Uid, uint Gid, LocalHelperKind Kind, string Root) : IDisposable
{
    /// <summary>It serves a session.</summary>
    public bool Busy { get; set; }

    /// <summary>Our copy of its end of the session, by which the other end's end is seen; -1 for none.</summary>
    public int Session { get; private set; } = -1;

    /// <summary>Since when the other end of its session is gone; 0: it is there.</summary>
    public long LeftSince { get; set; }

    /// <summary>When its last session was over.</summary>
    public long IdleSince { get; set; }

    /// <summary>The directory and user of the lock file that is kept while it is busy; -1 for none.</summary>
    public (int Directory, string User) Lock { get; set; } = (-1, "");

    /// <summary>Starts one; null with the errno.</summary>
    public static LocalHelperProcess? Start(IReadOnlyList<string> program, uint uid, uint gid, LocalHelperKind kind, string root, out int errno)
    {
        if (DescriptorSocket.Pair(out errno) is not var (ours, theirs))
        {
            return null;
        }
        var nothing = Libc.open("/dev/null", Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        string[] arguments =
        [
            Path.GetFileName(program[0]), .. program.Skip(1), "--uid", uid.ToString(CultureInfo.InvariantCulture), "--gid", gid.ToString(CultureInfo.InvariantCulture),
            .. kind switch { LocalHelperKind.Spool => ["--mailbox-only"], LocalHelperKind.Virtual => ["--virtual-only"], _ => root.Length > 0 ? ["--root", root] : Array.Empty<string>() },
        ];
        errno = ChildProcess.Start(program[0], arguments, LocalParent.HelperEnvironment, [theirs, nothing, nothing], out var pid);
        _ = Libc.close(theirs);
        _ = Libc.close(nothing);
        if (errno == 0)
        {
            return new LocalHelperProcess(pid, ours, uid, gid, kind, root);
        }
        ours.Dispose();
        return null;
    }

    /// <summary>It serves a session.</summary>
    public void Begin(int session, (int Directory, string User) locked) => (Busy, Session, LeftSince, Lock) = (true, session, 0, locked);

    /// <summary>Its session is over.</summary>
    public void Rest(long now)
    {
        Unlock();
        CloseSession();
        (Busy, LeftSince, IdleSince) = (false, 0, now);
    }

    /// <summary>Takes its lock file away, if it has one.</summary>
    public void Unlock()
    {
        if (Lock.Directory >= 0)
        {
            LocalSpool.Unlock(Lock.Directory, Lock.User);
            _ = Libc.close(Lock.Directory);
            Lock = (-1, "");
        }
    }

    /// <summary>It ends when its socket does.</summary>
    public void Dispose()
    {
        Unlock();
        CloseSession();
        Socket.Dispose();
    }

    private void CloseSession()
    {
        if (Session >= 0)
        {
            _ = Libc.close(Session);
            Session = -1;
        }
    }
}
