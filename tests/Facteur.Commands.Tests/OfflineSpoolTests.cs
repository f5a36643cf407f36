using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Spool;

namespace Facteur.Commands.Tests;

/// <summary>Operators' orders on a real spool of a system that is down, across two openings.</summary>
public sealed class OfflineSpoolTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("offline").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task A_message_is_held_read_and_deleted()
    {
        ulong id;
        using (var spool = Open())
        {
            Assert.True(spool.TryTakeIds(1, out id));
            Assert.True(spool.Content(id, "Subject: x\n\nbody\n"u8));
            Assert.True(spool.End(id, new Envelope { Sender = "bob@a.example", ArrivalMicros = 1_795_363_594_000_000, ContentSize = 17, Recipients = [new("x@b.example")] }));
            Assert.Equal(CommitResult.Durable, spool.Commit(sync: true));
        }
        using (var queue = new OfflineQueue(Open(), longIds: true))
        {
            Assert.True(await queue.SuperAsync(SuperOperation.Hold, id, default));
        }
        using (var queue = new OfflineQueue(Open(), longIds: true))
        {
            var (messages, _) = await queue.ListAsync(0, 10, default);
            var listed = Assert.Single(messages);
            Assert.Equal(("hold", QueueId.Format(id, true), 17L, "bob@a.example"), (listed.QueueName, listed.QueueId, listed.Size, listed.Sender));
            var message = await queue.FindAsync(id, default);
            Assert.NotNull(message);
            var content = new MemoryStream();
            Assert.True(await queue.CopyAsync(message, piece =>
            {
                content.Write(piece.Span);
                return ValueTask.CompletedTask;
            }, default));
            Assert.Equal("Subject: x\n\nbody\n", Encoding.UTF8.GetString(content.ToArray()));
            Assert.Equal(1, await queue.SuperAllAsync(SuperOperation.Release, "hold", default));
            Assert.Equal(1, await queue.SuperAllAsync(SuperOperation.Delete, null, default));
        }
        using (var queue = new OfflineQueue(Open(), longIds: true))
        {
            Assert.Empty((await queue.ListAsync(0, 10, default)).Messages);
        }
    }

    [Fact]
    public async Task A_start_waits_for_a_command_that_has_the_spool_open_for_a_moment()
    {
        using var command = Open();
        Assert.Throws<SpoolException>(() => Open());
        var start = Task.Run(() => Open(TimeSpan.FromSeconds(30)));
        await Task.Delay(100);
        Assert.False(start.IsCompleted);
        command.Dispose();
        (await start).Dispose();
    }

    [Fact]
    public void The_answer_of_a_start_is_waited_for_as_long_as_it_takes()
    {
        var (line, waits) = (new TaskCompletionSource<string?>(), 0);
        Assert.Equal("ready", Postfix.Answer(line.Task, TimeSpan.FromMilliseconds(1), () =>
        {
            if (++waits == 3)
            {
                line.SetResult("ready");
            }
        }));
        Assert.Equal(3, waits);
        Assert.Null(Postfix.Answer(Task.FromResult<string?>(null), TimeSpan.Zero, () => waits++));
    }

    private ISpool Open(TimeSpan wait = default) => Facteur.Spool.Spool.Open(new SpoolOptions { Directory = Path.Combine(_directory, "journal"), ReserveBytes = 0, LockWait = wait }, new UnixDisk(), TimeProvider.System, new Quiet());

    private sealed class Quiet : ISpoolEvents
    {
        public void Sealed(uint segment, long goodOffset, int errno) => Assert.Fail("sealed");

        public void Damage(ulong id, string place, string keptAs) => Assert.Fail("damage");

        public void Torn(uint segment, long from, long to)
        {
        }

        public void OnReserve()
        {
        }

        public void OffReserve()
        {
        }

        public void SlowCommit(TimeSpan duration)
        {
        }

        public void MaintenanceFailed(string what, int errno) => Assert.Fail(what);

        public void Opened(long messages, long replayedBytes)
        {
        }
    }
}
