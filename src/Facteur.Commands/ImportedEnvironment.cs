using Facteur.Config;

namespace Facteur.Commands;

/// <summary>What import_environment keeps of an environment: nothing else of whoever starts the mail system gets in.</summary>
internal static class ImportedEnvironment
{
    /// <summary>The variables named, those given as name=value, and DOTNET_*, which the runtime needs.</summary>
    /// <param name="list">import_environment.</param>
    /// <param name="environment">The starter's.</param>
    public static Dictionary<string, string> Of(string list, IReadOnlyDictionary<string, string> environment)
    {
        var kept = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in environment)
        {
            if (name.StartsWith("DOTNET_", StringComparison.Ordinal))
            {
                kept[name] = value;
            }
        }
        foreach (var entry in ListSyntax.Split(list))
        {
            var equal = entry.IndexOf('=', StringComparison.Ordinal);
            if (equal > 0)
            {
                kept[entry[..equal].TrimEnd()] = entry[(equal + 1)..].TrimStart();
            }
            else if (environment.TryGetValue(entry, out var value))
            {
                kept[entry] = value;
            }
        }
        return kept;
    }
}
