using Facteur.Config.Parameters;

namespace Facteur.Config;

/// <summary>
/// An immutable snapshot of the configuration as one service sees it: defaults, main.cf, and its master.cf entry's -o. Values are expanded.
/// All values were checked when the snapshot was made, so that these calls never fail.
/// </summary>
public interface IConfig
{
    /// <summary>Directory of main.cf.</summary>
    string ConfigDirectory { get; }

    /// <summary>Counts up with each reload.</summary>
    long Generation { get; }

    /// <summary>Value of a text parameter.</summary>
    string Get(StringParameter parameter);

    /// <summary>Value of a boolean parameter.</summary>
    bool Get(BoolParameter parameter);

    /// <summary>Value of a number parameter.</summary>
    long Get(IntParameter parameter);

    /// <summary>Value of a time parameter.</summary>
    TimeSpan Get(TimeParameter parameter);

    /// <summary>Value of a time parameter by which a timer is set: 49 days at most, for timers take no more.</summary>
    TimeSpan GetWait(TimeParameter parameter) => TimeSpan.FromTicks(Math.Min(Get(parameter).Ticks, 49 * TimeSpan.TicksPerDay));

    /// <summary>Expanded value by name, also of user parameters and of names made at run time (transport_destination_concurrency_limit); null when it is not set and has no row.</summary>
    string? Find(string name);

    /// <summary>Expands $name, ${name}, ${name?text}, ${name:text}, ${name?{a}:{b}} in a text.</summary>
    string Expand(string text);

    /// <summary>The snapshot of an entry with its -o name=value, in order.</summary>
    /// <exception cref="ConfigException">A value is not valid.</exception>
    IConfig With(IReadOnlyList<KeyValuePair<string, string>> overrides);
}
