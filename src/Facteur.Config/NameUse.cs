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
    private readonly HashSet<(string Type, string Path)> _tableFiles = [];

    private NameUse(MainCfFile main, MasterCfFile? master)
    {
        _main = main;
        _master = master;
    }

    /// <summary>Parameters that services of master.cf bring with them, with their defaults.</summary>
    public IReadOnlyDictionary<string, string> Services => _services;

    /// <summary>Undefined names and malformed braces, as warnings.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    /// <summary>What is wrong with the expressions of values.</summary>
    public IReadOnlyList<string> Malformed => _malformed;

    /// <summary>"file: unused parameter: name=value" for main.cf.</summary>
    public IReadOnlyList<string> UnusedInMain => _unusedInMain;

    /// <summary>The same for master.cf.</summary>
    public IReadOnlyList<string> UnusedInMaster => _unusedInMaster;

    /// <summary>Settings files of database tables: type and path.</summary>
    public IReadOnlyCollection<(string Type, string Path)> TableFiles => _tableFiles;

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

    private bool IsParameter(string name) => IsBuiltin(name) || _services.ContainsKey(name);

    private void Run()
    {
        foreach (var line in _master?.Lines ?? [])
        {
            foreach (var (name, value) in TransportParameters.Of(line.Name, line.Type, line.Command))
            {
                _services[name] = value;
            }
        }
        foreach (var line in _master?.Lines ?? [])
        {
            LookAtEntry(line);
        }
        foreach (var (name, entry) in _main.Entries)
        {
            if (IsParameter(name))
            {
                LookAt(name, entry.Value, _main.Path, _main.Path, NoLocals);
            }
        }
        foreach (var (name, entry) in _main.Entries)
        {
            if (!IsParameter(name) && !IsUser(name))
            {
                _unusedInMain.Add($"{_main.Path}: unused parameter: {name}={entry.Value}");
            }
        }
        foreach (var line in _master?.Lines ?? [])
        {
            NoteUnused(line);
        }
    }

    private static readonly Dictionary<string, string> NoLocals = [];

    private void LookAtEntry(MasterLine line)
    {
        var locals = Settings(line);
        foreach (var (name, value) in locals)
        {
            LookAt(name, value, _master!.Path, $"master.cf:{line.Name}/{line.Type}", locals);
        }
    }

    // Also the values of the names it refers to, each once.
    private void LookAt(string name, string value, string file, string place, Dictionary<string, string> locals)
    {
        var pending = new Stack<(string Name, string Value, string File, string Place)>();
        pending.Push((name, value, file, place));
        void Use(string used, string from)
        {
            if (locals.ContainsKey(used))
            {
                _used.Add(used);
            }
            else if (_main.Entries.TryGetValue(used, out var entry))
            {
                if (_used.Add(used) && !IsParameter(used))
                {
                    pending.Push((used, entry.Value, _main.Path, _main.Path));
                }
            }
            else if (!IsParameter(used) && !LegacyNames.Value.Contains(used))
            {
                _warnings.Add($"{from}: undefined parameter: {used}");
            }
        }
        while (pending.TryPop(out var next))
        {
            if (!RawParameters.Contains(next.Name))
            {
                Note(Expander.Scan(next.Value, used => Use(used, next.File)));
                var expanded = Expander.Expand(next.Value, n => ValueOf(n, locals));
                Note(expanded.Error);
                LookAtTables(expanded.Text, next.Place, locals, used => Use(used, next.File));
            }
            if (next.Name == "smtpd_restriction_classes")
            {
                foreach (var used in Expander.Expand(next.Value, n => ValueOf(n, locals)).Text.Split(Separators, StringSplitOptions.RemoveEmptyEntries))
                {
                    Use(used, next.File);
                }
            }
        }
    }

    private void Note(string? malformed)
    {
        if (malformed is not null && !_malformed.Contains(malformed))
        {
            _malformed.Add(malformed);
        }
    }

    private string? ValueOf(string name, Dictionary<string, string> locals) =>
        locals.TryGetValue(name, out var local) ? local
        : name == "config_directory" && !_main.Entries.ContainsKey(name) ? Path.GetDirectoryName(_main.Path)
        : _main.Entries.TryGetValue(name, out var entry) ? entry.Value
        : ParameterRegistry.Find(name)?.Default;

    // type:/path, type:name, {type:name …} and type:{type:name …}, to any depth, without recursion.
    private void LookAtTables(string value, string file, Dictionary<string, string> locals, Action<string> use)
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
                LookAtTable(word, file, locals, use, pending);
            }
        }
    }

    private void LookAtTable(string word, string file, Dictionary<string, string> locals, Action<string> use, Stack<string> pending)
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
        }
        if (rest is ['{', ..])
        {
            if (Braces.Strip(rest, out var inner) is { } wrong)
            {
                _warnings.Add($"{file}: {wrong}");
            }
            pending.Push(inner);
        }
        else if (DatabaseParameters.IsDatabase(type))
        {
            if (rest is ['/', ..])
            {
                _tableFiles.Add((type, rest));
                return;
            }
            foreach (var name in DatabaseParameters.Of(type, rest).Where(name => locals.ContainsKey(name) || _main.Entries.ContainsKey(name)))
            {
                use(name);
            }
        }
    }

    private void NoteUnused(MasterLine line)
    {
        foreach (var (name, value) in Settings(line))
        {
            if (!IsParameter(name) && !_used.Contains(name) && !LegacyNames.Value.Contains(name))
            {
                _unusedInMaster.Add($"{_master!.Path}: unused parameter: {name}={value}");
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
