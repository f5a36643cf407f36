using System.Globalization;
using Facteur.Unix;

namespace Facteur.Spool.Maildrop;

/// <summary>A file waiting in maildrop.</summary>
/// <param name="Name">Its name: its queue id.</param>
/// <param name="Path">Its path, with the message's number when it was handed over.</param>
/// <param name="Message">The number of the message it was handed over as, or 0: that message may be durable already.</param>
public readonly record struct MaildropEntry(string Name, string Path, ulong Message = 0);

/// <summary>A message waiting in maildrop, as a listing shows it.</summary>
/// <param name="Entry">Its file.</param>
/// <param name="Seconds">When it was submitted, seconds since 1970.</param>
/// <param name="Size">Bytes of the file.</param>
/// <param name="Message">Its sender, and the recipients that are known without reading the content; null when pickup will not take the file.</param>
public readonly record struct WaitingMail(MaildropEntry Entry, long Seconds, long Size, MaildropMessage? Message);

/// <summary>
/// The directory maildrop: mail of local users until pickup has it. A file is complete when it has its final name and its owner may execute it;
/// both are durable before its writer is told so. A file that is handed over gets the number of its message behind its name first, "NAME-NUMBER":
/// who finds it after a crash can ask the queue whether the message is there. Files under other names are being written.
/// </summary>
/// <param name="queueDirectory">queue_directory.</param>
public sealed class MaildropDirectory(string queueDirectory)
{
    // A name has to grow by the number of its message.
    private const int NameLimit = 200;

    private static readonly TimeSpan TemporaryAge = TimeSpan.FromDays(1);

    private readonly string _corrupt = System.IO.Path.Combine(queueDirectory, "corrupt");

    /// <summary>Its path.</summary>
    public string Path { get; } = System.IO.Path.Combine(queueDirectory, "maildrop");

    /// <summary>Starts a new file.</summary>
    /// <param name="time">The clock.</param>
    /// <param name="file">The file, or null.</param>
    /// <returns>0 or the errno.</returns>
    public int Create(TimeProvider time, out MaildropFile? file) => MaildropFile.Create(Path, time, out file);

    /// <summary>
    /// The right to take files out, which one process at a time has: while a reload replaces pickup, another must not take what is being handed over.
    /// Who may only add files can't open the directory, and so not keep pickup from it.
    /// </summary>
    /// <returns>The lock, given back with its disposal; null while another has it.</returns>
    /// <exception cref="IOException">The directory can't be opened or locked.</exception>
    public UnixFile? TryLock()
    {
        var errno = UnixFile.Open(Path, Libc.O_RDONLY | Libc.O_DIRECTORY, 0, out var directory);
        errno = errno != 0 ? errno : directory!.TryLockFlock();
        if (errno == 0)
        {
            return directory;
        }
        directory?.Dispose();
        return errno is Libc.EAGAIN ? null : throw new IOException($"{Path}: {Errno.Text(errno)}");
    }

    /// <summary>
    /// A file without a name, to write and read: for content that is held for a while and needs no other process. Its first name is one of a file being written, which
    /// is removed in time should this process end before it lost it.
    /// </summary>
    /// <param name="time">The clock.</param>
    /// <exception cref="IOException">It can't be made.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be made.</exception>
    public FileStream Nameless(TimeProvider time)
    {
        var path = MaildropFile.Temporary(Path, time);
        var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Share = FileShare.None,
            Options = FileOptions.Asynchronous,
            // What is not written is not kept back either: a full disk is told by the write, and not once more at the end.
            BufferSize = 0,
#pragma warning disable CA1416 // Linux only, as the whole system.
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
#pragma warning restore CA1416
        });
        _ = UnixPath.Unlink(path);
        return file;
    }

    /// <summary>Whether this process writes here itself: it is root or owns the directory.</summary>
    public bool IsOurs()
    {
        var self = Libc.geteuid();
        return UnixFile.Status(Path, followLinks: true, out var status) == 0 && (self == 0 || self == status.Uid);
    }

    /// <summary>The files that have a final name; at most so many.</summary>
    /// <exception cref="IOException">The directory can't be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    /// <param name="limit">How many at most.</param>
    /// <param name="except">Names to pass over.</param>
    public IReadOnlyList<MaildropEntry> List(int limit, IReadOnlySet<string>? except = null) =>
        [.. Names().Select(EntryOf).OfType<MaildropEntry>().Where(e => except?.Contains(e.Name) != true).Take(limit)];

    // A queue of another user than maildrop's may not list it, and was given it open.
    private IEnumerable<string> Names()
    {
        var given = SealedFiles.DescriptorOf(Path);
        if (given < 0)
        {
            return Directory.EnumerateFileSystemEntries(Path);
        }
        var names = new List<string>();
        var errno = UnixDirectory.Names(given, names);
        return errno == 0 ? names.Select(name => $"{Path}/{name}") : throw new IOException($"{Path}: {Errno.Text(errno)}");
    }

    /// <summary>The messages that wait, for a listing; at most so many. Who may not read the directory gets none.</summary>
    public IReadOnlyList<WaitingMail> Waiting(int limit)
    {
        var waiting = new List<WaitingMail>();
        try
        {
            foreach (var entry in List(limit))
            {
                if (UnixFile.Status(entry.Path, followLinks: false, out var named) == 0 && (named.Mode & Libc.S_IFMT) == Libc.S_IFREG && Open(entry, out var file) == 0 && file is not null)
                {
                    using (file)
                    {
                        var reader = new MaildropReader(file);
                        waiting.Add(new WaitingMail(entry, named.Modified.Seconds, named.Size, reader.ReadEnvelope() is null ? reader.Message : null));
                    }
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // What was read so far is still worth having.
        }
        return waiting;
    }

    /// <summary>The plain file of a queue id, or null. A file that is being handed over is not found.</summary>
    public MaildropEntry? Find(string name) =>
        EntryOf(System.IO.Path.Combine(Path, name)) is { Message: 0 } entry && UnixFile.Status(entry.Path, followLinks: false, out var status) == 0
            && (status.Mode & Libc.S_IFMT) == Libc.S_IFREG ? entry : null;

    /// <summary>Removes what writers that were killed left behind: no final name, old, and its process is gone.</summary>
    /// <returns>How many were removed.</returns>
    public int RemoveTemporaries(TimeProvider time)
    {
        var oldest = (time.GetUtcNow() - TemporaryAge).ToUnixTimeSeconds();
        try
        {
            return Directory.EnumerateFiles(Path).Count(path => MaildropFile.Writer(System.IO.Path.GetFileName(path)) is { } writer
                && UnixFile.Status(path, followLinks: false, out var status) == 0 && status.Modified.Seconds < oldest
                // A program may write its message for days.
                && !UnixPath.IsDirectory($"/proc/{writer.ToString(CultureInfo.InvariantCulture)}") && UnixPath.Unlink(path) == 0);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return 0;
        }
    }

    /// <summary>Writes into a file's name as which message it is handed over. Not synced: it is for a crash of this process alone.</summary>
    /// <param name="entry">The file.</param>
    /// <param name="message">The message's number.</param>
    /// <param name="handed">The file under its new name.</param>
    /// <returns>0 or the errno.</returns>
    public int HandOver(MaildropEntry entry, ulong message, out MaildropEntry handed)
    {
        handed = entry with { Path = string.Create(CultureInfo.InvariantCulture, $"{Path}/{entry.Name}-{message:X}"), Message = message };
        return UnixPath.Rename(entry.Path, handed.Path);
    }

    /// <summary>Opens a file to read, without following links or waiting for a pipe's writer.</summary>
    /// <returns>0 or the errno.</returns>
    public static int Open(MaildropEntry entry, out UnixFile? file) =>
        UnixFile.Open(entry.Path, Libc.O_RDONLY | Libc.O_NOFOLLOW | Libc.O_NONBLOCK, 0, out file);

    /// <summary>Removes a file whose message is durable in the queue.</summary>
    /// <returns>0 or the errno.</returns>
    public static int Remove(MaildropEntry entry) => UnixPath.Unlink(entry.Path);

    /// <summary>Puts a file aside for the operator, in the queue "corrupt".</summary>
    /// <returns>0 or the errno.</returns>
    public int PutAside(MaildropEntry entry)
    {
        var errno = UnixPath.MakeDirectories(_corrupt, 0x1C0, out _);
        return errno != 0 ? errno : UnixPath.Rename(entry.Path, System.IO.Path.Combine(_corrupt, entry.Name));
    }

    // Postfix: letters, digits and underscores, however few, are a queue id, so that what an operator puts here is found too; what is being written has a dot.
    private static MaildropEntry? EntryOf(string path)
    {
        var name = System.IO.Path.GetFileName(path);
        var dash = name.IndexOf('-', StringComparison.Ordinal);
        ulong message = 0;
        if (dash >= 0 && (!ulong.TryParse(name.AsSpan(dash + 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out message) || message == 0))
        {
            return null;
        }
        name = dash >= 0 ? name[..dash] : name;
        return name.Length is > 0 and <= NameLimit && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_') ? new MaildropEntry(name, path, message) : null;
    }

    /// <summary>A final name: microseconds and inode number, so that no two living files share it.</summary>
    internal static string Name(TimeProvider time, ulong inode) =>
        string.Create(CultureInfo.InvariantCulture, $"{(time.GetUtcNow().Ticks / TimeSpan.TicksPerMicrosecond) % 1_000_000:X5}{inode:X}");
}
