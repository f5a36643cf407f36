using Facteur.Mail.Envelopes;
using Facteur.Unix;

namespace Facteur.Spool.Tests;

public sealed class FullDiskTests
{
    [Fact]
    public void On_a_full_disk_mail_is_refused_and_outcomes_use_the_reserve()
    {
        var sim = new SimDisk();
        var events = new TestEvents();
        using var spool = Spool.Open(Workload.Options with { ReserveBytes = 4096, IdBlock = 1000 }, sim, new TestTime(), events);
        Assert.True(spool.TryTakeIds(3, out var id));
        Assert.True(spool.End(id, new Envelope()));
        Assert.Equal(CommitResult.Durable, spool.Commit(true));

        sim.Free = 0;
        sim.Fault = (call, _) => call is "write" or "create" && sim.Names.Contains(SimDisk.Root + "/reserve") ? Libc.ENOSPC : 0;
        Assert.True(spool.Content(id + 1, "x\n"u8));
        Assert.True(spool.End(id + 1, new Envelope()));
        Assert.Equal(CommitResult.NoSpace, spool.Commit(true));
        Assert.False(spool.OnReserve);
        Assert.False(spool.TryGet(id + 1, out _));
        Assert.Equal(0, spool.FreeBytes);

        spool.Outcome(id, new SpoolOutcome(0, true, false, default));
        spool.Delete(id);
        Assert.Equal(CommitResult.Durable, spool.Commit(true));
        Assert.True(spool.OnReserve);
        Assert.False(spool.TryGet(id, out _));
        Assert.False(spool.Content(id + 2, "x\n"u8));
        Assert.False(spool.End(id + 2, new Envelope()));
        spool.Maintain();
        Assert.True(spool.OnReserve);

        sim.Free = 1 << 20;
        sim.Fault = null;
        spool.Maintain();
        Assert.False(spool.OnReserve);
        Assert.Equal(["on", "off"], events.Reserve);
        Assert.True(spool.End(id + 2, new Envelope()));
        Assert.Equal(CommitResult.Durable, spool.Commit(true));
    }

    [Fact]
    public void A_long_message_without_room_is_refused_for_that_and_another_reason_is_told_from_it()
    {
        var sim = new SimDisk();
        using var spool = Spool.Open(Workload.Options, sim, new TestTime(), new TestEvents());
        Assert.True(spool.TryTakeIds(4, out var id));
        var errno = Libc.ENOSPC;
        sim.Fault = (call, path) => call == "write" && path.Contains("/large/", StringComparison.Ordinal) ? errno : 0;
        Assert.True(spool.Content(id, new byte[2000]));
        Assert.False(spool.End(id, new Envelope()));
        Assert.True(spool.RefusedForSpace);
        errno = Libc.EIO;
        Assert.False(spool.Content(id + 1, new byte[60_000]) && spool.Content(id + 1, new byte[60_000]));
        Assert.False(spool.RefusedForSpace);
        errno = Libc.ENOSPC;
        Assert.False(spool.Content(id + 2, new byte[60_000]) && spool.Content(id + 2, new byte[60_000]));
        Assert.True(spool.RefusedForSpace);
        spool.Abort(id + 1);
        spool.Abort(id + 2);
        Assert.True(spool.Content(id + 3, "x\n"u8) && spool.End(id + 3, new Envelope()));
        Assert.Equal(CommitResult.Durable, spool.Commit(true));
        Assert.DoesNotContain(sim.Names, name => name.Contains("/large/", StringComparison.Ordinal));
    }

    [Fact]
    public void Outcomes_that_came_with_refused_mail_are_written_on_the_reserve_at_once()
    {
        var sim = new SimDisk();
        var events = new TestEvents();
        using var spool = Spool.Open(Workload.Options with { ReserveBytes = 4096, IdBlock = 1000 }, sim, new TestTime(), events);
        Assert.True(spool.TryTakeIds(3, out var id));
        Assert.True(spool.End(id, new Envelope()) && spool.End(id + 1, new Envelope()));
        Assert.Equal(CommitResult.Durable, spool.Commit(true));
        sim.Free = 0;
        sim.Fault = (call, _) => call is "write" or "create" && sim.Names.Contains(SimDisk.Root + "/reserve") ? Libc.ENOSPC : 0;
        spool.Delete(id);
        spool.Move(id + 1, QueueState.Deferred, 77);
        Assert.True(spool.Content(id + 2, "x\n"u8) && spool.End(id + 2, new Envelope()));
        Assert.Equal(CommitResult.NoSpace, spool.Commit(true));
        Assert.True(spool.OnReserve);
        Assert.Equal(0, spool.StagedBytes);
        Assert.False(spool.TryGet(id, out _) || spool.TryGet(id + 2, out _));
        Assert.Equal(77, spool.NextDueSeconds);
    }

    [Fact]
    public void What_a_failed_commit_staged_of_older_messages_is_staged_until_it_is_written()
    {
        var sim = new SimDisk();
        using var spool = Spool.Open(Workload.Options, sim, new TestTime(), new TestEvents());
        Assert.True(spool.TryTakeIds(2, out var id));
        Assert.True(spool.End(id, new Envelope { Recipients = [new EnvelopeRecipient("a@b")] }));
        Assert.Equal(CommitResult.Durable, spool.Commit(true));
        Assert.True(spool.TryTakeArrived(id, out var arrived) && arrived.Envelope.Recipients.Count == 1);
        Assert.True(spool.Claim(id));
        Assert.False(spool.Claim(id));
        sim.Fault = (_, _) => Libc.EIO;
        spool.Outcome(id, new SpoolOutcome(0, false, false, "first"u8.ToArray()));
        spool.Move(id, QueueState.Deferred, 50);
        Assert.True(spool.End(id + 1, new Envelope()));
        Assert.Equal(CommitResult.Failed, spool.Commit(true));
        Assert.True(spool.StagedBytes > 0);
        Assert.False(spool.TryTakeArrived(id + 1, out _));
        spool.Outcome(id, new SpoolOutcome(1, true, false, "second"u8.ToArray()));
        Assert.Equal(CommitResult.Failed, spool.Commit(false));
        Assert.Equal(CommitResult.Failed, spool.Commit(true));
        Assert.Equal(long.MaxValue, spool.NextDueSeconds);
        SpoolCursor cursor = default;
        Assert.Equal(0, spool.Next(QueueState.Incoming, 0, ref cursor, new SpoolEntry[1]));
        sim.Fault = null;
        Assert.Equal(CommitResult.Durable, spool.Commit(true));
        Assert.Equal(0, spool.StagedBytes);
        Assert.Equal(50, spool.NextDueSeconds);
        var read = spool.Read(id)!;
        Assert.Equal((1, QueueState.Deferred), (read.Entry.Attempts, read.Entry.State));
        Assert.Equal(["first", "second"], read.Outcomes.Select(o => System.Text.Encoding.Latin1.GetString(o.Detail.Span)));
    }

    [Fact]
    public void A_message_with_content_in_a_failed_commit_fails_at_its_end()
    {
        var sim = new SimDisk();
        var events = new TestEvents();
        using var spool = Spool.Open(Workload.Options, sim, new TestTime(), events);
        spool.TryTakeIds(2, out var id);
        Assert.True(spool.Content(id, "first half\n"u8));
        Assert.True(spool.End(id + 1, new Envelope()));
        var fail = true;
        sim.Fault = (call, _) => call == "sync" && fail && !(fail = false) ? Libc.EIO : 0;
        Assert.Equal(CommitResult.Failed, spool.Commit(true));
        Assert.Single(events.Seals);
        Assert.False(spool.Content(id, "second half\n"u8));
        Assert.False(spool.End(id, new Envelope()));
        Assert.False(spool.TryGet(id + 1, out _));
        Assert.Equal(CommitResult.Durable, spool.Commit(true));
    }
}
