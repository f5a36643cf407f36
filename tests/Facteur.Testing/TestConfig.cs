using Facteur.Config;
using Facteur.Config.Expansion;
using Facteur.Config.Parameters;

namespace Facteur.Testing;

/// <summary>A configuration from a few lines of "name = value"; all else has its default. Names without a line are empty in expansions.</summary>
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

    public string Expand(string text) => Expander.Expand(text, name => _values.GetValueOrDefault(name)).Text;

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
        // "$other": the default is the value of another parameter.
        if (text == parameter.Default && text.StartsWith('$') && !_values.ContainsKey(text[1..]) && ParameterRegistry.Find(text[1..]) is { } other)
        {
            return Value(other);
        }
        var value = RawParameters.Contains(parameter.Name) ? text : Expand(text);
        return parameter.Check(value) is { } wrong ? throw new ConfigException(wrong) : value;
    }
}
