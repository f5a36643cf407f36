using System.Net;

namespace Facteur.Tables;

/// <summary>A list of patterns such as mydestination or relay_domains: names, type:table, /file/name, !not (postconf(5), "list syntax").</summary>
public interface IDomainList
{
    /// <summary>Found when the domain (any case) matches; Error when a table can't answer.</summary>
    ValueTask<LookupStatus> MatchAsync(string domain, CancellationToken cancel);
}

/// <summary>A list of networks such as mynetworks: addresses, net/mask, [::1]/128, type:table, /file/name, !not, host names where allowed.</summary>
public interface INetworkList
{
    /// <summary>Found when the client matches; Error when a table can't answer.</summary>
    /// <param name="address">The client's address; IPv4 in IPv6 is taken as IPv4.</param>
    /// <param name="name">Its verified name, or null.</param>
    /// <param name="cancel">The caller's end.</param>
    ValueTask<LookupStatus> MatchAsync(IPAddress address, string? name, CancellationToken cancel);
}

/// <summary>Makes match lists.</summary>
public interface IMatchLists
{
    /// <summary>A list of domains.</summary>
    /// <param name="parameter">Name of the parameter; parent_domain_matches_subdomains decides about ".domain".</param>
    /// <param name="value">Its expanded value.</param>
    IDomainList Domains(string parameter, string value);

    /// <summary>A list of networks.</summary>
    /// <param name="parameter">Name of the parameter.</param>
    /// <param name="value">Its expanded value.</param>
    INetworkList Networks(string parameter, string value);
}
