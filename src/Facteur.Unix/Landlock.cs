using System.Runtime.InteropServices;

namespace Facteur.Unix;

/// <summary>
/// Landlock (landlock(7)): what of the file system and of TCP this process may still use, for ever, with all it starts. Only the calling
/// thread is bound, and what it starts: to be called before there are others, or before exec.
/// </summary>
public sealed unsafe class Landlock
{
    private const int CreateRuleset = 444;
    private const int AddRule = 445;
    private const int RestrictSelf = 446;
    private const ulong Execute = 1, WriteFile = 2, ReadFile = 4, ReadDirectory = 8, Truncate = 1 << 14, DeviceIoctl = 1 << 15;
    private const ulong AllOfVersion1 = (1 << 13) - 1;
    private const ulong Refer = 1 << 13;
    private const ulong BindTcp = 1, ConnectTcp = 2;

    private readonly int _version;
    private readonly ulong _files;
    private readonly ulong _network;
    private readonly int _ruleset;

    private Landlock(int version, ulong files, ulong network, int ruleset) => (_version, _files, _network, _ruleset) = (version, files, network, ruleset);

    /// <summary>The version the kernel has; 0 when it has none.</summary>
    public static int Version { get; } = (int)Math.Max(0, Libc.syscall(CreateRuleset, 0, 0, 1, 0));

    /// <summary>Nothing is allowed but what is added.</summary>
    /// <param name="connect">TCP connections may be made anywhere.</param>
    /// <param name="errno">Why there is none.</param>
    /// <returns>Null when the kernel has no Landlock.</returns>
    public static Landlock? Create(bool connect, out int errno)
    {
        errno = 0;
        if (Version == 0)
        {
            return null;
        }
        var files = AllOfVersion1 | (Version >= 2 ? Refer : 0) | (Version >= 3 ? Truncate : 0) | (Version >= 5 ? DeviceIoctl : 0);
        // Listening sockets come from master: nobody binds, but for outgoing addresses (port 0).
        var network = Version >= 4 ? BindTcp | (connect ? 0 : ConnectTcp) : 0;
        ulong* attributes = stackalloc ulong[2];
        (attributes[0], attributes[1]) = (files, network);
        var ruleset = (int)Libc.syscall(CreateRuleset, (nint)attributes, Version >= 4 ? 16 : 8, 0, 0);
        errno = ruleset < 0 ? Marshal.GetLastPInvokeError() : 0;
        var landlock = ruleset < 0 ? null : new Landlock(Version, files, network, ruleset);
        if (landlock is not null && connect && Version >= 4)
        {
            ulong* port = stackalloc ulong[2];
            (port[0], port[1]) = (BindTcp, 0);
            _ = Libc.syscall(AddRule, ruleset, 2, (nint)port, 0);
        }
        return landlock;
    }

    /// <summary>What lies below a path may be read, programs there be run.</summary>
    public void AllowRead(string path) => Allow(path, Execute | ReadFile | ReadDirectory);

    /// <summary>What lies below a path may be read and changed.</summary>
    public void AllowWrite(string path) => Allow(path, _files & ~Execute);

    /// <summary>From here on it holds, for this thread and what it starts.</summary>
    /// <returns>0, or the errno. no_new_privs must be set.</returns>
    public int Restrict()
    {
        var failed = Libc.syscall(RestrictSelf, _ruleset, 0, 0, 0) < 0 ? Marshal.GetLastPInvokeError() : 0;
        _ = Libc.close(_ruleset);
        return failed;
    }

    // A path that is not there needs no rule: what is made there later is below a directory that has one, or is out of reach.
    private void Allow(string path, ulong rights)
    {
        var fd = Libc.open(path, Libc.O_PATH | Libc.O_CLOEXEC, 0);
        if (fd < 0)
        {
            return;
        }
        Stat status;
        if (Libc.fstat(fd, &status) == 0 && (status.Mode & Libc.S_IFMT) != Libc.S_IFDIR)
        {
            rights &= Execute | WriteFile | ReadFile | Truncate | DeviceIoctl;
        }
        // struct landlock_path_beneath_attr is packed: u64 and int.
        byte* rule = stackalloc byte[12];
        *(ulong*)rule = rights & _files;
        *(int*)(rule + 8) = fd;
        _ = Libc.syscall(AddRule, _ruleset, 1, (nint)rule, 0);
        _ = Libc.close(fd);
    }
}
