using Facteur.Unix;

namespace Facteur.Spool;

internal enum LargeStep : byte
{
    Write,
    Sync,
    Drop,
    Unlink,
    Free,
    DropSpares,
}

internal readonly record struct LargeWork(LargeStep Step, ulong Id, LargeFile? File = null, byte[]? Block = null, int Filled = 0, uint Number = 0);

/// <summary>
/// Makes, writes, syncs and unlinks the files of large messages. Order: made under the final name, written, fdatasync, its directory synced,
/// then the end record; and the delete record durable, then the file loses its name. Done at once, or in the same order by a thread of its own, so
/// that a long message stops no other; who sees that it is behind gives it no more.
/// Some files of deleted messages are kept under other names and written over: their blocks and pages need not be freed and found again.
/// They go when they were not used for a minute, when the disk is full, and at the end.
/// </summary>
internal sealed class LargeBodies(SpoolPaths paths, IDisk disk, TimeProvider time) : IDisposable
{
    /// <summary>Blocks that may wait before the thread is behind.</summary>
    private const int BlocksWaiting = 8;

    /// <summary>Blocks kept for later files: what a crowd of long messages took is given back.</summary>
    private const int BlocksKept = 20;

    /// <summary>Files kept to be written over, and the bytes of the longest: 32 MiB at most.</summary>
    private const int SpareLimit = 16;
    private const long SpareBytes = 2 << 20;

    private static readonly TimeSpan SpareTime = TimeSpan.FromMinutes(1);

    private readonly object _gate = new();
    private readonly Queue<LargeWork> _work = new();
    private readonly Stack<byte[]> _blocks = [];
    private readonly HashSet<string> _known = [];
    private readonly Stack<ulong> _spares = [];
    private volatile bool _hasSpares;
    private long _spareUsed;
    private Thread? _thread;
    private Action? _settled;
    private volatile int _waiting;
    private bool _ending;

    /// <summary>So much waits to be written that no more should be taken in.</summary>
    public bool IsBehind => _waiting >= BlocksWaiting;

    /// <summary>Starts the thread.</summary>
    /// <param name="settled">Called by it when a file is settled, and when it is not behind any more.</param>
    public void WorkAside(Action settled)
    {
        _settled = settled;
        _thread = new Thread(Run) { IsBackground = true, Name = "long messages" };
        _thread.Start();
    }

    /// <summary>Does work, or hands it to the thread.</summary>
    public void Do(in LargeWork work)
    {
        if (_thread is null)
        {
            Perform(work);
            return;
        }
        lock (_gate)
        {
            _work.Enqueue(work);
            _waiting += work.Step == LargeStep.Write ? 1 : 0;
            Monitor.PulseAll(_gate);
        }
    }

    /// <summary>Waits until a finished file is settled.</summary>
    public void WaitFor(LargeFile file)
    {
        lock (_gate)
        {
            while (!file.IsSettled)
            {
                Monitor.Wait(_gate);
            }
        }
    }

    public byte[] Rent()
    {
        lock (_gate)
        {
            return _blocks.TryPop(out var block) ? block : GC.AllocateUninitializedArray<byte>(LargeFile.BlockLength);
        }
    }

    public void Return(byte[] block)
    {
        lock (_gate)
        {
            if (_blocks.Count < BlocksKept)
            {
                _blocks.Push(block);
            }
        }
    }

    /// <summary>Unlinks the file of a message that never was.</summary>
    public void Unlink(ulong id) => Do(new LargeWork(LargeStep.Unlink, id));

    /// <summary>Frees the file of a message that is deleted durably.</summary>
    /// <param name="id">The message.</param>
    /// <param name="size">About how long its file is.</param>
    public void Free(ulong id, long size) => Do(new LargeWork(size <= SpareBytes ? LargeStep.Free : LargeStep.Unlink, id));

    /// <summary>Gives back the files kept to be written over when they were not used for a while.</summary>
    public void Tidy()
    {
        if (_hasSpares && time.GetElapsedTime(Volatile.Read(ref _spareUsed)) > SpareTime)
        {
            Volatile.Write(ref _spareUsed, time.GetTimestamp());
            Do(new LargeWork(LargeStep.DropSpares, 0));
        }
    }

    /// <summary>Gives them back and waits until they are gone; false when there were none.</summary>
    public bool MakeRoom()
    {
        if (!_hasSpares)
        {
            return false;
        }
        Do(new LargeWork(LargeStep.DropSpares, 0));
        lock (_gate)
        {
            while (_hasSpares)
            {
                Monitor.Wait(_gate);
            }
        }
        return true;
    }

    /// <summary>Makes the file of a message, or one of those kept is made its file; a negative descriptor with an errno when the disk refuses.</summary>
    public int Create(ulong id, out bool reused, out int errno)
    {
        reused = false;
        errno = Ensure(paths.LargeDirectory(id));
        if (errno != 0)
        {
            return -1;
        }
        if (_spares.TryPop(out var spare))
        {
            _hasSpares = _spares.Count > 0;
            Volatile.Write(ref _spareUsed, time.GetTimestamp());
            var taken = disk.Rename(paths.Spare(spare), paths.LargeFile(id)) == 0 ? disk.Open(paths.LargeFile(id), DiskOpen.Write) : -1;
            if (taken >= 0)
            {
                reused = true;
                return taken;
            }
            _ = disk.Unlink(paths.Spare(spare));
            _ = disk.Unlink(paths.LargeFile(id));
        }
        var file = disk.Open(paths.LargeFile(id), DiskOpen.Create);
        if (DiskWrites.IsNoSpace(-file) && DropSpares())
        {
            file = disk.Open(paths.LargeFile(id), DiskOpen.Create);
        }
        errno = file < 0 ? -file : 0;
        return file;
    }

    /// <summary>Unlinks the files kept to be written over; false when there were none.</summary>
    public bool DropSpares()
    {
        var any = _spares.Count > 0;
        while (_spares.TryPop(out var spare))
        {
            _ = disk.Unlink(paths.Spare(spare));
        }
        _hasSpares = false;
        return any;
    }

    /// <summary>Unlinks files that no living message names; where something was damaged they are kept in corrupt/ instead.</summary>
    public void Sweep(Index index, bool keep)
    {
        var directories = new List<string>();
        if (disk.List(paths.Large, directories) < 0)
        {
            return;
        }
        var names = new List<string>();
        foreach (var directory in directories)
        {
            names.Clear();
            _ = disk.List($"{paths.Large}/{directory}", names);
            foreach (var name in names)
            {
                if ($"{paths.Large}/{directory}" == paths.Spares)
                {
                    _ = disk.Unlink($"{paths.Spares}/{name}");
                    continue;
                }
                var slot = SpoolPaths.TryLarge(name, out var id) ? index.Find(id) : 0;
                if (slot == 0 || (index[slot].Flags & Entry.LargeFlag) == 0)
                {
                    var path = $"{paths.Large}/{directory}/{name}";
                    if (!keep || disk.Rename(path, $"{paths.Corrupt}/{name}.large") is not (0 or -Libc.ENOENT))
                    {
                        _ = disk.Unlink(path);
                    }
                }
            }
        }
    }

    /// <summary>Does what waits, and ends the thread.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _ending = true;
            Monitor.PulseAll(_gate);
        }
        _thread?.Join();
        DropSpares();
    }

    private int Ensure(string directory)
    {
        if (_known.Contains(directory))
        {
            return 0;
        }
        var errno = disk.EnsureDirectory(directory, paths.Large);
        if (errno == 0)
        {
            _known.Add(directory);
        }
        return errno;
    }

    // Its message is deleted durably; whoever reads it still finds that it has lost its name.
    private void Keep(ulong id)
    {
        if (_spares.Count < SpareLimit && Ensure(paths.Spares) == 0 && disk.Rename(paths.LargeFile(id), paths.Spare(id)) == 0)
        {
            _spares.Push(id);
            _hasSpares = true;
            Volatile.Write(ref _spareUsed, time.GetTimestamp());
            return;
        }
        _ = disk.Unlink(paths.LargeFile(id));
    }

    private void Run()
    {
        while (true)
        {
            LargeWork work;
            var ring = false;
            lock (_gate)
            {
                while (_work.Count == 0)
                {
                    if (_ending)
                    {
                        return;
                    }
                    Monitor.Wait(_gate);
                }
                work = _work.Dequeue();
                if (work.Step == LargeStep.Write)
                {
                    ring = _waiting-- == BlocksWaiting;
                }
            }
            Perform(work);
            if (work.Step is LargeStep.Sync or LargeStep.DropSpares)
            {
                lock (_gate)
                {
                    Monitor.PulseAll(_gate);
                }
            }
            if (ring || work.Step == LargeStep.Sync)
            {
                _settled!();
            }
        }
    }

    private void Perform(in LargeWork work)
    {
        switch (work.Step)
        {
            case LargeStep.Write:
                work.File!.Write(disk, work.Block!, work.Filled, work.Number);
                Return(work.Block!);
                break;
            case LargeStep.Sync:
                work.File!.Sync(disk, paths.LargeDirectory(work.Id));
                break;
            case LargeStep.Drop:
                work.File!.Close(disk);
                goto case LargeStep.Unlink;
            case LargeStep.Unlink:
                _ = disk.Unlink(paths.LargeFile(work.Id));
                break;
            case LargeStep.Free:
                Keep(work.Id);
                break;
            case LargeStep.DropSpares:
                DropSpares();
                break;
        }
    }
}
