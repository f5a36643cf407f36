using Facteur.Config;
using Facteur.Config.Parameters;

namespace Facteur.Testing;

/// <summary>A configuration from a few lines of "name = value"; all else has its default. Expands $name and ${name} only.</summary>
public sealed class TestConfig : IConfig
{
    private readonly Dictionary<string, string> _values;

    public TestConfig(params (string Name, string Value)[] values)
        : this(values.ToDictionary(v => v.Name, v => v.Value, StringComparer.Ordinal))
    {
    }

    private TestConfig(Dictionary<string, string> values)
    {
        _values = values;
        foreach (var (name, value) in new[]
        {
            ("myhostname", "mx.dest.example"), ("mydomain", "dest.example"), ("myorigin", "$mydomain"), ("mail_name", "Postfix"),
            ("mydestination", "$myhostname, localhost.$mydomain, localhost, $mydomain"), ("mynetworks", "127.0.0.0/24"),
            ("inet_interfaces", "127.0.0.1"), ("compatibility_level", "3.11"),
        })
        {
            _values.TryAdd(name, value);
        }
    }

    public string ConfigDirectory { get; init; } = "/nonexistent";

    public long Generation => 1;

    public string Get(StringParameter parameter) => Value(parameter);

    public bool Get(BoolParameter parameter) => BoolParameter.Parse(Value(parameter)) ?? throw new ConfigException(parameter.Name);

    public long Get(IntParameter parameter) => long.Parse(Value(parameter), null);

    public TimeSpan Get(TimeParameter parameter) =>
        TimeSpan.FromSeconds(TimeParameter.ParseSeconds(Value(parameter), parameter.Unit) ?? throw new ConfigException(parameter.Name));

    public string? Find(string name) => _values.TryGetValue(name, out var value) ? Expand(value) : null;

    public string Expand(string text)
    {
        for (var depth = 0; depth < 20 && text.Contains('$'); depth++)
        {
            // ${name?{a}:{b}} and ${name?text} take their "not set" branch here.
            text = System.Text.RegularExpressions.Regex.Replace(
                text, @"\$\{(\w+)\?\{([^{}]*)\}:\{([^{}]*)\}\}|\$\{(\w+)\}|\$(\w+)",
                m => m.Groups[1].Success ? (_values.TryGetValue(m.Groups[1].Value, out var set) && set.Length > 0 ? m.Groups[2].Value : m.Groups[3].Value)
                    : _values.GetValueOrDefault(m.Groups[4].Success ? m.Groups[4].Value : m.Groups[5].Value, ""));
        }
        return text;
    }

    public IConfig With(IReadOnlyList<KeyValuePair<string, string>> overrides)
    {
        var values = new Dictionary<string, string>(_values, StringComparer.Ordinal);
        foreach (var (name, value) in overrides)
        {
            values[name] = value;
        }
        return new TestConfig(values) { ConfigDirectory = ConfigDirectory };
    }

    private string Value(Parameter parameter)
    {
        var text = _values.GetValueOrDefault(parameter.Name, parameter.Default);
        // These hold $names that only their reader knows.
        var value = parameter.Name is "forward_path" or "luser_relay" ? text : Expand(text);
        return parameter.Check(value) is { } wrong ? throw new ConfigException(wrong) : value;
    }
}
