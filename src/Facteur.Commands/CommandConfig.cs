using Facteur.Config;
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
    public static IConfig? Load(CommandContext context, string? option, out string error)
    {
        var directory = ConfigLoader.FindDirectory(option, context.Environment);
        if (Unauthorized(directory) is { } why)
        {
            error = why;
            return null;
        }
        var load = ConfigLoader.Load(directory, new LoadOptions { ProcessName = context.Name, WithMaster = false });
        // The other warnings are said at start and by "postfix check".
        foreach (var warning in load.Warnings.Where(w => w.Contains("overriding earlier entry", StringComparison.Ordinal)))
        {
            context.Warn(warning);
        }
        error = load.Errors.Count > 0 ? load.Errors[0] : "";
        return load.Errors.Count > 0 ? null : load.Config;
    }

    // A set-gid command's group must not be lent to a configuration of the caller's own (alternate_config_directories).
    private static string? Unauthorized(string directory)
    {
        if (directory == DefaultDirectory || Libc.getuid() == 0 || Libc.getegid() == Libc.getgid())
        {
            return null;
        }
        var allowed = ConfigLoader.Load(DefaultDirectory, new LoadOptions { WithMaster = false }).Config.Get(ShowqParameters.AlternateConfigDirectories);
        return ListSyntax.Split(allowed).Contains(directory) ? null
            : $"unauthorized configuration directory name: {directory}; specify \"alternate_config_directories = {directory}\" in {DefaultDirectory}/main.cf";
    }
}
