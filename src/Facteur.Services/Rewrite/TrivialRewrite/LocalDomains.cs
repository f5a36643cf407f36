using System.Net;
using Facteur.Mail.Addresses;
using Facteur.Tables;

namespace Facteur.Services.Rewrite.TrivialRewrite;

/// <summary>Domains that are this system: mydestination, and its own addresses in brackets.</summary>
/// <param name="destinations">mydestination.</param>
/// <param name="addresses">The addresses of inet_interfaces and proxy_interfaces.</param>
internal sealed class LocalDomains(IDomainList destinations, IReadOnlyCollection<IPAddress> addresses)
{
    private readonly HashSet<IPAddress> _addresses = [.. addresses];

    /// <summary>Whether a domain is local; one trailing dot does not count.</summary>
    public async ValueTask<LookupStatus> MatchAsync(string domain, CancellationToken cancel)
    {
        if (domain is [.., not '.', '.'])
        {
            domain = domain[..^1];
        }
        var status = await destinations.MatchAsync(domain, cancel).ConfigureAwait(false);
        if (status != LookupStatus.NotFound || domain is not ['[', .., ']'])
        {
            return status;
        }
        var literal = HostName.ParseLiteral(domain);
        return literal is not null && _addresses.Contains(literal) ? LookupStatus.Found : LookupStatus.NotFound;
    }
}
