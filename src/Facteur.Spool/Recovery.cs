using System.Buffers.Binary;
using Facteur.Mail.Envelopes;
using Facteur.Unix;

namespace Facteur.Spool;

/// <summary>Bytes that were durable and can't be read, or a torn end.</summary>
internal readonly record struct BadRange(uint Segment, long From, long To, ulong Id, bool Torn);

/// <summary>
/// Builds the state from disk and writes nothing: the newest whole checkpoint, then the records of young segments after its place.
/// Order between segments is the order of their numbers. A segment's end is named by the first record of a later one; the last one's
/// end is its first bad place beyond which no whole batch says that it was durable. A bad place before the end is damage: it is noted,
/// the scan goes on at the next whole record. What the disk only refuses (no descriptor, no right, a disk that is gone) is never concluded from:
/// then the spool is not opened.
/// </summary>
internal sealed class Recovery(SpoolPaths paths, IDisk disk)
{
    private readonly Dictionary<uint, long> _ends = [];

    public SpoolState State { get; private set; } = new();

    public List<ulong> Checkpoints { get; } = [];

    public List<BadRange> Bad { get; } = [];

    /// <summary>Messages whose content lies in a damaged range.</summary>
    public List<ulong> DamagedMessages { get; } = [];

    /// <summary>Files in journal/ that are nobody's: segments never used, checkpoints never named, damaged checkpoints.</summary>
    public List<string> Junk { get; } = [];

    /// <summary>Files that should have been readable: kept in corrupt/.</summary>
    public List<string> Unreadable { get; } = [];

    /// <summary>Segments whose records were replayed.</summary>
    public List<Segment> Replayed { get; } = [];

    public uint NextSegment { get; private set; } = 1;

    public long ReplayedBytes { get; private set; }

    /// <summary>No checkpoint could be read though there are segments: what is found is held.</summary>
    public bool Salvaged { get; private set; }

    /// <summary>Why the spool can't be opened: a file needs a newer release, or can't be read now.</summary>
    public string? Refused { get; private set; }

    /// <summary>Reads the spool.</summary>
    public void Run()
    {
        var names = new List<string>();
        RefuseOn(-disk.List(paths.Journal, names), paths.Journal);
        names.Sort(StringComparer.Ordinal);
        var checkpoints = new List<CheckpointHeader>();
        foreach (var name in names)
        {
            if (SpoolPaths.TrySegment(name, out var number))
            {
                ReadHeader(number, name);
            }
            else if (name.EndsWith(".new", StringComparison.Ordinal))
            {
                Junk.Add(name);
            }
            else if (SpoolPaths.TryCheckpoint(name, out _))
            {
                ReadCheckpointHeader(name, checkpoints);
            }
        }
        if (Refused is null)
        {
            var from = LoadCheckpoint(checkpoints);
            if (Refused is null)
            {
                Replay(from);
            }
        }
    }

    // What is not there any more was freed behind a reader of a living spool; its writer, with the lock, finds what it has listed.
    private void RefuseOn(int errno, string path)
    {
        if (errno is not (0 or Libc.ENOENT))
        {
            Refused ??= $"{path}: {Errno.Text(errno)}: the queue can't be read now, nothing is changed";
        }
    }

    private void ReadHeader(uint number, string name)
    {
        NextSegment = Math.Max(NextSegment, number + 1);
        var path = paths.Segment(number);
        var file = disk.Open(path, DiskOpen.Read);
        Span<byte> head = stackalloc byte[SegmentHeader.Length];
        if (file < 0)
        {
            RefuseOn(-file, path);
            return;
        }
        var n = disk.Read(file, head, 0);
        var length = disk.Length(file);
        _ = disk.Close(file);
        if (n < 0 || length < 0)
        {
            RefuseOn((int)-Math.Min(n, length), path);
            return;
        }
        if (SegmentHeader.TryRead(head[..Math.Max(0, n)], out var header) && header.Number == number)
        {
            if (!header.Format.CanWrite)
            {
                Refused = $"{path}: written by a newer release (format {header.Format.Number}, features {header.Format.ReadOnly:x}/{header.Format.Refuse:x}); start that release";
                return;
            }
            State.Segments.Add(new Segment(number, header.Old, header.Mark) { End = length });
        }
        else if (length <= SegmentHeader.Length)
        {
            // Its header was being made when the machine stopped: it had no batch yet.
            Junk.Add(name);
        }
        else
        {
            Unreadable.Add(name);
        }
    }

    private void ReadCheckpointHeader(string name, List<CheckpointHeader> checkpoints)
    {
        if (!CheckpointReader.TryReadHeader(disk, $"{paths.Journal}/{name}", out var header, out var errno))
        {
            if (errno != 0)
            {
                RefuseOn(errno, $"{paths.Journal}/{name}");
                return;
            }
            Unreadable.Add(name);
            return;
        }
        if (!header.Format.CanWrite)
        {
            Refused = $"{paths.Journal}/{name}: written by a newer release (format {header.Format.Number}); start that release";
            return;
        }
        checkpoints.Add(header);
        NextSegment = Math.Max(NextSegment, header.NextSegment);
    }

    // The newest first; a damaged one is skipped, the one before it still has all its segments.
    private Location LoadCheckpoint(List<CheckpointHeader> checkpoints)
    {
        for (var i = checkpoints.Count - 1; i >= 0; i--)
        {
            var path = paths.Checkpoint(checkpoints[i].Sequence);
            if (CheckpointReader.TryLoad(disk, path, State, out var errno))
            {
                State.RaiseIdEnd(checkpoints[i].IdEnd);
                for (var k = 0; k <= i; k++)
                {
                    Checkpoints.Add(checkpoints[k].Sequence);
                }
                return checkpoints[i].From;
            }
            if (errno is not (0 or Libc.ENOENT) && (errno != Libc.EIO || i == 0))
            {
                RefuseOn(errno, path);
                return default;
            }
            Unreadable.Add(Path.GetFileName(path));
            var empty = new SpoolState();
            foreach (var segment in State.Segments.All)
            {
                empty.Segments.Add(new Segment(segment.Number, segment.Old, segment.Mark) { End = segment.End });
            }
            State = empty;
        }
        Salvaged = State.Segments.All.Any();
        return default;
    }

    private void Replay(Location from)
    {
        var segments = State.Segments.All.Where(s => Salvaged || (!s.Old && s.Number >= from.Segment)).ToList();
        for (var i = segments.Count - 1; i >= 0; i--)
        {
            ReadSeals(segments[i]);
        }
        foreach (var segment in segments)
        {
            var start = segment.Number == from.Segment ? from.Offset : SegmentHeader.Length;
            ReplaySegment(segment, start, segment.Number == from.Segment ? from.Offset : 0);
        }
        NoteMissing(from);
        if (Salvaged)
        {
            for (var slot = 1; slot < State.Index.SlotEnd; slot++)
            {
                State.Index.Move(slot, QueueState.Hold, 0);
            }
        }
    }

    private void NoteMissing(Location from)
    {
        if (from.Offset > SegmentHeader.Length)
        {
            _ends.TryAdd(from.Segment, from.Offset);
        }
        foreach (var (number, end) in _ends)
        {
            if (number >= from.Segment && end > SegmentHeader.Length && State.Segments.Find(number) is null)
            {
                Bad.Add(new BadRange(number, SegmentHeader.Length, end, 0, false));
            }
        }
    }

    // A seal is the first record of the first batch; beyond the end named for its own segment it never happened.
    private void ReadSeals(Segment segment)
    {
        const long first = SegmentHeader.Length + Record.HeaderLength + Payloads.BatchLength;
        if (_ends.TryGetValue(segment.Number, out var end) && end <= first)
        {
            return;
        }
        using var opened = Scan(segment);
        if (opened.Scanner is not { } scanner)
        {
            return;
        }
        var found = scanner.TryRecord(SegmentHeader.Length, out var batch) && Record.Type(batch) == RecordType.Batch;
        RefuseOn(scanner.Errno, paths.Segment(segment.Number));
        if (!found)
        {
            return;
        }
        var sequence = Record.Sequence(batch);
        if (scanner.TryRecord(first, out var record) && Record.Type(record) == RecordType.Seal && Record.Sequence(record) == sequence)
        {
            var seals = Record.Payload(record);
            for (var rest = seals[4..]; rest.Length >= SealList.EntryLength; rest = rest[SealList.EntryLength..])
            {
                _ends.TryAdd(BinaryPrimitives.ReadUInt32LittleEndian(rest), BinaryPrimitives.ReadUInt32LittleEndian(rest[4..]));
            }
        }
    }

    private void ReplaySegment(Segment segment, long start, long durable)
    {
        using var opened = Scan(segment);
        if (opened.Scanner is not { } scanner)
        {
            Bad.Add(new BadRange(segment.Number, start, segment.End, 0, false));
            return;
        }
        var named = _ends.TryGetValue(segment.Number, out var end);
        var at = start;
        uint sequence = 0;
        while ((named ? at < end : at < scanner.Length) && scanner.Errno == 0)
        {
            if (scanner.TryRecord(at, out var record) && InSequence(record, ref sequence))
            {
                if (Record.Type(record) == RecordType.Batch)
                {
                    durable = Math.Max(durable, BinaryPrimitives.ReadInt64LittleEndian(Record.Payload(record)));
                }
                else
                {
                    NoteDamagedContent(record);
                    State.Apply(record, new Location(segment.Number, (uint)at));
                }
                at += record.Length;
                continue;
            }
            if (!named && at >= durable && !scanner.IsBadBehind(at) && !scanner.SaysDurableBeyond(at) && !scanner.IsBadBehind(at))
            {
                if (!scanner.IsEmptyFrom(at))
                {
                    Bad.Add(new BadRange(segment.Number, at, scanner.Length, 0, true));
                }
                break;
            }
            var next = scanner.NextRecord(at + 1);
            // Also a file that is shorter than its named end has its end reached here.
            next = named && next >= scanner.Length ? end : named ? Math.Min(next, end) : next;
            Bad.Add(new BadRange(segment.Number, at, next, GuessId(segment, at), false));
            sequence = 0;
            at = next;
        }
        RefuseOn(scanner.Errno, paths.Segment(segment.Number));
        segment.End = at;
        ReplayedBytes += at - start;
        Replayed.Add(segment);
    }

    // A record of an earlier, failed batch at the same place has another sequence.
    private static bool InSequence(ReadOnlySpan<byte> record, ref uint sequence)
    {
        var own = Record.Sequence(record);
        if (Record.Type(record) == RecordType.Batch ? own > sequence : own == sequence || sequence == 0)
        {
            sequence = own;
            return true;
        }
        return false;
    }

    private void NoteDamagedContent(ReadOnlySpan<byte> record)
    {
        if (Record.Type(record) != RecordType.End || Bad.Count == 0)
        {
            return;
        }
        var reader = new FieldReader(Record.Payload(record)[EndHead.Length..]);
        if (ContentLayout.Read(ref reader) is { } layout && layout.Extents.Any(IsBad))
        {
            DamagedMessages.Add(Record.Id(record));
        }
    }

    private bool IsBad(Extent extent) => extent.Kind == ExtentKind.Journal
        && Bad.Any(b => b.Segment == extent.Segment && extent.Offset < b.To && extent.Offset + Record.HeaderLength + extent.Length > b.From);

    private ulong GuessId(Segment segment, long at)
    {
        using var opened = Scan(segment);
        Span<byte> header = stackalloc byte[Record.HeaderLength];
        return opened.File >= 0 && disk.Read(opened.File, header, at) == header.Length && Record.TryLength(header, segment.Mark, out _) ? Record.Id(header) : 0;
    }

    private OpenedSegment Scan(Segment segment)
    {
        var file = disk.Open(paths.Segment(segment.Number), DiskOpen.Read);
        RefuseOn(file < 0 ? -file : 0, paths.Segment(segment.Number));
        return new OpenedSegment(disk, file, file < 0 ? null : new SegmentScanner(disk, file, segment.Mark, disk.Length(file)));
    }

    private readonly struct OpenedSegment(IDisk disk, int file, SegmentScanner? scanner) : IDisposable
    {
        public int File => file;

        public SegmentScanner? Scanner => scanner;

        public void Dispose() => _ = file < 0 ? 0 : disk.Close(file);
    }
}
