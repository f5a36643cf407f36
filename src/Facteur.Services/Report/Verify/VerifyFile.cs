using System.Globalization;
using System.Text;
using Facteur.Unix;
using Microsoft.Win32.SafeHandles;

namespace Facteur.Services.Report.Verify;

/// <summary>
/// The cache's file: a line for each change, "checksum TAB address TAB entry"; of an address the last line holds. It is written anew when it is
/// mostly changes. Nothing here is worth a sync: what a crash takes costs some probes. A line that is not whole is passed over.
/// </summary>
internal static class VerifyFile
{
    /// <summary>Longest file that is read.</summary>
    public const long SizeLimit = 64 << 20;

    private const string Head = "facteur address verification cache, format 1\n";

    /// <summary>Reads a file; none is an empty one.</summary>
    /// <param name="path">Its name.</param>
    /// <param name="take">Gets each entry, the later of an address after the earlier.</param>
    /// <param name="lines">How many lines it has.</param>
    /// <returns>Whether all of it made sense.</returns>
    /// <exception cref="IOException">It can't be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static bool Read(string path, Action<string, VerifyEntry> take, out int lines)
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
            if (Parse(line, out var address, out var entry))
            {
                take(address, entry);
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
    public static void Replace(string path, IReadOnlyCollection<KeyValuePair<string, VerifyEntry>> entries)
    {
        var next = path + ".new";
        File.Delete(next);
        using (var writer = new StreamWriter(Open(next, Libc.O_EXCL)))
        {
            writer.Write(Head);
            foreach (var (address, entry) in entries)
            {
                writer.Write(Line(address, entry));
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

    /// <summary>The line of an entry.</summary>
    public static string Line(string address, in VerifyEntry entry)
    {
        var text = $"{address}\t{entry}";
        return string.Create(CultureInfo.InvariantCulture, $"{Sum(text):x8}\t{text}\n");
    }

    /// <summary>Whether a text can stand in a line.</summary>
    public static bool Fits(string text) => !text.AsSpan().ContainsAnyInRange('\0', '\x1f');

    private static bool Parse(string line, out string address, out VerifyEntry entry)
    {
        (address, entry) = ("", default);
        if (line.Length < 10 || line[8] != '\t' || !uint.TryParse(line.AsSpan(0, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var sum)
            || sum != Sum(line.AsSpan(9)) || line.IndexOf('\t', 9) is not (> 9 and var tab))
        {
            return false;
        }
        address = line[9..tab];
        return VerifyEntry.TryParse(line.AsSpan(tab + 1), out entry);
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

    // Nobody else may read whom we know.
    private static FileStream Open(string path, int flags)
    {
        var errno = UnixFile.Open(path, Libc.O_WRONLY | Libc.O_CREAT | flags, 0x180, out var file);
        return errno == 0 ? new FileStream(new SafeFileHandle(file!.Descriptor, ownsHandle: true), FileAccess.Write) : throw new IOException(Errno.Text(errno));
    }
}
