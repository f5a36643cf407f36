using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>The program that helpers run: <see cref="HelperProcess"/> under one of our executables.</summary>
/// <param name="Path">The executable.</param>
/// <param name="Arguments">argv, up to the helper's own arguments.</param>
public sealed record HelperProgram(string Path, IReadOnlyList<string> Arguments)
{
    /// <summary>facteur-lean beside this program, else facteur.</summary>
    public static HelperProgram Beside(string directory)
    {
        var lean = System.IO.Path.Combine(directory, "facteur-lean");
        var path = File.Exists(lean) ? lean : System.IO.Path.Combine(directory, "facteur");
        return new HelperProgram(path, [System.IO.Path.GetFileName(path), HelperProcess.Name, "--build", BuildId.Value]);
    }

    /// <summary>Environment of a helper: nothing of ours but what its runtime needs.</summary>
    public static IReadOnlyList<string> Environment { get; } =
    [
        .. System.Environment.GetEnvironmentVariables().Cast<System.Collections.DictionaryEntry>()
            .Where(e => ((string)e.Key).StartsWith("DOTNET_", StringComparison.Ordinal)).Select(e => $"{e.Key}={e.Value}"),
        "PATH=/usr/bin:/bin", "DOTNET_TieredPGO=0",
    ];
}
