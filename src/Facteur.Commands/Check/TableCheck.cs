using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Tables;
using Facteur.Tables.Patterns;
using Facteur.Tables.Text;

namespace Facteur.Commands.Check;

/// <summary>
/// Tables that settings name: each is opened as services open it, and what its opening says (can't be opened, no index, an old one, a bad line) is found.
/// Files in lists; back-references in patterns.
/// </summary>
internal sealed class TableCheck(ConfigLoad load, SettingPlaces places, Findings findings, TimeProvider time) : ITableEvents
{
    // Types of Postfix, whether this build has them or not: what is named so is a table, in whatever setting it stands.
    private static readonly HashSet<string> Types = new(StringComparer.Ordinal)
    {
        "btree", "cdb", "cidr", "dbm", "debug", "environ", "fail", "hash", "inline", "internal", "ldap", "lmdb", "memcache", "mongodb", "mysql", "netinfo", "nis", "nisplus", "pcre", "pgsql", "pipemap",
        "proxy", "randmap", "regexp", "sdbm", "socketmap", "sqlite", "static", "tcp", "texthash", "unionmap",
    };

    // Lists of what others name, and files that services make themselves.
    private static readonly HashSet<string> NotOpened = new(StringComparer.Ordinal) { "proxy_read_maps", "proxy_write_maps", "address_verify_map", "postscreen_cache_map" };

    private static readonly string[] Lists =
    [
        "mydestination", "mynetworks", "relay_domains", "virtual_alias_domains", "virtual_mailbox_domains", "inet_interfaces", "proxy_interfaces", "smtpd_authorized_xclient_hosts",
        "smtpd_authorized_xforward_hosts", "masquerade_domains",
    ];

    private static readonly string[] ListEnds = ["_maps", "_checks", "_restrictions", "_domains", "_classes", "_clients"];

    private static readonly string[] Networks =
    [
        "mynetworks", "smtpd_authorized_xclient_hosts", "smtpd_authorized_xforward_hosts", "smtpd_authorized_verp_clients", "smtpd_client_event_limit_exceptions", "smtpd_sasl_exceptions_networks",
        "qmqpd_authorized_clients", "debug_peer_list",
    ];

    // What the opening of each table said, in the end why it can't be opened.
    private readonly Dictionary<string, (List<(FindingLevel Level, string Text)> Said, string? Wrong)> _opened = new(StringComparer.Ordinal);
    private List<(FindingLevel Level, string Text)> _said = [];
    private (string File, int Line) _place;

    public void Run()
    {
        using var tables = new TableSet(load.Config, this, time, new TableOptions { Utf8 = load.Config.Get(CommonParameters.Smtputf8Enable) });
        // alias_maps has a table though nobody sets it.
        foreach (var (entry, name, value) in WrittenSettings.Of(load, places).Prepend((null, LocalParameters.AliasMaps.Name, load.Config.Find(LocalParameters.AliasMaps.Name) ?? "")))
        {
            Setting(tables, entry, name, value);
        }
    }

    void ITableEvents.Info(string text)
    {
        // Nothing is wrong.
    }

    void ITableEvents.Warning(string text) => _said.Add((FindingLevel.Warning, text));

    void ITableEvents.Error(string text) => _said.Add((FindingLevel.Error, text));

    private void Setting(TableSet tables, MasterEntry? entry, string name, string value)
    {
        if (NotOpened.Contains(name) || name.EndsWith("_session_cache_database", StringComparison.Ordinal))
        {
            return;
        }
        if (Words(value) is not { } words)
        {
            if (Lists.Contains(name) || Networks.Contains(name) || IsListName(name))
            {
                findings.Add(FindingLevel.Error, places.Of(entry, name), $"{name}: missing '}}' in \"{value}\"");
            }
            return;
        }
        foreach (var word in words)
        {
            var element = word.TrimStart('!');
            var (file, line) = places.Of(entry, name, element);
            _place = (file, line);
            if (element is ['/', ..] && Lists.Contains(name))
            {
                if (!File.Exists(element))
                {
                    findings.Add(FindingLevel.Error, _place, $"{name}: open {element}: No such file or directory");
                }
            }
            else if (Networks.Contains(name) && element is ['[', ..] or [>= '0' and <= '9', ..] && CidrPattern.ParseInList(element, out _) is { } wrong)
            {
                findings.Add(FindingLevel.Error, _place, $"{name}: {wrong}");
            }
            else if (IsTable(name, element) && (IsWritten(entry, name, element) || !_opened.ContainsKey(element)))
            {
                Table(tables, name, element);
            }
        }
    }

    // A setting that refers to another one says nothing more than that one does.
    private bool IsWritten(MasterEntry? entry, string name, string element) =>
        (entry?.Overrides.LastOrDefault(o => o.Key == name).Value ?? (places.Main.Entries.TryGetValue(name, out var setting) ? setting.Value : "")).Contains(element, StringComparison.Ordinal);

    private void Table(TableSet tables, string setting, string name)
    {
        var known = _opened.TryGetValue(name, out var opened);
        if (!known)
        {
            _said = [];
            opened = _opened[name] = (_said, Open(tables, name));
        }
        foreach (var (level, text) in opened.Said)
        {
            findings.AddSaid(level, text, _place);
        }
        if (opened.Wrong is { } wrong)
        {
            findings.Add(FindingLevel.Error, _place, $"{setting}: {name} can't be opened: {wrong}");
        }
        else if (!known)
        {
            BackReferences(name);
        }
    }

    private static string? Open(TableSet tables, string name)
    {
        try
        {
            _ = tables.OpenOrThrow(name);
            return null;
        }
        catch (TableException e)
        {
            return e.Message;
        }
    }

    private void BackReferences(string name)
    {
        try
        {
            if (name.Contains("regexp:", StringComparison.Ordinal) && WrittenTable.Read(name) is { } written)
            {
                foreach (var entry in written.Entries.Where(e => HasBackReference(e.Key)))
                {
                    findings.Add(FindingLevel.Note, entry.Line > 0 ? (written.Path, entry.Line) : _place, $"the pattern {entry.Key} has a back-reference: it is not matched by libc, and mail is deferred when a match takes more than a million steps");
                }
            }
        }
        catch (TableException)
        {
            // It was there a moment ago: who serves will say so.
        }
    }

    // In a list of tables any word with a colon is one; elsewhere a colon may mean a transport or a port.
    private static bool IsTable(string setting, string word)
    {
        var colon = word.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0 && IsTablesOnly(setting))
        {
            return true;
        }
        if (colon <= 0 || word[0] is '[' or '$')
        {
            return false;
        }
        var type = word[..colon];
        return type.All(c => char.IsAsciiLetterOrDigit(c) || c == '_')
            && (Types.Contains(type) || word is "unix:passwd.byname" or "unix:group.byname"
                || setting.EndsWith("_maps", StringComparison.Ordinal) || setting.EndsWith("_checks", StringComparison.Ordinal) || setting == "alias_database");
    }

    // A word without a type is a mistake there.
    private static bool IsTablesOnly(string setting) =>
        (setting.EndsWith("_maps", StringComparison.Ordinal) || setting.EndsWith("_checks", StringComparison.Ordinal)) && ParameterRegistry.Find(setting) is StringParameter;

    private static bool IsListName(string name) => ListEnds.Any(end => name.EndsWith(end, StringComparison.Ordinal));

    // Null where a brace is not closed: in a text that is no list that is no mistake.
    private static List<string>? Words(string value)
    {
        try
        {
            return ListSyntax.Split(value);
        }
        catch (ConfigException)
        {
            return null;
        }
    }

    private static bool HasBackReference(string pattern)
    {
        for (var at = pattern.IndexOf('\\', StringComparison.Ordinal); at >= 0 && at + 1 < pattern.Length; at = pattern.IndexOf('\\', at + 2))
        {
            if (pattern[at + 1] is >= '1' and <= '9')
            {
                return true;
            }
        }
        return false;
    }
}
