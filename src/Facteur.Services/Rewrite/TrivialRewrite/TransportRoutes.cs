using Facteur.Tables;

namespace Facteur.Services.Rewrite.TrivialRewrite;

/// <summary>Where a message goes while its route is worked out.</summary>
/// <param name="Transport">Name of a master.cf entry.</param>
/// <param name="Nexthop">Next-hop destination.</param>
internal readonly record struct Route(string Transport, string Nexthop)
{
    /// <summary>
    /// What "transport:nexthop" makes of this route (transport(5)): neither changes nothing; a transport alone resets the next hop to the
    /// recipient's domain; a next hop alone keeps the transport.
    /// </summary>
    /// <param name="entry">The result of a table.</param>
    /// <param name="domain">The recipient's domain.</param>
    public Route With(string entry, string domain)
    {
        var colon = entry.IndexOf(':');
        var transport = colon < 0 ? entry : entry[..colon];
        var nexthop = colon < 0 ? "" : entry[(colon + 1)..].Trim();
        if (transport.Length == 0)
        {
            return nexthop.Length == 0 ? this : this with { Nexthop = nexthop };
        }
        return new Route(transport, nexthop.Length > 0 ? nexthop : transport is "error" or "retry" ? "Address is undeliverable" : domain);
    }

    /// <summary>A main.cf value "transport" or "transport:nexthop".</summary>
    public static Route FromParameter(string value, string nexthop)
    {
        var colon = value.IndexOf(':');
        return colon < 0 ? new Route(value, nexthop) : new Route(value[..colon], colon + 1 < value.Length ? value[(colon + 1)..] : nexthop);
    }
}

/// <summary>transport_maps: full address, domain, parents, "*".</summary>
/// <param name="maps">The tables.</param>
/// <param name="addresses">Looks keys up in their order.</param>
/// <param name="parents">transport_maps is in parent_domain_matches_subdomains: parents have no dot.</param>
internal sealed class TransportRoutes(Maps maps, IAddressMaps addresses, bool parents)
{
    private readonly AddressKeys _keys = AddressKeys.Full | AddressKeys.Domain | (parents ? AddressKeys.Parents : AddressKeys.DotParents);

    /// <summary>The parameter that names the tables.</summary>
    public string Parameter => maps.Parameter;

    /// <summary>There is no table.</summary>
    public bool IsEmpty => maps.IsEmpty;

    /// <summary>The entry for a recipient, or not found.</summary>
    public async ValueTask<Lookup> FindAsync(string recipient, CancellationToken cancel)
    {
        var found = (await addresses.FindAsync(maps, recipient, _keys, cancel).ConfigureAwait(false)).Lookup;
        // Postfix: "*" is a whole key, of patterns and socketmap servers too. It asks first at its start and keeps the answer for 30 seconds; here it is asked for when it counts.
        return found.Status == LookupStatus.NotFound ? await maps.FindAsync("*", partial: false, cancel).ConfigureAwait(false) : found;
    }
}
