using Facteur.Config.MasterCf;

namespace Facteur.Config;

/// <summary>What was read: usable only when <see cref="Errors"/> is empty; commands may go on with warnings.</summary>
/// <param name="Config">The snapshot of main.cf; where a value is not valid it answers with the default.</param>
/// <param name="Entries">master.cf, in order; empty when there is none.</param>
/// <param name="Errors">All that is wrong, one text each, naming file and line.</param>
/// <param name="Warnings">What is likely not meant or not acted on.</param>
public sealed record ConfigLoad(IConfig Config, IReadOnlyList<MasterEntry> Entries, IReadOnlyList<string> Errors, IReadOnlyList<string> Warnings);
