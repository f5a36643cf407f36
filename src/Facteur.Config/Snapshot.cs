using System.Collections.Concurrent;
using Facteur.Config.Expansion;
using Facteur.Config.MainCf;
using Facteur.Config.Parameters;

namespace Facteur.Config;

/// <summary>
/// One configuration: the overrides of a service or command, main.cf, computed defaults, defaults; in this order. Immutable; values are expanded when first asked for.
/// </summary>
internal sealed class Snapshot : IConfig
{
    private readonly MainCfFile _main;
    private readonly HostFacts _host;
    private readonly Dictionary<string, string> _overrides;
    private readonly string? _originFromFile;
    private readonly bool _checkedOnUse;
    private readonly Lazy<Dictionary<string, string>> _names;
    private readonly Lazy<string> _networks;
    private readonly ConcurrentDictionary<string, Expanded> _expanded = new(StringComparer.Ordinal);

    internal Snapshot(string directory, long generation, MainCfFile main, HostFacts host, Dictionary<string, string> overrides, string? originFromFile, bool checkedOnUse)
    {
        ConfigDirectory = directory;
        Generation = generation;
        _main = main;
        _host = host;
        _overrides = overrides;
        _originFromFile = originFromFile;
        _checkedOnUse = checkedOnUse;
        _names = new(ComputeNames);
        _networks = new(ComputeNetworks);
    }

    /// <inheritdoc/>
    public string ConfigDirectory { get; }

    /// <inheritdoc/>
    public long Generation { get; }

    /// <inheritdoc/>
    public string Get(StringParameter parameter) => Checked(parameter);

    /// <inheritdoc/>
    public bool Get(BoolParameter parameter) => BoolParameter.Parse(Checked(parameter)) ?? false;

    /// <inheritdoc/>
    public long Get(IntParameter parameter) => long.TryParse(Checked(parameter), out var number) ? number : 0;

    /// <inheritdoc/>
    public TimeSpan Get(TimeParameter parameter) => TimeSpan.FromSeconds(TimeParameter.ParseSeconds(Checked(parameter), parameter.Unit) ?? 0);

    /// <inheritdoc/>
    public string? Find(string name) =>
        Unexpanded(name) is null ? null : Value(name) is { Error: null } value ? value.Text
        : Whole(Default(name) ?? "");

    /// <inheritdoc/>
    public string Expand(string text) => Expander.Expand(text, Unexpanded).Text;

    /// <inheritdoc/>
    public IConfig With(IReadOnlyList<KeyValuePair<string, string>> overrides)
    {
        if (overrides.Count == 0)
        {
            return this;
        }
        var merged = new Dictionary<string, string>(_overrides, StringComparer.Ordinal);
        foreach (var (name, value) in overrides)
        {
            merged[name] = value;
        }
        var snapshot = new Snapshot(ConfigDirectory, Generation, _main, _host, merged, _originFromFile, _checkedOnUse);
        var errors = overrides.Select(o => snapshot.Check(o.Key)).OfType<string>().ToList();
        return errors.Count == 0 ? snapshot : throw new ConfigException(string.Join("; ", errors));
    }

    /// <summary>What is wrong with a name's value and where it stands, or null.</summary>
    internal string? CheckSetting(string name) => Check(name) is not { } wrong ? null
        : _main.Entries.TryGetValue(name, out var entry) && !_overrides.ContainsKey(name) ? $"{wrong} ({_main.Path}, line {entry.Line})" : wrong;

    /// <summary>What is wrong with a name's value, or null.</summary>
    internal string? Check(string name)
    {
        var value = Value(name);
        if (value.Error is { } wrong)
        {
            return $"parameter {name}: {wrong}";
        }
        return name switch
        {
            "compatibility_level" when CompatibilityLevel.Parse(value.Text) is null =>
                $"bad compatibility level in compatibility_level={value.Text}: expected major[.minor[.patch]]",
            "myorigin" when value.Text.Trim().AsSpan().IndexOfAny(" \t,\r\n") >= 0 =>
                $"{name} parameter setting must not contain multiple values: {value.Text}",
            "inet_protocols" when HostDefaults.WrongProtocols(value.Text) is { } unknown => unknown,
            // As in Postfix it counts only where it is needed.
            "mynetworks_style" when value.Text.Length > 0 && !IsSet("mynetworks") => HostDefaults.WrongStyle(value.Text),
            _ => ParameterRegistry.Find(name)?.Check(value.Text),
        };
    }

    /// <summary>compatibility_level; null when it is none.</summary>
    internal CompatibilityLevel? Level => CompatibilityLevel.Parse(Value("compatibility_level").Text);

    /// <summary>Whether a name is set by an override or main.cf.</summary>
    internal bool IsSet(string name) => _overrides.ContainsKey(name) || _main.Entries.ContainsKey(name);

    /// <summary>A name's value, not expanded; null when it has none.</summary>
    internal string? Unexpanded(string name) => Written(name) ?? name switch
    {
        "myhostname" or "mydomain" => _names.Value[name],
        "mynetworks" => _networks.Value,
        _ => Default(name),
    };

    private string? Written(string name)
    {
        if (_overrides.TryGetValue(name, out var value))
        {
            return value;
        }
        return name == CommonParameters.Myorigin.Name && _originFromFile is not null ? _originFromFile
            : _main.Entries.TryGetValue(name, out var entry) ? entry.Value : null;
    }

    private string? Default(string name) => name switch
    {
        "config_directory" => ConfigDirectory,
        "process_id" => Environment.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture),
        _ => ParameterRegistry.Find(name)?.Default ?? TransportParameters.DefaultOf(name),
    };

    // Each step sees only what is known before it, so that no setting can make a computed default wait for itself.
    private Dictionary<string, string> ComputeNames()
    {
        var known = new Dictionary<string, string>(StringComparer.Ordinal)
        {
            ["myhostname"] = _host.HostName,
            ["mydomain"] = HostDefaults.DefaultDomain,
            ["mynetworks"] = "",
        };
        known["myhostname"] = HostDefaults.HostName(_host, IsSet("mydomain") ? ExpandWith("mydomain", known) : null);
        known["mydomain"] = HostDefaults.Domain(ExpandWith("myhostname", known));
        return known;
    }

    private string ComputeNetworks()
    {
        var known = _names.Value;
        return HostDefaults.Networks(_host, ExpandWith(CommonParameters.MynetworksStyle.Name, known), ExpandWith("inet_interfaces", known), ExpandWith("inet_protocols", known));
    }

    private string ExpandWith(string name, Dictionary<string, string> known)
    {
        string? Lookup(string n) => Written(n) ?? (known.TryGetValue(n, out var value) ? value : Default(n));
        return Expander.Expand(Lookup(name) ?? "", Lookup).Text;
    }

    private string Checked(Parameter parameter)
    {
        var value = Value(parameter.Name, parameter);
        if (value.Error is null && parameter.Check(value.Text) is null)
        {
            return value.Text;
        }
        // What is not valid was else reported when the configuration was loaded; those who go on nevertheless get the default.
        return _checkedOnUse && CheckSetting(parameter.Name) is { } wrong ? throw new ConfigException(wrong) : Whole(parameter.Default);
    }

    // A default may refer to a malformed value: half of that is nothing to go on with.
    private string Whole(string text) => Expander.Expand(text, Unexpanded) is { Error: null } expanded ? expanded.Text : "";

    private Expanded Value(string name, Parameter? row = null)
    {
        if (_expanded.TryGetValue(name, out var known))
        {
            return known;
        }
        var text = Unexpanded(name) ?? row?.Default ?? "";
        var value = RawParameters.Contains(name) ? Raw(text) : Expander.Expand(text, Unexpanded);
        return _expanded.GetOrAdd(name, value);
    }

    // A raw value that is just another raw parameter's name stands for that one (postscreen_expansion_filter = $smtpd_expansion_filter).
    private Expanded Raw(string text) =>
        text is ['$', ..] && RawParameters.Contains(text[1..]) ? new Expanded(Unexpanded(text[1..]) ?? "", null) : new Expanded(text, null);
}
