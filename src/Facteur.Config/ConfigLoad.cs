using Facteur.Config.MasterCf;

namespace Facteur.Config;

/// <summary>What was read: usable only when <see cref="Errors"/> is empty; commands may go on with warnings.</summary>
/// <param name="Config">The snapshot of main.cf; where a value is not valid it answers with the default.</param>
/// <param name="Entries">master.cf, in order; empty when there is none.</param>
/// <param name="Errors">All that is wrong, one text each, naming file and line.</param>
/// <param name="Warnings">What is likely not meant or not acted on.</param>
public sealed record ConfigLoad(IConfig Config, IReadOnlyList<MasterEntry> Entries, IReadOnlyList<string> Errors, IReadOnlyList<string> Warnings)
{
    /// <summary>Entries with mistakes of their own without which the mail system can run, and one of <see cref="Errors"/> for each.</summary>
    public IReadOnlyList<(MasterEntry Entry, string Error)> Broken { get; init; } = [];

    /// <summary>The same without <see cref="Broken"/> entries and their errors: what a start may do with. A reload has something better, the configuration before.</summary>
    public ConfigLoad WithoutBroken() => Broken.Count == 0 ? this : this with
    {
        Entries = [.. Entries.Where(e => Broken.All(b => !ReferenceEquals(b.Entry, e)))],
        Errors = [.. Errors.Except(Broken.Select(b => b.Error), StringComparer.Ordinal)],
    };
}
