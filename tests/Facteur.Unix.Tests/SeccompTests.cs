using System.Runtime.InteropServices;

namespace Facteur.Unix.Tests;

/// <summary>The filter holds for this whole process from here on: it needs nothing of what is refused.</summary>
public sealed class SeccompTests
{
    private const int ENOSYS = 38;

    [Fact]
    public void Name_spaces_are_refused_however_they_are_asked_for_and_threads_and_programs_start_as_before()
    {
        var arm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;
        _ = Libc.prctl(Libc.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        Assert.Equal(0, Seccomp.DenyDangerous());
        foreach (var newNameSpace in (int[])[0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000])
        {
            // With CLONE_SIGHAND alone the kernel itself says EINVAL: nothing is made, whatever the filter says.
            Assert.Equal(Libc.EPERM, Call(arm ? 220 : 56, newNameSpace | 0x800));
        }
        Assert.Equal(Libc.EINVAL, Call(arm ? 220 : 56, 0x800));
        Assert.Equal(ENOSYS, Call(435, 0));
        Assert.Equal(Libc.EPERM, Call(arm ? 97 : 272, 0x10000000));
        var ran = false;
        var thread = new Thread(() => ran = true);
        thread.Start();
        thread.Join();
        Assert.True(ran);
        var nothing = Libc.open("/dev/null", Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        Assert.Equal(0, ChildProcess.Start("/bin/sh", ["sh", "-c", "(exit 7); exit $?"], [], [nothing, nothing, nothing], out var pid));
        _ = Libc.close(nothing);
        int status;
        while (!ChildProcess.HasEnded(pid, out status))
        {
            Thread.Sleep(5);
        }
        Assert.Equal(7, status >> 8 & 0xFF);
    }

    private static int Call(nint number, nint argument) => Libc.syscall(number, argument, 0, 0, 0) < 0 ? Marshal.GetLastPInvokeError() : 0;
}
