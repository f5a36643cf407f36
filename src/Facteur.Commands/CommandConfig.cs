using Facteur.Config;
using Facteur.Config.MainCf;
using Facteur.Config.Parameters;
using Facteur.Unix;

namespace Facteur.Commands;

/// <summary>The configuration as queue commands load it: -c or MAIL_CONFIG, checked, with warnings about main.cf on standard error.</summary>
internal static class CommandConfig
{
    private const string DefaultDirectory = "/etc/postfix";

    /// <summary>Loads the configuration.</summary>
    /// <param name="context">The command.</param>
    /// <param name="option">The argument of -c, or null.</param>
    /// <param name="error">What is wrong, when null is returned.</param>
    /// <param name="warn">Says what main.cf sets twice; not in commands that others run for their users.</param>
    public static IConfig? Load(CommandContext context, string? option, out string error, bool warn = true)
    {
        var directory = ConfigLoader.FindDirectory(option, context.Environment);
        if (directory != DefaultDirectory && IsUntrusted() && !IsListed(directory, DefaultDirectory, out error))
        {
            if (error.Length == 0)
            {
                context.Error.WriteLine($"{context.Name}: error: unauthorized configuration directory name: {directory}");
                error = $"specify \"alternate_config_directories = {directory}\" or \"multi_instance_directories = {directory}\" in {DefaultDirectory}/main.cf";
            }
            return null;
        }
        var load = ConfigLoader.Load(directory, new LoadOptions { ProcessName = context.Name, WithMaster = false });
        // The other warnings are said at start and by "postfix check".
        foreach (var warning in load.Warnings.Where(w => warn && w.Contains("overriding earlier entry", StringComparison.Ordinal)))
        {
            context.Warn(warning);
        }
        error = load.Errors.Count > 0 ? load.Errors[0] : "";
        return load.Errors.Count > 0 ? null : load.Config;
    }

    /// <summary>Whether this process has rights that its caller has not: what the caller says is not to be trusted then. Postfix: root is.</summary>
    internal static bool IsUntrusted()
    {
        var (uid, self) = (Libc.getuid(), Libc.geteuid());
        return (uid != 0 || self != 0) && (uid != self || Libc.getgid() != Libc.getegid());
    }

    /// <summary>Postfix: a set-gid command lends its group only to configurations that the default main.cf names, as they stand there.</summary>
    internal static bool IsListed(string directory, string defaultDirectory, out string error)
    {
        error = "";
        try
        {
            var path = Path.Combine(defaultDirectory, "main.cf");
            var main = MainCfFile.Parse(path, ConfigText.Read(path).Text);
            return ((string[])[ShowqParameters.AlternateConfigDirectories.Name, ShowqParameters.MultiInstanceDirectories.Name])
                .Any(name => main.Entries.TryGetValue(name, out var entry) && entry.Value.Split([',', ' ', '\t', '\r', '\n']).Contains(directory));
        }
        catch (ConfigException e)
        {
            error = e.Message;
            return false;
        }
    }
}
