using System.Net;
using Facteur.Config;
using Facteur.Tables;

namespace Facteur.Testing;

/// <summary>Match lists of names, ".parents", addresses and tables.</summary>
public sealed class MemoryMatchLists(ITableSet tables) : IMatchLists
{
    public IDomainList Domains(string parameter, string value) => new DomainList(tables, ListSyntax.Split(value));

    public INetworkList Networks(string parameter, string value) => new NetworkList(ListSyntax.Split(value));

    private sealed class DomainList(ITableSet tables, List<string> entries) : IDomainList
    {
        public async ValueTask<LookupStatus> MatchAsync(string domain, CancellationToken cancel)
        {
            foreach (var entry in entries)
            {
                if (entry.Contains(':') && !entry.StartsWith('['))
                {
                    var lookup = await tables.Open(entry).LookupAsync(domain, cancel);
                    if (lookup.Status != LookupStatus.NotFound)
                    {
                        return lookup.Status;
                    }
                }
                else if (entry.Equals(domain, StringComparison.OrdinalIgnoreCase) || (entry.StartsWith('.') && domain.EndsWith(entry, StringComparison.OrdinalIgnoreCase)))
                {
                    return LookupStatus.Found;
                }
            }
            return LookupStatus.NotFound;
        }
    }

    private sealed class NetworkList(List<string> entries) : INetworkList
    {
        public ValueTask<LookupStatus> MatchAsync(IPAddress address, string? name, CancellationToken cancel) =>
            new(entries.Any(e => IPNetwork.TryParse(e, out var network) ? network.Contains(address) : e.Trim('[', ']') == address.ToString() || e == name)
                ? LookupStatus.Found : LookupStatus.NotFound);
    }
}
