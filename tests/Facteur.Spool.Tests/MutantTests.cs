using System.Diagnostics;
using Facteur.Unix;

namespace Facteur.Spool.Tests;

/// <summary>
/// Leaves out or reorders each kind of sync and rename in turn; the crash tests must see each. Started by tests/mutants, for it takes minutes.
/// </summary>
public sealed class MutantTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    // Late is as good as in time for these. A checkpoint's name: the one before it and all its segments are kept until the next is named.
    // large/XX is made with content; the promise comes with the commit, a later request. A replayed segment and a long message's file are closed right after their syncs. Directories and the first number block made at the start, and corrupt/'s files: the start promises nothing before it is over.
    private static readonly string[] MayBeLate =
    [
        "rename checkpoint", "directory sync after rename checkpoint", "directory sync of the parent", "directory sync of the spool", "sync of corrupt",
        "directory sync of large", "sync of a replayed segment", "sync of large", "sync of a young segment (open)",
    ];

    // A name that is moved to save work, and no barrier: without it a new file is made.
    private const string NoBarrier = "rename large";

    [Fact]
    public void Each_barrier_left_out_or_reordered_is_found()
    {
        Assert.SkipWhen(Environment.GetEnvironmentVariable("FACTEUR_MUTANTS") != "1", "run by tests/mutants");
        var kinds = Kinds();
        var made = 0;
        var found = 0;
        foreach (var kind in kinds)
        {
            foreach (var mutation in new[] { Mutation.Drop, Mutation.Late })
            {
                if (mutation == Mutation.Late && MayBeLate.Contains(kind))
                {
                    continue;
                }
                made++;
                var watch = Stopwatch.StartNew();
                var how = Find(kind, mutation);
                found += how is null ? 0 : 1;
                Console.WriteLine($"{(how is null ? "NOT FOUND" : "found")} in {watch.Elapsed.TotalSeconds:F1} s: {mutation} {kind}: {how?.Split('\n')[0]}");
            }
        }
        Console.WriteLine($"made {made}, found {found}");
        Console.Out.Flush();
        Assert.Equal(made, found);
    }

    private static SortedSet<string> Kinds()
    {
        var kinds = new SortedSet<string>(StringComparer.Ordinal);
        for (var seed = 1; seed <= 30; seed++)
        {
            var run = new CrashRun(seed, int.MaxValue);
            run.Run(250);
            kinds.UnionWith(run.Disk.Kinds.Keys);
        }
        for (var at = 20; at < 60; at++)
        {
            var run = new CrashRun(2, at, Libc.EIO);
            run.Run(60);
            kinds.UnionWith(run.Disk.Kinds.Keys);
        }
        kinds.UnionWith(DamageRun.Kinds());
        Assert.True(kinds.Remove(NoBarrier));
        return kinds;
    }

    private static string? Find(string kind, Mutation mutation)
    {
        try
        {
            if (DamageRun.Kinds().Contains(kind) && kind.Contains("corrupt", StringComparison.Ordinal))
            {
                DamageRun.Run(kind, mutation);
                return null;
            }
            var watch = Stopwatch.StartNew();
            for (var seed = 1; watch.Elapsed < Limit; seed++)
            {
                if (kind.Contains("failed sync", StringComparison.Ordinal))
                {
                    RunFaults(seed, kind, mutation);
                }
                else
                {
                    new CrashRun(seed, kind: kind, mutation: mutation).Run(seed % 2 == 0 ? 60 : 250);
                }
            }
            return null;
        }
        catch (Exception e) when (e is not Xunit.Sdk.XunitException)
        {
            return e.Message;
        }
    }

    private static void RunFaults(int seed, string kind, Mutation mutation)
    {
        for (var at = 10; at < 100; at++)
        {
            new CrashRun(seed, at, Libc.EIO, kind, mutation).Run(60);
        }
    }
}
