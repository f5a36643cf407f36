using Facteur.Unix;

namespace Facteur.Spool;

/// <summary>Where the journal is and how it is cut into files. The defaults are the product's; tests use small ones.</summary>
public sealed record SpoolOptions
{
    /// <summary>The directory that holds everything; made when it is not there (its parent must be).</summary>
    public required string Directory { get; init; }

    /// <summary>A segment that reached so many bytes gets no more batches.</summary>
    public int SegmentBytes { get; init; } = 64 << 20;

    /// <summary>Journal bytes after which a checkpoint is due.</summary>
    public int CheckpointBytes { get; init; } = 64 << 20;

    /// <summary>Content bytes of one message that go to the journal; the rest goes to a file of its own.</summary>
    public int LargeBytes { get; init; } = 256 << 10;

    /// <summary>First size of the staging buffer; it grows with what is staged.</summary>
    public int StagingBytes { get; init; } = 1 << 20;

    /// <summary>Bytes written without a sync after which any commit syncs.</summary>
    public int UnsyncedBytes { get; init; } = 1 << 20;

    /// <summary>Zeros written ahead of small batches, so that their syncs need not also make the file grow; 0 for none.</summary>
    public int FillBytes { get; init; } = 256 << 10;

    /// <summary>Bytes kept in reserve for outcomes and deletes on a full disk; 0 for no reserve.</summary>
    public long ReserveBytes { get; init; } = 64 << 20;

    /// <summary>Young segments that are never cleaned.</summary>
    public int YoungSegments { get; init; } = 4;

    /// <summary>Message numbers made durable at once.</summary>
    public int IdBlock { get; init; } = 1 << 20;

    /// <summary>Message numbers are microseconds since 1970 or more, for enable_long_queue_ids; otherwise they count up from <see cref="FirstId"/>.</summary>
    public bool TimedIds { get; init; } = true;

    /// <summary>Where a new spool begins to count: anywhere in the lower half of 7 hexadecimal digits, so that spools made anew do not repeat each other.</summary>
    internal Func<ulong> FirstId { get; init; } = static () => 0x1000000 + (ulong)Random.Shared.Next(0x7000000);

    /// <summary>Index entries looked at, or written, in one step of background work.</summary>
    public int StepEntries { get; init; } = 4096;

    /// <summary>How long to wait for another process that has the spool open: a command does for a moment.</summary>
    public TimeSpan LockWait { get; init; }

    /// <summary>Whether the directory may be on NFS.</summary>
    public bool AllowNfs { get; init; }

    /// <summary>The kind of a directory's file system (statfs(2)), or the negated errno.</summary>
    internal Func<string, long> FileSystem { get; init; } = static path => UnixFile.FileSystem(path, out var type) is var errno and > 0 ? -errno : type;

    /// <summary>Source of the segments' marks.</summary>
    internal Func<ulong> NewMark { get; init; } = static () => BitConverter.ToUInt64(Guid.NewGuid().ToByteArray(), 8) * 0x9E3779B97F4A7C15 ^ BitConverter.ToUInt64(Guid.NewGuid().ToByteArray(), 0);
}
