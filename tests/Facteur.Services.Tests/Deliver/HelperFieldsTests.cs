using System.Buffers;
using CsCheck;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Services.Deliver;

namespace Facteur.Services.Tests.Deliver;

public sealed class HelperFieldsTests
{
    [Fact]
    public void Hostile_fields_are_read_to_their_end_or_refused() =>
        Gen.OneOf(Gen.Byte.Array[0, 200], Gen.Byte[0, 3].Array[0, 60]).Sample(bytes =>
        {
            _ = HelperFields.ReadMailbox(bytes);
            _ = HelperFields.ReadCommand(bytes);
            _ = HelperFields.ReadFile(bytes);
            _ = HelperFields.ReadMailboxEnd(bytes);
            _ = HelperFields.ReadCommandEnd(bytes);
        }, iter: 20_000);

    [Fact]
    public void What_is_written_is_read_again()
    {
        var job = new MailboxJob
        {
            Path = "/a/b",
            Sender = "s@x",
            OriginalTo = "o@x",
            DeliveredTo = "d@x",
            Host = "h",
            SizeLimit = 77,
            ErrorClass = 4,
            Locks = new MailboxLocks(true, false, true, 1, default, TimeSpan.FromSeconds(500)),
            AnyFile = true,
            StrictOwner = true,
        };
        Assert.Equal((job, 12L, false), HelperFields.ReadMailbox(Bytes(w => HelperFields.Write(job, 12, false, w))));
        Assert.Equal((job, 12L, true), HelperFields.ReadMailbox(Bytes(w => HelperFields.Write(job, 12, true, w))));
        var command = new CommandJob
        {
            Command = "x \"y\"",
            Arguments = ["/bin/x", "", "a b"],
            Shell = ["/bin/sh", "-c"],
            Environment = ["A=b", "C="],
            Directory = "/d",
            NeedsDirectory = true,
            TimeLimit = TimeSpan.FromSeconds(9),
            Head = [1, 2, 0],
        };
        var read = HelperFields.ReadCommand(Bytes(w => HelperFields.Write(command, w)))!;
        Assert.Equal(command with { Arguments = read.Arguments, Shell = read.Shell, Environment = read.Environment, Head = read.Head }, read);
        Assert.Equal(command.Arguments, read.Arguments);
        Assert.Equal((command.Shell, command.Environment, command.Head), (read.Shell, read.Environment, read.Head), (a, b) =>
            a.Shell.SequenceEqual(b.Shell) && a.Environment.SequenceEqual(b.Environment) && a.Head.SequenceEqual(b.Head));
        var file = new FileRead(0, true, 0x81A4, 7, "é\n");
        Assert.Equal(file, HelperFields.ReadFile(Bytes(w => HelperFields.Write(file, w))));
        foreach (var result in new[] { default, new MailboxResult(DeliveryStatus.Bounced(2, 2, "full"), Locked: true), new MailboxResult(DeliveryStatus.Deferred(3, 0, "x"), Damaged: true) })
        {
            var end = HelperFields.ReadMailboxEnd(Bytes(w => HelperFields.Write(new MailboxEnd(result, ["careful"]), w)))!;
            Assert.Equal((result, "careful"), (end.Result, Assert.Single(end.Warnings)));
        }
        var ended = new CommandEnd(CommandEndKind.Signalled, 9, "out ");
        Assert.Equal(ended, HelperFields.ReadCommandEnd(Bytes(w => HelperFields.Write(ended, w))));
    }

    private delegate void Writing(FieldWriter writer);

    private static byte[] Bytes(Writing write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        write(new FieldWriter(buffer));
        return buffer.WrittenSpan.ToArray();
    }
}
