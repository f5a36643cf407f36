using Facteur.Config;
using Facteur.Config.MasterCf;

namespace Facteur.Commands.Check;

/// <summary>What somebody has set.</summary>
internal static class WrittenSettings
{
    /// <summary>Each setting of main.cf, and of each entry of master.cf, with the value that it comes to there.</summary>
    /// <param name="load">The configuration.</param>
    /// <param name="places">Where settings stand.</param>
    public static IEnumerable<(MasterEntry? Entry, string Name, string Value)> Of(ConfigLoad load, SettingPlaces places) =>
    [
        .. places.Main.Entries.Keys.Select(name => ((MasterEntry?)null, name, load.Config.Find(name) ?? "")),
        .. load.Entries.SelectMany(entry => OfEntry(load, entry)),
    ];

    private static IEnumerable<(MasterEntry? Entry, string Name, string Value)> OfEntry(ConfigLoad load, MasterEntry entry)
    {
        IConfig? config = null;
        try
        {
            config = load.Config.With(entry.Overrides);
        }
        catch (ConfigException)
        {
            // One of them is wrong, which is among the errors of the files: the others are looked at without it.
        }
        return entry.Options.GroupBy(o => o.Key, o => o.Value, StringComparer.Ordinal)
            .Select(o => ((MasterEntry?)entry, o.Key, config is null ? load.Config.Expand(o.Last()) : config.Find(o.Key) ?? ""));
    }
}
