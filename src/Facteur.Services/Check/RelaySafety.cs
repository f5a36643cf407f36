using System.Net;
using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Net.Dns;
using Facteur.Services.Explain;
using Facteur.Services.Master;
using Facteur.Services.Queue.Qmgr;
using Facteur.Services.Receive.Smtpd;
using Facteur.Services.Receive.Smtpd.Restrictions;
using Facteur.Services.Server;
using Facteur.Tables;

namespace Facteur.Services.Check;

/// <summary>
/// Says of each listener whether strangers may relay through it. The lists that smtpd made are walked first (<see cref="StrangerWalk"/>); what they do not
/// close is tried in sessions with the services themselves (<see cref="Explainer"/>), and only a session that was served is called open. The DNS of these
/// sessions is made up; tables and servers that the configuration names are asked.
/// </summary>
public sealed class RelaySafety : IAsyncDisposable
{
    private const int ReasonLimit = 5;

    // Far from each other: a network that holds two of them is nobody's own.
    private static readonly string[] Probes =
    [
        "5.77.13.10", "23.177.13.10", "45.83.219.10", "62.149.8.10", "91.198.33.10", "114.215.77.10", "139.9.13.10", "156.54.12.10", "177.43.201.10", "203.9.150.10", "217.6.88.10",
        "2001:4f8:13::10", "2400:8900:13::10", "2607:8b0:13::10", "2804:14c:13::10", "2a03:1880:13::10",
    ];

    /// <summary>What a table of mynetworks may take for the look at <see cref="Ranges"/>.</summary>
    private static readonly TimeSpan WideLimit = TimeSpan.FromSeconds(2);

    // Two addresses far from each other in each network that the registries give to many.
    private static readonly (string One, string Other)[] Ranges =
    [
        .. Enumerable.Range(1, 223).Where(n => n is not (10 or 127)).Select(n => ($"{n}.77.13.10", $"{n}.201.150.10")),
        ("2001:4f8:13::10", "2001:e68:150::10"), ("2400:8900:13::10", "2406:da00:150::10"), ("2607:8b0:13::10", "2600:9000:150::10"), ("2804:14c:13::10", "2800:3f0:150::10"),
        ("2a03:1880:13::10", "2a0d:3340:150::10"), ("2c0f:f248:13::10", "2c0f:29c0:150::10"),
    ];

    private static readonly string[] Strangers = ["203.0.113.10", "198.51.100.10", "192.0.2.10", "2001:db8:13::10"];

    private readonly ConfigLoad _load;
    private readonly SettingPlaces _places;
    private readonly StrangerSessions _sessions;
    private readonly List<(MasterEntry Entry, SmtpdService? Smtpd, string Wrong)> _smtpds = [];
    private readonly Explainer _explainer;
    private readonly TableSet _tables;
    private readonly TableAnswers _answers;
    private readonly TimeProvider _time;

    /// <summary>Makes the services and opens their tables.</summary>
    /// <param name="load">The configuration; what is in error there counts as not set.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ConfigException">A value is not valid, and no service can be made of it.</exception>
    public RelaySafety(ConfigLoad load, TimeProvider time)
    {
        // Many sessions in a moment: limits and pauses for clients are no part of the question.
        _load = load with
        {
            Entries = load.Entries.Count > 0 ? [.. load.Entries.Select(e => e with { Overrides = Sound(load.Config, e.Overrides) })] : Alone(load),
            Config = load.Config.With([.. ((Parameter[])
            [
                SmtpdParameters.ErrorSleepTime, SmtpdParameters.ClientConnectionCountLimit, SmtpdParameters.ClientConnectionRateLimit, SmtpdParameters.ClientMessageRateLimit,
                SmtpdParameters.ClientRecipientRateLimit, SmtpdParameters.QueueMinfree,
            ]).Select(p => KeyValuePair.Create(p.Name, "0"))]),
        };
        _time = time;
        _places = new SettingPlaces(load.Config.ConfigDirectory);
        var dns = new StrangerDns();
        _explainer = new Explainer(_load, null, dns, time, _places);
        _sessions = new StrangerSessions(_explainer, dns);
        _tables = new TableSet(load.Config, new Unheard(), time, new TableOptions { Utf8 = load.Config.Get(CommonParameters.Smtputf8Enable) });
        _answers = new TableAnswers(_tables);
        // All tables are opened now: who calls may give up rights before sessions are served.
        foreach (var entry in _load.Entries.Where(e => e.Command == "smtpd"))
        {
            try
            {
                var smtpd = _explainer.Generation.Smtpd(entry);
                _smtpds.Add((entry, smtpd, ""));
                Read(smtpd.Stages.Lists);
                _explainer.Mistakes!.Take(entry, smtpd.Stages.Written);
                _sessions.Add(Tops(_load.Config.With(entry.Overrides)));
            }
            catch (ConfigException e)
            {
                _smtpds.Add((entry, null, e.Message));
            }
        }
        OthersMistakes();
    }

    /// <summary>What the services find wrong when they are made; where a value is, the verdicts are about its default.</summary>
    public IEnumerable<Mistake> Mistakes => _explainer.Mistakes!.Found;

    /// <summary>Judges every smtpd of master.cf; where it has no service, main.cf by the listener that every system has.</summary>
    /// <param name="limit">How long servers may take for the sessions of one listener: what they do not answer in that time is not shown.</param>
    /// <param name="cancel">The caller's end.</param>
    public async Task<IReadOnlyList<ListenerSafety>> JudgeAsync(TimeSpan limit, CancellationToken cancel)
    {
        var judged = new List<ListenerSafety>();
        foreach (var (entry, smtpd, wrong) in _smtpds)
        {
            using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
            end.CancelAfter(limit);
            judged.Add(smtpd is null ? new ListenerSafety(entry, Relaying.Closed, $"serves nobody: {wrong}", Serves: false) : await JudgeAsync(entry, smtpd, end.Token).ConfigureAwait(false));
        }
        return judged;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _explainer.DisposeAsync().ConfigureAwait(false);
        _tables.Dispose();
    }

    // What is in error counts as not set; that it is has been said.
    private static IReadOnlyList<KeyValuePair<string, string>> Sound(IConfig config, IReadOnlyList<KeyValuePair<string, string>> overrides)
    {
        try
        {
            config.With(overrides);
            return overrides;
        }
        catch (ConfigException)
        {
            return [.. overrides.Where(o =>
            {
                try
                {
                    return config.With([o]) is not null;
                }
                catch (ConfigException)
                {
                    return false;
                }
            })];
        }
    }

    private static IReadOnlyList<MasterEntry> Alone(ConfigLoad load) =>
        MasterCfFile.Parse($"{load.Config.ConfigDirectory}/master.cf", "smtp inet n - n - - smtpd").ReadEntries([]);

    // What else a start reads.
    private void OthersMistakes()
    {
        var pickup = _load.Entries.FirstOrDefault(e => e.Command == "pickup");
        _explainer.Mistakes!.Try(pickup is null ? _load.Config : _load.Config.With(pickup.Overrides), pickup, config => new InputOptions(config));
        _explainer.Mistakes.Try(_load.Config, null, config => MailLog.Place(config));
        foreach (var name in _places.Main.Entries.Keys.Where(n => n.EndsWith("_concurrency_positive_feedback", StringComparison.Ordinal) || n.EndsWith("_concurrency_negative_feedback", StringComparison.Ordinal)))
        {
            if (_load.Config.Find(name) is { Length: > 0 } value && Feedback.Parse(value) is null)
            {
                _explainer.Mistakes.Warn(null, name, $"ignoring malformed or unreasonable feedback: {value}");
            }
        }
        var hosts = new HostsFile("/etc/hosts", _time);
        foreach (var entry in _load.Entries.Where(e => e is { Command: "smtpd", Type: ServiceType.Inet }))
        {
            _explainer.Mistakes.Try(_load.Config.With(entry.Overrides), entry, config => ListenAddresses.Of(entry, config, hosts));
        }
    }

    private void Read(IEnumerable<RestrictionList> lists)
    {
        var waiting = new Stack<RestrictionList>(lists);
        var seen = new HashSet<RestrictionList>(ReferenceEqualityComparer.Instance);
        while (waiting.TryPop(out var list))
        {
            foreach (var item in seen.Add(list) ? list.Items.Select(i => i.Warned ?? i) : [])
            {
                if (item.Class is { } inner)
                {
                    waiting.Push(inner());
                }
                else if (item.Argument.Length > 0 && item.Name.EndsWith("_access", StringComparison.OrdinalIgnoreCase))
                {
                    _ = _answers.Of(item.Argument);
                }
            }
        }
    }

    private async Task<ListenerSafety> JudgeAsync(MasterEntry entry, SmtpdService smtpd, CancellationToken cancel)
    {
        if (smtpd.Stages.IsUnprotected)
        {
            return new ListenerSafety(entry, Relaying.Closed,
                "serves nobody: in smtpd_relay_restrictions or smtpd_recipient_restrictions nothing keeps strangers from relaying: expected reject_unauth_destination, defer_unauth_destination, reject, defer or defer_if_permit",
                Serves: false);
        }
        _explainer.Serve(smtpd);
        var config = _load.Config.With(entry.Overrides);
        var (client, trustsAll) = await ClientAsync(smtpd, entry, cancel).ConfigureAwait(false);
        var (recipients, relaysAll) = await RecipientsAsync(config, cancel).ConfigureAwait(false);
        var walk = new StrangerWalk(smtpd, config, entry, _places, _answers, trustsAll, relaysAll);
        var passages = Passages(smtpd, walk);
        var claims = await ClaimsAsync(smtpd, client, cancel).ConfigureAwait(false);
        var closed = passages.FirstOrDefault(p => p.Passage.IsClosed);
        if (closed.List is not null && !claims)
        {
            if (Here(entry, config) is null && ToAnyDomain(config) is { } rule
                && await _sessions.FindAsync(client, Written(config), [], claims, cancel).ConfigureAwait(false) is { Count: > 0 } mapped)
            {
                return new ListenerSafety(entry, Relaying.Open, $"strangers may relay, by {rule}: {string.Join(", ", mapped)}") { Session = mapped };
            }
            return new ListenerSafety(entry, Relaying.Closed, $"strangers can't relay: {closed.List.Name} refuses them ({PlaceOf(entry, closed.List.Name)})");
        }
        var here = Here(entry, config);
        var reasons = Reasons(entry, passages, walk, claims);
        var shown = await _sessions.FindAsync(client, recipients, passages.SelectMany(p => p.Passage.Openings), claims, cancel).ConfigureAwait(false);
        if (shown.Count > 0 && reasons.Sure.Count == 0 && !await OthersTooAsync(smtpd, client, recipients, passages, claims, cancel).ConfigureAwait(false))
        {
            // It is the address that was made up for him which a table names.
            shown = [];
        }
        if (shown.Count > 0)
        {
            var by = string.Join("; ", reasons.Sure.Count > 0 ? reasons.Sure : reasons.Others);
            return here is null
                ? new ListenerSafety(entry, Relaying.Open, $"strangers may relay, by {by}: {string.Join(", ", shown)}") { Session = shown }
                : new ListenerSafety(entry, Relaying.Closed, $"strangers can't reach it: it listens {here}; who can may relay, by {by}");
        }
        var depends = string.Join("; ", reasons.Others.Count > 0 ? reasons.Others : reasons.Sure);
        return here is null
            ? new ListenerSafety(entry, Relaying.Depends, $"whether strangers may relay depends on {depends}")
            : new ListenerSafety(entry, Relaying.Closed, $"strangers can't reach it: it listens {here}; whether others may relay depends on {depends}");
    }

    /// <summary>Whether strangers with addresses far from his may relay as well.</summary>
    private async Task<bool> OthersTooAsync(
        SmtpdService smtpd, IPAddress client, List<string> recipients, List<(RestrictionList List, Stage Stage, Passage Passage)> passages, bool claims, CancellationToken cancel)
    {
        var others = 0;
        foreach (var other in Strangers.Concat(Probes).Select(IPAddress.Parse).Where(a => a.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork && !a.Equals(client)))
        {
            if (await MatchAsync(smtpd.Settings.Mynetworks, other, cancel).ConfigureAwait(false) == LookupStatus.Found)
            {
                continue;
            }
            if ((await _sessions.FindAsync(other, recipients, passages.SelectMany(p => p.Passage.Openings), claims, cancel).ConfigureAwait(false)).Count == 0)
            {
                return false;
            }
            if (++others == 3)
            {
                break;
            }
        }
        return others > 0;
    }

    private string PlaceOf(MasterEntry entry, string parameter) => _places.Of(entry, parameter) is { Line: > 0 } place ? SettingPlaces.Text(place) : "its default";

    private static List<(RestrictionList List, Stage Stage, Passage Passage)> Passages(SmtpdService smtpd, StrangerWalk walk)
    {
        var stages = smtpd.Stages.Lists.Select((list, i) => (List: list, Stage: i < 3 ? Stage.Before : i < 5 ? Stage.Recipient : Stage.After, IsHelo: i == 1));
        // Who does not say HELO does not meet its list.
        return [.. stages.Where(s => !s.List.IsEmpty && (!s.IsHelo || smtpd.Settings.HeloRequired)).Select(s => (s.List, s.Stage, walk.Walk(s.List, s.Stage, s.List.Name)))];
    }

    private (List<string> Sure, List<string> Others) Reasons(MasterEntry entry, List<(RestrictionList List, Stage Stage, Passage Passage)> passages, StrangerWalk walk, bool claims)
    {
        var (sure, others) = (new List<string>(), new List<string>());
        if (claims)
        {
            sure.Add($"{SmtpdParameters.AuthorizedXclientHosts.Name} ({SettingPlaces.Text(_places.Of(entry, SmtpdParameters.AuthorizedXclientHosts.Name))}): they say who they are");
        }
        foreach (var (list, _, passage) in passages.Where(p => p.Stage == Stage.Recipient || !p.Passage.IsSure))
        {
            if (!passage.IsSure)
            {
                others.AddRange(passage.Openings.Select(o => o.What));
            }
            else if (passage.Openings.FirstOrDefault(o => o.Sure) is { } opening)
            {
                sure.Add(opening.What);
            }
            else
            {
                sure.Add($"{list.Name}, which refuses none of them ({PlaceOf(entry, list.Name)})");
            }
        }
        if (others.Count == 0)
        {
            others.AddRange(walk.Asked);
        }
        return ([.. sure.Distinct().Take(ReasonLimit)], [.. others.Distinct().Take(ReasonLimit)]);
    }

    /// <summary>A client outside of mynetworks; when these hold addresses that can't be one site's, one of them, and why it is trusted.</summary>
    private async Task<(IPAddress Client, Opening? Trusts)> ClientAsync(SmtpdService smtpd, MasterEntry entry, CancellationToken cancel)
    {
        var networks = smtpd.Settings.Mynetworks;
        var trusted = await TrustedAsync(networks, Probes, cancel).ConfigureAwait(false);
        var wide = trusted.Count > 1 ? trusted : await WideAsync(networks, cancel).ConfigureAwait(false);
        var what = $"{CommonParameters.Mynetworks.Name} = {_load.Config.With(entry.Overrides).Get(CommonParameters.Mynetworks)} ({SettingPlaces.Text(_places.Of(entry, CommonParameters.Mynetworks.Name))})";
        if (wide.Count > 1)
        {
            return (wide[0], new Opening(what, Sure: true));
        }
        // A few sites have a whole one; with mynetworks_style = class it is the provider's.
        var trusts = wide.Count == 0 ? null : new Opening($"{what}: all addresses of {wide[0].ToString().Split('.')[0]}.0.0.0/8", Sure: false);
        foreach (var stranger in Strangers.Select(IPAddress.Parse))
        {
            if (await MatchAsync(networks, stranger, cancel).ConfigureAwait(false) != LookupStatus.Found)
            {
                return (stranger, trusts);
            }
        }
        return (IPAddress.Parse(Probes[0]), trusts);
    }

    private static async Task<List<IPAddress>> TrustedAsync(INetworkList networks, IEnumerable<string> probes, CancellationToken cancel)
    {
        var trusted = new List<IPAddress>();
        foreach (var probe in probes.Select(IPAddress.Parse))
        {
            var status = await MatchAsync(networks, probe, cancel).ConfigureAwait(false);
            if (status == LookupStatus.Error)
            {
                break;
            }
            if (status == LookupStatus.Found)
            {
                trusted.Add(probe);
            }
        }
        return trusted;
    }

    /// <summary>An address of each public network of IPv4 as large as /8 that is trusted; of two, where such a large one of IPv6 is: nobody has that.</summary>
    private static async Task<List<IPAddress>> WideAsync(INetworkList networks, CancellationToken cancel)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        end.CancelAfter(WideLimit);
        var wide = new List<IPAddress>();
        foreach (var (one, other) in Ranges)
        {
            if (await TrustedAsync(networks, [one], end.Token).ConfigureAwait(false) is [var first] && await TrustedAsync(networks, [other], end.Token).ConfigureAwait(false) is [var second])
            {
                wide.Add(first);
                wide.AddRange(first.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? [second] : []);
            }
            if (wide.Count > 1 || end.IsCancellationRequested)
            {
                break;
            }
        }
        return wide;
    }

    private static async Task<LookupStatus> MatchAsync(INetworkList networks, IPAddress address, CancellationToken cancel)
    {
        try
        {
            return await networks.MatchAsync(address, null, cancel).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return LookupStatus.Error;
        }
    }

    /// <summary>Recipients at other sites; when a list of our domains holds theirs too, that one first, and which list it is.</summary>
    private async Task<(List<string> Recipients, string? RelaysAll)> RecipientsAsync(IConfig config, CancellationToken cancel)
    {
        var own = ListSyntax.Split(config.Get(CommonParameters.Myhostname)).FirstOrDefault() ?? "localhost";
        const string Site = StrangerSessions.ForeignDomain;
        List<string> recipients = [$"someone@{Site}", $"someone%{Site}@{own}", $"{Site}!someone", $"@{own}:someone@{Site}", $"\"someone@{Site}\"@{own}"];
        foreach (var domain in _sessions.ForeignDomains)
        {
            Resolution resolution;
            try
            {
                resolution = await _explainer.Generation.Rewrite.ResolveAsync("", $"someone@{domain}", cancel).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                break;
            }
            const ResolveFlags Ours = ResolveFlags.Local | ResolveFlags.VirtualAlias | ResolveFlags.VirtualMailbox | ResolveFlags.Relay;
            if ((resolution.Flags & (Ours | ResolveFlags.Fail)) is var flags and not 0 && (flags & ResolveFlags.Fail) == 0)
            {
                recipients.Insert(0, $"someone@{domain}");
                var parameter = (flags & ResolveFlags.Relay) != 0 ? TrivialRewriteParameters.RelayDomains.Name : (flags & ResolveFlags.Local) != 0 ? CommonParameters.Mydestination.Name
                    : (flags & ResolveFlags.VirtualAlias) != 0 ? "virtual_alias_domains" : "virtual_mailbox_domains";
                return (recipients, $"{parameter} = {config.Find(parameter)} ({SettingPlaces.Text(_places.Of(null, parameter))})");
            }
        }
        return (recipients, null);
    }

    /// <summary>Domains of the top that stand in relay_domains, or in its tables, for all below them.</summary>
    private IEnumerable<string> Tops(IConfig config)
    {
        var names = ListSyntax.Split(config.Get(TrivialRewriteParameters.RelayDomains));
        return names.SelectMany(name => name.Contains(':', StringComparison.Ordinal) ? _answers.Of(name).Values.SelectMany(v => v.Value) : [name])
            .Select(name => name.TrimStart('.').ToLowerInvariant()).Where(IsTop).Distinct().Take(20);
    }

    // Of two letters, or one of the general ones that many have; "local" and its like are a site's own.
    internal static bool IsTop(string name) => name is [>= 'a' and <= 'z', >= 'a' and <= 'z'] or ['x', 'n', '-', '-', ..]
        or "edu" or "gov" or "mil" or "int" or "name" or "pro" or "mobi" or "xyz" or "online" or "shop" or "top" or "site" or "store" or "app" or "dev" or "club" or "live"
        || name is "com" or "net" or "org" or "info" or "biz"
        || (name.Split('.') is ["ac" or "co" or "com" or "edu" or "gov" or "net" or "or" or "org", { Length: 2 }]);

    /// <summary>A rule that lets the recipient say the domain that mail goes to ("$1@$2"), with its place; null when there is none.</summary>
    private string? ToAnyDomain(IConfig config)
    {
        foreach (var parameter in (StringParameter[])[RecipientMapsParameters.VirtualAliasMaps, RecipientMapsParameters.CanonicalMaps, RecipientMapsParameters.RecipientCanonicalMaps])
        {
            foreach (var table in ListSyntax.Split(config.Get(parameter)).Where(t => t.Contains("regexp:", StringComparison.Ordinal) || t.Contains("pcre:", StringComparison.Ordinal)))
            {
                var answer = _answers.Of(table);
                if (answer.Values.FirstOrDefault(v => v.Key.Contains("@$", StringComparison.Ordinal) || (v.Key.Contains('$') && !v.Key.Contains('@'))) is { Key: not null } found)
                {
                    return $"{parameter.Name}, \"{found.Key}\" for {found.Value[0]} ({_answers.PlaceOf(table, found.Value[0])})";
                }
            }
        }
        return null;
    }

    // Another site within the name of a recipient here.
    private static List<string> Written(IConfig config)
    {
        var domains = ((string[])["mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"]).SelectMany(name => ListSyntax.Split(config.Find(name) ?? ""))
            .Where(d => !d.AsSpan().ContainsAny(":/!*")).Distinct().Take(4);
        const string Site = StrangerSessions.ForeignDomain;
        return [.. domains.SelectMany(domain => "=%#+-@".Select(sign => $"someone{sign}{Site}@{domain}").Append($"\"someone@{Site}\"@{domain}"))];
    }

    private static async Task<bool> ClaimsAsync(SmtpdService smtpd, IPAddress client, CancellationToken cancel) =>
        await MatchAsync(smtpd.Settings.XclientHosts, client, cancel).ConfigureAwait(false) == LookupStatus.Found;

    /// <summary>Where it listens when only this host can reach it; null when others can.</summary>
    private string? Here(MasterEntry entry, IConfig config)
    {
        if (entry.Type is not (ServiceType.Inet or ServiceType.Pass))
        {
            return $"on the socket {(entry.Private ? "private" : "public")}/{entry.Name}";
        }
        try
        {
            var addresses = entry.Type == ServiceType.Pass ? [] : ListenAddresses.Of(entry, config, new HostsFile("/etc/hosts", _time));
            return addresses.Count > 0 && addresses.All(a => IPAddress.IsLoopback(a.Address)) ? $"on {string.Join(", ", addresses)} only" : null;
        }
        catch (ConfigException)
        {
            return null;
        }
    }

    /// <summary>Tables say what is wrong with them elsewhere.</summary>
    private sealed class Unheard : ITableEvents
    {
        public void Info(string text)
        {
        }

        public void Warning(string text)
        {
        }

        public void Error(string text)
        {
        }
    }
}
