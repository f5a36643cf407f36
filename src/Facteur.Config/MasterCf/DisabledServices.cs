namespace Facteur.Config.MasterCf;

/// <summary>
/// master_service_disable: a list of types ("inet") and of services ("smtp/inet", before release 2.11 "smtp.inet"), which are read as if they were not in
/// master.cf. The first element that matches counts; "!" in front of it says that the service stays. There are neither tables nor wildcards.
/// </summary>
/// <param name="list">The parameter's value.</param>
public sealed class DisabledServices(string list)
{
    private readonly (string Pattern, bool Disables)[] _elements = [.. list.Split([' ', ',', '\t', '\r', '\n'], StringSplitOptions.RemoveEmptyEntries).Select(Element)];

    /// <summary>Whether a service is left out.</summary>
    public bool Contains(MasterEntry entry)
    {
        var service = $"{entry.Name}/{entry.TypeName}";
        foreach (var (pattern, disables) in _elements)
        {
            if (pattern.Equals(pattern.Contains('/') ? service : entry.TypeName, StringComparison.OrdinalIgnoreCase))
            {
                return disables;
            }
        }
        return false;
    }

    private static (string Pattern, bool Disables) Element(string text)
    {
        var pattern = text.TrimStart('!');
        var dot = pattern.Contains('/') ? -1 : pattern.LastIndexOf('.');
        return (dot < 0 ? pattern : $"{pattern[..dot]}/{pattern[(dot + 1)..]}", (text.Length - pattern.Length) % 2 == 0);
    }
}
