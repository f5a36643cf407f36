using System.Buffers.Binary;
using Facteur.Unix;

namespace Facteur.Spool;

/// <summary>
/// Appends batches to one segment after the other. A segment is planned (number and mark chosen, so that records staged for it know
/// their places) before its file is made, and made when its first batch is written: file and directory are synced before that batch.
/// A batch that could not be written may be followed by another at the same place; a segment whose sync failed gets none.
/// Behind small batches zeros are written, which the same sync makes durable: the next batches lie in blocks that the file has, and
/// their syncs write no metadata. Under load, where a sync serves many messages, it is not worth the bytes.
/// </summary>
internal sealed class SegmentWriter(SpoolPaths paths, IDisk disk, int stagingBytes, int fillBytes) : IDisposable
{
    /// <summary>Few messages: what their sync costs is what their senders wait for.</summary>
    private const int SmallBatch = 4 << 10;

    /// <summary>Small batches in turn after which zeros are written: there is no load, it only pauses otherwise.</summary>
    private const int SmallInTurn = 8;

    private static readonly byte[] Zeros = new byte[32 << 10];

    private int _file = -1;
    private uint _sequence;
    private long _filled;
    private int _small;

    public StagingBuffer Staged { get; } = new(stagingBytes);

    /// <summary>The segment of the next batch, or null when none is planned.</summary>
    public Segment? Segment { get; private set; }

    /// <summary>Whether the segment's file was made.</summary>
    public bool IsMade => _file >= 0;

    /// <summary>Where the next batch begins.</summary>
    public long Append { get; private set; }

    /// <summary>Up to here the last sync reached.</summary>
    public long Durable { get; private set; }

    public bool HasUnsynced => Append > Durable;

    public void Plan(Segment segment)
    {
        CloseFile();
        Segment = segment;
        Append = Durable = _filled = SegmentHeader.Length;
    }

    /// <summary>Forgets the segment: the next batch needs a new one.</summary>
    public void Leave()
    {
        CloseFile();
        Segment = null;
        Append = Durable = 0;
        Staged.Clear();
    }

    /// <summary>The place of a staged record.</summary>
    public Location At(int start) => new(Segment!.Number, (uint)(Append + start));

    public void Begin(RecordType type, ulong id)
    {
        if (Staged.Length == 0)
        {
            _sequence++;
            Staged.Begin(Segment!.Mark, _sequence, RecordType.Batch, 0);
            Staged.Take(Payloads.BatchLength).Clear();
            Staged.Finish();
        }
        Staged.Begin(Segment!.Mark, _sequence, type, id);
    }

    /// <summary>Completes the record and gives its place.</summary>
    public Location Finish() => At(Staged.Finish());

    /// <summary>Writes the staged batch, without a sync.</summary>
    /// <returns>0, or the errno; then nothing counts as written.</returns>
    public int Write()
    {
        if (_file < 0 && Make() is var refused and not 0)
        {
            return refused;
        }
        var batch = Staged.All;
        BinaryPrimitives.WriteInt64LittleEndian(batch[Record.HeaderLength..], Durable);
        BinaryPrimitives.WriteInt32LittleEndian(batch[(Record.HeaderLength + 8)..], batch.Length);
        Record.Finish(batch[..(Record.HeaderLength + Payloads.BatchLength)]);
        var errno = disk.WriteAll(_file, batch, Append);
        if (errno == 0)
        {
            Append += batch.Length;
            Segment!.End = Append;
            _small = batch.Length <= SmallBatch ? _small + 1 : 0;
            if (Append > _filled && _small >= SmallInTurn && fillBytes > 0)
            {
                Fill();
            }
        }
        else if (errno is Libc.ENOSPC or Libc.EDQUOT)
        {
            // Gives the partly written blocks back; what stays would be told apart by its sequence.
            GiveBack();
        }
        return errno;
    }

    /// <summary>Makes all written batches durable; on failure the caller leaves the segment.</summary>
    public int Sync()
    {
        var errno = _file < 0 ? 0 : -disk.SyncData(_file);
        if (errno == 0)
        {
            Durable = Append;
        }
        return errno;
    }

    public void Dispose() => CloseFile();

    private int Make()
    {
        Span<byte> header = stackalloc byte[SegmentHeader.Length];
        new SegmentHeader(Format.Current, Segment!.Number, Segment.Old, Segment.Mark).Write(header);
        var path = paths.Segment(Segment.Number);
        var file = disk.Open(path, DiskOpen.Create);
        if (file < 0)
        {
            return -file;
        }
        var errno = disk.WriteAll(file, header, 0);
        errno = errno != 0 ? errno : -disk.SyncData(file);
        errno = errno != 0 ? errno : -disk.SyncDirectory(paths.Journal);
        if (errno == 0)
        {
            _file = file;
            return 0;
        }
        _ = disk.Close(file);
        _ = disk.Unlink(path);
        return errno;
    }

    // Only saves time: without it the batches follow each other all the same.
    private void Fill()
    {
        _filled = Append;
        for (var left = fillBytes; left > 0; left -= Zeros.Length)
        {
            var zeros = Zeros.AsSpan(0, Math.Min(left, Zeros.Length));
            if (disk.WriteAll(_file, zeros, _filled) != 0)
            {
                GiveBack();
                return;
            }
            _filled += zeros.Length;
        }
    }

    private void GiveBack()
    {
        _filled = Append;
        _ = disk.Truncate(_file, Append);
    }

    private void CloseFile()
    {
        if (_file >= 0)
        {
            if (_filled > Append && !HasUnsynced)
            {
                GiveBack();
            }
            _ = disk.Close(_file);
            _file = -1;
        }
    }
}
