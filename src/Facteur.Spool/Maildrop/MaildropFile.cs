using System.Globalization;
using Facteur.Unix;

namespace Facteur.Spool.Maildrop;

/// <summary>
/// A maildrop file being written. <see cref="Commit"/> gives it, in this order: execute permission, stable content, its final name, a stable name.
/// Disposed or abandoned before that, nothing stays. The first error is kept: later writes do nothing.
/// </summary>
public sealed class MaildropFile : IDisposable
{
    private const uint WritingMode = 0x1A4, CompleteMode = 0x1E4; // 0644, 0744: pickup may read what another user's command wrote
    private static long _sequence;

    private readonly string _directory;
    private readonly string _temporary;
    private readonly UnixFile _file;
    private readonly Lock _ending = new();
    private bool _named;
    private bool _abandoned;

    private MaildropFile(string directory, string temporary, UnixFile file, string name)
    {
        _directory = directory;
        _temporary = temporary;
        _file = file;
        Name = name;
    }

    /// <summary>The name it will have: its queue id in maildrop.</summary>
    public string Name { get; }

    /// <summary>0, or the errno of the first write that failed.</summary>
    public int Errno { get; private set; }

    /// <summary>Bytes written.</summary>
    public long Length { get; private set; }

    internal static string Temporary(string directory, TimeProvider time) => string.Create(CultureInfo.InvariantCulture,
        $"{directory}/{time.GetUtcNow().Ticks:X}.{Environment.ProcessId}.{Interlocked.Increment(ref _sequence)}");

    internal static int Create(string directory, TimeProvider time, out MaildropFile? file)
    {
        file = null;
        var temporary = Temporary(directory, time);
        var errno = UnixFile.Open(temporary, Libc.O_WRONLY | Libc.O_CREAT | Libc.O_EXCL | Libc.O_NOFOLLOW, WritingMode, out var opened);
        if (opened is null)
        {
            return errno;
        }
        errno = opened.Status(out var status);
        if (errno != 0)
        {
            opened.Dispose();
            _ = UnixPath.Unlink(temporary);
            return errno;
        }
        file = new MaildropFile(directory, temporary, opened, MaildropDirectory.Name(time, status.Inode));
        return 0;
    }

    /// <summary>The process that writes the file of a temporary name; null when the name is another.</summary>
    internal static int? Writer(string name) =>
        name.Split('.') is [_, var process, _] && int.TryParse(process, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : null;

    /// <summary>Writes bytes of records.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        if (Errno == 0)
        {
            Errno = _file.Write(bytes);
            Length += bytes.Length;
        }
    }

    /// <summary>Makes it durable and gives it to pickup.</summary>
    /// <returns>0, or the errno; then nothing of it stays.</returns>
    public int Commit()
    {
        Errno = Errno != 0 ? Errno : Complete();
        return Errno;
    }

    /// <summary>Gives the message up, from any thread: the process is about to end.</summary>
    /// <returns>False when it is too late: the message has its final name.</returns>
    public bool Abandon()
    {
        lock (_ending)
        {
            if (!_named && !_abandoned)
            {
                _ = UnixPath.Unlink(_temporary);
                _abandoned = true;
            }
            return _abandoned;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _file.Dispose();
        _ = Abandon();
    }

    private int Complete()
    {
        // The permission goes before the sync: a file that is durable without it would never be picked up.
        var errno = _file.ChangeMode(CompleteMode);
        errno = errno != 0 ? errno : _file.Sync();
        if (errno != 0 || (errno = Rename()) != 0)
        {
            return errno;
        }
        Named?.Invoke();
        errno = SyncName();
        if (errno != 0)
        {
            // Its writer is told that it failed and will send it again.
            _ = UnixPath.Unlink($"{_directory}/{Name}");
        }
        return errno;
    }

    /// <summary>For tests: called between the final name and its sync, when pickup may take the file.</summary>
    internal Action? Named { get; set; }

    private int Rename()
    {
        lock (_ending)
        {
            var errno = _abandoned ? Libc.EINTR : UnixPath.Rename(_temporary, $"{_directory}/{Name}");
            _named = errno == 0;
            return errno;
        }
    }

    /// <summary>
    /// Makes the final name stable. Users may add to maildrop but not open the directory (0730): what they can sync is their file, whose sync takes the name
    /// along where names and files share a journal; elsewhere all of the file system is synced. It is open all the time: pickup may have taken the name.
    /// </summary>
    private int SyncName()
    {
        var errno = UnixFile.SyncDirectory(_directory);
        if (errno != Libc.EACCES)
        {
            return errno;
        }
        errno = UnixFile.FileSystem(_directory, out var type);
        return errno != 0 ? errno : type is Libc.EXT4_SUPER_MAGIC or Libc.XFS_SUPER_MAGIC or Libc.BTRFS_SUPER_MAGIC ? _file.Sync() : _file.SyncFileSystem();
    }
}
