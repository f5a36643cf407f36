using Facteur.Mail.Envelopes;

namespace Facteur.Spool;

/// <summary>What a check of a spool found.</summary>
/// <param name="Messages">Living messages.</param>
/// <param name="Segments">Segment files.</param>
/// <param name="ContentBytes">Content read and found whole.</param>
/// <param name="Findings">One sentence per fault; empty when all is well.</param>
public sealed record SpoolReport(long Messages, long Segments, long ContentBytes, IReadOnlyList<string> Findings);

/// <summary>
/// Checks a spool without writing anything and without the lock: all records after the checkpoint, and envelope, outcomes and content of
/// every living message. Works while the mail system runs: what changed meanwhile is looked at again.
/// </summary>
public sealed class SpoolVerify
{
    private const int Rounds = 3;

    private readonly SpoolPaths _paths;
    private readonly IDisk _disk;
    private readonly byte[] _content = new byte[ContentLayout.BufferLength];
    private byte[] _buffer = new byte[64 << 10];
    private long _contentBytes;

    private SpoolVerify(SpoolPaths paths, IDisk disk)
    {
        _paths = paths;
        _disk = disk;
    }

    /// <summary>Checks the spool in a directory.</summary>
    public static SpoolReport Run(string directory, IDisk disk) => new SpoolVerify(new SpoolPaths(directory), disk).Run();

    private SpoolReport Run()
    {
        var findings = new List<string>();
        List<string> names = [];
        if (_disk.List(_paths.Journal, names) is var errno and < 0)
        {
            return new(0, 0, 0, [$"{_paths.Journal}: {Errno.Text(-errno)}"]);
        }
        HashSet<ulong>? again = null;
        for (var round = 1; ; round++)
        {
            var recovery = new Recovery(_paths, _disk);
            recovery.Run();
            var bad = new List<(ulong Id, string Text)>();
            CheckMessages(recovery.State.Index, again, bad);
            var damage = recovery.Unreadable.Count > 0 || recovery.Bad.Exists(b => !b.Torn);
            if ((bad.Count == 0 && !damage) || round == Rounds)
            {
                AddRanges(recovery, findings);
                findings.AddRange(bad.Select(b => b.Text));
                return new(recovery.State.Index.Count, recovery.State.Segments.All.LongCount(), _contentBytes, findings);
            }
            again = [.. bad.Select(b => b.Id)];
        }
    }

    private void AddRanges(Recovery recovery, List<string> findings)
    {
        if (recovery.Refused is { } refused)
        {
            findings.Add(refused);
        }
        if (recovery.Salvaged)
        {
            findings.Add($"{_paths.Journal}: no checkpoint can be read");
        }
        findings.AddRange(recovery.Unreadable.Select(name => $"{_paths.Journal}/{name}: header or checksum is wrong"));
        findings.AddRange(recovery.Bad.Where(b => !b.Torn).Select(b => $"{_paths.Segment(b.Segment)}: damage in bytes {b.From}-{b.To}"));
    }

    private void CheckMessages(Index index, HashSet<ulong>? only, List<(ulong, string)> bad)
    {
        using var segments = new Descriptors(_paths, _disk);
        using var reader = new SpoolReader(_paths, _disk);
        for (var slot = 1; slot < index.SlotEnd; slot++)
        {
            if (index.IsUsed(slot) && only?.Contains(index[slot].Id) != false && Check(index[slot], segments, reader) is { } fault)
            {
                bad.Add((index[slot].Id, $"{QueueId.Format(index[slot].Id, false)}: {fault}"));
            }
        }
    }

    private string? Check(in Entry entry, Descriptors segments, SpoolReader reader)
    {
        if (entry.End.IsNone)
        {
            return "damaged; what was left of it is in corrupt/";
        }
        if (segments.Fetch(entry.Id, entry.End, ref _buffer, out var record) != FetchResult.Whole || !Spool.TryParseEnd(record, out _, out var layout, out _))
        {
            return $"end record in {_paths.Segment(entry.End.Segment)} at {entry.End.Offset} can't be read";
        }
        if (new Chain(entry.Id).Read(segments, entry.Chain, ref _buffer) != FetchResult.Whole)
        {
            return "outcomes can't be read";
        }
        for (var i = 0; i < layout!.Extents.Count; i++)
        {
            for (long at = 0; at < layout.Extents[i].Length;)
            {
                var result = reader.Read(entry.Id, layout, i, at, _content, out var content);
                if (result != ContentRead.Data)
                {
                    return $"content piece {i} of {layout.Extents.Count} can't be read ({result})";
                }
                at += content.Length;
                _contentBytes += content.Length;
            }
        }
        return null;
    }
}
