namespace Facteur.Config.Parameters;

/// <summary>Tables that say which recipients exist: smtpd(8) refuses others; cleanup(8) and the delivery agents rewrite and deliver by them.</summary>
public static class RecipientMapsParameters
{
    /// <summary>local_recipient_maps.</summary>
    public static readonly StringParameter LocalRecipientMaps = new(
        "local_recipient_maps", "proxy:unix:passwd.byname $alias_maps", "Known local recipients; empty when none are refused.");

    /// <summary>relay_recipient_maps.</summary>
    public static readonly StringParameter RelayRecipientMaps = new(
        "relay_recipient_maps", "", "Known recipients of relay domains; empty when none are refused.");

    /// <summary>virtual_mailbox_maps.</summary>
    public static readonly StringParameter VirtualMailboxMaps = new(
        "virtual_mailbox_maps", "", "Known recipients of virtual mailbox domains.");

    /// <summary>virtual_alias_maps.</summary>
    public static readonly StringParameter VirtualAliasMaps = new(
        "virtual_alias_maps", "$virtual_maps", "Aliases of any address.");

    /// <summary>canonical_maps.</summary>
    public static readonly StringParameter CanonicalMaps = new(
        "canonical_maps", "", "Rewriting of addresses in envelopes and headers.");

    /// <summary>recipient_canonical_maps.</summary>
    public static readonly StringParameter RecipientCanonicalMaps = new(
        "recipient_canonical_maps", "", "Rewriting of recipients.");

    /// <summary>sender_canonical_maps.</summary>
    public static readonly StringParameter SenderCanonicalMaps = new(
        "sender_canonical_maps", "", "Rewriting of senders.");

    /// <summary>parent_domain_matches_subdomains.</summary>
    public static readonly StringParameter ParentDomainMatchesSubdomains = new(
        "parent_domain_matches_subdomains", "debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,qmqpd_authorized_clients,relay_domains,smtpd_access_maps", "Lists in which a domain stands for its subdomains.");

    /// <summary>All rows.</summary>
    public static IReadOnlyList<Parameter> All { get; } =
    [
        LocalRecipientMaps, RelayRecipientMaps, VirtualMailboxMaps, VirtualAliasMaps, CanonicalMaps, RecipientCanonicalMaps, SenderCanonicalMaps,
        ParentDomainMatchesSubdomains,
    ];
}
