using System.Globalization;

namespace Facteur.Load;

/// <summary>--name value pairs; a name without a value is "yes".</summary>
internal sealed class Options
{
    private readonly Dictionary<string, string> _values = [];

    public Options(IEnumerable<string> arguments)
    {
        string? name = null;
        foreach (var argument in arguments)
        {
            if (argument.StartsWith("--", StringComparison.Ordinal))
            {
                _values[name = argument[2..]] = "yes";
            }
            else if (name is not null)
            {
                _values[name] = argument;
            }
        }
    }

    public int Int(string name, int otherwise) => _values.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    public string Text(string name, string otherwise) => _values.GetValueOrDefault(name, otherwise);

    public bool Has(string name) => _values.ContainsKey(name);
}
