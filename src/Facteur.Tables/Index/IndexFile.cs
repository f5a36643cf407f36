using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using Facteur.Tables.Text;
using Facteur.Unix;
using Microsoft.Win32.SafeHandles;

namespace Facteur.Tables.Index;

/// <summary>
/// The index of a table as postmap and postalias make or change it: in memory, then written whole under a temporary name, synced, and
/// renamed, so that readers see the old or the new entries and never a mixture.
/// </summary>
public sealed class IndexFile : IDisposable
{
    private readonly EntryStore _entries = new();
    private readonly string _table;
    private readonly string _source;
    private readonly IndexKind _kind;
    private readonly TableOptions _options;
    private readonly Encoding _encoding;
    private readonly string _model;
    private readonly int _lock;
    private bool _nul;

    private IndexFile(string table, string source, TableOptions options, string model, int @lock)
    {
        _table = table;
        _source = source;
        _model = model;
        _kind = IndexKind.Of(TypeOf(table));
        _options = options;
        _encoding = options.Utf8 ? Encoding.UTF8 : Encoding.Latin1;
        _lock = @lock;
        _nul = options.NulTerminated ?? _kind.NulTerminated;
    }

    private string Path => _source + _kind.Suffix;

    /// <summary>An index without entries.</summary>
    /// <param name="table">"type:path".</param>
    /// <param name="source">The path of the text.</param>
    /// <param name="options">Folding, encoding and NUL bytes.</param>
    public static IndexFile Create(string table, string source, TableOptions options) => new(table, source, options, source, -1);

    /// <summary>
    /// The index as it is, locked against others that would change it until it is disposed. Where Postfix's file serves in its place, that one: what is written
    /// then takes its place, and must have its entries.
    /// </summary>
    /// <exception cref="TableException">It is not there or damaged.</exception>
    public static IndexFile Load(string table, string source, TableOptions options)
    {
        var path = Current(table, source);
        var held = Lock(path);
        while (Current(table, source) is var now && now != path)
        {
            // Who held the lock has made the other one.
            _ = Libc.close(held);
            held = Lock(path = now);
        }
        var index = new IndexFile(table, source, options, path, held);
        try
        {
            var first = true;
            foreach (var (key, value) in (path == index.Path ? index._kind.Open(path) : BerkeleyFile.Open(path)).Entries())
            {
                index._entries.Add(key, value, replace: true);
                // What is there says whether keys end with NUL: both forms of one key would be two entries.
                index._nul = first ? options.NulTerminated ?? key is [.., 0] : index._nul;
                first = false;
            }
            return index;
        }
        catch (TableException)
        {
            index.Dispose();
            throw;
        }
    }

    /// <summary>Whether there is an index, ours or Postfix's.</summary>
    public static bool Exists(string table, string source) => FileStamp.Of(Current(table, source)).Exists;

    /// <summary>Adds an entry; false when there is one with its key.</summary>
    /// <param name="key">The key; it is folded here.</param>
    /// <param name="value">The value.</param>
    /// <param name="replace">The new value takes the old one's place.</param>
    /// <exception cref="TableException">No LMDB file holds such a key.</exception>
    public bool Add(string key, string value, bool replace)
    {
        key = KeyFold.Fold(key, _options);
        var (keyLength, valueLength) = (LengthOf(key), LengthOf(value));
        // Postfix: with its NUL byte an empty key is as good as any; an alias of "" is one.
        if (keyLength == 0 || keyLength > _kind.MaxKey)
        {
            throw new TableException($"error updating {_table}: MDB_BAD_VALSIZE: Unsupported size of key/DB name/data, or wrong DUPFIXED size");
        }
        var rented = ArrayPool<byte>.Shared.Rent(keyLength + valueLength);
        try
        {
            Put(key, rented);
            Put(value, rented.AsSpan(keyLength));
            return _entries.Add(rented.AsSpan(0, keyLength), rented.AsSpan(keyLength, valueLength), replace);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>Removes an entry; false when there is none with its key.</summary>
    public bool Remove(string key) => _entries.Remove(_encoding.GetBytes(KeyFold.Fold(key, _options) + (_nul ? "\0" : "")));

    /// <summary>
    /// Writes the index. A new one has the owner of the text and its read permissions for others; one that is there keeps its own. Where the thread has taken a
    /// user's <see cref="FileIdentity"/>, it is that user's.
    /// </summary>
    /// <param name="inheritMode">A new file takes the text's permissions; else it has 0644.</param>
    /// <param name="inheritOwner">A new file is the text's owner's; else it stays whose it is that makes it.</param>
    /// <exception cref="TableException">It can't be written.</exception>
    public void Save(bool inheritMode, bool inheritOwner = true)
    {
        // A new file under a name nobody can guess: in a directory of another user nothing else is overwritten.
        var temporary = $"{Path}.{System.IO.Path.GetRandomFileName()}";
        try
        {
            var descriptor = Libc.open(temporary, Libc.O_RDWR | Libc.O_CREAT | Libc.O_EXCL | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, 0x180);
            Check(descriptor, "open database", Path);
            using (var file = new FileStream(new SafeFileHandle(descriptor, ownsHandle: true), FileAccess.ReadWrite, 1 << 16))
            {
                _kind.Write(file, _entries);
                file.Flush();
                TakeOver(descriptor, inheritMode, inheritOwner);
                Check(Libc.fsync(descriptor), "sync", temporary);
            }
            Check(Libc.rename(temporary, Path), "rename", temporary);
            SyncDirectory();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TableException($"open database {Path}: {TableSource.Reason(temporary, e)}");
        }
        finally
        {
            _ = Libc.unlink(temporary);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_lock >= 0)
        {
            _ = Libc.close(_lock);
        }
    }

    private unsafe void TakeOver(int descriptor, bool inheritMode, bool inheritOwner)
    {
        Stat stat;
        uint mode = 0x1A4; // 0644
        var owned = false;
        if (Libc.stat(Path, &stat) == 0)
        {
            (mode, owned) = (stat.Mode & 0xFFF, true);
        }
        else if (_model != _source && Libc.stat(_model, &stat) == 0)
        {
            (mode, owned) = (stat.Mode & 0xFFF, true);
        }
        else if (Libc.stat(_source, &stat) == 0)
        {
            // The owner reads and writes; group and others read when they may read the text.
            (mode, owned) = (inheritMode ? 0x180 | (stat.Mode & 0x24) : mode, inheritOwner);
        }
        Check(Libc.fchmod(descriptor, mode), "chmod", Path);
        Stat made;
        if (owned && Libc.geteuid() == 0 && Libc.fstat(descriptor, &made) == 0 && made.Uid == 0)
        {
            Check(Libc.fchown(descriptor, stat.Uid, stat.Gid), "chown", Path);
        }
    }

    private void SyncDirectory()
    {
        var name = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(Path)) ?? "/";
        var directory = Libc.open(name, Libc.O_RDONLY | Libc.O_DIRECTORY | Libc.O_CLOEXEC, 0);
        Check(directory, "open", name);
        try
        {
            Check(Libc.fsync(directory), "sync", name);
        }
        finally
        {
            _ = Libc.close(directory);
        }
    }

    /// <summary>Locks the file that has the name now: whoever held the lock may have put another in its place.</summary>
    private static unsafe int Lock(string path)
    {
        while (true)
        {
            var descriptor = Libc.open(path, Libc.O_RDONLY | Libc.O_CLOEXEC, 0);
            Check(descriptor, "open database", path);
            Stat locked, named;
            if (Libc.flock(descriptor, Libc.LOCK_EX) == 0 && Libc.fstat(descriptor, &locked) == 0 && Libc.stat(path, &named) == 0 && locked.Inode == named.Inode)
            {
                return descriptor;
            }
            _ = Libc.close(descriptor);
        }
    }

    /// <summary>The file that a table is read from: as <see cref="Types.IndexedTable"/> chooses.</summary>
    private static string Current(string table, string source)
    {
        var path = source + IndexKind.Of(TypeOf(table)).Suffix;
        return IndexKind.HasBerkeley(TypeOf(table)) && !FileStamp.Of(path).Exists && FileStamp.Of(source + ".db").Exists ? source + ".db" : path;
    }

    private static string TypeOf(string table) => table[..table.IndexOf(':', StringComparison.Ordinal)];

    private int LengthOf(string text) => _encoding.GetByteCount(text) + (_nul ? 1 : 0);

    private void Put(string text, Span<byte> to)
    {
        var length = _encoding.GetBytes(text, to);
        if (_nul)
        {
            to[length] = 0;
        }
    }

    private static void Check(int result, string what, string path)
    {
        if (result < 0)
        {
            throw new TableException($"{what} {path}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        }
    }
}
