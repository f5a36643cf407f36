using System.Runtime.InteropServices;

namespace Facteur.Unix;

/// <summary>
/// Programs started by posix_spawn(3), never fork: a fork of a program with threads is a copy with locks nobody will open.
/// A child has a session of its own, no signal ignored or blocked, and no descriptor but those it is given.
/// </summary>
public static unsafe class ChildProcess
{
    private const short SetSignalsDefault = 0x4;
    private const short SetSignalMask = 0x8;
    private const short SetSession = 0x80;

    /// <summary>Starts a program.</summary>
    /// <param name="program">Its path.</param>
    /// <param name="arguments">Its arguments, with argv[0].</param>
    /// <param name="environment">Its whole environment, NAME=VALUE.</param>
    /// <param name="descriptors">Its descriptors 0, 1, 2 …: ours that they are copies of.</param>
    /// <param name="pid">The child; it is to be waited for.</param>
    /// <param name="directory">Its working directory, or null for ours.</param>
    /// <returns>0, or the errno: the program was not started.</returns>
    public static int Start(
        string program, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, ReadOnlySpan<int> descriptors, out int pid, string? directory = null)
    {
        pid = -1;
        // First out of the way of the numbers they shall have: what one is copied onto must not be one that is still to be copied.
        Span<int> copies = stackalloc int[descriptors.Length];
        copies.Fill(-1);
        byte* actions = stackalloc byte[256];
        byte* attributes = stackalloc byte[512];
        var argv = Strings(arguments);
        var envp = Strings(environment);
        var path = (byte*)Marshal.StringToCoTaskMemUTF8(program);
        _ = Libc.posix_spawn_file_actions_init(actions);
        _ = Libc.posix_spawnattr_init(attributes);
        try
        {
            for (var i = 0; i < descriptors.Length; i++)
            {
                copies[i] = Libc.fcntl(descriptors[i], Libc.F_DUPFD_CLOEXEC, descriptors.Length + 3);
                if (copies[i] < 0)
                {
                    return Marshal.GetLastPInvokeError();
                }
                if (Libc.posix_spawn_file_actions_adddup2(actions, copies[i], i) is not 0 and var failed)
                {
                    return failed;
                }
            }
            if (directory is not null && Libc.posix_spawn_file_actions_addchdir_np(actions, directory) is not 0 and var unmoved)
            {
                return unmoved;
            }
            ulong* all = stackalloc ulong[16];
            ulong* none = stackalloc ulong[16];
            new Span<ulong>(none, 16).Clear();
            new Span<ulong>(all, 16).Clear();
            all[0] = ulong.MaxValue;
            var errno = Libc.posix_spawn_file_actions_addclosefrom_np(actions, descriptors.Length);
            errno = errno != 0 ? errno : Libc.posix_spawnattr_setflags(attributes, SetSignalsDefault | SetSignalMask | SetSession);
            errno = errno != 0 ? errno : Libc.posix_spawnattr_setsigdefault(attributes, all);
            errno = errno != 0 ? errno : Libc.posix_spawnattr_setsigmask(attributes, none);
            var child = -1;
            errno = errno != 0 ? errno : Libc.posix_spawn(&child, path, actions, attributes, argv, envp);
            if (errno == 0)
            {
                pid = child;
            }
            return errno;
        }
        finally
        {
            foreach (var copy in copies)
            {
                if (copy >= 0)
                {
                    _ = Libc.close(copy);
                }
            }
            _ = Libc.posix_spawn_file_actions_destroy(actions);
            _ = Libc.posix_spawnattr_destroy(attributes);
            Free(argv);
            Free(envp);
            Marshal.FreeCoTaskMem((nint)path);
        }
    }

    /// <summary>Looks whether a child has ended.</summary>
    /// <param name="pid">The child.</param>
    /// <param name="status">Its status: <see cref="Exit"/>.</param>
    /// <returns>True once; the child is gone then.</returns>
    public static bool HasEnded(int pid, out int status)
    {
        int raw;
        var result = Libc.waitpid(pid, &raw, Libc.WNOHANG);
        status = result == pid ? raw : -1;
        // ECHILD: somebody else took it; there is nothing to wait for any more.
        return result == pid || (result < 0 && Marshal.GetLastPInvokeError() == Libc.ECHILD);
    }

    /// <summary>Waits until a child has ended.</summary>
    /// <param name="pid">The child.</param>
    /// <returns>Its status: <see cref="Exit"/>; -1 when somebody else took it.</returns>
    public static int Wait(int pid)
    {
        int status;
        int result;
        do
        {
            result = Libc.waitpid(pid, &status, 0);
        }
        while (result < 0 && Marshal.GetLastPInvokeError() == Libc.EINTR);
        return result == pid ? status : -1;
    }

    /// <summary>What a status says: "exit status N", "killed by signal N".</summary>
    public static string Exit(int status) => (status & 0x7f) == 0 ? $"exit status {(status >> 8) & 0xff}" : $"killed by signal {status & 0x7f}";

    /// <summary>Becomes another program; returns only when that failed, with the errno.</summary>
    public static int Become(string program, IReadOnlyList<string> arguments, IReadOnlyList<string> environment)
    {
        var path = (byte*)Marshal.StringToCoTaskMemUTF8(program);
        _ = Libc.execve(path, Strings(arguments), Strings(environment));
        return Marshal.GetLastPInvokeError();
    }

    private static byte** Strings(IReadOnlyList<string> strings)
    {
        var array = (byte**)NativeMemory.AllocZeroed((nuint)(strings.Count + 1), (nuint)sizeof(byte*));
        for (var i = 0; i < strings.Count; i++)
        {
            array[i] = (byte*)Marshal.StringToCoTaskMemUTF8(strings[i]);
        }
        return array;
    }

    private static void Free(byte** strings)
    {
        for (var i = 0; strings[i] is not null; i++)
        {
            Marshal.FreeCoTaskMem((nint)strings[i]);
        }
        NativeMemory.Free(strings);
    }
}
