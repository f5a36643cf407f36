namespace Facteur.Unix.Tests;

public sealed unsafe class DescriptorSocketTests
{
    [Theory]
    [InlineData(0, 1)]
    [InlineData(1, 1)]
    [InlineData(2, 0)]
    [InlineData(5, 0)]
    public void One_descriptor_comes_with_a_message_and_more_are_the_end_and_leave_nothing(int count, int received)
    {
        var (ours, theirs) = DescriptorSocket.Pair(out _)!.Value;
        using (ours)
        {
            // Its name is found among ours: other tests open others meanwhile.
            var file = Path.GetTempFileName();
            var sent = Libc.open(file, Libc.O_RDONLY | Libc.O_CLOEXEC, 0);
            Send(theirs, sent, count);
            var buffer = new byte[DescriptorSocket.MessageLimit];
            Assert.Equal(received, ours.Receive(buffer, out var descriptor, wait: true, out _));
            Assert.Equal(count == 1, descriptor >= 0);
            Assert.Equal(count == 1 ? 2 : 1, Directory.GetFiles("/proc/self/fd").Count(fd => new FileInfo(fd).LinkTarget == file));
            _ = descriptor < 0 ? 0 : Libc.close(descriptor);
            _ = Libc.close(sent);
            File.Delete(file);
        }
        _ = Libc.close(theirs);
    }

    private static void Send(int socket, int descriptor, int count)
    {
        byte* control = stackalloc byte[64];
        byte text = (byte)'x';
        var part = new Libc.IoVec { Base = &text, Length = 1 };
        var header = new Libc.MsgHdr { Parts = &part, PartCount = 1 };
        if (count > 0)
        {
            *(nuint*)control = (nuint)(16 + 4 * count);
            *(int*)(control + 8) = Libc.SOL_SOCKET;
            *(int*)(control + 12) = Libc.SCM_RIGHTS;
            new Span<int>(control + 16, count).Fill(descriptor);
            header.Control = control;
            header.ControlLength = (nuint)(16 + (4 * count + 7) / 8 * 8);
        }
        Assert.Equal(1, Libc.sendmsg(socket, &header, 0));
    }
}
