using Facteur.Mail.Envelopes;

namespace Facteur.Spool.Tests;

/// <summary>A rotten end record: the start goes on, and the raw bytes are in corrupt/ whatever happens after it.</summary>
internal static class DamageRun
{
    public static SortedSet<string> Kinds()
    {
        var kinds = new SortedSet<string>(StringComparer.Ordinal);
        kinds.UnionWith(Run("", Mutation.None));
        return kinds;
    }

    public static IEnumerable<string> Run(string kind, Mutation mutation)
    {
        var sim = new SimDisk();
        using (var spool = Spool.Open(Workload.Options, sim, new TestTime(), new TestEvents()))
        {
            for (var i = 0; i < 3; i++)
            {
                spool.TryTakeIds(1, out var id);
                spool.Content(id, "content\n"u8);
                spool.End(id, new Envelope { Sender = $"s{i}@example.com" }, QueueState.Incoming, 0);
                spool.Commit(true);
            }
        }
        // The second message's end record lies in the first 64 bytes after its content.
        const string segment = SimDisk.Root + "/journal/00000001.seg";
        var bytes = sim.Bytes(segment)!;
        var at = bytes.AsSpan().IndexOf("s1@example.com"u8);
        sim.Damage(segment, at, 4);
        var disk = new MutantDisk(sim, kind, mutation);
        var events = new TestEvents();
        using (var spool = Spool.Open(Workload.Options, disk, new TestTime(), events))
        {
            if (events.Damages.Count == 0 || spool.Count(QueueState.Incoming) != 2)
            {
                throw new CrashFoundException("damage passed in silence");
            }
        }
        var after = sim.AfterCut(_ => false);
        var kept = after.Names.FirstOrDefault(n => n.StartsWith(SimDisk.Root + "/corrupt/", StringComparison.Ordinal));
        if (kept is null || after.Bytes(kept)!.Length == 0)
        {
            throw new CrashFoundException("the raw bytes of a damaged record are lost by a crash");
        }
        return disk.Kinds.Keys;
    }
}
