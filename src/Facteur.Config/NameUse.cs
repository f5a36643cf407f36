using Facteur.Config.Expansion;
using Facteur.Config.MainCf;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;

namespace Facteur.Config;

/// <summary>
/// Which names main.cf and master.cf set and refer to. A name that is no parameter is a user's parameter when something refers to it, else it is unused
/// (probably mistyped); a name that is referred to and set nowhere is undefined.
/// </summary>
public sealed class NameUse
{
    private static readonly char[] Separators = [' ', '\t', ',', '\n', '\r'];

    // Old names that defaults still look at: virtual_maps, fallback_relay…
    private static readonly Lazy<HashSet<string>> LegacyNames = new(FindLegacyNames);

    private readonly MainCfFile _main;
    private readonly MasterCfFile? _master;
    private readonly Dictionary<string, string> _services = new(StringComparer.Ordinal);
    private readonly HashSet<string> _used = new(StringComparer.Ordinal);
    private readonly List<string> _warnings = [];
    private readonly List<string> _malformed = [];
    private readonly List<string> _unusedInMain = [];
    private readonly List<string> _unusedInMaster = [];
    private readonly List<(string Type, string Path)> _tableFiles = [];
    private readonly HashSet<string> _legacyInMaster = new(StringComparer.Ordinal);

    private NameUse(MainCfFile main, MasterCfFile? master)
    {
        _main = main;
        _master = master;
    }

    /// <summary>Parameters that services of master.cf bring with them, with their defaults.</summary>
    public IReadOnlyDictionary<string, string> Services => _services;

    /// <summary>Undefined names, malformed braces, and malformed expressions of names that are no parameters, as warnings; those of master.cf come first.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    /// <summary>What is wrong with the expressions of parameters' values; master.cf's come first.</summary>
    public IReadOnlyList<string> Malformed => _malformed;

    /// <summary>How many of the warnings, malformed expressions and settings files are master.cf's.</summary>
    public (int Warnings, int Malformed, int TableFiles) OfMaster { get; private set; }

    /// <summary>"file: unused parameter: name=value" for main.cf.</summary>
    public IReadOnlyList<string> UnusedInMain => _unusedInMain;

    /// <summary>The same for master.cf.</summary>
    public IReadOnlyList<string> UnusedInMaster => _unusedInMaster;

    /// <summary>Settings files of database tables: type and path; those that master.cf names come first.</summary>
    public IReadOnlyList<(string Type, string Path)> TableFiles => _tableFiles;

    /// <summary>Looks at all names.</summary>
    public static NameUse Of(MainCfFile main, MasterCfFile? master)
    {
        var use = new NameUse(main, master);
        use.Run();
        return use;
    }

    /// <summary>Whether a name is one of the parameters that exist without master.cf.</summary>
    public static bool IsBuiltin(string name) => ParameterRegistry.Find(name) is not null && !TransportParameters.IsStock(name);

    /// <summary>Whether main.cf sets a name that is no parameter and that something refers to.</summary>
    public bool IsUser(string name) => _main.Entries.ContainsKey(name) && !IsParameter(name) && (_used.Contains(name) || LegacyNames.Value.Contains(name));

    /// <summary>Old names that only services of master.cf set: as in Postfix they are users' parameters from then on, without a value in main.cf.</summary>
    public IEnumerable<string> LegacyInMaster => _legacyInMaster.Where(name => !_main.Entries.ContainsKey(name));

    private bool IsParameter(string name) => IsBuiltin(name) || _services.ContainsKey(name);

    private void Run()
    {
        var lines = _master?.Lines ?? [];
        foreach (var line in lines)
        {
            foreach (var (name, value) in TransportParameters.Of(line.Name, line.Type, line.Command))
            {
                _services[name] = value;
            }
        }
        var ofServices = lines.Select(Settings).ToList();
        var usedByService = ofServices.ConvertAll(_ => new HashSet<string>(StringComparer.Ordinal));
        for (var i = 0; i < lines.Count; i++)
        {
            var (own, used) = (ofServices[i], usedByService[i]);
            var place = new Place(_master!.Path, $"master.cf:{lines[i].Name}/{lines[i].Type}", own, name => own.ContainsKey(name) ? used : _main.Entries.ContainsKey(name) ? _used : null);
            LookAt(own, place);
            _legacyInMaster.UnionWith(own.Keys.Where(LegacyNames.Value.Contains));
        }
        OfMaster = (_warnings.Count, _malformed.Count, _tableFiles.Count);
        var everywhere = ofServices.SelectMany(own => own.Keys).ToHashSet(StringComparer.Ordinal);
        LookAt(
            _main.Entries.Select(e => new KeyValuePair<string, string>(e.Key, e.Value.Value)),
            new Place(_main.Path, _main.Path, NoLocals, name => _main.Entries.ContainsKey(name) || everywhere.Contains(name) ? _used : null));
        foreach (var (name, entry) in _main.Entries)
        {
            if (!IsParameter(name) && !IsUser(name))
            {
                _unusedInMain.Add($"{_main.Path}: unused parameter: {name}={entry.Value}");
            }
        }
        for (var i = 0; i < lines.Count; i++)
        {
            foreach (var (name, value) in ofServices[i])
            {
                if (!IsParameter(name) && !_used.Contains(name) && !usedByService[i].Contains(name) && !LegacyNames.Value.Contains(name))
                {
                    _unusedInMaster.Add($"{_master!.Path}: unused parameter: {name}={value}");
                }
            }
        }
    }

    private static readonly Dictionary<string, string> NoLocals = [];

    /// <summary>Where settings stand: the file that warnings about names tell, what those about braces tell, a service's own settings, and which set a name that is set is noted in.</summary>
    private sealed record Place(string File, string Label, Dictionary<string, string> Own, Func<string, HashSet<string>?> SetOf);

    // $name counts in every value. What is a list of tables or classes is known of parameters only.
    private void LookAt(IEnumerable<KeyValuePair<string, string>> settings, Place place)
    {
        foreach (var (name, value) in settings.Where(s => !RawParameters.Contains(s.Key)))
        {
            var malformed = Expander.Scan(value, used => Use(used, place));
            if (!IsParameter(name))
            {
                // Postfix: nobody asks for its value, so that a warning is all.
                _warnings.AddRange(malformed is null || _warnings.Contains(malformed) ? [] : [malformed]);
                continue;
            }
            Note(malformed);
            var expanded = Expander.Expand(value, n => ValueOf(n, place.Own));
            Note(expanded.Error);
            if (expanded.Error is null)
            {
                LookAtTables(expanded.Text, place);
            }
            if (name == "smtpd_restriction_classes")
            {
                foreach (var used in expanded.Text.Split(Separators, StringSplitOptions.RemoveEmptyEntries))
                {
                    Use(used, place);
                }
            }
        }
    }

    private void Use(string name, Place place)
    {
        if (place.SetOf(name) is { } set)
        {
            set.Add(name);
        }
        else if (!IsParameter(name) && !LegacyNames.Value.Contains(name))
        {
            _warnings.Add($"{place.File}: undefined parameter: {name}");
        }
    }

    private void Note(string? malformed)
    {
        if (malformed is not null && !_malformed.Contains(malformed))
        {
            _malformed.Add(malformed);
        }
    }

    private string? ValueOf(string name, Dictionary<string, string> own) =>
        own.TryGetValue(name, out var local) ? local
        : name == "config_directory" && !_main.Entries.ContainsKey(name) ? Path.GetDirectoryName(_main.Path)
        : _main.Entries.TryGetValue(name, out var entry) ? entry.Value
        : DefaultOf(name);

    /// <summary>The default of a parameter that exists with this master.cf; null when there is none.</summary>
    public string? DefaultOf(string name) =>
        IsBuiltin(name) ? ParameterRegistry.Find(name)!.Default : _services.TryGetValue(name, out var value) ? ParameterRegistry.Find(name)?.Default ?? value : null;

    // type:/path, type:name, {type:name …} and type:{type:name …}, to any depth, without recursion.
    private void LookAtTables(string value, Place place)
    {
        if (!value.Contains(':', StringComparison.Ordinal) && !value.Contains('{', StringComparison.Ordinal))
        {
            return;
        }
        var pending = new Stack<string>();
        pending.Push(value);
        while (pending.TryPop(out var text))
        {
            foreach (var word in Braces.Split(text, " \t\r\n,"))
            {
                LookAtTable(word, place, pending);
            }
        }
    }

    private void LookAtTable(string word, Place place, Stack<string> pending)
    {
        var rest = word;
        var type = "";
        while (rest is not ['{', ..] && rest.IndexOf(':', StringComparison.Ordinal) is > 0 and var colon)
        {
            type = rest[..colon];
            rest = rest[(colon + 1)..];
            if (type != "proxy")
            {
                break;
            }
            if (rest is ['{', ..])
            {
                return;
            }
        }
        if (rest is ['{', ..])
        {
            if (Braces.Strip(rest, out var inner) is { } wrong)
            {
                _warnings.Add($"{place.Label}: {wrong}");
            }
            pending.Push(inner);
        }
        else if (DatabaseParameters.IsDatabase(type))
        {
            if (rest is ['/', ..])
            {
                if (!_tableFiles.Contains((type, rest)))
                {
                    _tableFiles.Add((type, rest));
                }
                return;
            }
            foreach (var name in DatabaseParameters.Of(type, rest))
            {
                place.SetOf(name)?.Add(name);
            }
        }
    }

    private static Dictionary<string, string> Settings(MasterLine line)
    {
        var settings = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in line.Settings)
        {
            settings[name] = value;
        }
        return settings;
    }

    private static HashSet<string> FindLegacyNames()
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var row in ParameterRegistry.All.Where(row => !RawParameters.Contains(row.Name)))
        {
            Expander.Scan(row.Default, name => names.Add(name));
        }
        names.RemoveWhere(name => ParameterRegistry.Find(name) is not null);
        return names;
    }
}
