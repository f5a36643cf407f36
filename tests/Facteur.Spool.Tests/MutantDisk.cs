namespace Facteur.Spool.Tests;

/// <summary>What a mutant does to one kind of barrier.</summary>
internal enum Mutation
{
    /// <summary>Nothing: the kinds are counted.</summary>
    None,

    /// <summary>The call is not made; it is said to have succeeded.</summary>
    Drop,

    /// <summary>The call is made only when the spool has answered the next commit, or when the file is closed.</summary>
    Late,
}

/// <summary>
/// Between the spool and the disk: names the place in the product that a sync or rename comes from (by the file, and by what the spool
/// was asked to do), and leaves one kind out or makes it after all other calls of the same request. The product has no test switches.
/// </summary>
internal sealed class MutantDisk(IDisk inner, string kind = "", Mutation mutation = Mutation.None) : IDisk
{
    private readonly Dictionary<int, OpenedFile> _files = [];
    private string _lastNamed = "";
    private string _phase = "open";
    private Func<int>? _late;
    private OpenedFile? _lateFile;
    private bool _failed;

    /// <summary>What the spool is asked to do; the late call is made behind the next commit.</summary>
    public string Phase
    {
        get => _phase;
        set
        {
            var before = _phase;
            _phase = value;
            if (before == "commit")
            {
                MakeLate();
            }
        }
    }

    public Dictionary<string, int> Kinds { get; } = [];

    public int Open(string path, DiskOpen how)
    {
        var file = inner.Open(path, how);
        if (file >= 0)
        {
            _files[file] = new OpenedFile(path, how);
            _lastNamed = how == DiskOpen.Create ? "create " + Class(path, false) : _lastNamed;
        }
        return file;
    }

    public int Close(int file)
    {
        if (_files.GetValueOrDefault(file) == _lateFile)
        {
            MakeLate();
        }
        _files.Remove(file);
        return inner.Close(file);
    }

    public int Read(int file, Span<byte> into, long offset) => inner.Read(file, into, offset);

    public int Write(int file, ReadOnlySpan<byte> bytes, long offset)
    {
        if (offset == 0 && SegmentHeader.TryRead(bytes, out var header))
        {
            _files[file].Old = header.Old;
            _lastNamed = header.Old ? "create old" : _lastNamed;
        }
        return inner.Write(file, bytes, offset);
    }

    public void StartWriting(int file, long offset, long length) => inner.StartWriting(file, offset, length);

    public int SyncData(int file)
    {
        var opened = _files[file];
        var name = Class(opened.Path, opened.Old);
        var what = name switch
        {
            "young" or "old" when opened.How == DiskOpen.Create && opened.Syncs++ == 0 => $"sync of a new {name} segment",
            "young" when opened.How == DiskOpen.Write => "sync of a replayed segment",
            "young" => _failed ? "sync of the first batch after a failed sync" : $"sync of a young segment ({Phase})",
            "old" => "sync of copies in an old segment",
            _ => $"sync of {name}",
        };
        var result = Mutate(what, opened, () => inner.SyncData(file));
        _failed = result < 0 || (_failed && what.StartsWith("sync of a new", StringComparison.Ordinal));
        return result;
    }

    public int SyncDirectory(string path)
    {
        var name = path.StartsWith(SimDisk.Root + "/", StringComparison.Ordinal) ? path[(SimDisk.Root.Length + 1)..] : "the spool";
        var what = path == "/s" ? "directory sync of the parent"
            : name == "journal" ? $"directory sync after {_lastNamed}"
            : name.StartsWith("large/", StringComparison.Ordinal) ? "directory sync of large/xx"
            : $"directory sync of {name}";
        return Mutate(what, null, () => inner.SyncDirectory(path));
    }

    public int Rename(string from, string to)
    {
        _lastNamed = "rename " + Class(from, false);
        return Mutate(_lastNamed, null, () => inner.Rename(from, to));
    }

    public int Unlink(string path) => inner.Unlink(path);

    public int MakeDirectory(string path) => inner.MakeDirectory(path);

    public int List(string path, List<string> names) => inner.List(path, names);

    public int TryLock(int file) => inner.TryLock(file);

    public int Truncate(int file, long length) => inner.Truncate(file, length);

    public int Allocate(int file, long length) => inner.Allocate(file, length);

    public long Length(int file) => inner.Length(file);

    public long FreeBytes(string path) => inner.FreeBytes(path);

    private static string Class(string path, bool old) =>
        path.Contains("/corrupt/", StringComparison.Ordinal) ? "corrupt"
        : path.EndsWith(".seg", StringComparison.Ordinal) ? (old ? "old" : "young")
        : path.Contains("/checkpoint-", StringComparison.Ordinal) ? "checkpoint"
        : path.Contains("/large/", StringComparison.Ordinal) ? "large"
        : "other";

    private int Mutate(string what, OpenedFile? file, Func<int> call)
    {
        Kinds[what] = Kinds.GetValueOrDefault(what) + 1;
        if (what != kind || mutation == Mutation.None)
        {
            return call();
        }
        MakeLate();
        (_late, _lateFile) = mutation == Mutation.Late ? (call, file) : (null, null);
        return 0;
    }

    private void MakeLate()
    {
        var late = _late;
        (_late, _lateFile) = (null, null);
        late?.Invoke();
    }

    private sealed class OpenedFile(string path, DiskOpen how)
    {
        public string Path => path;

        public DiskOpen How => how;

        public bool Old { get; set; }

        public int Syncs { get; set; }
    }
}
