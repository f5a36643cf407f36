using Facteur.Config;
using Facteur.Config.Parameters;

namespace Facteur.Commands;

/// <summary>What postconf warns of besides its answer; the exit status stays 0.</summary>
internal static class PostconfWarnings
{
    /// <summary>Names that are set nowhere, and tables whose settings can't be read.</summary>
    internal static void Before(CommandContext context, PostconfFiles files)
    {
        var (names, master) = (files.Names, files.Names.OfMaster);
        Say(context, names.Warnings.Take(master.Warnings), names.Malformed.Take(master.Malformed), names.TableFiles.Take(master.TableFiles));
        // Postfix: between the two files come the defaults, and that of mynetworks asks the host.
        if (files.Networks.Wrong is { } wrong)
        {
            Say(context, files.Networks.Warning is { } warning ? [warning] : [], [], []);
            throw new ConfigException(wrong);
        }
        Say(context, names.Warnings.Skip(master.Warnings), names.Malformed.Skip(master.Malformed), names.TableFiles.Skip(master.TableFiles));
    }

    private static void Say(CommandContext context, IEnumerable<string> warnings, IEnumerable<string> malformed, IEnumerable<(string Type, string Path)> tableFiles)
    {
        var macros = malformed.ToList();
        foreach (var warning in warnings.Concat(macros))
        {
            context.Warn(warning);
        }
        if (macros.Count > 0)
        {
            throw new ConfigException(PostconfFiles.MacroError);
        }
        foreach (var (type, path) in tableFiles)
        {
            try
            {
                ConfigText.Read(path);
            }
            catch (ConfigException e)
            {
                context.Warn($"open \"{type}\" configuration \"{path}\"{(Directory.Exists(path) ? ": not a regular file" : e.Message[$"open {path}".Length..])}");
            }
        }
    }

    /// <summary>Names that nothing uses, and names that a later release drops.</summary>
    internal static void After(CommandContext context, PostconfFiles files, bool main)
    {
        foreach (var warning in main ? [.. files.Names.UnusedInMain, .. files.Names.UnusedInMaster] : files.Names.UnusedInMaster)
        {
            context.Warn(warning);
        }
        var deprecated = new List<string>();
        if (main)
        {
            deprecated.AddRange(files.Main.Entries.Keys.Select(DeprecatedParameters.Warning).OfType<string>().Order().Select(w => $"{files.Main.Path}: {w}"));
        }
        if (files.Master is { } master)
        {
            deprecated.AddRange(master.Lines.SelectMany(l => l.Settings).Select(s => DeprecatedParameters.Warning(s.Key)).OfType<string>().Select(w => $"{master.Path}: {w}"));
        }
        foreach (var warning in deprecated)
        {
            context.Warn(warning);
        }
        if (deprecated.Count > 0)
        {
            context.Warn("See https://www.postfix.org/DEPRECATION_README.html for details");
        }
    }
}
