using System.Globalization;
using System.Text;
using Facteur.Unix;
using Microsoft.Win32.SafeHandles;

namespace Facteur.Tables.Cache;

/// <summary>
/// The file of a table that the system writes: a line for each change, "checksum TAB key TAB value", without the value when the key was removed;
/// of a key the last line holds. It is written anew when it is mostly changes. Nothing here is worth a sync: what a crash takes can be found out again.
/// </summary>
internal static class CacheFile
{
    /// <summary>Longest file that is read.</summary>
    public const long SizeLimit = 64 << 20;

    private const string Head = "facteur cache, format 1\n";

    /// <summary>What follows the name of the table.</summary>
    public const string Suffix = ".cache";

    /// <summary>Reads a file; none is an empty one.</summary>
    /// <param name="path">Its name.</param>
    /// <param name="take">Gets each change, the later of a key after the earlier; null for one that was removed.</param>
    /// <param name="lines">How many lines it has.</param>
    /// <returns>Whether all of it made sense.</returns>
    /// <exception cref="IOException">It can't be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static bool Read(string path, Action<string, string?> take, out int lines)
    {
        lines = 0;
        if (!File.Exists(path))
        {
            return true;
        }
        using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        if (stream.Length > SizeLimit)
        {
            return false;
        }
        using var reader = new StreamReader(stream, Encoding.UTF8);
        var whole = reader.ReadLine() == Head[..^1];
        while (whole && reader.ReadLine() is { } line)
        {
            lines++;
            if (Parse(line, out var key, out var value))
            {
                take(key, value);
            }
            else
            {
                // Behind it there may be more that is good, but a file that was cut is best written anew.
                whole = false;
            }
        }
        return whole;
    }

    /// <summary>Writes a file anew, beside the old one until it is whole.</summary>
    public static void Replace(string path, IReadOnlyCollection<KeyValuePair<string, string>> entries)
    {
        var next = path + ".new";
        File.Delete(next);
        using (var writer = new StreamWriter(Open(next, Libc.O_EXCL)))
        {
            writer.Write(Head);
            foreach (var (key, value) in entries)
            {
                writer.Write(Line(key, value));
            }
        }
        File.Move(next, path, overwrite: true);
    }

    /// <summary>Adds lines.</summary>
    public static void Append(string path, IEnumerable<string> lines)
    {
        using var writer = new StreamWriter(Open(path, Libc.O_APPEND));
        foreach (var line in lines)
        {
            writer.Write(line);
        }
    }

    /// <summary>The line of a change.</summary>
    public static string Line(string key, string? value)
    {
        var text = value is null ? key : $"{key}\t{value}";
        return string.Create(CultureInfo.InvariantCulture, $"{Sum(text):x8}\t{text}\n");
    }

    /// <summary>Whether a text can stand in a line.</summary>
    public static bool Fits(string text) => !text.AsSpan().ContainsAnyInRange('\0', '\x1f');

    private static bool Parse(string line, out string key, out string? value)
    {
        (key, value) = ("", null);
        if (line.Length < 10 || line[8] != '\t' || !uint.TryParse(line.AsSpan(0, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var sum)
            || sum != Sum(line.AsSpan(9)))
        {
            return false;
        }
        var tab = line.IndexOf('\t', 9);
        (key, value) = tab < 0 ? (line[9..], null) : (line[9..tab], line[(tab + 1)..]);
        return true;
    }

    // FNV-1a: against what a crash or a full disk leaves, not against who may write here.
    private static uint Sum(ReadOnlySpan<char> text)
    {
        var sum = 2166136261u;
        foreach (var c in text)
        {
            sum = (sum ^ c) * 16777619u;
        }
        return sum;
    }

    // What it holds is the mail system's own business.
    private static FileStream Open(string path, int flags)
    {
        var errno = UnixFile.Open(path, Libc.O_WRONLY | Libc.O_CREAT | flags, 0x180, out var file);
        return errno == 0 ? new FileStream(new SafeFileHandle(file!.Descriptor, ownsHandle: true), FileAccess.Write) : throw new IOException(Errno.Text(errno));
    }
}
