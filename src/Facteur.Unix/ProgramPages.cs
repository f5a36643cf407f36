using System.Globalization;

namespace Facteur.Unix;

/// <summary>
/// The pages of the executable that are mapped. Starting reads nearly all of a native one once (its data are unpacked from it), serving a part of it; what was
/// mapped stays and counts as this process's memory.
/// </summary>
public static class ProgramPages
{
    /// <summary>Unmaps them once; those that are needed come back at their next use, from the page cache. Never fails: it only saves memory.</summary>
    public static void Forget()
    {
        try
        {
            var (start, end) = (0L, 0L);
            foreach (var line in File.ReadLines("/proc/self/smaps"))
            {
                if (line.StartsWith("Anonymous:", StringComparison.Ordinal))
                {
                    // A page of our own in it, as where addresses were relocated, would be lost.
                    if (end > start && line.AsSpan(10).Trim() is "0 kB")
                    {
                        _ = Libc.madvise((nint)start, (nuint)(end - start), Libc.MADV_DONTNEED);
                    }
                    end = start;
                }
                else if (TryRange(line, out var from, out var to))
                {
                    (start, end) = IsOurs(line) ? (from, to) : (0, 0);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No /proc.
        }
    }

    /// <summary>"55d0c0a00000-55d0c0b00000 r-xp 0001f000 fe:00 532574   /usr/sbin/facteur": a mapping of the executable that can't be written.</summary>
    private static bool IsOurs(string line) =>
        Environment.ProcessPath is { } path && line.EndsWith($" {path}", StringComparison.Ordinal) && line.AsSpan(line.IndexOf(' ') + 1) is ['r', '-', ..];

    private static bool TryRange(string line, out long from, out long to)
    {
        (from, to) = (0, 0);
        var (dash, blank) = (line.IndexOf('-'), line.IndexOf(' '));
        return dash > 0 && blank > dash
            && long.TryParse(line.AsSpan(0, dash), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out from)
            && long.TryParse(line.AsSpan(dash + 1, blank - dash - 1), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out to);
    }
}
