using System.Diagnostics;
using Facteur.Mail.Envelopes;

namespace Facteur.Spool.Tests;

/// <summary>What a message costs the engine on a real directory, and its longest pause; run with FACTEUR_SPEED=1.</summary>
public sealed class SpeedTests
{
    private const int Batch = 7;

    [Fact]
    public void The_path_of_a_message_and_the_longest_step()
    {
        Assert.SkipWhen(Environment.GetEnvironmentVariable("FACTEUR_SPEED") != "1", "a measurement, not part of the suite");
        var root = Directory.CreateTempSubdirectory("facteur-speed-").FullName;
        try
        {
            using var spool = Spool.Open(new SpoolOptions { Directory = root + "/spool", ReserveBytes = 0 }, new UnixDisk(), TimeProvider.System, new TestEvents());
            Fill(spool, 200_000);
            Run(spool, 7_000, read: false);
            foreach (var read in new[] { false, true, false, true })
            {
                Run(spool, 14_000, read);
            }
        }
        finally
        {
            Directory.Delete(root, true);
        }
    }

    // A queue of deferred messages, so that checkpoints and cleaning have work.
    private static void Fill(ISpool spool, int count)
    {
        for (var i = 0; i < count; i += 1000)
        {
            Put(spool, 1000, QueueState.Deferred);
            Assert.Equal(CommitResult.Durable, spool.Commit(true));
            spool.Maintain();
        }
    }

    private static ulong Put(ISpool spool, int count, QueueState state)
    {
        Span<byte> content = stackalloc byte[1024];
        content.Fill((byte)'x');
        Assert.True(spool.TryTakeIds(count, out var first));
        for (var id = first; id < first + (ulong)count; id++)
        {
            spool.Content(id, content);
            spool.End(id, new Envelope { Sender = "s@example.com", ContentSize = 1024, ArrivalMicros = 1, Recipients = [new EnvelopeRecipient("r@example.net")] }, state, 2_000_000_000);
        }
        return first;
    }

    private static void Run(ISpool spool, int count, bool read)
    {
        long end = 0, commit = 0, take = 0, delete = 0, worst = 0, maintain = 0, bytes = 0, over = 0;
        for (var i = 0; i < count; i += Batch)
        {
            var t0 = Stopwatch.GetTimestamp();
            var first = Put(spool, Batch, QueueState.Incoming);
            var t1 = Stopwatch.GetTimestamp();
            Assert.Equal(CommitResult.Durable, spool.Commit(true));
            var t2 = Stopwatch.GetTimestamp();
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var id = first; id < first + Batch; id++)
            {
                spool.Claim(id);
                Assert.NotNull(read ? spool.Read(id) : spool.TryTakeArrived(id, out var arrived) ? arrived : null);
            }
            bytes += GC.GetAllocatedBytesForCurrentThread() - before;
            var t3 = Stopwatch.GetTimestamp();
            for (var id = first; id < first + Batch; id++)
            {
                spool.Delete(id);
            }
            spool.Commit(false);
            var t4 = Stopwatch.GetTimestamp();
            spool.Maintain();
            var t5 = Stopwatch.GetTimestamp();
            (end, commit, take, delete, maintain) = (end + t1 - t0, commit + t2 - t1, take + t3 - t2, delete + t4 - t3, maintain + t5 - t4);
            worst = Math.Max(worst, t5 - t4);
            over += t5 - t4 > Stopwatch.Frequency / 200 ? 1 : 0;
        }
        double Micros(long ticks) => ticks * 1e6 / Stopwatch.Frequency / count;
        Console.WriteLine(
            $"{(read ? "Read" : "TryTakeArrived")}: end {Micros(end):F2}, commit {Micros(commit):F2}, take {Micros(take):F2} us and {bytes / count} bytes, delete {Micros(delete):F2}, "
            + $"maintain {Micros(maintain):F2} us per message; longest step {worst * 1e3 / Stopwatch.Frequency:F1} ms, {over} over 5 ms");
    }
}
