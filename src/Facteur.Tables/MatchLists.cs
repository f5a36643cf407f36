using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Tables.Lists;

namespace Facteur.Tables;

/// <summary>Makes match lists out of parameters.</summary>
public sealed class MatchLists : IMatchLists
{
    /// <summary>Lists whose elements are whole names only (Postfix: string_list, not domain_list).</summary>
    private static readonly HashSet<string> WholeNames = new(StringComparer.Ordinal)
    {
        "mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "masquerade_exceptions",
        "authorized_submit_users", "authorized_flush_users", "authorized_mailq_users",
        "smtp_connection_cache_destinations", "lmtp_connection_cache_destinations",
        "smtpd_log_access_permit_actions", "smtpd_forbidden_commands", "postscreen_forbidden_commands",
        "smtp_sasl_mechanism_filter", "lmtp_sasl_mechanism_filter", "smtpd_sasl_mechanism_filter",
    };

    private readonly HashSet<string> _parentMatches;
    private readonly ListParser _parser;
    private readonly ITableObserver? _observer;

    /// <summary>Makes lists for one configuration snapshot.</summary>
    /// <param name="config">parent_domain_matches_subdomains.</param>
    /// <param name="tables">Where tables in lists are opened.</param>
    /// <param name="events">Where warnings go.</param>
    /// <param name="observer">Sees what they answer, or null.</param>
    public MatchLists(IConfig config, ITableSet tables, ITableEvents events, ITableObserver? observer = null)
    {
        _observer = observer;
        _parentMatches = new(ListSyntax.Split(config.Get(TablesParameters.ParentDomainMatchesSubdomains)), StringComparer.Ordinal);
        _parser = new ListParser(tables, events);
    }

    /// <inheritdoc/>
    public IDomainList Domains(string parameter, string value) => new DomainList(_parser.Parse(parameter, value, networks: false), Rule(parameter), parameter, _observer);

    /// <inheritdoc/>
    public INetworkList Networks(string parameter, string value) => new NetworkList(_parser.Parse(parameter, value, networks: true), Rule(parameter), parameter, _observer);

    private ParentRule Rule(string parameter) =>
        WholeNames.Contains(parameter) ? ParentRule.None : _parentMatches.Contains(parameter) ? ParentRule.Parent : ParentRule.Dot;
}
