using Facteur.Mail.Envelopes;
using Facteur.Unix;

namespace Facteur.Spool.Tests;

public sealed class DamageTests
{
    private const string First = SimDisk.Root + "/journal/00000001.seg";

    [Fact]
    public void A_rotten_end_record_is_reported_and_kept() => Assert.NotEmpty(DamageRun.Run("", Mutation.None));

    [Fact]
    public void A_segment_shorter_than_its_named_end_is_damage_and_no_endless_loop()
    {
        var sim = new SimDisk();
        Fill(sim, 2).Dispose();
        Spool.Open(Workload.Options, sim, new TestTime(), new TestEvents()).Dispose();
        var file = sim.Open(First, DiskOpen.Write);
        sim.Truncate(file, 300);
        sim.Close(file);
        var events = new TestEvents();
        using var spool = Spool.Open(Workload.Options, sim, new TestTime(), events);
        Assert.NotEmpty(events.Damages);
        Assert.True(spool.TryTakeIds(1, out _));
    }

    [Fact]
    public void A_disk_that_refuses_to_read_for_now_is_no_damage()
    {
        var sim = new SimDisk();
        var events = new TestEvents();
        using var spool = Spool.Open(Workload.Options, sim, new TestTime(), events);
        Assert.True(spool.TryTakeIds(1, out var id));
        Assert.True(spool.End(id, new Envelope { Recipients = [new EnvelopeRecipient("a@b")] }));
        Assert.Equal(CommitResult.Durable, spool.Commit(true));
        sim.ReadRefusal = Libc.EMFILE;
        Assert.Null(spool.Read(id, out var refused));
        Assert.True(refused);
        Assert.Equal(0, spool.StagedBytes);
        Assert.Empty(events.Damages);
        sim.ReadRefusal = 0;
        Assert.NotNull(spool.Read(id, out refused));
        Assert.False(refused);
        Assert.Null(spool.Read(id + 1, out refused));
        Assert.False(refused);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void A_failed_read_is_no_damage_be_it_of_the_segments_header_the_records_or_its_rest(int reads)
    {
        var sim = new SimDisk();
        var events = new TestEvents();
        using var spool = Spool.Open(Workload.Options, sim, new TestTime(), events);
        Assert.True(spool.TryTakeIds(1, out var id));
        Assert.True(spool.End(id, new Envelope { Recipients = [.. Enumerable.Range(0, 5000).Select(i => new EnvelopeRecipient($"user{i}@example.com"))] }));
        Assert.Equal(CommitResult.Durable, spool.Commit(true));
        sim.ReadsUntilFault = reads;
        Assert.Null(spool.Read(id, out var refused));
        Assert.Equal(-1, sim.ReadsUntilFault);
        Assert.True(refused);
        Assert.Equal(0, spool.StagedBytes);
        Assert.Empty(events.Damages);
        Assert.NotNull(spool.Read(id, out refused));
        Assert.False(refused);
    }

    /// <summary>One call after the other fails at the start: the spool is not opened, or nothing is missing; and at the next start nothing is.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_can_not_be_read_at_the_start_is_not_taken_for_nothing(bool opens)
    {
        var whole = new SimDisk();
        Fill(whole, 3).Dispose();
        Fill(whole, 2).Dispose();
        var refusals = 0;
        var done = false;
        for (var call = 0; !done; call++)
        {
            var sim = whole.AfterCut(_ => true);
            (sim.OpensUntilFault, sim.ReadsUntilFault) = opens ? (call, -1) : (-1, call);
            try
            {
                Check(sim);
            }
            catch (SpoolException e)
            {
                Assert.Contains("/s/spool/", e.Message, StringComparison.Ordinal);
                refusals++;
            }
            done = sim.OpensUntilFault >= 0 || sim.ReadsUntilFault >= 0;
            (sim.OpensUntilFault, sim.ReadsUntilFault) = (-1, -1);
            Check(sim);
            Assert.True(call < 1000);
        }
        Assert.True(refusals > 0);

        static void Check(SimDisk sim)
        {
            var events = new TestEvents();
            using var spool = Spool.Open(Workload.Options, sim, new TestTime(), events);
            Assert.Equal(5, spool.Count(QueueState.Incoming));
            Assert.Empty(events.Damages);
            Assert.Equal(0, events.Torns);
        }
    }

    [Fact]
    public void An_unreadable_page_is_damage_and_not_the_end()
    {
        var sim = new SimDisk();
        var options = Workload.Options with { SegmentBytes = 1 << 20, CheckpointBytes = 1 << 20, LargeBytes = 1 << 20, FillBytes = 0 };
        ulong first;
        using (var spool = Spool.Open(options, sim, new TestTime(), new TestEvents()))
        {
            Assert.True(spool.TryTakeIds(20, out first));
            for (var id = first; id < first + 20; id++)
            {
                Assert.True(spool.Content(id, new byte[3000]) && spool.End(id, new Envelope { Recipients = [new EnvelopeRecipient("a@b")] }));
                Assert.Equal(CommitResult.Durable, spool.Commit(true));
            }
        }
        var path = SimDisk.Root + "/journal/00000001.seg";
        var end = sim.Bytes(path)!.Length;
        foreach (var at in new[] { 20_000, end - 5000, end - 150 })
        {
            var bad = sim.AfterCut(_ => true);
            bad.Unreadable = (path, at, at + 100);
            var events = new TestEvents();
            using var spool = Spool.Open(options, bad, new TestTime(), events);
            Assert.InRange(spool.Count(QueueState.Incoming), 16, 19);
            Assert.NotEmpty(events.Damages);
            Assert.Equal(0, events.Torns);
            Assert.Contains(bad.Names, name => name.Contains("/corrupt/", StringComparison.Ordinal));
        }
        var gone = sim.AfterCut(_ => true);
        gone.Unreadable = (path, 64, end);
        Assert.Throws<SpoolException>(() => Spool.Open(options with { StagingBytes = 4096 }, Long(gone, path), new TestTime(), new TestEvents()));
    }

    // More unreadable pages than a disk with a bad spot has.
    private static SimDisk Long(SimDisk sim, string path)
    {
        var file = sim.Open(path, DiskOpen.Write);
        sim.Write(file, new byte[300_000], sim.Length(file));
        sim.Close(file);
        sim.Unreadable = sim.Unreadable with { To = int.MaxValue };
        return sim;
    }

    [Fact]
    public void Any_rotten_byte_leaves_the_other_messages_whole_and_is_never_silent()
    {
        var whole = new SimDisk();
        Fill(whole, 3).Dispose();
        var length = whole.Bytes(First)!.Length;
        for (var at = 0; at < length; at++)
        {
            var sim = whole.AfterCut(_ => true);
            sim.Damage(First, at, 1);
            var events = new TestEvents();
            using var spool = Spool.Open(Workload.Options, sim, new TestTime(), events);
            var readable = 0;
            SpoolCursor cursor = default;
            var page = new SpoolEntry[8];
            var n = spool.Next(QueueState.Incoming, 0, ref cursor, page);
            for (var i = 0; i < n; i++)
            {
                readable += spool.Read(page[i].Id) is null ? 0 : 1;
            }
            Assert.True(readable >= 2 || at < SegmentHeader.Length, $"byte {at}: {readable}");
            Assert.True(events.Damages.Count + events.Torns > 0, $"byte {at}: silent");
        }
    }

    [Fact]
    public void Without_any_checkpoint_all_that_is_found_is_held()
    {
        var sim = new SimDisk();
        Fill(sim, 3).Dispose();
        sim.Damage(SimDisk.Root + "/journal/checkpoint-00000001", 30, 1);
        var events = new TestEvents();
        using var spool = Spool.Open(Workload.Options, sim, new TestTime(), events);
        Assert.Equal(3, spool.Count(QueueState.Hold));
        Assert.NotEmpty(events.Damages);
    }

    private static ISpool Fill(SimDisk sim, int count)
    {
        var spool = Spool.Open(Workload.Options, sim, new TestTime(), new TestEvents());
        for (var i = 0; i < count; i++)
        {
            spool.TryTakeIds(1, out var id);
            spool.Content(id, "content of a message\n"u8);
            spool.End(id, new Envelope { Sender = $"s{i}@example.com" });
            spool.Commit(true);
        }
        return spool;
    }
}
