using System.Net;
using Facteur.Mail.Addresses;
using Facteur.Tables;

namespace Facteur.Services.Rewrite.TrivialRewrite;

/// <summary>Domains that are this system: mydestination, and its own addresses in brackets.</summary>
/// <param name="destinations">mydestination.</param>
/// <param name="isOwnAddress">Whether an address is one of inet_interfaces or proxy_interfaces.</param>
internal sealed class LocalDomains(IDomainList destinations, Func<IPAddress, bool> isOwnAddress)
{
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
        return literal is not null && isOwnAddress(literal) ? LookupStatus.Found : LookupStatus.NotFound;
    }
}
