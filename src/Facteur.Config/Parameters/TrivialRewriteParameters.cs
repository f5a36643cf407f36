namespace Facteur.Config.Parameters;

/// <summary>Parameters of trivial-rewrite(8).</summary>
public static class TrivialRewriteParameters
{
    /// <summary>append_at_myorigin.</summary>
    public static readonly BoolParameter AppendAtMyorigin = new("append_at_myorigin", "yes", "Addresses without domain get @$myorigin.");

    /// <summary>append_dot_mydomain.</summary>
    public static readonly BoolParameter AppendDotMydomain = new("append_dot_mydomain", "${{$compatibility_level} <level {1} ? {yes} : {no}}", "Domains without dot get .$mydomain.");

    /// <summary>swap_bangpath.</summary>
    public static readonly BoolParameter SwapBangpath = new("swap_bangpath", "yes", "site!user becomes user@site.");

    /// <summary>allow_percent_hack.</summary>
    public static readonly BoolParameter AllowPercentHack = new("allow_percent_hack", "yes", "user%domain becomes user@domain.");

    /// <summary>allow_min_user.</summary>
    public static readonly BoolParameter AllowMinUser = new("allow_min_user", "no", "Addresses may begin with -.");

    /// <summary>remote_header_rewrite_domain.</summary>
    public static readonly StringParameter RemoteHeaderRewriteDomain = new("remote_header_rewrite_domain", "", "The domain that incomplete addresses in headers of remote mail get; empty to leave such headers alone.");

    /// <summary>resolve_dequoted_address.</summary>
    public static readonly BoolParameter ResolveDequotedAddress = new("resolve_dequoted_address", "yes", "Routing operators inside quotes count.");

    /// <summary>resolve_null_domain.</summary>
    public static readonly BoolParameter ResolveNullDomain = new("resolve_null_domain", "no", "An address that ends in @ is local.");

    /// <summary>resolve_numeric_domain.</summary>
    public static readonly BoolParameter ResolveNumericDomain = new("resolve_numeric_domain", "no", "user@ipaddress is user@[ipaddress].");

    /// <summary>local_transport.</summary>
    public static readonly StringParameter LocalTransport = new("local_transport", "local:$myhostname", "Transport, and nexthop if any, of the local class.", 1);

    /// <summary>virtual_transport.</summary>
    public static readonly StringParameter VirtualTransport = new("virtual_transport", "virtual", "Transport, and nexthop if any, of the virtual mailbox class.", 1);

    /// <summary>relay_transport.</summary>
    public static readonly StringParameter RelayTransport = new("relay_transport", "relay", "Transport, and nexthop if any, of the relay class.", 1);

    /// <summary>default_transport.</summary>
    public static readonly StringParameter DefaultTransport = new("default_transport", "smtp", "Transport, and nexthop if any, of all other destinations.", 1);

    /// <summary>relayhost.</summary>
    public static readonly StringParameter Relayhost = new("relayhost", "", "Next hop of mail that is not local.");

    /// <summary>sender_dependent_relayhost_maps.</summary>
    public static readonly StringParameter SenderDependentRelayhostMaps = new("sender_dependent_relayhost_maps", "", "Tables from sender to relayhost.");

    /// <summary>empty_address_relayhost_maps_lookup_key.</summary>
    public static readonly StringParameter EmptyAddressRelayhostMapsLookupKey = new("empty_address_relayhost_maps_lookup_key", "<>", "What the null sender is looked up as in sender_dependent_relayhost_maps.", 1);

    /// <summary>sender_dependent_default_transport_maps.</summary>
    public static readonly StringParameter SenderDependentDefaultTransportMaps = new("sender_dependent_default_transport_maps", "", "Tables from sender to default_transport.");

    /// <summary>empty_address_default_transport_maps_lookup_key.</summary>
    public static readonly StringParameter EmptyAddressDefaultTransportMapsLookupKey = new("empty_address_default_transport_maps_lookup_key", "<>", "What the null sender is looked up as in sender_dependent_default_transport_maps.", 1);

    /// <summary>transport_maps.</summary>
    public static readonly StringParameter TransportMaps = new("transport_maps", "", "Tables from recipient to transport and nexthop.");

    /// <summary>relocated_maps.</summary>
    public static readonly StringParameter RelocatedMaps = new("relocated_maps", "", "Tables from recipient to where he has gone.");

    /// <summary>relocated_prefix_enable.</summary>
    public static readonly BoolParameter RelocatedPrefixEnable = new("relocated_prefix_enable", "yes", "A result of relocated_maps gets 5.1.6 User has moved to in front.");

    /// <summary>virtual_alias_domains.</summary>
    public static readonly StringParameter VirtualAliasDomains = new("virtual_alias_domains", "$virtual_alias_maps", "Domains of the virtual alias class.");

    /// <summary>virtual_mailbox_domains.</summary>
    public static readonly StringParameter VirtualMailboxDomains = new("virtual_mailbox_domains", "$virtual_mailbox_maps", "Domains of the virtual mailbox class.");

    /// <summary>relay_domains.</summary>
    public static readonly StringParameter RelayDomains = new("relay_domains", "${{$compatibility_level} <level {2} ? {$mydestination} : {}}", "Domains of the relay class.");

    /// <summary>parent_domain_matches_subdomains.</summary>
    public static readonly StringParameter ParentDomainMatchesSubdomains = new("parent_domain_matches_subdomains", "debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,qmqpd_authorized_clients,relay_domains,smtpd_access_maps", "The lists and tables in which a domain stands for its subdomains too.");

    /// <summary>show_user_unknown_table_name.</summary>
    public static readonly BoolParameter ShowUserUnknownTableName = new("show_user_unknown_table_name", "yes", "Whether a refusal names the table that lacks the user.");

    /// <summary>helpful_warnings.</summary>
    public static readonly BoolParameter HelpfulWarnings = new("helpful_warnings", "yes", "Whether doubtful settings are warned of.");

    /// <summary>rewrite_service_name.</summary>
    public static readonly StringParameter RewriteServiceName = new("rewrite_service_name", "rewrite", "The service that completes and resolves addresses.", 1);

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } =
    [
        AppendAtMyorigin, AppendDotMydomain, SwapBangpath, AllowPercentHack, AllowMinUser, RemoteHeaderRewriteDomain, ResolveDequotedAddress,
        ResolveNullDomain, ResolveNumericDomain, LocalTransport, VirtualTransport, RelayTransport, DefaultTransport, Relayhost,
        SenderDependentRelayhostMaps, EmptyAddressRelayhostMapsLookupKey, SenderDependentDefaultTransportMaps,
        EmptyAddressDefaultTransportMapsLookupKey, TransportMaps, RelocatedMaps, RelocatedPrefixEnable, VirtualAliasDomains, VirtualMailboxDomains,
        RelayDomains, ParentDomainMatchesSubdomains, ShowUserUnknownTableName, HelpfulWarnings, RewriteServiceName,
    ];
}
