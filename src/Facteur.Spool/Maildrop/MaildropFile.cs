using System.Globalization;
using Facteur.Unix;

namespace Facteur.Spool.Maildrop;

/// <summary>
/// A maildrop file being written. <see cref="Commit"/> gives it, in this order: execute permission, stable content, its final name, a stable name.
/// Disposed before that, nothing stays. The first error is kept: later writes do nothing.
/// </summary>
public sealed class MaildropFile : IDisposable
{
    private const uint WritingMode = 0x1A4, CompleteMode = 0x1E4; // 0644, 0744: pickup may read what another user's command wrote
    private static long _sequence;

    private readonly string _directory;
    private readonly string _temporary;
    private readonly UnixFile _file;
    private readonly TimeProvider _time;
    private bool _named;

    private MaildropFile(string directory, string temporary, UnixFile file, TimeProvider time)
    {
        _directory = directory;
        _temporary = temporary;
        _file = file;
        _time = time;
    }

    /// <summary>0, or the errno of the first write that failed.</summary>
    public int Errno { get; private set; }

    /// <summary>Bytes written.</summary>
    public long Length { get; private set; }

    internal static int Create(string directory, TimeProvider time, out MaildropFile? file)
    {
        file = null;
        var temporary = string.Create(CultureInfo.InvariantCulture,
            $"{directory}/{time.GetUtcNow().Ticks:X}.{Environment.ProcessId}.{Interlocked.Increment(ref _sequence)}");
        var errno = UnixFile.Open(temporary, Libc.O_WRONLY | Libc.O_CREAT | Libc.O_EXCL | Libc.O_NOFOLLOW, WritingMode, out var opened);
        if (opened is not null)
        {
            file = new MaildropFile(directory, temporary, opened, time);
        }
        return errno;
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
    /// <param name="name">Its name: its queue id in maildrop.</param>
    /// <returns>0, or the errno; then nothing of it stays.</returns>
    public int Commit(out string name)
    {
        name = "";
        var errno = Errno != 0 ? Errno : _file.Status(out var status) is var refused && refused != 0 ? refused : Complete(status.Inode, out name);
        Errno = errno;
        return errno;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _file.Dispose();
        if (!_named)
        {
            _ = UnixPath.Unlink(_temporary);
        }
    }

    private int Complete(ulong inode, out string name)
    {
        // The permission goes before the sync: a file that is durable without it would never be picked up.
        name = MaildropDirectory.Name(_time, inode);
        var errno = _file.ChangeMode(CompleteMode);
        errno = errno != 0 ? errno : _file.Sync();
        errno = errno != 0 ? errno : _file.Close();
        errno = errno != 0 ? errno : UnixPath.Rename(_temporary, $"{_directory}/{name}");
        if (errno != 0)
        {
            return errno;
        }
        _named = true;
        errno = UnixFile.SyncDirectory(_directory);
        if (errno != 0)
        {
            // Its writer is told that it failed and will send it again.
            _ = UnixPath.Unlink($"{_directory}/{name}");
        }
        return errno;
    }
}
