using Facteur.Config;
using Facteur.Tables;
using Facteur.Tables.Text;

namespace Facteur.Commands.Check;

/// <summary>Domains that two address classes list: mail for them goes by one of the two, and recipients are checked by the other's tables.</summary>
internal static class DomainCheck
{
    private const int Limit = 100;

    private static readonly string[] Classes = ["mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"];

    public static void Run(ConfigLoad load, SettingPlaces places, Findings findings)
    {
        var listed = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        var said = 0;
        foreach (var name in Classes)
        {
            // relay_domains = $mydestination, the default of old levels, adds nothing to the local class and is no mistake.
            var skip = name == "relay_domains" && places.Main.Entries.TryGetValue(name, out var setting) && setting.Value.Contains("$mydestination", StringComparison.Ordinal);
            foreach (var (domain, place) in Domains(load.Config, name, places))
            {
                if (!listed.TryGetValue(domain, out var other))
                {
                    listed[domain] = name;
                }
                else if (other != name && !(name == "relay_domains" && other == "mydestination" && (skip || !places.Main.Entries.ContainsKey(name))) && ++said <= Limit)
                {
                    findings.Add(name == "relay_domains" && other == "mydestination" ? FindingLevel.Note : FindingLevel.Warning, place, $"do not list domain {domain} in BOTH {other} and {name}");
                }
            }
        }
        if (places.Main.Entries.ContainsKey("relay_domains") && Split(load.Config.Find("relay_domains") ?? "").Contains("*"))
        {
            findings.Add(FindingLevel.Warning, places.Of(null, "relay_domains", "*"), "relay_domains: \"*\" is a name like any other: it matches no domain");
        }
    }

    private static IEnumerable<(string Domain, (string File, int Line) Place)> Domains(IConfig config, string name, SettingPlaces places)
    {
        foreach (var element in Split(config.Find(name) ?? ""))
        {
            var place = places.Of(null, name, element);
            if (element is ['/', ..])
            {
                foreach (var domain in Lines(element))
                {
                    yield return (domain.Text, (element, domain.Line));
                }
            }
            else if (element.Contains(':'))
            {
                foreach (var entry in Entries(element))
                {
                    yield return (entry.Key, entry.Line > 0 ? (element[(element.LastIndexOf(':') + 1)..], entry.Line) : place);
                }
            }
            else if (element is not ['!', ..])
            {
                yield return (element, place);
            }
        }
    }

    private static IEnumerable<TableEntry> Entries(string table)
    {
        try
        {
            return WrittenTable.Read(table) is { IsPattern: false, Path.Length: > 0 } written ? written.Entries.Where(e => !e.Key.Contains('@') && e.Key.Contains('.')) : [];
        }
        catch (TableException)
        {
            return [];
        }
    }

    private static IEnumerable<(string Text, int Line)> Lines(string path)
    {
        try
        {
            return File.ReadAllLines(path).Select((text, i) => (Text: text.Trim(), Line: i + 1)).Where(l => l.Text is not ([] or ['#', ..] or ['!', ..]) && !l.Text.AsSpan().ContainsAny(" \t,:"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static List<string> Split(string value)
    {
        try
        {
            return ListSyntax.Split(value);
        }
        catch (ConfigException)
        {
            return [];
        }
    }
}
