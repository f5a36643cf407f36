using System.Diagnostics;

namespace Facteur.Spool.Tests;

public sealed class CrashTests(ITestOutputHelper output)
{
    [Fact]
    public void No_crash_at_any_instant_loses_or_repeats_mail()
    {
        long states = 0;
        var watch = Stopwatch.StartNew();
        var runs = 0;
        while (states < 210_000)
        {
            states += new CrashRun(++runs).Run(70);
        }
        Console.WriteLine($"crash states {states} of {runs} workloads in {watch.Elapsed.TotalSeconds:F0} s");
        output.WriteLine($"crash states {states} of {runs} workloads in {watch.Elapsed.TotalSeconds:F0} s");
        Assert.True(states >= 200_000);
    }
}
