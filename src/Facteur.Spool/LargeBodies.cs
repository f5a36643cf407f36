using Facteur.Unix;

namespace Facteur.Spool;

internal enum LargeStep : byte
{
    Write,
    Sync,
    Drop,
    Unlink,
}

internal readonly record struct LargeWork(LargeStep Step, ulong Id, LargeFile? File = null, byte[]? Block = null, int Filled = 0, uint Number = 0);

/// <summary>
/// Makes, writes, syncs and unlinks the files of large messages. Order: made under the final name, written, fdatasync, its directory synced,
/// then the end record; and the delete record durable, then the unlink. Done at once, or in the same order by a thread of its own, so that a long
/// message stops no other; who gives it more than the limit waits.
/// </summary>
internal sealed class LargeBodies(SpoolPaths paths, IDisk disk) : IDisposable
{
    /// <summary>Work that may wait for the thread.</summary>
    private const int WorkLimit = 24;

    /// <summary>Blocks kept for later files: what a crowd of long messages took is given back.</summary>
    private const int BlocksKept = 32;

    private readonly object _gate = new();
    private readonly Queue<LargeWork> _work = new();
    private readonly Stack<byte[]> _blocks = [];
    private readonly HashSet<string> _known = [];
    private Thread? _thread;
    private Action? _settled;
    private bool _ending;

    /// <summary>Starts the thread.</summary>
    /// <param name="settled">Called by it when a file is settled.</param>
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
            while (_work.Count >= WorkLimit)
            {
                Monitor.Wait(_gate);
            }
            _work.Enqueue(work);
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

    public void Unlink(ulong id) => Do(new LargeWork(LargeStep.Unlink, id));

    /// <summary>Makes the file of a message; a negative descriptor with an errno when the disk refuses.</summary>
    public int Create(ulong id, out int errno)
    {
        var directory = paths.LargeDirectory(id);
        if (!_known.Contains(directory))
        {
            errno = disk.EnsureDirectory(directory, paths.Large);
            if (errno != 0)
            {
                return -1;
            }
            _known.Add(directory);
        }
        var file = disk.Open(paths.LargeFile(id), DiskOpen.Create);
        errno = file < 0 ? -file : 0;
        return file;
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
    }

    private void Run()
    {
        while (true)
        {
            LargeWork work;
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
                if (_work.Count == WorkLimit - 1)
                {
                    Monitor.PulseAll(_gate);
                }
            }
            Perform(work);
            if (work.Step == LargeStep.Sync)
            {
                lock (_gate)
                {
                    Monitor.PulseAll(_gate);
                }
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
        }
    }
}
