using Facteur.Mail.Envelopes;

namespace Facteur.Spool.Tests;

/// <summary>docs/formats/spool.md: a change here is a new format.</summary>
public sealed class FormatTests
{
    [Fact]
    public void The_journal_has_the_bytes_of_the_format()
    {
        var sim = new SimDisk();
        using (var spool = Spool.Open(Workload.Options with { NewMark = () => 0x1122334455667788, IdBlock = 16 }, sim, new TestTime { Seconds = 1 }, new TestEvents()))
        {
            Assert.True(spool.TryTakeIds(1, out var id));
            Assert.Equal(1_000_000ul, id);
            spool.Content(id, "hi\n"u8);
            spool.End(id, new Envelope { Sender = "s", ContentSize = 3, ArrivalMicros = 1_000_000 });
            spool.Commit(true);
            spool.Outcome(id, new SpoolOutcome(0, true, true, "ok"u8.ToArray()));
            spool.Reported(id, [0]);
            spool.Move(id, QueueState.Deferred, 9);
            spool.Expire(id);
            spool.Delete(id);
            spool.Commit(true);
        }
        Assert.Equal(Golden.Segment, Convert.ToHexString(sim.Bytes(SimDisk.Root + "/journal/00000001.seg")!));
        Assert.Equal(Golden.Checkpoint, Convert.ToHexString(sim.Bytes(SimDisk.Root + "/journal/checkpoint-00000001")!));
    }

    [Fact]
    public void The_checksum_is_Castagnolis_with_and_without_the_instruction()
    {
        Assert.Equal(0xE3069283u, Crc32C.Of("123456789"u8));
        var bytes = new byte[2500];
        new Random(1).NextBytes(bytes);
        for (var n = 0; n < bytes.Length; n += 1 + n % 7)
        {
            Assert.Equal(Crc32C.AppendByTable(~0u, bytes.AsSpan(n)), Crc32C.Append(~0u, bytes.AsSpan(n)));
        }
    }

    [Fact]
    public void A_newer_format_is_refused()
    {
        var sim = new SimDisk();
        Spool.Open(Workload.Options, sim, new TestTime(), new TestEvents()).Dispose();
        var header = new byte[SegmentHeader.Length];
        new SegmentHeader(Format.Current with { Refuse = 1 }, 1, false, 5).Write(header);
        var file = sim.Open(SimDisk.Root + "/journal/00000001.seg", DiskOpen.Write);
        sim.Write(file, header, 0);
        sim.Close(file);
        Assert.Contains("newer release", Assert.Throws<SpoolException>(() => Spool.Open(Workload.Options, sim, new TestTime(), new TestEvents())).Message);
    }
}
