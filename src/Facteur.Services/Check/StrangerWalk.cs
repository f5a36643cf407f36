using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Services.Receive.Smtpd;
using Facteur.Services.Receive.Smtpd.Restrictions;

namespace Facteur.Services.Check;

/// <summary>The stages of a session, as far as restrictions see more in one than in another.</summary>
internal enum Stage : byte
{
    /// <summary>Client, HELO and sender: the recipient is known only with smtpd_delay_reject.</summary>
    Before = 0,

    /// <summary>RCPT.</summary>
    Recipient = 1,

    /// <summary>DATA and the end: with several recipients none is known.</summary>
    After = 2,
}

/// <summary>
/// Walks through the lists that smtpd made of its configuration, as a stranger with a recipient at another site, and asks of each restriction what it may
/// say, not what it says: tables and servers may give any answer that they have. It errs to one side only: a list that it calls closed lets nobody through.
/// A restriction that is new and permits is taken for one that may permit, until it is named here.
/// </summary>
/// <param name="smtpd">The service.</param>
/// <param name="config">Its configuration.</param>
/// <param name="entry">Its entry in master.cf.</param>
/// <param name="places">Where settings stand.</param>
/// <param name="tables">What tables may answer.</param>
/// <param name="trustsAll">What makes every address one of mynetworks, or so many that they are hardly one site's; null: nothing does.</param>
/// <param name="relaysAll">What makes every domain one of ours; null: nothing does.</param>
internal sealed class StrangerWalk(SmtpdService smtpd, IConfig config, MasterEntry entry, SettingPlaces places, TableAnswers tables, Opening? trustsAll, string? relaysAll)
{
    private readonly HashSet<string> _onWay = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<(RestrictionList, Stage, bool), Passage> _classes = [];
    private readonly List<string> _asked = [];

    // Within what warn_if_reject stands before: nothing refuses there, in classes and entries of tables neither, but permits count.
    private bool _warned;

    /// <summary>Servers, programs and missing tables that have a say on the way, with their places.</summary>
    public IReadOnlyList<string> Asked => _asked;

    /// <summary>What a list does with the stranger.</summary>
    public Passage Walk(RestrictionList list, Stage stage, string parameter)
    {
        var openings = new List<Opening>();
        foreach (var item in list.Items)
        {
            if (!Meet(item, parameter, stage, openings))
            {
                return new Passage(openings, Falls: false);
            }
        }
        return new Passage(openings, Falls: true);
    }

    /// <returns>Whether what was not permitted may go on.</returns>
    private bool Meet(Restriction item, string parameter, Stage stage, List<Opening> openings)
    {
        if (item.IsBroken)
        {
            return false;
        }
        if (item.Warned is { } warned)
        {
            // A warning does not refuse; what is broken does.
            var before = _warned;
            _warned = true;
            var goesOn = Meet(warned, parameter, stage, openings);
            _warned = before;
            return goesOn || !warned.IsBroken;
        }
        if (item.Class is { } named)
        {
            var passage = OfClass(item.Name, named(), stage);
            openings.AddRange(passage.Openings);
            return passage.Falls;
        }
        var name = item.Name.ToLowerInvariant();
        var place = SettingPlaces.Text(places.Of(entry, parameter, item.Argument.Length > 0 ? item.Argument : item.Name));
        var what = $"{item.Name}{(item.Argument.Length > 0 ? " " + item.Argument : "")} ({place})";
        switch (name)
        {
            case "permit":
                openings.Add(new Opening(what, Sure: true));
                return false;
            case "reject" or "defer" or "defer_if_permit":
                return _warned;
            case "reject_unauth_destination" or "defer_unauth_destination":
                return KeepsDestinations(what, stage, openings) || _warned;
            case "permit_auth_destination" or "permit_mx_backup":
                AddWhere(openings, relaysAll, what);
                if (name == "permit_mx_backup")
                {
                    openings.Add(new Opening($"{what}: the DNS of the recipient's domain", Sure: false));
                }
                return true;
            case "permit_mynetworks":
                if (trustsAll is not null)
                {
                    openings.Add(trustsAll with { What = $"{what} with {trustsAll.What}" });
                }
                return true;
            case "permit_tls_all_clientcerts" when IsSet("smtpd_tls_ask_ccert") || IsSet("smtpd_tls_req_ccert"):
                openings.Add(new Opening($"{what}: any certificate that smtpd_tls_CAfile or smtpd_tls_CApath trust", Sure: false));
                return true;
            // Of a stranger they find nothing; what a list in the DNS permits is never relaying.
            case "permit_inet_interfaces" or "permit_sasl_authenticated" or "permit_tls_clientcerts" or "permit_tls_all_clientcerts" or "permit_dnswl_client" or "permit_rhswl_client":
                return true;
            // OK is an error there, and a certificate or a login is no stranger's.
            case "check_ccert_access" or "check_sasl_access" or "check_reverse_client_hostname_access":
            case var _ when ServerAccess.Find(name) is not null:
                return true;
            case "check_client_access" or "check_helo_access" or "check_sender_access" or "check_recipient_access":
                return Access(item, name, what, stage, openings);
            case var _ when name.StartsWith("check_", StringComparison.Ordinal) || name.StartsWith("permit_", StringComparison.Ordinal):
                _asked.Add(what);
                openings.Add(new Opening(what, Sure: false));
                return true;
            default:
                // It refuses some, or nobody.
                return true;
        }
    }

    private bool IsSet(string parameter) => "yes".Equals(config.Find(parameter), StringComparison.OrdinalIgnoreCase);

    private static void AddWhere(List<Opening> openings, string? reason, string what)
    {
        if (reason is not null)
        {
            openings.Add(new Opening($"{what} with {reason}", Sure: true));
        }
    }

    private bool KeepsDestinations(string what, Stage stage, List<Opening> openings)
    {
        if (stage == Stage.After || (stage == Stage.Before && !smtpd.Settings.DelayReject))
        {
            return true;
        }
        if (smtpd.Settings.AllowUntrustedRouting && config.Get(TrivialRewriteParameters.RelayDomains).Trim().Length > 0)
        {
            var place = SettingPlaces.Text(places.Of(entry, SmtpdParameters.AllowUntrustedRouting.Name));
            openings.Add(new Opening($"{SmtpdParameters.AllowUntrustedRouting.Name} ({place}): whether hosts of relay_domains relay what is routed through them", Sure: false));
        }
        AddWhere(openings, relaysAll, what);
        return relaysAll is not null;
    }

    private Passage OfClass(string name, RestrictionList list, Stage stage)
    {
        if (_classes.TryGetValue((list, stage, _warned), out var known))
        {
            return known;
        }
        // One within itself comes to the limit of depth, and that refuses.
        if (!_onWay.Add(name))
        {
            return new Passage([], Falls: false);
        }
        var passage = Walk(list, stage, name);
        _onWay.Remove(name);
        return _classes[(list, stage, _warned)] = passage;
    }

    private bool Access(Restriction item, string name, string what, Stage stage, List<Opening> openings)
    {
        var table = item.Argument;
        var answer = tables.Of(table);
        if (answer.Anything)
        {
            what = answer.Missing is null ? what : $"{what}, which can't be opened";
            _asked.Add(what);
            openings.Add(new Opening(what, Sure: false));
            return true;
        }
        if (name == "check_recipient_access" && stage == Stage.After)
        {
            return true;
        }
        var all = table.StartsWith("static:", StringComparison.Ordinal) || table.StartsWith("proxy:static:", StringComparison.Ordinal);
        // HELO may be left out, and what comes later in the session is not known yet.
        var goesOn = !all || name == "check_helo_access" || (stage == Stage.Before && !smtpd.Settings.DelayReject && name is "check_sender_access" or "check_recipient_access");
        foreach (var (value, keys) in answer.Values)
        {
            var entry = new List<Opening>();
            goesOn |= Value(item, value, stage, entry);
            if (entry.Count == 0)
            {
                continue;
            }
            string Of(string key) => $"{what}, \"{value}\" for {key} ({tables.PlaceOf(table, key)})";
            var forged = Forgeries(name, keys, answer.IsPattern, all).Zip(keys).Where(f => f.First is not null).Select(f => (Forgery: f.First, What: Of(f.Second))).ToList();
            // Where others decide, one key says it for all of them.
            forged.AddRange(forged.Count == 0 ? [(null, Of(keys[0]))] : []);
            openings.AddRange(entry.SelectMany(opening => forged.Select(f => new Opening(f.What, opening.Sure && f.Forgery is not null, f.Forgery ?? opening.Forgery))));
        }
        return goesOn;
    }

    /// <summary>What the right-hand side of access(5) does (<see cref="AccessAction"/>).</summary>
    /// <returns>Whether what was not permitted may go on.</returns>
    private bool Value(Restriction item, string value, Stage stage, List<Opening> openings)
    {
        value = value.Trim();
        var space = value.AsSpan().IndexOfAny(' ', '\t');
        var word = (space < 0 ? value : value[..space]).ToUpperInvariant();
        switch (word)
        {
            case "" or "OK" or "RELAY":
                openings.Add(new Opening("OK", Sure: true));
                return false;
            case "REJECT" or "DEFER" or "DEFER_IF_PERMIT":
                return _warned;
            // What is discarded is not relayed; where there is no message yet, or none of ours, nothing is.
            case "DISCARD":
                return smtpd.Settings.Proxy is not null || (stage == Stage.Before && !smtpd.Settings.DelayReject);
            case "DUNNO" or "DEFER_IF_REJECT" or "WARN" or "INFO" or "HOLD" or "REDIRECT" or "BCC" or "PREPEND" or "FILTER":
                return true;
        }
        if (!value.AsSpan().ContainsAnyExceptInRange('0', '9') || word.Contains('$'))
        {
            openings.Add(new Opening("OK", Sure: !word.Contains('$')));
            return word.Contains('$');
        }
        if (value is ['4' or '5', >= '0' and <= '9', >= '0' and <= '9', ' ' or '\t', ..])
        {
            return _warned;
        }
        if (item.Entry?.Invoke(value) is not { } list)
        {
            return false;
        }
        var passage = Walk(list, stage, "");
        openings.AddRange(passage.Openings);
        return passage.Falls;
    }

    /// <summary>What a stranger says to be one of the keys; null where others decide who is one.</summary>
    private IEnumerable<Forgery?> Forgeries(string name, List<string> keys, bool isPattern, bool all)
    {
        if (all)
        {
            return [new Forgery()];
        }
        if (name == "check_recipient_access")
        {
            // "user@" is that user at any site; other keys name sites, and it is theirs to be listed.
            // Of all sites below a domain of the top none is asked.
            return keys.Select(key => isPattern ? null : key is [not '@', .., '@'] ? new Forgery(Recipient: key + StrangerSessions.ForeignDomain)
                : key.TrimStart('.') is var top && RelaySafety.IsTop(top) ? new Forgery(Recipient: $"someone@{StrangerSessions.Below(top)}") : null);
        }
        if (name == "check_client_access")
        {
            // Nobody has to have a name, and anybody can have one below a domain of the top; other names and addresses are given to those who are listed.
            return keys.Select(key => isPattern ? null : key == ClientFacts.Unknown ? new Forgery(ReverseName: key)
                : key.All(char.IsAsciiLetter) && key != "localhost" ? new Forgery(ReverseName: $"mail.stranger.{key}") : null);
        }
        return keys.Select(key => (isPattern ? PatternExample.Of(key) : key) is not { } text ? new Forgery()
            : name switch
            {
                "check_helo_access" => new Forgery(Helo: text is ['.', ..] ? "host" + text : text),
                _ => new Forgery(Sender: text == smtpd.Settings.NullAccessKey ? "" : text is ['@', ..] ? "someone" + text : text is [.., '@'] ? text + StrangerSessions.OwnDomain
                    : text is ['.', ..] ? "someone@host" + text : text.Contains('@') ? text : "someone@" + text),
            });
    }
}
