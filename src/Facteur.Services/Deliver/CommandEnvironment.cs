using Facteur.Config;
using Facteur.Config.Parameters;

namespace Facteur.Services.Deliver;

/// <summary>What every command finds in its environment, whoever runs it.</summary>
internal static class CommandEnvironment
{
    /// <summary>Postfix: the path of a command is always this one.</summary>
    public const string Path = "PATH=/usr/bin:/bin";

    /// <summary>export_environment as NAME=VALUE.</summary>
    public static List<string> Exported(IConfig config)
    {
        var exported = new List<string>();
        foreach (var entry in ListSyntax.Split(config.Get(LocalParameters.ExportEnvironment)))
        {
            var equal = entry.IndexOf('=', StringComparison.Ordinal);
            if (equal > 0)
            {
                exported.Add($"{entry[..equal].TrimEnd()}={entry[(equal + 1)..].TrimStart()}");
            }
            else if (Environment.GetEnvironmentVariable(entry) is { } value)
            {
                exported.Add($"{entry}={value}");
            }
            else if (entry == "MAIL_CONFIG" && config.ConfigDirectory.Length > 0)
            {
                // Postfix: each of its processes has it.
                exported.Add($"MAIL_CONFIG={config.ConfigDirectory}");
            }
        }
        return exported;
    }
}
