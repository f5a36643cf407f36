using Facteur.Config.Expansion;
using Facteur.Config.MainCf;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;

namespace Facteur.Config;

/// <summary>Names of main.cf that are no parameters: fine when something refers to them, else probably mistyped.</summary>
internal static class UserParameters
{
    /// <summary>Those that nothing refers to.</summary>
    internal static IEnumerable<KeyValuePair<string, MainCfEntry>> Unused(MainCfFile main, Snapshot snapshot, IReadOnlyList<MasterEntry> entries)
    {
        var unknown = main.Entries.Where(e => ParameterRegistry.Find(e.Key) is null).ToList();
        if (unknown.Count == 0)
        {
            return [];
        }
        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach (var row in ParameterRegistry.All)
        {
            Expander.Scan(row.Default, name => known.Add(name));
        }
        foreach (var (_, entry) in main.Entries)
        {
            Expander.Scan(entry.Value, name => known.Add(name));
        }
        foreach (var entry in entries)
        {
            foreach (var (_, value) in entry.Overrides)
            {
                Expander.Scan(value, name => known.Add(name));
            }
            known.UnionWith(TransportParameters.Of(entry.Name, entry.TypeName, entry.Command).Select(p => p.Key));
        }
        known.UnionWith((snapshot.Find("smtpd_restriction_classes") ?? "").Split([' ', '\t', ',', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries));
        return unknown.Where(e => !known.Contains(e.Key) && DeprecatedParameters.Warning(e.Key) is null && !IsTableSetting(e.Key, main));
    }

    // ldap:name, mysql:name… without a path read name_server_host, name_query… from main.cf.
    private static bool IsTableSetting(string name, MainCfFile main)
    {
        for (var at = name.IndexOf('_', StringComparison.Ordinal); at > 0; at = name.IndexOf('_', at + 1))
        {
            var source = $":{name[..at]}";
            if (main.Entries.Values.Any(e => ReferencesTable(e.Value, source)))
            {
                return true;
            }
        }
        return false;
    }

    private static bool ReferencesTable(string value, string source)
    {
        var at = value.IndexOf(source, StringComparison.Ordinal);
        return at > 0 && (at + source.Length == value.Length || value[at + source.Length] is ' ' or ',' or '\t' or '}');
    }
}
