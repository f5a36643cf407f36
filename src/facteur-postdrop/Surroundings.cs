using System.Globalization;
using Facteur.Commands;
using Facteur.Unix;

namespace Facteur;

/// <summary>What a caller may have prepared for the set-gid program, taken away before anything else is done.</summary>
internal static class Surroundings
{
    private const uint OwnerWrites = 0x12; // 022

    /// <summary>Descriptors, file modes, environment. What is closed of 0 to 2 glibc has opened on /dev/null before the first instruction of ours.</summary>
    /// <returns>What is left of the environment.</returns>
    public static Dictionary<string, string> Clean()
    {
        CloseInherited();
        _ = Libc.umask(OwnerWrites);
        var kept = ImportedEnvironment.OfStranger(CommandProcess.OwnEnvironment());
        // Libraries read variables of their own (DOTNET_SYSTEM_…, TZDIR).
        foreach (var name in CommandProcess.OwnEnvironment().Keys.Where(name => !kept.ContainsKey(name)))
        {
            Environment.SetEnvironmentVariable(name, null);
        }
        return kept;
    }

    // What the runtime has opened before Main (/dev/urandom, whose number nothing else may get) closes on exec; what came through an exec does not.
    private static void CloseInherited()
    {
        foreach (var descriptor in Descriptors().Where(d => d > 2 && Libc.fcntl(d, Libc.F_GETFD, 0) == 0))
        {
            _ = Libc.close(descriptor);
        }
    }

    private static List<int> Descriptors()
    {
        try
        {
            return [.. Directory.EnumerateFileSystemEntries("/proc/self/fd").Select(path => int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // No descriptor is left to look with.
            return [.. Enumerable.Range(0, 1024)];
        }
    }
}
