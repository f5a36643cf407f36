using System.Text;
using Facteur.Config;
using Facteur.Config.Expansion;
using Facteur.Config.MainCf;
using Facteur.Config.MasterCf;
using Facteur.Net.Connections;

namespace Facteur.Commands;

/// <summary>The two files as postconf sees them, and the names in them.</summary>
internal sealed class PostconfFiles
{
    /// <summary>What ends a run after the warning about an expression.</summary>
    internal const string MacroError = "macro processing error";

    // What a program is, nobody sets.
    private static readonly HashSet<string> ReadOnly = new(StringComparer.Ordinal) { "process_id", "process_name", "service_name" };

    private readonly Lazy<OwnNetworks> _networks;

    private PostconfFiles(MainCfFile main, MasterCfFile? master, IConfig actual, IConfig defaults)
    {
        Main = main;
        Master = master;
        Actual = actual;
        Defaults = defaults;
        Names = NameUse.Of(main, master);
        _networks = new(() => main.Entries.ContainsKey("mynetworks") ? new OwnNetworks("") : OwnNetworks.Of(main, HostFacts.Current(), SystemHosts.Addresses));
    }

    /// <summary>A file is not UTF-8: its bytes were read as Latin-1, and leave as the bytes they were.</summary>
    internal bool IsBytes { get; private init; }

    internal MainCfFile Main { get; }

    private Action<string> Warn { get; init; } = _ => { };

    internal MasterCfFile? Master { get; }

    internal NameUse Names { get; }

    /// <summary>The default of mynetworks with this main.cf; nothing where that sets it.</summary>
    internal OwnNetworks Networks => _networks.Value;

    private IConfig Actual { get; }

    private IConfig Defaults { get; }

    /// <summary>Reads both; the one that is asked about first, since its error is the one to see.</summary>
    /// <exception cref="ConfigException">A file can't be read or is not well formed.</exception>
    internal static PostconfFiles Read(CommandContext context, PostconfOptions options)
    {
        var directory = ConfigLoader.FindDirectory(options.Directory, context.Environment);
        var bytes = options.Action != 'd' && ((string[])["main.cf", "master.cf"]).Any(name => File.Exists($"{directory}/{name}") && ConfigText.Read($"{directory}/{name}").Encoding == Encoding.Latin1);
        string Text(string path)
        {
            var (text, encoding) = ConfigText.Read(path);
            return bytes ? Encoding.Latin1.GetString(encoding.GetBytes(text)) : text;
        }
        context = bytes ? context with { LettersAre = Encoding.Latin1 } : context;
        var master = options.Mode == 'p' ? null : ReadMaster(context, options, directory, Text);
        var main = ReadMain(context, options, directory, Text);
        master ??= ReadMaster(context, options, directory, Text);
        var load = new LoadOptions { ProcessName = context.Name };
        var none = MainCfFile.Parse(main.Path, "");
        return new PostconfFiles(main, master, ConfigLoader.FromMain(directory, main, load), ConfigLoader.FromMain(directory, none, load)) { IsBytes = bytes, Warn = context.Warn };
    }

    /// <summary>A parameter's default as it is printed.</summary>
    internal string? DefaultOf(string name, bool actual) =>
        name == "mynetworks" && actual ? Networks.Value
            : name is "myhostname" or "mydomain" or "mynetworks" or "process_id" or "process_name" ? (actual ? Actual : Defaults).Find(name) : Names.DefaultOf(name);

    /// <summary>Expands a value; the settings of a service come first.</summary>
    /// <exception cref="ConfigException">The value's expression is not well formed.</exception>
    internal string Expand(string value, IReadOnlyDictionary<string, string>? locals = null)
    {
        var expanded = Expander.Expand(value, name => locals is not null && locals.TryGetValue(name, out var local) ? local
            : Main.Entries.TryGetValue(name, out var entry) ? entry.Value : DefaultOf(name, actual: true));
        return expanded.Error is null ? expanded.Text : throw Malformed(expanded.Error);
    }

    private ConfigException Malformed(string text)
    {
        Warn(text);
        return new ConfigException(MacroError);
    }

    private static MainCfFile ReadMain(CommandContext context, PostconfOptions options, string directory, Func<string, string> read)
    {
        var path = $"{directory}/main.cf";
        if (options.Action == 'd')
        {
            return MainCfFile.Parse(path, "");
        }
        Say(context, options, path);
        var file = MainCfFile.Parse(path, read(path));
        foreach (var warning in file.WarningsBeforeError)
        {
            context.Warn(warning);
        }
        if (file.Errors.Count > 0)
        {
            throw new ConfigException(context.Shown(file.Errors[0]));
        }
        foreach (var name in ReadOnly.Where(file.Entries.ContainsKey))
        {
            context.Warn($"{path}: read-only parameter assignment: {name}={file.Entries[name].Value}");
        }
        // As in Postfix, a directory that was asked for shows as if main.cf had set it, in its first line.
        var asked = options.Directory is not null || context.Environment.ContainsKey("MAIL_CONFIG");
        if (asked && file.Entries.TryGetValue("config_directory", out var own) && own.Value != directory)
        {
            context.Warn($"{path}, line {own.Line}: overriding earlier entry: config_directory={directory}");
            asked = false;
        }
        return file.Without(ReadOnly).With(asked ? [new("config_directory", directory), .. options.Overrides] : options.Overrides);
    }

    private static MasterCfFile? ReadMaster(CommandContext context, PostconfOptions options, string directory, Func<string, string> read)
    {
        var path = $"{directory}/master.cf";
        if (options.Mode == 'p' && !File.Exists(path))
        {
            context.Warn($"open {path}: No such file or directory");
            return null;
        }
        Say(context, options, path);
        var warnings = new List<string>();
        var file = MasterCfFile.Parse(path, read(path), warnings);
        foreach (var warning in file.LeftOut.Concat(warnings))
        {
            context.Warn(warning);
        }
        return file.Errors.Count > 0 ? throw new ConfigException(context.Shown(file.Errors[0])) : file;
    }

    private static void Say(CommandContext context, PostconfOptions options, string path)
    {
        if (options.Verbose > 0)
        {
            context.Error.WriteLine($"{context.Name}: reading {path}");
        }
    }
}
