using Facteur.Unix;

namespace Facteur.Spool;

/// <summary>
/// Makes, syncs and unlinks the files of large messages. Order: made under the final name, written, fdatasync, its directory synced,
/// then the end record; and the delete record durable, then the unlink.
/// </summary>
internal sealed class LargeBodies(SpoolPaths paths, IDisk disk)
{
    private readonly Stack<byte[]> _blocks = [];
    private readonly HashSet<string> _known = [];
    private readonly HashSet<string> _unsynced = [];

    /// <summary>Makes the file of a message; null with an errno when the disk refuses.</summary>
    public LargeFile? Create(ulong id, out int errno)
    {
        var directory = paths.LargeDirectory(id);
        if (!_known.Contains(directory))
        {
            errno = disk.EnsureDirectory(directory, paths.Large);
            if (errno != 0)
            {
                return null;
            }
            _known.Add(directory);
        }
        var file = disk.Open(paths.LargeFile(id), DiskOpen.Create);
        errno = file < 0 ? -file : 0;
        return file < 0 ? null : new LargeFile(disk, file, id, _blocks);
    }

    /// <summary>Makes the files of ended messages and their names durable: one sync for each file and for each directory.</summary>
    /// <returns>0 or the errno.</returns>
    public int Sync(List<OpenMessage> ended)
    {
        _unsynced.Clear();
        foreach (var message in ended)
        {
            if (message.File is { } file)
            {
                if (file.Sync() is var errno and not 0)
                {
                    return errno;
                }
                _unsynced.Add(paths.LargeDirectory(file.Id));
            }
        }
        foreach (var directory in _unsynced)
        {
            if (-disk.SyncDirectory(directory) is var errno and not 0)
            {
                return errno;
            }
        }
        return 0;
    }

    public void Unlink(ulong id) => _ = disk.Unlink(paths.LargeFile(id));

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
}
