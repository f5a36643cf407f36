using Facteur.Unix;

namespace Facteur.Spool.Tests;

/// <summary>
/// A disk in memory that knows what would survive a power cut: bytes are durable after the file's sync, names after the directory's.
/// All else is a list of pending operations of which a crash keeps any subset. After a failed sync the pages count as clean: no later
/// sync makes them durable. One thread.
/// </summary>
internal sealed class SimDisk : IDisk
{
    public const string Root = "/s/spool";

    private readonly Dictionary<string, SimFile> _names = new(StringComparer.Ordinal);
    private readonly HashSet<string> _directories = new(StringComparer.Ordinal) { "/s" };
    private readonly Dictionary<string, SimFile> _durableNames = new(StringComparer.Ordinal);
    private readonly HashSet<string> _durableDirectories = new(StringComparer.Ordinal) { "/s" };
    private readonly List<SimFile?> _files = [];
    private SimFile? _locked;

    /// <summary>What a crash may keep or lose, in order.</summary>
    public List<SimOp> Pending { get; } = [];

    /// <summary>Called before each call that changes the disk or syncs; a positive errno makes it fail.</summary>
    public Func<string, string, int>? Fault { get; set; }

    /// <summary>Nothing can be opened for reading while this is a positive errno.</summary>
    public int ReadRefusal { get; set; }

    /// <summary>So many reads succeed, the one after them fails with EIO; none while negative.</summary>
    public int ReadsUntilFault { get; set; } = -1;

    /// <summary>So many opens for reading and listings succeed, the one after them fails with EMFILE; none while negative.</summary>
    public int OpensUntilFault { get; set; } = -1;

    /// <summary>Reads of this file that touch these bytes fail with EIO.</summary>
    public (string Path, int From, int To) Unreadable { get; set; } = ("", 0, 0);

    /// <summary>Called after each call that changed anything.</summary>
    public Action? Changed { get; set; }

    public long Free { get; set; } = 1L << 40;

    public int OpenFiles => _files.Count(f => f is not null);

    public IEnumerable<string> Names => _names.Keys;

    public byte[]? Bytes(string path) => _names.TryGetValue(path, out var file) ? file.Cache.AsSpan(0, file.Length).ToArray() : null;

    /// <summary>Changes bytes on the medium behind the program's back.</summary>
    public void Damage(string path, int offset, int count)
    {
        var file = _names[path];
        file.OwnCache();
        for (var i = offset; i < Math.Min(offset + count, file.Length); i++)
        {
            file.Cache[i] ^= 0x5a;
        }
        file.Durable = file.Cache.AsSpan(0, file.Length).ToArray();
    }

    /// <summary>The disk after a power cut that kept some pending operations.</summary>
    /// <param name="keeps">Whether an operation is kept.</param>
    /// <param name="torn">Index of a write kept in part, or -1.</param>
    /// <param name="from">First byte kept of it.</param>
    /// <param name="to">End of the bytes kept of it.</param>
    public SimDisk AfterCut(Func<int, bool> keeps, int torn = -1, int from = 0, int to = 0)
    {
        var image = new SimDisk();
        image._directories.UnionWith(_durableDirectories);
        var copies = new Dictionary<SimFile, SimFile>();
        var names = new Dictionary<string, SimFile>(_durableNames, StringComparer.Ordinal);
        for (var i = 0; i < Pending.Count; i++)
        {
            if (keeps(i) || i == torn)
            {
                Pending[i].Apply(names, image._directories, file => Copy(copies, file), i == torn ? from : 0, i == torn ? to : int.MaxValue);
            }
        }
        foreach (var (name, file) in names)
        {
            if (image.Reaches(Directory(name)))
            {
                image._names[name] = Copy(copies, file);
            }
        }
        image._directories.RemoveWhere(d => !image.Reaches(d));
        image.AllDurable();
        return image;
    }

    /// <summary>The disk as another process finds it after this one was killed: everything visible, what is pending still pending.</summary>
    public SimDisk AfterKill()
    {
        var image = new SimDisk();
        var copies = new Dictionary<SimFile, SimFile>();
        SimFile Twin(SimFile file)
        {
            if (!copies.TryGetValue(file, out var twin))
            {
                copies[file] = twin = file.Twin();
            }
            return twin;
        }
        foreach (var (name, file) in _names)
        {
            image._names[name] = Twin(file);
        }
        foreach (var (name, file) in _durableNames)
        {
            image._durableNames[name] = Twin(file);
        }
        image._directories.UnionWith(_directories);
        image._durableDirectories.UnionWith(_durableDirectories);
        image.Pending.AddRange(Pending.Select(p => p with { File = p.File is null ? null : Twin(p.File) }));
        return image;
    }

    public int Open(string path, DiskOpen how)
    {
        var exists = _names.TryGetValue(path, out var file);
        if (how == DiskOpen.Read && ReadRefusal > 0)
        {
            return -ReadRefusal;
        }
        if (how == DiskOpen.Read && OpensUntilFault >= 0 && OpensUntilFault-- == 0)
        {
            return -Libc.EMFILE;
        }
        if (how is DiskOpen.Read or DiskOpen.Write || (exists && how == DiskOpen.OpenOrCreate))
        {
            return exists ? Handle(file!) : -Libc.ENOENT;
        }
        if (exists || !_directories.Contains(Directory(path)))
        {
            return exists ? -Libc.EEXIST : -Libc.ENOENT;
        }
        if (Refuse("create", path) is var errno and not 0)
        {
            return -errno;
        }
        file = new SimFile { Path = path };
        _names[path] = file;
        Add(new SimOp(SimKind.Create, path, file));
        return Handle(file);
    }

    public int Close(int file)
    {
        if (_locked == _files[file])
        {
            _locked = null;
        }
        _files[file] = null;
        return 0;
    }

    public int Read(int file, Span<byte> into, long offset)
    {
        if (ReadsUntilFault >= 0 && ReadsUntilFault-- == 0)
        {
            return -Libc.EIO;
        }
        var source = _files[file]!;
        if (source.Path == Unreadable.Path && offset < Math.Min(Unreadable.To, source.Length) && offset + into.Length > Unreadable.From)
        {
            return -Libc.EIO;
        }
        var n = (int)Math.Clamp(source.Length - offset, 0, into.Length);
        source.Cache.AsSpan((int)Math.Min(offset, source.Length), n).CopyTo(into);
        return n;
    }

    public int Write(int file, ReadOnlySpan<byte> bytes, long offset)
    {
        var target = _files[file]!;
        var errno = Refuse("write", target.Path);
        if (errno != 0 && bytes.Length > 1024)
        {
            // A full or failing disk takes a part first.
            bytes = bytes[..(bytes.Length / 2)];
            target.Write(bytes, (int)offset);
            Add(new SimOp(SimKind.Write, target.Path, target, (int)offset, bytes.ToArray()));
            return -errno;
        }
        if (errno != 0)
        {
            return -errno;
        }
        target.Write(bytes, (int)offset);
        Add(new SimOp(SimKind.Write, target.Path, target, (int)offset, bytes.ToArray()));
        return bytes.Length;
    }

    public void StartWriting(int file, long offset, long length)
    {
        // What is pending may reach the disk at any time anyway.
    }

    public int SyncData(int file)
    {
        var target = _files[file]!;
        var errno = Refuse("sync", target.Path);
        for (var i = 0; i < Pending.Count; i++)
        {
            var op = Pending[i];
            if (op.File == target && op.Kind is SimKind.Write or SimKind.Size && op.File == target && !op.Lost)
            {
                if (errno != 0)
                {
                    Pending[i] = op with { Lost = true };
                    continue;
                }
                op.ApplyTo(target);
                Pending.RemoveAt(i--);
            }
        }
        Changed?.Invoke();
        return -errno;
    }

    public int SyncDirectory(string path)
    {
        if (!_directories.Contains(path))
        {
            return -Libc.ENOENT;
        }
        if (Refuse("syncdir", path) is var errno and not 0)
        {
            return -errno;
        }
        for (var i = 0; i < Pending.Count; i++)
        {
            if (Pending[i].Kind is not (SimKind.Write or SimKind.Size) && Directory(Pending[i].Path) == path)
            {
                Pending[i].Apply(_durableNames, _durableDirectories, file => file, 0, int.MaxValue);
                Pending.RemoveAt(i--);
            }
        }
        Changed?.Invoke();
        return 0;
    }

    public int Rename(string from, string to)
    {
        if (!_names.TryGetValue(from, out var file))
        {
            return -Libc.ENOENT;
        }
        if (Refuse("rename", from) is var errno and not 0)
        {
            return -errno;
        }
        _names.Remove(from);
        _names[to] = file;
        file.Path = to;
        Add(new SimOp(SimKind.Rename, to, file) { From = from });
        return 0;
    }

    public int Unlink(string path)
    {
        if (!_names.ContainsKey(path))
        {
            return -Libc.ENOENT;
        }
        if (Refuse("unlink", path) is var errno and not 0)
        {
            return -errno;
        }
        _names.Remove(path);
        Add(new SimOp(SimKind.Unlink, path, null));
        return 0;
    }

    public int MakeDirectory(string path)
    {
        if (_directories.Contains(path))
        {
            return -Libc.EEXIST;
        }
        if (Refuse("mkdir", path) is var errno and not 0)
        {
            return -errno;
        }
        _directories.Add(path);
        Add(new SimOp(SimKind.Directory, path, null));
        return 0;
    }

    public int List(string path, List<string> names)
    {
        if (!_directories.Contains(path))
        {
            return -Libc.ENOENT;
        }
        if (OpensUntilFault >= 0 && OpensUntilFault-- == 0)
        {
            return -Libc.EMFILE;
        }
        names.AddRange(_names.Keys.Concat(_directories).Where(n => Directory(n) == path).Select(n => n[(path.Length + 1)..]));
        return 0;
    }

    public int TryLock(int file)
    {
        if (_locked is not null)
        {
            return -Libc.EAGAIN;
        }
        _locked = _files[file];
        return 0;
    }

    public int Truncate(int file, long length)
    {
        var target = _files[file]!;
        if (Refuse("truncate", target.Path) is var errno and not 0)
        {
            return -errno;
        }
        target.Resize((int)length);
        Add(new SimOp(SimKind.Size, target.Path, target, (int)length));
        return 0;
    }

    public int Allocate(int file, long length)
    {
        if (Free < length)
        {
            return -Libc.ENOSPC;
        }
        return Truncate(file, length);
    }

    public long Length(int file) => _files[file]!.Length;

    public long FreeBytes(string path) => Free;

    private static SimFile Copy(Dictionary<SimFile, SimFile> copies, SimFile file)
    {
        if (!copies.TryGetValue(file, out var copy))
        {
            copies[file] = copy = new SimFile { Path = file.Path, Durable = file.Durable };
        }
        return copy;
    }

    private static string Directory(string path) => path[..path.LastIndexOf('/')];

    private bool Reaches(string directory) => directory == "/s" || (_directories.Contains(directory) && Reaches(Directory(directory)));

    // Everything that survived is what there is.
    private void AllDurable()
    {
        _durableDirectories.UnionWith(_directories);
        foreach (var (name, file) in _names)
        {
            file.Path = name;
            file.Cache = file.Durable;
            file.Length = file.Durable.Length;
            _durableNames[name] = file;
        }
    }

    private int Handle(SimFile file)
    {
        var free = _files.IndexOf(null);
        if (free >= 0)
        {
            _files[free] = file;
            return free;
        }
        _files.Add(file);
        return _files.Count - 1;
    }

    private int Refuse(string call, string path) => Fault?.Invoke(call, path) ?? 0;

    private void Add(SimOp op)
    {
        Pending.Add(op);
        Changed?.Invoke();
    }
}

internal enum SimKind
{
    Write,
    Size,
    Create,
    Rename,
    Unlink,
    Directory,
}

/// <summary>An operation that is not durable yet. Lost: a sync of it failed, so no later one covers it.</summary>
internal sealed record SimOp(SimKind Kind, string Path, SimFile? File, int Offset = 0, byte[]? Bytes = null)
{
    public string From { get; init; } = "";

    public bool Lost { get; init; }

    public void ApplyTo(SimFile file)
    {
        if (Kind == SimKind.Size)
        {
            file.DurableSize(Offset);
        }
        else
        {
            file.DurableWrite(Bytes!, Offset, 0, Bytes!.Length);
        }
    }

    public void Apply(Dictionary<string, SimFile> names, HashSet<string> directories, Func<SimFile, SimFile> copy, int from, int to)
    {
        switch (Kind)
        {
            case SimKind.Write:
                copy(File!).DurableWrite(Bytes!, Offset, from, Math.Min(to, Bytes!.Length));
                break;
            case SimKind.Size:
                copy(File!).DurableSize(Offset);
                break;
            case SimKind.Create:
                names[Path] = File!;
                break;
            case SimKind.Rename:
                names.Remove(From);
                names[Path] = File!;
                break;
            case SimKind.Unlink:
                names.Remove(Path);
                break;
            case SimKind.Directory:
                directories.Add(Path);
                break;
        }
    }
}

/// <summary>A file: what is visible, and what is durable. The durable array is never changed in place, so that images share it.</summary>
internal sealed class SimFile
{
    private bool _ownsCache;

    public string Path { get; set; } = "";

    public byte[] Cache { get; set; } = [];

    public int Length { get; set; }

    public byte[] Durable { get; set; } = [];

    public SimFile Twin() => new() { Path = Path, Cache = Cache.AsSpan(0, Length).ToArray(), Length = Length, Durable = Durable, _ownsCache = true };

    public void OwnCache()
    {
        if (!_ownsCache)
        {
            Cache = Cache.AsSpan(0, Length).ToArray();
            _ownsCache = true;
        }
    }

    public void Write(ReadOnlySpan<byte> bytes, int offset)
    {
        Resize(Math.Max(Length, offset + bytes.Length));
        bytes.CopyTo(Cache.AsSpan(offset));
    }

    public void Resize(int length)
    {
        OwnCache();
        if (length > Cache.Length)
        {
            var grown = new byte[Math.Max(length, Cache.Length * 2)];
            Cache.AsSpan(0, Length).CopyTo(grown);
            Cache = grown;
        }
        if (length < Length)
        {
            Cache.AsSpan(length, Length - length).Clear();
        }
        Length = length;
    }

    public void DurableWrite(byte[] bytes, int offset, int from, int to)
    {
        var result = new byte[Math.Max(Durable.Length, offset + to)];
        Durable.CopyTo(result, 0);
        bytes.AsSpan(from, to - from).CopyTo(result.AsSpan(offset + from));
        Durable = result;
    }

    public void DurableSize(int length)
    {
        var result = new byte[length];
        Durable.AsSpan(0, Math.Min(length, Durable.Length)).CopyTo(result);
        Durable = result;
    }
}
