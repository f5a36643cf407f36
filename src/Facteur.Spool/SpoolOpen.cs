using Facteur.Unix;

namespace Facteur.Spool;

// Opening: the lock, recovery, and what recovery found made good on disk.
public sealed partial class Spool
{
    /// <summary>Opens the spool in a directory, makes it when it is not there, and recovers it.</summary>
    /// <param name="options">Where it is.</param>
    /// <param name="disk">The file system.</param>
    /// <param name="time">For message numbers and slow commits.</param>
    /// <param name="events">What an operator must hear.</param>
    /// <exception cref="SpoolException">It can't be opened; the text is for the administrator.</exception>
    public static ISpool Open(SpoolOptions options, IDisk disk, TimeProvider time, ISpoolEvents events)
    {
        var paths = new SpoolPaths(options.Directory);
        MakeDirectories(paths, disk);
        if (OnNfs(options) is { } remote && !options.AllowNfs)
        {
            throw new SpoolException($"{remote}: the directory is on NFS: the queue must be in a file system of this machine");
        }
        var lockFile = Lock(paths, disk, time, options.LockWait);
        try
        {
            var recovery = new Recovery(paths, disk);
            recovery.Run();
            if (recovery.Refused is { } refused)
            {
                throw new SpoolException(refused);
            }
            var spool = new Spool(options, disk, time, events, paths, lockFile, recovery);
            spool.MakeGood(recovery);
            return spool;
        }
        catch
        {
            _ = disk.Close(lockFile);
            throw;
        }
    }

    private static void MakeDirectories(SpoolPaths paths, IDisk disk)
    {
        Check(disk.EnsureDirectory(paths.Root, Path.GetDirectoryName(paths.Root) ?? "/"), paths.Root, "make directory");
        foreach (var path in new[] { paths.Journal, paths.Large, paths.Corrupt })
        {
            Check(disk.EnsureDirectory(path, paths.Root), path, "make directory");
        }
    }

    /// <summary>The first of the directories that is on NFS, or null. There locks and syncs are another machine's word, and a file unlinked while it is open may vanish under its reader.</summary>
    /// <exception cref="SpoolException">A directory can't be asked.</exception>
    public static string? OnNfs(SpoolOptions options)
    {
        var paths = new SpoolPaths(options.Directory);
        foreach (var path in new[] { paths.Root, paths.Journal, paths.Large, paths.Corrupt })
        {
            var type = options.FileSystem(path);
            Check((int)Math.Max(-type, 0), path, "statfs");
            if (type == Libc.NFS_SUPER_MAGIC)
            {
                return path;
            }
        }
        return null;
    }

    private static int Lock(SpoolPaths paths, IDisk disk, TimeProvider time, TimeSpan wait)
    {
        var file = disk.Open(paths.Lock, DiskOpen.OpenOrCreate);
        Check(-file, paths.Lock, "open");
        var locked = disk.TryLock(file);
        for (var started = time.GetTimestamp(); locked == -Libc.EAGAIN && time.GetElapsedTime(started) < wait; locked = disk.TryLock(file))
        {
            Thread.Sleep(50);
        }
        if (locked < 0)
        {
            _ = disk.Close(file);
            throw new SpoolException(locked == -Libc.EAGAIN
                ? $"{paths.Lock}: another process has the spool open; stop it first (is the mail system already running?)"
                : $"{paths.Lock}: lock: {Errno.Text(-locked)}");
        }
        return file;
    }

    private static void Check(int errno, string path, string what)
    {
        if (errno > 0)
        {
            throw new SpoolException($"{path}: {what}: {Errno.Text(errno)}");
        }
    }

    private void MakeGood(Recovery recovery)
    {
        SyncReplayed(recovery);
        var damaged = KeepDamage(recovery);
        foreach (var name in recovery.Junk)
        {
            _ = _disk.Unlink($"{_paths.Journal}/{name}");
        }
        _large.Sweep(_state.Index, damaged);
        _ = _reserve.Restore();
        if (_checkpoints.Count == 0 && !recovery.Salvaged)
        {
            // From the first segment on there is a checkpoint: that none can be read is then never ordinary.
            CheckpointNow();
            if (_checkpoints.Count == 0)
            {
                throw new SpoolException($"{_paths.Journal}: the first checkpoint can't be written; is there room, and is the disk sound?");
            }
        }
        foreach (var segment in recovery.Replayed)
        {
            _seals.Add(segment.Number, segment.End);
        }
        foreach (var id in recovery.DamagedMessages)
        {
            Move(id, QueueState.Corrupt, 0);
        }
        // The first number block goes with the names of the ends; on a full disk both wait for the first commit.
        WriteIdBlock(0);
        if (CommitStaged(true) == CommitResult.Durable)
        {
            _idNext = _state.IdBlockFirst;
            _idBlockEnd = _state.IdEnd;
        }
        if (damaged || recovery.ReplayedBytes > _options.CheckpointBytes / 2)
        {
            CheckpointNow();
        }
        _events.Opened(_state.Index.Count, recovery.ReplayedBytes);
    }

    // After a crash of the process alone, records were read that may be in memory only: from now on others will rest on them.
    private void SyncReplayed(Recovery recovery)
    {
        foreach (var segment in recovery.Replayed)
        {
            var path = _paths.Segment(segment.Number);
            var file = _disk.Open(path, DiskOpen.Write);
            Check(-file, path, "open");
            var errno = -_disk.SyncData(file);
            _ = _disk.Close(file);
            Check(errno, path, "sync");
        }
    }

    private bool KeepDamage(Recovery recovery)
    {
        var damaged = recovery.Salvaged;
        if (recovery.Salvaged)
        {
            _events.Damage(0, $"{_paths.Journal}: no checkpoint can be read; all messages found are on hold", "");
        }
        foreach (var bad in recovery.Bad)
        {
            if (bad.Torn)
            {
                _events.Torn(bad.Segment, bad.From, bad.To);
                continue;
            }
            damaged = true;
            _events.Damage(bad.Id, $"{_paths.Segment(bad.Segment)} bytes {bad.From}-{bad.To}", Keep(bad));
        }
        foreach (var name in recovery.Unreadable)
        {
            damaged = true;
            var kept = $"{_paths.Corrupt}/{name}";
            var renamed = _disk.Rename($"{_paths.Journal}/{name}", kept) == 0;
            _events.Damage(0, $"{_paths.Journal}/{name}", renamed ? kept : "");
        }
        foreach (var id in recovery.DamagedMessages)
        {
            _events.Damage(id, "content", "");
        }
        return damaged;
    }

    // Copies the raw bytes of a damaged range to corrupt/; as far as they can be read.
    private string Keep(in BadRange bad)
    {
        var path = $"{_paths.Corrupt}/{bad.Segment:x8}-{bad.From:x8}";
        var from = _disk.Open(_paths.Segment(bad.Segment), DiskOpen.Read);
        if (from < 0)
        {
            return "";
        }
        _ = _disk.Unlink(path);
        var to = _disk.Open(path, DiskOpen.Create);
        var buffer = new byte[64 << 10];
        var errno = to < 0 ? -to : 0;
        for (var at = bad.From; at < bad.To && errno == 0;)
        {
            var n = _disk.Read(from, buffer.AsSpan(0, (int)Math.Min(buffer.Length, bad.To - at)), at);
            if (n <= 0)
            {
                break;
            }
            errno = _disk.WriteAll(to, buffer.AsSpan(0, n), at - bad.From);
            at += n;
        }
        errno = errno != 0 ? errno : -_disk.SyncData(to);
        _ = to < 0 ? 0 : _disk.Close(to);
        _ = _disk.Close(from);
        errno = errno != 0 ? errno : -_disk.SyncDirectory(_paths.Corrupt);
        return errno == 0 ? path : "";
    }
}
