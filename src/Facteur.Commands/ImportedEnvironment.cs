using Facteur.Config;

namespace Facteur.Commands;

/// <summary>What import_environment keeps of an environment: nothing else of whoever starts the mail system gets in.</summary>
public static class ImportedEnvironment
{
    /// <summary>
    /// What a set-gid command hears of its caller's: which configuration, which is checked, and the zone of the times it prints. A zone's name becomes a file's:
    /// only those below the zones' directory are taken.
    /// </summary>
    public static Dictionary<string, string> OfStranger(IReadOnlyDictionary<string, string> environment)
    {
        var kept = new Dictionary<string, string>(StringComparer.Ordinal);
        if (environment.TryGetValue("MAIL_CONFIG", out var directory))
        {
            kept["MAIL_CONFIG"] = directory;
        }
        if (environment.TryGetValue("TZ", out var zone) && zone is { Length: > 0 and <= 64 } and not ['/', ..] and not [':', ..]
            && !zone.Contains("..", StringComparison.Ordinal) && zone.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '_' or '+' or '-'))
        {
            kept["TZ"] = zone;
        }
        return kept;
    }

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
