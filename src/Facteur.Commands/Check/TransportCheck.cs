using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Tables;
using Facteur.Tables.Text;

namespace Facteur.Commands.Check;

/// <summary>Transports that settings, their tables, and FILTER in tables of access(5) and header_checks(5) name, and that master.cf has no service for: their mail waits.</summary>
internal sealed class TransportCheck
{
    private static readonly string[] Tables =
    [
        "transport_maps", "sender_dependent_default_transport_maps", "mailbox_transport_maps", "fallback_transport_maps", "address_verify_transport_maps",
        "address_verify_sender_dependent_default_transport_maps",
    ];

    private readonly ConfigLoad _load;
    private readonly SettingPlaces _places;
    private readonly Findings _findings;
    private readonly HashSet<string> _served;
    private readonly HashSet<(string Table, bool Filters)> _seen = [];

    private TransportCheck(ConfigLoad load, SettingPlaces places, Findings findings)
    {
        (_load, _places, _findings) = (load, places, findings);
        _served = load.Entries.Where(e => e.Type == ServiceType.Unix).Select(e => e.Name).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>Parameters that name a transport, with or without what it is given.</summary>
    internal static IReadOnlyList<string> Transports { get; } =
    [
        "local_transport", "virtual_transport", "relay_transport", "default_transport", "mailbox_transport", "fallback_transport", "content_filter", "best_mx_transport",
        "address_verify_local_transport", "address_verify_virtual_transport", "address_verify_relay_transport", "address_verify_default_transport",
    ];

    public static void Run(ConfigLoad load, SettingPlaces places, Findings findings)
    {
        var check = new TransportCheck(load, places, findings);
        foreach (var (entry, name, value) in WrittenSettings.Of(load, places))
        {
            check.Setting(entry, name, value);
        }
    }

    private void Setting(MasterEntry? entry, string name, string value)
    {
        if (Transports.Contains(name))
        {
            if (Unserved(value) is { } service)
            {
                _findings.Add(FindingLevel.Error, _places.Of(entry, name), $"{name} = {value}: {_places.MasterPath} has no service {service}/unix");
            }
            return;
        }
        var filters = name.EndsWith("_checks", StringComparison.Ordinal) || name.EndsWith("_restrictions", StringComparison.Ordinal) || IsClass(name);
        if (!filters && !Tables.Contains(name))
        {
            return;
        }
        foreach (var table in Words(value).Where(w => w.IndexOf(':', StringComparison.Ordinal) > 0 && _seen.Add((w, filters))))
        {
            Table(entry, name, table, filters);
        }
    }

    private bool IsClass(string name) => Words(_load.Config.Find("smtpd_restriction_classes") ?? "").Contains(name, StringComparer.OrdinalIgnoreCase);

    private void Table(MasterEntry? entry, string name, string table, bool filters)
    {
        WrittenTable? written;
        try
        {
            written = WrittenTable.Read(table);
        }
        catch (TableException)
        {
            // That it can't be read is said of tables.
            return;
        }
        foreach (var found in written?.Entries ?? [])
        {
            const string Filter = "FILTER";
            var value = found.Value.Trim();
            if (filters)
            {
                if (!value.StartsWith(Filter, StringComparison.OrdinalIgnoreCase) || value.Length == Filter.Length || value[Filter.Length] is not (' ' or '\t'))
                {
                    continue;
                }
                value = value[Filter.Length..].Trim();
            }
            if (Unserved(value) is { } service)
            {
                var place = found.Line > 0 && written!.Path.Length > 0 ? (written.Path, found.Line) : _places.Of(entry, name, table);
                _findings.Add(FindingLevel.Error, place, $"{found.Key}: {found.Value.Trim()}: {_places.MasterPath} has no service {service}/unix");
            }
        }
    }

    /// <summary>The transport that a value names and nobody serves. One that a pattern makes up is not known before.</summary>
    private string? Unserved(string value)
    {
        var colon = value.IndexOf(':', StringComparison.Ordinal);
        var transport = (colon < 0 ? value : value[..colon]).Trim();
        return transport.Length == 0 || transport.Contains('$') || _served.Contains(transport) || transport.Equals("DUNNO", StringComparison.OrdinalIgnoreCase) ? null : transport;
    }

    private static List<string> Words(string value)
    {
        try
        {
            return ListSyntax.Split(value);
        }
        catch (ConfigException)
        {
            // It is said of lists of tables.
            return [];
        }
    }
}
