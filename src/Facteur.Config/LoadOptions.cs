namespace Facteur.Config;

/// <summary>What a program adds to the files.</summary>
public sealed record LoadOptions
{
    /// <summary>The host's name and networks; null asks the system.</summary>
    public HostFacts? Host { get; init; }

    /// <summary>process_name.</summary>
    public string ProcessName { get; init; } = "";

    /// <summary>name=value of each -o of a command, in order.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Overrides { get; init; } = [];

    /// <summary>The snapshot's generation: counts up with each reload.</summary>
    public long Generation { get; init; } = 1;

    /// <summary>
    /// Whether master.cf is read too, and warnings are given of all that is likely not meant. Commands that need no services leave both:
    /// they warn of lines that hide earlier ones, and of nothing else.
    /// </summary>
    public bool WithMaster { get; init; } = true;
}
