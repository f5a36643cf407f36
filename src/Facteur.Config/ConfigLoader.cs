using Facteur.Config.MainCf;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;

namespace Facteur.Config;

/// <summary>Reads main.cf and master.cf of a directory into one checked snapshot.</summary>
public static class ConfigLoader
{
    private static readonly string[] EveryProgram = ["compatibility_level", "myorigin"];

    /// <summary>Where the files are: -c, else MAIL_CONFIG, else /etc/postfix.</summary>
    /// <param name="option">The argument of -c, or null.</param>
    /// <param name="environment">The environment.</param>
    public static string FindDirectory(string? option, IReadOnlyDictionary<string, string> environment) =>
        // Postfix: an empty name is one, and leads to /main.cf.
        (option ?? environment.GetValueOrDefault("MAIL_CONFIG") ?? "/etc/postfix") is { Length: > 0 } named ? named : "/";

    /// <summary>Reads and checks everything; nothing that the files hold throws.</summary>
    /// <param name="configDirectory">Directory of main.cf and master.cf.</param>
    /// <param name="options">What the program adds.</param>
    public static ConfigLoad Load(string configDirectory, LoadOptions? options = null)
    {
        options ??= new LoadOptions();
        var (errors, warnings) = (new List<string>(), new List<string>());
        var main = ReadMain(Path.Combine(configDirectory, "main.cf"), errors);
        warnings.AddRange(main.Warnings);
        var origin = ReadOrigin(main, errors);
        var snapshot = new Snapshot(configDirectory, options.Generation, main, options.Host ?? HostFacts.Current(), OverridesOf(options), origin, checkedOnUse: !options.WithMaster);
        errors.AddRange(options.Overrides.Select(o => snapshot.Check(o.Key)).OfType<string>());
        var master = options.WithMaster ? ReadMaster(Path.Combine(configDirectory, "master.cf"), errors, warnings) : null;
        var broken = new List<(MasterEntry Entry, string Error)>();
        var entries = master?.ReadEntries(errors, chrootByDefault: snapshot.Level is { Major: 0 }, broken) ?? [];
        if (options.WithMaster && snapshot.Get(CommonParameters.MasterServiceDisable) is { Length: > 0 } list)
        {
            var disabled = new DisabledServices(list);
            entries = [.. entries.Where(e => !disabled.Contains(e))];
        }
        var advice = new List<string>();
        if (options.WithMaster)
        {
            CheckMain(main, snapshot, errors, advice);
            warnings.AddRange(advice);
        }
        else
        {
            // Postfix: what every program looks at when it starts.
            errors.AddRange(EveryProgram.Where(main.Entries.ContainsKey).Select(snapshot.CheckSetting).OfType<string>());
        }
        if (master is not null)
        {
            CheckEntries(master.Path, entries, snapshot, errors, warnings, broken);
            var names = NameUse.Of(main, master);
            warnings.AddRange([.. names.Warnings, .. names.UnusedInMain, .. names.UnusedInMaster]);
        }
        return new ConfigLoad(snapshot, entries, errors, warnings) { Broken = [.. broken.Where(b => ServicePrograms.CanBeLeftOut(b.Entry.Command))] };
    }

    /// <summary>A snapshot of settings that were read already, without any check.</summary>
    /// <param name="configDirectory">Directory of main.cf.</param>
    /// <param name="main">The settings.</param>
    /// <param name="options">What the program adds.</param>
    public static IConfig FromMain(string configDirectory, MainCfFile main, LoadOptions? options = null)
    {
        options ??= new LoadOptions();
        return new Snapshot(configDirectory, options.Generation, main, options.Host ?? HostFacts.Current(), OverridesOf(options), null, checkedOnUse: false);
    }

    private static Dictionary<string, string> OverridesOf(LoadOptions options)
    {
        var overrides = new Dictionary<string, string>(StringComparer.Ordinal);
        if (options.ProcessName.Length > 0)
        {
            overrides["process_name"] = options.ProcessName;
        }
        foreach (var (name, value) in options.Overrides)
        {
            overrides[name] = value;
        }
        return overrides;
    }

    private static MainCfFile ReadMain(string path, List<string> errors)
    {
        try
        {
            var file = MainCfFile.Parse(path, ConfigText.Read(path).Text);
            errors.AddRange(file.Errors);
            return file;
        }
        catch (ConfigException e)
        {
            errors.Add(e.Message);
            return MainCfFile.Parse(path, "");
        }
    }

    private static MasterCfFile? ReadMaster(string path, List<string> errors, List<string> warnings)
    {
        try
        {
            var file = MasterCfFile.Parse(path, ConfigText.Read(path).Text);
            warnings.AddRange(file.LeftOut);
            errors.AddRange(file.Errors);
            return file;
        }
        catch (ConfigException e)
        {
            errors.Add(e.Message);
            return null;
        }
    }

    // Debian: myorigin = /etc/mailname is the first line of that file.
    private static string? ReadOrigin(MainCfFile main, List<string> errors)
    {
        if (!main.Entries.TryGetValue("myorigin", out var entry) || entry.Value is not ['/', ..])
        {
            return null;
        }
        try
        {
            var first = ConfigText.Read(entry.Value).Text.Split('\n').Select(line => line.Trim()).FirstOrDefault(line => line is not ([] or ['#', ..]));
            if (first is null)
            {
                errors.Add($"parameter myorigin: {entry.Value} holds no name ({main.Path}, line {entry.Line})");
            }
            return first;
        }
        catch (ConfigException e)
        {
            errors.Add($"parameter myorigin: {e.Message} ({main.Path}, line {entry.Line})");
            return null;
        }
    }

    private static void CheckMain(MainCfFile main, Snapshot snapshot, List<string> errors, List<string> warnings)
    {
        foreach (var (name, entry) in main.Entries)
        {
            if (snapshot.CheckSetting(name) is { } wrong)
            {
                errors.Add(wrong);
            }
            if (DeprecatedParameters.Warning(name) is { } deprecated)
            {
                warnings.Add($"{main.Path}: {deprecated}");
            }
            if (NotYet(name, entry.Value))
            {
                warnings.Add($"{main.Path}, line {entry.Line}: parameter {name} is not acted on yet");
            }
        }
    }

    private static void CheckEntries(string path, IReadOnlyList<MasterEntry> entries, Snapshot snapshot, List<string> errors, List<string> warnings, List<(MasterEntry Entry, string Error)> broken)
    {
        foreach (var entry in entries)
        {
            try
            {
                snapshot.With(entry.Overrides);
            }
            catch (ConfigException e)
            {
                broken.Add((entry, $"{e.Message} ({path}, line {entry.Line}, service {entry.Name}/{entry.TypeName})"));
                errors.Add(broken[^1].Error);
            }
            if (ServicePrograms.Unserved(entry) is { } why)
            {
                warnings.Add($"{path}, line {entry.Line}: service {entry.Name}/{entry.TypeName} ({entry.Command}): {why}");
            }
            foreach (var (name, value) in entry.Overrides)
            {
                if (DeprecatedParameters.Warning(name) is { } deprecated)
                {
                    warnings.Add($"{path}: {deprecated}");
                }
                if (NotYet(name, value))
                {
                    warnings.Add($"{path}, line {entry.Line}: parameter {name} is not acted on yet");
                }
            }
        }
    }

    // A transport's own parameter is acted on when the one that it stands in for is.
    private static bool NotYet(string name, string value) => ParameterRegistry.Find(name) is { Class: ParameterClass.NotYet } row && row.Default != value
        && !(TransportParameters.DefaultOf(name) is ['$', .. var general] && ParameterRegistry.Find(general) is { Class: ParameterClass.Acts });
}
