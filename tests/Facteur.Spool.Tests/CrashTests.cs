using System.Diagnostics;
using Facteur.Unix;

namespace Facteur.Spool.Tests;

public sealed class CrashTests(ITestOutputHelper output)
{
    [Fact]
    public void No_crash_at_any_instant_loses_or_repeats_mail()
    {
        long states = 0;
        var watch = Stopwatch.StartNew();
        var runs = 0;
        var kinds = new SortedDictionary<string, int>(StringComparer.Ordinal);
        while (states < 250_000)
        {
            var run = new CrashRun(++runs);
            states += run.Run(runs % 2 == 0 ? 60 : 250);
            foreach (var (kind, count) in run.Disk.Kinds)
            {
                kinds[kind] = kinds.GetValueOrDefault(kind) + count;
            }
        }
        Print($"crash states: {states} of {runs} workloads in {watch.Elapsed.TotalSeconds:F0} s");
        foreach (var (kind, count) in kinds)
        {
            output.WriteLine($"{kind}: {count}");
        }
        // The workloads must have been through all of it.
        Assert.Contains("sync of copies in an old segment", kinds.Keys);
        Assert.Contains("rename checkpoint", kinds.Keys);
        Assert.Contains("sync of large", kinds.Keys);
    }

    [Fact]
    public void No_call_that_fails_loses_or_repeats_mail()
    {
        long states = 0;
        var watch = Stopwatch.StartNew();
        var faults = 0;
        var seals = 0;
        for (var seed = 1; seed <= 8; seed++)
        {
            var calls = Calls(seed);
            for (var at = 1; at <= calls; at++)
            {
                foreach (var errno in new[] { Libc.EIO, Libc.ENOSPC })
                {
                    var run = new CrashRun(seed, at, errno);
                    states += run.Run(60);
                    seals += run.Events!.Seals.Count;
                    faults++;
                }
            }
        }
        Print($"crash states after failed calls: {states} of {faults} faults, {seals} segments sealed, in {watch.Elapsed.TotalSeconds:F0} s");
        Assert.True(seals > 0);
    }

    [Fact]
    public void Calls_that_go_on_failing_lose_or_repeat_no_mail()
    {
        long states = 0;
        var seals = 0;
        for (var seed = 11; seed <= 14; seed++)
        {
            var calls = Calls(seed);
            for (var at = 20 + seed % 3; at <= calls; at += 3)
            {
                foreach (var errno in new[] { Libc.EIO, Libc.ENOSPC })
                {
                    var run = new CrashRun(seed, at, errno, faults: 2 + at % 9);
                    states += run.Run(60);
                    seals += run.Events!.Seals.Count;
                }
            }
        }
        Print($"crash states after calls that go on failing: {states}, {seals} segments sealed");
        Assert.True(seals > 0);
    }

    private static int Calls(int seed)
    {
        var run = new CrashRun(seed, int.MaxValue);
        run.Run(60);
        return run.Calls;
    }

    private void Print(string line)
    {
        output.WriteLine(line);
        Console.WriteLine(line);
    }
}
