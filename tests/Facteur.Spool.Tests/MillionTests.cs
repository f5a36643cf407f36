using System.Diagnostics;
using Facteur.Mail.Envelopes;

namespace Facteur.Spool.Tests;

/// <summary>How long a queue of a million deferred messages takes to open and what it weighs; run with FACTEUR_MILLION=1.</summary>
public sealed class MillionTests
{
    [Fact]
    public void A_million_deferred_messages_open_fast_and_small()
    {
        Assert.SkipWhen(Environment.GetEnvironmentVariable("FACTEUR_MILLION") != "1", "a measurement, not part of the suite");
        var root = Directory.CreateTempSubdirectory("facteur-million-").FullName;
        try
        {
            var options = new SpoolOptions { Directory = root + "/spool", ReserveBytes = 0 };
            Fill(options);
            GC.Collect(2, GCCollectionMode.Aggressive, true, true);
            var before = GC.GetTotalMemory(true);
            var watch = Stopwatch.StartNew();
            using var spool = Spool.Open(options, new UnixDisk(), TimeProvider.System, new TestEvents());
            var opened = watch.Elapsed;
            var heap = GC.GetTotalMemory(true) - before;
            using var process = Process.GetCurrentProcess();
            Console.WriteLine($"million: {spool.Count(QueueState.Deferred)} deferred, open {opened.TotalSeconds:F2} s, heap {heap >> 20} MB, process {process.WorkingSet64 >> 20} MB");
            Assert.Equal(1_000_000, spool.Count(QueueState.Deferred));
            Assert.InRange(opened.TotalSeconds, 0, 5);
            Assert.InRange(heap >> 20, 0, 100);
        }
        finally
        {
            Directory.Delete(root, true);
        }
    }

    private static void Fill(SpoolOptions options)
    {
        using var spool = Spool.Open(options, new UnixDisk(), TimeProvider.System, new TestEvents());
        var envelope = new Envelope { Sender = "s@example.com", ContentSize = 20, Recipients = [new EnvelopeRecipient("r@example.net")] };
        var random = new Random(1);
        var watch = Stopwatch.StartNew();
        for (var i = 0; i < 1000; i++)
        {
            spool.TryTakeIds(1000, out var id);
            for (var k = 0ul; k < 1000; k++)
            {
                spool.Content(id + k, "Subject: waiting\n\n\n\n"u8);
                spool.End(id + k, envelope, QueueState.Deferred, 1_790_000_000 + random.Next(432_000));
            }
            Assert.Equal(CommitResult.Durable, spool.Commit(true));
            while (spool.Maintain())
            {
            }
        }
        Console.WriteLine($"million: filled in {watch.Elapsed.TotalSeconds:F1} s");
    }
}
