using System.Collections.Concurrent;
using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Services.Receive.Smtpd.Policy;
using Facteur.Tables;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// Turns lists of restriction names into objects, once per configuration. What is unknown, written wrong or not built yet becomes a restriction that
/// refuses with 451 4.3.5 and a warning.
/// </summary>
internal sealed class RestrictionParser : IDisposable
{
    private const int CacheLimit = 1000;

    private static readonly Dictionary<string, Func<RestrictionContext, Subject, ValueTask<Verdict>>> Plain = new(StringComparer.OrdinalIgnoreCase)
    {
        ["permit"] = BasicRestrictions.Permit,
        ["reject"] = BasicRestrictions.Reject,
        ["defer"] = BasicRestrictions.Defer,
        ["defer_if_permit"] = BasicRestrictions.DeferIfPermit,
        ["defer_if_reject"] = BasicRestrictions.DeferIfReject,
        ["reject_unauth_pipelining"] = BasicRestrictions.UnauthPipelining,
        ["reject_multi_recipient_bounce"] = BasicRestrictions.MultiRecipientBounce,
        ["reject_plaintext_session"] = BasicRestrictions.PlaintextSession,
        ["permit_mynetworks"] = ClientRestrictions.PermitMynetworks,
        ["permit_inet_interfaces"] = ClientRestrictions.PermitInetInterfaces,
        ["reject_unknown_client_hostname"] = ClientRestrictions.UnknownClientHostname,
        ["reject_unknown_reverse_client_hostname"] = ClientRestrictions.UnknownReverseClientHostname,
        ["reject_unknown_forward_client_hostname"] = ClientRestrictions.UnknownForwardClientHostname,
        ["reject_invalid_helo_hostname"] = HeloRestrictions.Invalid,
        ["reject_non_fqdn_helo_hostname"] = HeloRestrictions.NonFqdn,
        ["reject_unknown_helo_hostname"] = HeloRestrictions.Unknown,
        ["reject_non_fqdn_sender"] = MailDomain.NonFqdnSender,
        ["reject_non_fqdn_recipient"] = MailDomain.NonFqdnRecipient,
        ["reject_unknown_sender_domain"] = MailDomain.UnknownSender,
        ["reject_unknown_recipient_domain"] = MailDomain.UnknownRecipient,
        ["reject_unlisted_sender"] = ListedAddresses.Sender,
        ["reject_unlisted_recipient"] = ListedAddresses.Recipient,
        ["reject_unverified_sender"] = VerifyRestrictions.Sender,
        ["reject_unverified_recipient"] = VerifyRestrictions.Recipient,
        ["permit_mx_backup"] = MxBackup.PermitAsync,
        ["permit_auth_destination"] = DestinationRestrictions.PermitAuth,
        ["reject_unauth_destination"] = DestinationRestrictions.RejectUnauth,
        ["defer_unauth_destination"] = DestinationRestrictions.DeferUnauth,
        // No session has TLS or a certificate yet: these find nothing.
        ["permit_tls_clientcerts"] = BasicRestrictions.Dunno,
        ["permit_tls_all_clientcerts"] = BasicRestrictions.Dunno,
    };

    private static readonly Dictionary<string, string> OldNames = new(StringComparer.OrdinalIgnoreCase)
    {
        ["reject_unknown_client"] = "reject_unknown_client_hostname",
        ["reject_unknown_hostname"] = "reject_unknown_helo_hostname",
        ["reject_invalid_hostname"] = "reject_invalid_helo_hostname",
        ["reject_non_fqdn_hostname"] = "reject_non_fqdn_helo_hostname",
        ["check_recipient_maps"] = "reject_unlisted_recipient",
        ["reject_unknown_address"] = "reject_unknown_sender_domain",
        ["reject_rbl"] = "reject_rbl_client",
    };

    // Postfix: gone with release 3.9, and said so instead of passed over.
    private static readonly Dictionary<string, string> RemovedNames = new(StringComparer.OrdinalIgnoreCase)
    {
        ["permit_naked_ip_address"] = "\"permit_mynetworks\" or \"permit_sasl_authenticated\"",
        ["check_relay_domains"] = "\"permit_mynetworks, reject_unauth_destination\"",
        ["reject_maps_rbl"] = "\"reject_rbl_client domain-name\"",
    };

    // Where nobody can log in there is nothing to compare: Postfix says so in the log and goes on, also with XCLIENT's LOGIN.
    private static readonly Dictionary<string, Func<RestrictionContext, Subject, ValueTask<Verdict>>> Logins = new(StringComparer.OrdinalIgnoreCase)
    {
        ["permit_sasl_authenticated"] = LoginRestrictions.Permit,
        ["reject_sender_login_mismatch"] = LoginRestrictions.AnyAsync,
        ["reject_authenticated_sender_login_mismatch"] = LoginRestrictions.Authenticated,
        ["reject_unauthenticated_sender_login_mismatch"] = LoginRestrictions.UnauthenticatedAsync,
        ["reject_known_sender_login_mismatch"] = LoginRestrictions.Known,
    };

    private static readonly HashSet<string> RelayStoppers = new(StringComparer.OrdinalIgnoreCase)
    {
        "reject_unauth_destination", "defer_unauth_destination", "reject", "defer", "defer_if_permit",
    };

    private readonly SmtpdArrows _arrows;
    private readonly TimeProvider _time;
    private readonly SocketNames _sockets;
    private readonly PolicySettings _policy;
    private readonly bool _logins;
    // What is read was read before: its warnings were given.
    private bool _warned;
    private readonly ConcurrentDictionary<(string, PolicySettings), PolicyClient> _policyClients = new();
    private readonly ITableSet _tables;
    private readonly SmtpdLog _log;
    private readonly Dictionary<string, string> _classValues = new(StringComparer.OrdinalIgnoreCase);
    // By name in small letters, and by what a table alone stands for in the list that calls the class.
    private readonly ConcurrentDictionary<(string Name, string? ShortHand), RestrictionList> _classes = new();
    private readonly ConcurrentDictionary<(string Value, string? ShortHand), RestrictionList> _fromTables = new();

    /// <summary>Reads smtpd_restriction_classes.</summary>
    public RestrictionParser(IConfig config, SmtpdArrows arrows, SmtpdLog log, TimeProvider time)
    {
        (_arrows, _tables, _log, _time) = (arrows, arrows.Tables, log, time);
        _sockets = arrows.Sockets ?? new SocketNames(config.Get(CommonParameters.QueueDirectory), Chroot: false);
        _logins = "yes".Equals(config.Find("smtpd_sasl_auth_enable"), StringComparison.OrdinalIgnoreCase);
        _policy = new PolicySettings(
            config.Get(UceParameters.PolicyDefaultAction), config.Get(UceParameters.PolicyContext), config.Get(UceParameters.PolicyTimeout),
            config.Get(UceParameters.PolicyMaxIdle), config.Get(UceParameters.PolicyMaxTtl), config.Get(UceParameters.PolicyRetryDelay),
            (int)config.Get(UceParameters.PolicyRequestLimit), (int)config.Get(UceParameters.PolicyTryLimit));
        foreach (var name in ListSyntax.Split(config.Get(SmtpdParameters.RestrictionClasses)))
        {
            if (config.Find(name) is { Length: > 0 } value)
            {
                _classValues[name] = value;
            }
            else
            {
                log.Warning($"restriction class `{name}' needs a definition");
            }
        }
        AddClasses(null);
    }

    /// <summary>The classes, as a list without a restriction for bare tables calls them.</summary>
    public IEnumerable<(string Name, RestrictionList List)> Classes => _classValues.Keys.Select(name => (name, _classes[(name.ToLowerInvariant(), null)]));

    /// <summary>Makes the list of a value, and the classes as such a list calls them.</summary>
    /// <param name="value">Its expanded value.</param>
    /// <param name="shortHand">The restriction that a table without one stands for ("check_client_access"), or null where there is none.</param>
    public RestrictionList Parse(string value, string? shortHand)
    {
        AddClasses(shortHand);
        return ParseList(value, shortHand);
    }

    // All of them: an entry of a table may name any, when tables can no longer be opened.
    private void AddClasses(string? shortHand)
    {
        _warned = shortHand is not null;
        foreach (var (name, value) in _classValues)
        {
            var key = (name.ToLowerInvariant(), shortHand);
            _classes[key] = _classes.TryGetValue(key, out var known) ? known : ParseList(value, shortHand);
        }
        _warned = false;
    }

    private RestrictionList ParseList(string value, string? shortHand)
    {
        var names = ListSyntax.Split(value);
        var list = new List<Restriction>(names.Count);
        for (var at = 0; at < names.Count;)
        {
            list.Add(Next(names, ref at, shortHand));
        }
        return list.Count == 0 ? RestrictionList.Empty : new RestrictionList([.. list]);
    }

    /// <summary>Closes the connections to policy services.</summary>
    public void Dispose()
    {
        foreach (var client in _policyClients.Values)
        {
            client.Dispose();
        }
    }

    /// <summary>Whether a list, with its classes, has a restriction that keeps strangers from relaying.</summary>
    public bool StopsRelaying(string value) => StopsRelaying(value, 0);

    // Postfix: what stands behind permit is never reached, and what only warns stops nobody.
    private bool StopsRelaying(string value, int depth)
    {
        var names = depth < RestrictionContext.DepthLimit ? ListSyntax.Split(value) : [];
        for (var i = 0; i < names.Count; i++)
        {
            if (names[i].Equals("warn_if_reject", StringComparison.OrdinalIgnoreCase) && i + 1 < names.Count)
            {
                i++;
                continue;
            }
            if (names[i].Equals("permit", StringComparison.OrdinalIgnoreCase))
            {
                return false;
            }
            if (RelayStoppers.Contains(names[i]) || (_classValues.TryGetValue(names[i], out var inner) && StopsRelaying(inner, depth + 1)))
            {
                return true;
            }
        }
        return false;
    }

    private void Warn(string text)
    {
        if (!_warned)
        {
            _log.Warning(text);
        }
    }

    private Restriction Next(List<string> names, ref int at, string? shortHand, bool warns = false)
    {
        var name = names[at++];
        if (OldNames.TryGetValue(name, out var today))
        {
            Warn($"support for restriction \"{name}\" will be removed from Postfix; use \"{today}\" instead");
            name = today;
        }
        if (name.Equals("warn_if_reject", StringComparison.OrdinalIgnoreCase))
        {
            return at < names.Count ? BasicRestrictions.WarnIfReject(Next(names, ref at, shortHand, warns: true)) : new Restriction(name, BasicRestrictions.Dunno);
        }
        if (name.Equals("sleep", StringComparison.OrdinalIgnoreCase))
        {
            return at < names.Count && TimeParameter.ParseSeconds(names[at++], 's') is { } seconds
                ? BasicRestrictions.Sleep(name, TimeSpan.FromSeconds(seconds))
                : BasicRestrictions.Broken(name, $"restriction {name} must be followed by number");
        }
        if (Plain.TryGetValue(name, out var check))
        {
            if (at < names.Count && !warns && name is ("permit" or "reject" or "defer"))
            {
                // Postfix: said each time that the list comes so far.
                return BasicRestrictions.Last(name, check, $"restriction `{names[at]}' after `{name}' is ignored");
            }
            return new Restriction(name, check);
        }
        return WithArgument(name, names, ref at, shortHand);
    }

    private Restriction WithArgument(string name, List<string> names, ref int at, string? shortHand)
    {
        if (Access(name) is { } access)
        {
            var argument = at < names.Count ? names[at++] : name;
            return argument.Contains(':') ? Searched(name, argument, access, shortHand)
                : BasicRestrictions.Broken(name, $"restriction {name}: bad argument \"{argument}\": need maptype:mapname");
        }
        if (_classValues.ContainsKey(name))
        {
            var key = (name.ToLowerInvariant(), shortHand);
            return new Restriction(name, (context, subject) => _classes[key].CheckAsync(context, subject)) { Class = () => _classes[key] };
        }
        if (DnsListRestrictions.All.TryGetValue(name, out var listed))
        {
            var argument = at < names.Count ? names[at++] : "";
            return argument.Length == 0 ? Warns(name, $"restriction {name} requires domain name argument")
                : DnsList.Parse(argument, out var list) is { } wrong ? BasicRestrictions.Broken(name, $"restriction {name}: {wrong}")
                : new Restriction(name, listed(list!));
        }
        if (name.Equals("check_policy_service", StringComparison.OrdinalIgnoreCase))
        {
            return PolicyService(name, at < names.Count ? names[at++] : "", shortHand);
        }
        if (Logins.TryGetValue(name, out var login))
        {
            // Postfix: reject_sender_login_mismatch is two others.
            return _logins ? new Restriction(name, login)
                : name.Equals("permit_sasl_authenticated", StringComparison.OrdinalIgnoreCase) ? new Restriction(name, BasicRestrictions.Dunno)
                : name.Equals("reject_sender_login_mismatch", StringComparison.OrdinalIgnoreCase)
                ? Warns(name, "restriction `reject_authenticated_sender_login_mismatch' ignored: no SASL support", "restriction `reject_unauthenticated_sender_login_mismatch' ignored: no SASL support")
                : Warns(name, $"restriction `{name}' ignored: no SASL support");
        }
        if (RemovedNames.TryGetValue(name, out var instead))
        {
            return BasicRestrictions.Broken(name, $"support for restriction \"{name}\" has been removed in Postfix 3.9; instead, specify {instead}");
        }
        if (name.Contains(':'))
        {
            return shortHand is not null && Access(shortHand) is { } implied ? Table(shortHand, name, implied, shortHand) : BasicRestrictions.BareTable(name);
        }
        return BasicRestrictions.Broken(name, $"unknown smtpd restriction: \"{name}\"");
    }

    // Postfix: braces may stand around a table, and hold attributes behind it: search_order, which only check_ccert_access asks, and no other.
    private Restriction Searched(string name, string argument, Func<AccessTable, Func<RestrictionContext, Subject, ValueTask<Verdict>>> access, string? shortHand)
    {
        var words = ListSyntax.Split(argument);
        var wrong = words.Skip(1).Select(word => word.Split('=')[0].Trim()).FirstOrDefault(attribute => attribute != "search_order");
        return wrong is null ? Table(name, words[0], access, shortHand) : BasicRestrictions.Broken(name, $"unknown map attribute in '{{{argument}}}': '{wrong}'");
    }

    private Restriction Table(string name, string table, Func<AccessTable, Func<RestrictionContext, Subject, ValueTask<Verdict>>> access, string? shortHand)
    {
        RestrictionList? Entry(string value) => FromTable(value, shortHand);
        return new(name, access(new AccessTable(Maps.Open(_tables, name, table), table, Entry))) { Argument = table, Entry = Entry };
    }

    /// <summary>One that says nothing but a warning.</summary>
    private static Restriction Warns(string name, params string[] warnings) => new(name, (context, _) =>
    {
        Array.ForEach(warnings, context.Log.Warning);
        return new(Verdict.Dunno);
    })
    {
        Ignored = warnings,
    };

    private Restriction PolicyService(string name, string argument, string? shortHand)
    {
        if (argument.Length == 0 || PolicyRestriction.Parse(argument, _policy, _sockets, out var endpoint, out var settings) is not null)
        {
            return BasicRestrictions.Broken(name, argument.Length == 0 ? $"restriction {name} must be followed by transport:server"
                : $"restriction {name}: {PolicyRestriction.Parse(argument, _policy, _sockets, out _, out _)}");
        }
        // Restrictions of one service share its connections.
        if (!_policyClients.TryGetValue((endpoint!.Name, settings), out var client))
        {
            client = _policyClients.GetOrAdd((endpoint.Name, settings), new PolicyClient(endpoint, settings, _arrows, _log, _time));
        }
        // As it was written: braces stand around more than an endpoint.
        var service = argument.AsSpan().ContainsAny(" \t,") ? $"{{ {argument} }}" : argument;
        return new Restriction(name, new PolicyRestriction(client, service, settings, value => FromTable(value, shortHand)).CheckAsync) { Argument = argument };
    }

    private static Func<AccessTable, Func<RestrictionContext, Subject, ValueTask<Verdict>>>? Access(string name) => name.ToLowerInvariant() switch
    {
        "check_client_access" => t => t.ClientAsync,
        "check_reverse_client_hostname_access" => t => t.ReverseClientAsync,
        "check_helo_access" => t => t.HeloAsync,
        "check_sender_access" => t => t.SenderAsync,
        "check_recipient_access" => t => t.RecipientAsync,
        "check_etrn_access" => t => t.EtrnAsync,
        "check_sasl_access" => t => t.LoginAsync,
        // No session has a certificate yet: nothing is looked up.
        "check_ccert_access" => _ => BasicRestrictions.Dunno,
        _ => ServerAccess.Find(name) is var (about, kind) ? t => new ServerAccess(t, name, kind) is var hosts ? (context, _) => hosts.CheckAsync(context, about) : BasicRestrictions.Dunno : null,
    };

    /// <summary>The list in a table's entry, or null when it names a table: those must be open before the first client.</summary>
    private RestrictionList? FromTable(string value, string? shortHand)
    {
        if (_fromTables.TryGetValue((value, shortHand), out var known))
        {
            return known;
        }
        if (value.Contains(':'))
        {
            return null;
        }
        RestrictionList list;
        try
        {
            list = ParseList(value, shortHand);
        }
        catch (ConfigException e)
        {
            list = new RestrictionList([BasicRestrictions.Broken(value, e.Message)]);
        }
        if (_fromTables.Count < CacheLimit)
        {
            _fromTables[(value, shortHand)] = list;
        }
        return list;
    }
}
