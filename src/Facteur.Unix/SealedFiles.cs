using System.Collections.Concurrent;

namespace Facteur.Unix;

/// <summary>Files that this process may not open by name and was given: master read them, unparsed, into sealed memory.</summary>
public static class SealedFiles
{
    private static readonly ConcurrentDictionary<string, int> Given = new(StringComparer.Ordinal);

    /// <summary>A file was given; an older one of that name is closed by whoever reads it no more, with this process.</summary>
    public static void Add(string path, int descriptor) => Given[path] = descriptor;

    /// <summary>What to open for a path: itself, or what was given in its place.</summary>
    public static string PathOf(string path) => Given.TryGetValue(path, out var descriptor) ? $"/proc/self/fd/{descriptor}" : path;
}
