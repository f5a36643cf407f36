using System.Runtime.InteropServices;
using System.Text;
using Facteur.Tables.Text;
using Facteur.Tables.Types;
using Facteur.Unix;
using Microsoft.Win32.SafeHandles;

namespace Facteur.Tables.Index;

/// <summary>
/// The index of a table as postmap and postalias make or change it: in memory, then written whole under a temporary name, synced, and
/// renamed, so that readers see the old or the new entries and never a mixture.
/// </summary>
public sealed class IndexFile : IDisposable
{
    private readonly SortedDictionary<byte[], byte[]> _entries = new(ByteOrder.Instance);
    private readonly string _table;
    private readonly string _source;
    private readonly TableOptions _options;
    private readonly Encoding _encoding;
    private readonly int _lock;
    private bool _nul;

    private IndexFile(string table, string source, TableOptions options, int @lock)
    {
        _table = table;
        _source = source;
        _options = options;
        _encoding = options.Utf8 ? Encoding.UTF8 : Encoding.Latin1;
        _lock = @lock;
        _nul = options.NulTerminated != false;
    }

    private string Path => IndexedTable.IndexPath(_source);

    /// <summary>An index without entries.</summary>
    /// <param name="table">"type:path".</param>
    /// <param name="source">The path of the text.</param>
    /// <param name="options">Folding, encoding and NUL bytes.</param>
    public static IndexFile Create(string table, string source, TableOptions options) => new(table, source, options, -1);

    /// <summary>The index as it is, locked against others that would change it until it is disposed.</summary>
    /// <exception cref="TableException">It is not there or damaged.</exception>
    public static IndexFile Load(string table, string source, TableOptions options)
    {
        var index = new IndexFile(table, source, options, Lock(IndexedTable.IndexPath(source)));
        try
        {
            foreach (var (key, value) in LmdbFile.Open(index.Path).Entries())
            {
                index._entries[key] = value;
            }
            // What is there says whether keys end with NUL: both forms of one key would be two entries.
            index._nul = options.NulTerminated ?? (index._entries.Count == 0 || index._entries.First().Key is [.., 0]);
            return index;
        }
        catch (TableException)
        {
            index.Dispose();
            throw;
        }
    }

    /// <summary>Whether there is an index.</summary>
    public static bool Exists(string source) => FileStamp.Of(IndexedTable.IndexPath(source)).Exists;

    /// <summary>Adds an entry; false when there is one with its key.</summary>
    /// <param name="key">The key; it is folded here.</param>
    /// <param name="value">The value.</param>
    /// <param name="replace">The new value takes the old one's place.</param>
    /// <exception cref="TableException">No LMDB file holds such a key.</exception>
    public bool Add(string key, string value, bool replace)
    {
        var bytes = Bytes(KeyFold.Fold(key, _options));
        if (bytes.Length is 0 or > LmdbFormat.MaxKey)
        {
            throw new TableException($"error updating {_table}: MDB_BAD_VALSIZE: Unsupported size of key/DB name/data, or wrong DUPFIXED size");
        }
        if (replace)
        {
            _entries[bytes] = Bytes(value);
            return true;
        }
        return _entries.TryAdd(bytes, Bytes(value));
    }

    /// <summary>Removes an entry; false when there is none with its key.</summary>
    public bool Remove(string key) => _entries.Remove(Bytes(KeyFold.Fold(key, _options)));

    /// <summary>
    /// Writes the index. A new one has the owner of the text and its read permissions for others; one that is there keeps its own.
    /// </summary>
    /// <param name="inheritMode">A new file takes the text's permissions; else it has 0644.</param>
    /// <exception cref="TableException">It can't be written.</exception>
    public void Save(bool inheritMode)
    {
        // A new file under a name nobody can guess: in a directory of another user nothing else is overwritten.
        var temporary = $"{Path}.{System.IO.Path.GetRandomFileName()}";
        try
        {
            var descriptor = Libc.open(temporary, Libc.O_RDWR | Libc.O_CREAT | Libc.O_EXCL | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, 0x180);
            Check(descriptor, "open database", Path);
            using (var file = new FileStream(new SafeFileHandle(descriptor, ownsHandle: true), FileAccess.ReadWrite, 1 << 16))
            {
                new LmdbWriter(file).Write(_entries);
                file.Flush();
                TakeOver(descriptor, inheritMode);
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

    private unsafe void TakeOver(int descriptor, bool inheritMode)
    {
        Stat stat;
        uint mode = 0x1A4; // 0644
        var owned = false;
        if (Libc.stat(Path, &stat) == 0)
        {
            (mode, owned) = (stat.Mode & 0xFFF, true);
        }
        else if (Libc.stat(_source, &stat) == 0)
        {
            // The owner reads and writes; group and others read when they may read the text.
            (mode, owned) = (inheritMode ? 0x180 | (stat.Mode & 0x24) : mode, true);
        }
        Check(Libc.fchmod(descriptor, mode), "chmod", Path);
        if (owned && Libc.geteuid() == 0)
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

    private byte[] Bytes(string text) => _encoding.GetBytes(_nul ? text + "\0" : text);

    private static void Check(int result, string what, string path)
    {
        if (result < 0)
        {
            throw new TableException($"{what} {path}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        }
    }
}
