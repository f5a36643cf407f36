namespace Facteur.Unix;

/// <summary>
/// The identity by which the kernel judges this thread's file accesses (setfsuid(2)). Only root can change it, and only for itself:
/// other threads keep theirs. With a user's identity the thread has lost root's rights over files, so that a link or a directory
/// the user prepared gives nothing the user could not have had; files it creates belong to the user. Use it on own threads only,
/// never across an await.
/// </summary>
public readonly ref struct FileIdentity
{
    [ThreadStatic]
    private static (uint Uid, uint Gid) _current;

    private readonly bool _changed;
    private readonly (uint Uid, uint Gid) _before;

    private FileIdentity(bool changed, (uint Uid, uint Gid) before) => (_changed, _before) = (changed, before);

    /// <summary>Whether this process can take identities: it runs as root.</summary>
    public static bool CanChange { get; } = Libc.geteuid() == 0;

    /// <summary>Takes an identity until the result is disposed. Without root nothing changes: the process's own identity is judged.</summary>
    /// <param name="uid">User number.</param>
    /// <param name="gid">Group number.</param>
    /// <exception cref="IdentityException">The kernel refused; nothing may be done for the user.</exception>
    public static FileIdentity Take(uint uid, uint gid)
    {
        var before = _current;
        if (!CanChange || before == (uid, gid))
        {
            return new FileIdentity(false, before);
        }
        Set(uid, gid);
        return new FileIdentity(true, before);
    }

    /// <summary>
    /// The process's own identity again until the result is disposed, for a read of its own files (the spool) in the middle of a user's
    /// work. No name that a user had a hand in may be opened meanwhile.
    /// </summary>
    /// <exception cref="IdentityException">The kernel refused.</exception>
    public static FileIdentity Own() => Take(0, 0);

    /// <summary>
    /// Gives up this thread's supplementary groups, which would add root's to every identity. For own threads, once, at their start.
    /// Where the kernel refuses (no CAP_SETGID), <see cref="Take"/> refuses too.
    /// </summary>
    public static void DropGroups()
    {
        if (CanChange)
        {
            // The raw call changes this thread alone; glibc's setgroups would change all of them.
            const int setgroups = 116;
            _ = Libc.syscall(setgroups, 0, 0, 0, 0);
        }
    }

    /// <summary>
    /// Gives up, for this thread and for good, every capability of root's that is neither over files nor over this identity: what stays with an
    /// identity that was taken (to trace processes, to use devices, to pass quotas) shall not help who makes us open something. For own threads.
    /// </summary>
    /// <exception cref="IdentityException">The kernel refused; nothing may be done for a user.</exception>
    public static unsafe void KeepFileRights()
    {
        if (!CanChange)
        {
            return;
        }
        const int capget = 125, capset = 126;
        // linux/capability.h: CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, SETGID, SETUID; version 3, this thread; effective, permitted, inheritable, twice.
        const uint kept = 0xCF;
        uint* header = stackalloc uint[2] { 0x20080522, 0 };
        uint* sets = stackalloc uint[6];
        if (Libc.syscall(capget, (nint)header, (nint)sets, 0, 0) == 0)
        {
            (sets[0], sets[1], sets[2], sets[3], sets[4], sets[5]) = (sets[0] & kept, sets[1] & kept, 0, 0, 0, 0);
            if (Libc.syscall(capset, (nint)header, (nint)sets, 0, 0) == 0)
            {
                return;
            }
        }
        throw new IdentityException("cannot give up rights that are not over files");
    }

    /// <summary>Goes back to the identity before.</summary>
    public void Dispose()
    {
        if (_changed)
        {
            Set(_before.Uid, _before.Gid);
        }
    }

    private static void Set(uint uid, uint gid)
    {
        // The group first when rights are given up, and first again when root comes back: setfsgid needs CAP_SETGID, which fsuid does not take away.
        _ = Libc.setfsgid(gid);
        _ = Libc.setfsuid(uid);
        // These calls never fail visibly: asking with an impossible number returns what holds now.
        if (Libc.setfsgid(uint.MaxValue) != (int)gid || Libc.setfsuid(uint.MaxValue) != (int)uid)
        {
            throw new IdentityException($"cannot take file identity uid={uid} gid={gid}");
        }
        _current = (uid, gid);
    }
}
