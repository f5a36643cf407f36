using System.Globalization;
using Facteur.Unix;

namespace Facteur.Root.LocalParent;

/// <summary>What a helper does with its identity.</summary>
internal enum LocalHelperKind
{
    /// <summary>All that is the user's own: it has the user's group.</summary>
    User,

    /// <summary>It writes root's mailbox, which the parent opened.</summary>
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
internal sealed record LocalHelperProcess(int Pid, DescriptorSocket Socket, uint Uid, uint Gid, LocalHelperKind Kind) : IDisposable
{
    /// <summary>It serves a session.</summary>
    public bool Busy { get; set; }

    /// <summary>Our copy of its end of the session, by which the other end's end is seen; -1 for none.</summary>
    public int Session { get; private set; } = -1;

    /// <summary>Since when the other end of its session is gone; 0: it is there.</summary>
    public long LeftSince { get; set; }

    /// <summary>When its last session was over.</summary>
    public long IdleSince { get; set; }

    /// <summary>Starts one; null with the errno.</summary>
    public static LocalHelperProcess? Start(IReadOnlyList<string> program, uint uid, uint gid, LocalHelperKind kind, out int errno)
    {
        if (DescriptorSocket.Pair(out errno) is not var (ours, theirs))
        {
            return null;
        }
        var nothing = Libc.open("/dev/null", Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        string[] arguments =
        [
            Path.GetFileName(program[0]), .. program.Skip(1), "--uid", uid.ToString(CultureInfo.InvariantCulture), "--gid", gid.ToString(CultureInfo.InvariantCulture),
            .. kind switch { LocalHelperKind.Spool => ["--mailbox-only"], LocalHelperKind.Virtual => ["--virtual-only"], _ => Array.Empty<string>() },
        ];
        errno = ChildProcess.Start(program[0], arguments, LocalParent.HelperEnvironment, [theirs, nothing, nothing], out var pid);
        _ = Libc.close(theirs);
        _ = Libc.close(nothing);
        if (errno == 0)
        {
            return new LocalHelperProcess(pid, ours, uid, gid, kind);
        }
        ours.Dispose();
        return null;
    }

    /// <summary>It serves a session.</summary>
    public void Begin(int session) => (Busy, Session, LeftSince) = (true, session, 0);

    /// <summary>Its session is over.</summary>
    public void Rest(long now)
    {
        CloseSession();
        (Busy, LeftSince, IdleSince) = (false, 0, now);
    }

    /// <summary>It ends when its socket does.</summary>
    public void Dispose()
    {
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
