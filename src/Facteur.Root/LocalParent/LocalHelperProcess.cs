using System.Globalization;
using Facteur.Unix;

namespace Facteur.Root.LocalParent;

/// <summary>A helper: a process that has become one user and will never be another.</summary>
/// <param name="Pid">The process.</param>
/// <param name="Socket">Sessions go to it; one byte comes back when one is over, and its end is its end.</param>
/// <param name="Uid">User.</param>
/// <param name="Gid">Group.</param>
/// <param name="Only">A user's helper does all that is the user's own, one of numbers delivers into mailboxes, one of pipe(8) runs a command of master.cf.</param>
/// <param name="Root">Its root directory (pipe's chroot=), or "" for the system's.</param>
internal sealed record LocalHelperProcess(int Pid, DescriptorSocket Socket, uint Uid, uint Gid, LocalIdentity Only, string Root) : IDisposable
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
    public static LocalHelperProcess? Start(IReadOnlyList<string> program, uint uid, uint gid, LocalIdentity only, string root, out int errno)
    {
        if (DescriptorSocket.Pair(out errno) is not var (ours, theirs))
        {
            return null;
        }
        var nothing = Libc.open("/dev/null", Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        string[] arguments =
        [
            Path.GetFileName(program[0]), .. program.Skip(1), "--uid", uid.ToString(CultureInfo.InvariantCulture), "--gid", gid.ToString(CultureInfo.InvariantCulture),
            .. only == LocalIdentity.Virtual ? ["--virtual-only"] : root.Length > 0 ? ["--root", root] : Array.Empty<string>(),
        ];
        errno = ChildProcess.Start(program[0], arguments, LocalParent.HelperEnvironment, [theirs, nothing, nothing], out var pid);
        _ = Libc.close(theirs);
        _ = Libc.close(nothing);
        if (errno == 0)
        {
            return new LocalHelperProcess(pid, ours, uid, gid, only, root);
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
