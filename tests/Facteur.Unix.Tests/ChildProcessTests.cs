using System.Text;

namespace Facteur.Unix.Tests;

public sealed unsafe class ChildProcessTests
{
    [Fact]
    public void A_child_has_the_descriptors_it_is_given_and_no_others_and_ends_with_its_status()
    {
        int* pipe = stackalloc int[2];
        Assert.Equal(0, Libc.pipe2(pipe, Libc.O_CLOEXEC));
        var none = Libc.open("/dev/null", Libc.O_RDWR, 0);
        // The numbers overlap on purpose: what is wanted as 2 is our 1's neighbour, and the other way.
        var errno = ChildProcess.Start("/bin/sh", ["sh", "-c", "ls /proc/self/fd | tr '\\n' ' '; echo $WHO; exit 7"], ["WHO=me", "PATH=/bin:/usr/bin"], [none, pipe[1], none], out var pid);
        Assert.Equal(0, errno);
        _ = Libc.close(pipe[1]);
        var text = Read(pipe[0]);
        Assert.Equal(7, Status(pid) >> 8);
        // 3 is the directory that ls reads.
        Assert.Equal("0 1 2 3 me\n", text);
        _ = Libc.close(none);
        _ = Libc.close(pipe[0]);
    }

    [Fact]
    public void A_program_that_is_not_there_is_an_errno() =>
        Assert.Equal(Libc.ENOENT, ChildProcess.Start("/nosuch/program", ["x"], [], [], out _));

    [Fact]
    public void Ends_are_told_in_words()
    {
        Assert.Equal("exit status 3", ChildProcess.Exit(3 << 8));
        Assert.Equal("killed by signal 9", ChildProcess.Exit(9));
    }

    [Fact]
    public void Messages_arrive_whole_with_their_descriptor_and_the_end_is_seen()
    {
        var pair = DescriptorSocket.Pair(out var errno);
        Assert.Equal(0, errno);
        using var ours = pair!.Value.Ours;
        using var theirs = new DescriptorSocket(pair.Value.Theirs);
        int* pipe = stackalloc int[2];
        Assert.Equal(0, Libc.pipe2(pipe, Libc.O_CLOEXEC));
        Assert.Equal(0, ours.Send("one"u8, pipe[1]));
        Assert.Equal(0, ours.Send("two"u8, -1));
        _ = Libc.close(pipe[1]);
        var buffer = new byte[DescriptorSocket.MessageLimit];
        Assert.Equal(3, theirs.Receive(buffer, out var descriptor, wait: true, out _));
        Assert.Equal("one", Encoding.Latin1.GetString(buffer, 0, 3));
        Assert.True(descriptor >= 0);
        byte mark = (byte)'!';
        Assert.Equal(1, (int)Libc.write(descriptor, &mark, 1));
        _ = Libc.close(descriptor);
        Assert.Equal("!", Read(pipe[0]));
        Assert.Equal(3, theirs.Receive(buffer, out descriptor, wait: false, out _));
        Assert.Equal(-1, descriptor);
        Assert.Equal(-1, theirs.Receive(buffer, out _, wait: false, out errno));
        Assert.Equal(Libc.EAGAIN, errno);
        ours.Dispose();
        Assert.Equal(0, theirs.Receive(buffer, out _, wait: true, out _));
        _ = Libc.close(pipe[0]);
    }

    private static string Read(int fd)
    {
        var all = new StringBuilder();
        var buffer = stackalloc byte[256];
        while (Libc.read(fd, buffer, 256) is > 0 and var count)
        {
            all.Append(Encoding.Latin1.GetString(buffer, (int)count));
        }
        return all.ToString();
    }

    private static int Status(int pid)
    {
        for (var i = 0; i < 2000; i++)
        {
            if (ChildProcess.HasEnded(pid, out var status))
            {
                return status;
            }
            Thread.Sleep(5);
        }
        return -1;
    }
}
