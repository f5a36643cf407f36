using System.Globalization;
using Facteur.Mail.Envelopes;
using Facteur.Unix;

namespace Facteur.Spool.PostfixQueue;

/// <summary>A file in one of Postfix's queues.</summary>
/// <param name="Queue">incoming, active, deferred or hold.</param>
/// <param name="Directory">The directory it is in: the queue's or a hashed one below.</param>
/// <param name="Name">Its queue id.</param>
/// <param name="Message">The number of the message in the journal that it is handed over to or from, or 0.</param>
public readonly record struct PostfixQueueFile(string Queue, string Directory, string Name, ulong Message = 0)
{
    /// <summary>Its path.</summary>
    public string Path => Message == 0 ? $"{Directory}/{Name}" : string.Create(CultureInfo.InvariantCulture, $"{Directory}/{Name}-{Message:X}");

    /// <summary>Its name for people, as Postfix's tools show it.</summary>
    public override string ToString() => $"{Queue}/{Name}";
}

/// <summary>
/// Names in a Postfix queue directory. Queues may be hashed: a file is below directories named by the first characters of its queue id.
/// A file on its way between Postfix's queue and the journal has the message's number behind its name, "NAME-NUMBER", which Postfix passes over:
/// when the journal has that very message, the journal's counts and the file goes; else the file counts and gets its name back.
/// So a crash at any instant leaves a message in one of the two.
/// </summary>
/// <param name="path">queue_directory.</param>
public sealed class PostfixQueueDirectory(string path)
{
    /// <summary>The queues whose files are mail to be delivered.</summary>
    public static IReadOnlyList<string> Queues { get; } = ["incoming", "active", "deferred", "hold"];

    /// <summary>Postfix: most levels of hashed directories (hash_queue_depth).</summary>
    private const int DepthLimit = 16;

    private const uint OwnerExecutes = 0x40;

    /// <summary>Its path.</summary>
    public string Path => path;

    /// <summary>The directories of a queue that exist: itself and hashed ones.</summary>
    public IEnumerable<string> Directories(string queue)
    {
        var waiting = new Stack<(string Directory, int Depth)>();
        waiting.Push(($"{path}/{queue}", 0));
        while (waiting.TryPop(out var next))
        {
            if (!UnixPath.IsDirectory(next.Directory))
            {
                continue;
            }
            yield return next.Directory;
            if (next.Depth < DepthLimit)
            {
                foreach (var below in Names(next.Directory).Where(name => name.Length == 1).Order(StringComparer.Ordinal).Reverse())
                {
                    waiting.Push(($"{next.Directory}/{below}", next.Depth + 1));
                }
            }
        }
    }

    /// <summary>The files in one directory that have the name of a queue file, while it may change.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="directory">The directory.</param>
    /// <param name="handedOver">Those on their way instead of those in place.</param>
    public static IEnumerable<PostfixQueueFile> Files(string queue, string directory, bool handedOver)
    {
        foreach (var name in Names(directory))
        {
            var dash = name.IndexOf('-', StringComparison.Ordinal);
            var id = dash < 0 ? name : name[..dash];
            ulong message = 0;
            if (IsQueueId(id) && dash >= 0 == handedOver
                && (!handedOver || (ulong.TryParse(name.AsSpan(dash + 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out message) && message != 0)))
            {
                yield return new PostfixQueueFile(queue, directory, id, message);
            }
        }
    }

    /// <summary>Complete messages that lie in Postfix's queues now; at most so many.</summary>
    /// <param name="limit">How many at most.</param>
    public IEnumerable<(PostfixQueueFile File, Stat Status)> Left(int limit) =>
        Queues.SelectMany(queue => Directories(queue).SelectMany(directory => Files(queue, directory, handedOver: false).Concat(Files(queue, directory, handedOver: true))))
            .Select(file => (file, UnixFile.Status(file.Path, followLinks: false, out var status) == 0 && IsComplete(status) ? status : (Stat?)null))
            .Where(found => found.Item2 is not null).Select(found => (found.file, found.Item2!.Value)).Take(limit);

    /// <summary>Whether a file is a whole message: Postfix gives it execute permission when it is.</summary>
    public static bool IsComplete(in Stat status) => (status.Mode & Libc.S_IFMT) == Libc.S_IFREG && (status.Mode & OwnerExecutes) != 0;

    /// <summary>The file of a message in defer, bounce or trace, at whatever depth that is hashed; null when there is none.</summary>
    public string? Log(string log, string name)
    {
        var hash = HashText(name);
        var directory = $"{path}/{log}";
        for (var depth = 0; depth <= Math.Min(DepthLimit, hash.Length) && UnixPath.IsDirectory(directory); depth++)
        {
            if (UnixFile.Status($"{directory}/{name}", followLinks: false, out var status) == 0 && (status.Mode & Libc.S_IFMT) == Libc.S_IFREG)
            {
                return $"{directory}/{name}";
            }
            if (depth < hash.Length)
            {
                directory = $"{directory}/{hash[depth]}";
            }
        }
        return null;
    }

    /// <summary>Where a file of a name belongs.</summary>
    /// <param name="queue">A queue, or defer, bounce, trace.</param>
    /// <param name="name">The queue id.</param>
    /// <param name="depth">How deep the queue is hashed.</param>
    public string Place(string queue, string name, int depth)
    {
        // Postfix: a short id is filled up with underscores.
        var hash = HashText(name);
        return string.Concat($"{path}/{queue}", string.Concat(Enumerable.Range(0, Math.Min(depth, DepthLimit)).Select(i => $"/{(i < hash.Length ? hash[i] : '_')}")));
    }

    /// <summary>
    /// A queue id as Postfix makes it, of the arrival's microseconds and the file's inode number: postsuper(1) renames what has another.
    /// </summary>
    public static string Id(long arrivalMicros, ulong inode, bool longForm)
    {
        if (!longForm)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{arrivalMicros % 1_000_000:X5}{inode:X}");
        }
        // Postfix: the number in base 51 behind the "z" has no "z" for a digit.
        const string digits = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxy";
        var text = "";
        for (var rest = inode; rest > 0 || text.Length == 0; rest /= 51)
        {
            text = digits[(int)(rest % 51)] + text;
        }
        return QueueId.Format((ulong)arrivalMicros, longForm: true)[..^1] + text;
    }

    // Postfix: a short id begins with its microseconds in hexadecimal; those of a long id are hashed in the same form.
    private static string HashText(string name)
    {
        var z = name.LastIndexOf('z');
        return z >= 10 && QueueId.TryParse(name[..(z + 1)] + "0", out var micros) ? (micros % 1_000_000).ToString("X5", CultureInfo.InvariantCulture) : name;
    }

    // Postfix: letters, digits and underscores.
    private static bool IsQueueId(string name) => name.Length is >= 6 and <= 100 && name.All(c => char.IsAsciiLetterOrDigit(c) || c == '_');

    private static IEnumerable<string> Names(string directory) =>
        System.IO.Directory.EnumerateFileSystemEntries(directory).Select(entry => System.IO.Path.GetFileName(entry));
}
