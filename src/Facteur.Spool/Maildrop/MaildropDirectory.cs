using System.Globalization;
using Facteur.Unix;

namespace Facteur.Spool.Maildrop;

/// <summary>A file waiting in maildrop.</summary>
/// <param name="Name">Its name in the directory: its queue id.</param>
/// <param name="Path">Its path.</param>
public readonly record struct MaildropEntry(string Name, string Path);

/// <summary>
/// The directory maildrop: mail of local users until pickup has it. A file is complete when it has its final name and its owner may execute it;
/// both are durable before its writer is told so. Files under other names are being written.
/// </summary>
/// <param name="queueDirectory">queue_directory.</param>
public sealed class MaildropDirectory(string queueDirectory)
{
    private readonly string _corrupt = System.IO.Path.Combine(queueDirectory, "corrupt");

    /// <summary>Its path.</summary>
    public string Path { get; } = System.IO.Path.Combine(queueDirectory, "maildrop");

    /// <summary>Starts a new file.</summary>
    /// <param name="time">The clock.</param>
    /// <param name="file">The file, or null.</param>
    /// <returns>0 or the errno.</returns>
    public int Create(TimeProvider time, out MaildropFile? file) => MaildropFile.Create(Path, time, out file);

    /// <summary>Whether this process writes here itself: it is root or owns the directory.</summary>
    public bool IsOurs()
    {
        var self = Libc.geteuid();
        return UnixFile.Status(Path, followLinks: true, out var status) == 0 && (self == 0 || self == status.Uid);
    }

    /// <summary>The files that have a final name, oldest names first as far as names tell; at most so many.</summary>
    /// <exception cref="IOException">The directory can't be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public IReadOnlyList<MaildropEntry> List(int limit) =>
        [.. Directory.EnumerateFileSystemEntries(Path).Select(p => new MaildropEntry(System.IO.Path.GetFileName(p), p)).Where(e => IsFinal(e.Name)).Take(limit)];

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

    // Postfix's short ids are hexadecimal, its long ones letters and digits; what is being written has a dot.
    private static bool IsFinal(string name) => name.Length is >= 6 and <= 64 && name.All(char.IsAsciiLetterOrDigit);

    /// <summary>A final name: microseconds and inode number, so that no two living files share it.</summary>
    internal static string Name(TimeProvider time, ulong inode) =>
        string.Create(CultureInfo.InvariantCulture, $"{(time.GetUtcNow().Ticks / TimeSpan.TicksPerMicrosecond) % 1_000_000:X5}{inode:X}");
}
