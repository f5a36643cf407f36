using System.Collections.Concurrent;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Tables;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// Turns lists of restriction names into objects, once per configuration. What is unknown, written wrong or not built yet becomes a restriction that
/// refuses with 451 4.3.5 and a warning.
/// </summary>
internal sealed class RestrictionParser
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
        ["permit_auth_destination"] = DestinationRestrictions.PermitAuth,
        ["reject_unauth_destination"] = DestinationRestrictions.RejectUnauth,
        ["defer_unauth_destination"] = DestinationRestrictions.DeferUnauth,
        // No session has a login, TLS or a certificate yet: these find nothing.
        ["permit_sasl_authenticated"] = BasicRestrictions.Dunno,
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
    };

    // Names with an argument whose service is not built yet.
    private static readonly HashSet<string> ComingWithArgument = new(StringComparer.OrdinalIgnoreCase)
    {
        "check_policy_service", "reject_rbl_client", "reject_rhsbl_client", "reject_rhsbl_reverse_client", "reject_rhsbl_helo", "reject_rhsbl_sender",
        "reject_rhsbl_recipient", "permit_dnswl_client", "permit_rhswl_client", "check_client_a_access", "check_client_mx_access", "check_client_ns_access",
        "check_reverse_client_hostname_a_access", "check_reverse_client_hostname_mx_access", "check_reverse_client_hostname_ns_access",
        "check_helo_a_access", "check_helo_mx_access", "check_helo_ns_access", "check_sender_a_access", "check_sender_mx_access",
        "check_sender_ns_access", "check_recipient_a_access", "check_recipient_mx_access", "check_recipient_ns_access", "check_ccert_access",
        "check_sasl_access",
    };

    private static readonly HashSet<string> Coming = new(StringComparer.OrdinalIgnoreCase)
    {
        "reject_sender_login_mismatch", "reject_authenticated_sender_login_mismatch",
        "reject_unauthenticated_sender_login_mismatch", "reject_known_sender_login_mismatch", "permit_mx_backup", "permit_naked_ip_address",
        "reject_maps_rbl",
    };

    private static readonly HashSet<string> RelayStoppers = new(StringComparer.OrdinalIgnoreCase)
    {
        "reject_unauth_destination", "defer_unauth_destination", "reject", "defer", "defer_if_permit",
    };

    private readonly ITableSet _tables;
    private readonly SmtpdLog _log;
    private readonly Dictionary<string, string> _classValues = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentDictionary<string, RestrictionList> _classes = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentDictionary<string, RestrictionList> _fromTables = new(StringComparer.Ordinal);

    /// <summary>Reads smtpd_restriction_classes.</summary>
    public RestrictionParser(IConfig config, ITableSet tables, SmtpdLog log)
    {
        _tables = tables;
        _log = log;
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
        foreach (var (name, value) in _classValues)
        {
            _classes[name] = Parse(value, null);
        }
    }

    /// <summary>Makes the list of a value.</summary>
    /// <param name="value">Its expanded value.</param>
    /// <param name="shortHand">The restriction that a table without one stands for ("check_client_access"), or null where there is none.</param>
    public RestrictionList Parse(string value, string? shortHand)
    {
        var names = ListSyntax.Split(value);
        var list = new List<Restriction>(names.Count);
        for (var at = 0; at < names.Count;)
        {
            list.Add(Next(names, ref at, shortHand));
        }
        return list.Count == 0 ? RestrictionList.Empty : new RestrictionList([.. list]);
    }

    /// <summary>Whether a list, with its classes, has a restriction that keeps strangers from relaying.</summary>
    public bool StopsRelaying(string value) => StopsRelaying(value, 0);

    private bool StopsRelaying(string value, int depth) =>
        depth < RestrictionContext.DepthLimit && ListSyntax.Split(value) is var names
        && names.Where((name, i) => (RelayStoppers.Contains(name) && (i == 0 || !names[i - 1].Equals("warn_if_reject", StringComparison.OrdinalIgnoreCase)))
            || (_classValues.TryGetValue(name, out var inner) && StopsRelaying(inner, depth + 1))).Any();

    private Restriction Next(List<string> names, ref int at, string? shortHand)
    {
        var name = names[at++];
        if (OldNames.TryGetValue(name, out var today))
        {
            _log.Warning($"support for restriction \"{name}\" will be removed from Postfix; use \"{today}\" instead");
            name = today;
        }
        if (name.Equals("warn_if_reject", StringComparison.OrdinalIgnoreCase))
        {
            return at < names.Count ? BasicRestrictions.WarnIfReject(Next(names, ref at, shortHand)) : new Restriction(name, BasicRestrictions.Dunno);
        }
        if (name.Equals("sleep", StringComparison.OrdinalIgnoreCase))
        {
            return at < names.Count && TimeParameter.ParseSeconds(names[at++], 's') is { } seconds
                ? BasicRestrictions.Sleep(name, TimeSpan.FromSeconds(seconds))
                : BasicRestrictions.Broken(name, $"restriction {name} must be followed by number");
        }
        if (Plain.TryGetValue(name, out var check))
        {
            if (at < names.Count && name is ("permit" or "reject" or "defer"))
            {
                _log.Warning($"restriction `{names[at]}' after `{name}' is ignored");
            }
            return new Restriction(name, check);
        }
        return WithArgument(name, names, ref at, shortHand);
    }

    private Restriction WithArgument(string name, List<string> names, ref int at, string? shortHand)
    {
        if (Access(name) is { } access)
        {
            return at < names.Count && names[at].Contains(':')
                ? Table(name, names[at++], access)
                : BasicRestrictions.Broken(name, $"restriction {name}: bad argument \"{(at < names.Count ? names[at++] : "")}\": need maptype:mapname");
        }
        if (_classValues.ContainsKey(name))
        {
            return new Restriction(name, (context, subject) => _classes[name].CheckAsync(context, subject));
        }
        if (ComingWithArgument.Contains(name) || Coming.Contains(name))
        {
            at += ComingWithArgument.Contains(name) && at < names.Count ? 1 : 0;
            return BasicRestrictions.Broken(name, $"restriction \"{name}\" is not supported yet");
        }
        if (name.Contains(':') && shortHand is not null && Access(shortHand) is { } implied)
        {
            return Table(shortHand, name, implied);
        }
        return BasicRestrictions.Broken(name, $"unknown smtpd restriction: \"{name}\"");
    }

    private Restriction Table(string name, string table, Func<AccessTable, Func<RestrictionContext, Subject, ValueTask<Verdict>>> access) =>
        new(name, access(new AccessTable(Maps.Open(_tables, name, table), table, FromTable)));

    private static Func<AccessTable, Func<RestrictionContext, Subject, ValueTask<Verdict>>>? Access(string name) => name.ToLowerInvariant() switch
    {
        "check_client_access" => t => t.ClientAsync,
        "check_reverse_client_hostname_access" => t => t.ReverseClientAsync,
        "check_helo_access" => t => t.HeloAsync,
        "check_sender_access" => t => t.SenderAsync,
        "check_recipient_access" => t => t.RecipientAsync,
        "check_etrn_access" => t => t.EtrnAsync,
        "check_address_map" => t => t.AddressMapAsync,
        _ => null,
    };

    /// <summary>The list in a table's entry, or null when it names a table: those must be open before the first client.</summary>
    private RestrictionList? FromTable(string value)
    {
        if (_fromTables.TryGetValue(value, out var known))
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
            list = Parse(value, null);
        }
        catch (ConfigException e)
        {
            list = new RestrictionList([BasicRestrictions.Broken(value, e.Message)]);
        }
        if (_fromTables.Count < CacheLimit)
        {
            _fromTables[value] = list;
        }
        return list;
    }
}
