using System.Collections.Concurrent;

namespace Facteur.Unix;

/// <summary>Files that this process may not open by name and was given: master read them, unparsed, into sealed memory. Also a directory that it may not list, open.</summary>
public static class SealedFiles
{
    private static readonly ConcurrentDictionary<string, int> Given = new(StringComparer.Ordinal);

    /// <summary>A file was given. A newer one takes the number of the one before: who is about to open that number finds one or the other.</summary>
    public static void Add(string path, int descriptor)
    {
        if (!Given.TryGetValue(path, out var known))
        {
            Given[path] = descriptor;
            return;
        }
        _ = Libc.dup3(descriptor, known, Libc.O_CLOEXEC);
        _ = Libc.close(descriptor);
    }

    /// <summary>The file may be read by its name again, or is gone. What was given stays open: its number may be in somebody's hands.</summary>
    public static void Forget(string path) => Given.TryRemove(path, out _);

    /// <summary>What was given in a path's place, -1 when nothing was.</summary>
    public static int DescriptorOf(string path) => Given.TryGetValue(path, out var descriptor) ? descriptor : -1;

    /// <summary>What to open for a path: itself, or what was given in its place.</summary>
    public static string PathOf(string path) => Given.TryGetValue(path, out var descriptor) ? $"/proc/self/fd/{descriptor}" : path;
}
