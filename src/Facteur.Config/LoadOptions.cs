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
    /// Whether master.cf is read too, every value is checked, and warnings are given of all that is likely not meant. Commands that need no
    /// services leave all three: they warn of lines that hide earlier ones, and a wrong value ends them when they ask for it
    /// (<see cref="ConfigException"/>), as in Postfix. A mistake in a parameter of smtpd must not keep sendmail from taking mail.
    /// </summary>
    public bool WithMaster { get; init; } = true;
}
