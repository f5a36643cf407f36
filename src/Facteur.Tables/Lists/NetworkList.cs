using System.Net;

namespace Facteur.Tables.Lists;

/// <summary>A list of networks and host names.</summary>
/// <param name="patterns">Its elements.</param>
/// <param name="rule">How names stand for those below them.</param>
/// <param name="parameter">Whose list it is.</param>
/// <param name="observer">Sees its answers, or null.</param>
internal sealed class NetworkList(IReadOnlyList<ListPattern> patterns, ParentRule rule, string parameter, ITableObserver? observer) : INetworkList
{
    public async ValueTask<LookupStatus> MatchAsync(IPAddress address, string? name, CancellationToken cancel)
    {
        address = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        foreach (var pattern in patterns)
        {
            var status = await MatchAsync(pattern, address, name, cancel).ConfigureAwait(false);
            if (status != LookupStatus.NotFound)
            {
                status = status == LookupStatus.Found && pattern.Negated ? LookupStatus.NotFound : status;
                observer?.OnMatch(parameter, AddressText(address), status, pattern.Negated ? "!" + pattern.Text : pattern.Text);
                return status;
            }
        }
        observer?.OnMatch(parameter, AddressText(address), LookupStatus.NotFound, null);
        return LookupStatus.NotFound;
    }

    /// <summary>One element: the name first, then the address (Postfix: namadr_list).</summary>
    private async ValueTask<LookupStatus> MatchAsync(ListPattern pattern, IPAddress address, string? name, CancellationToken cancel)
    {
        if (pattern.Network is { } network)
        {
            return network.Contains(address) ? LookupStatus.Found : LookupStatus.NotFound;
        }
        if (!string.IsNullOrEmpty(name))
        {
            var status = await DomainList.MatchAsync(pattern, name, rule, cancel).ConfigureAwait(false);
            if (status != LookupStatus.NotFound)
            {
                return status;
            }
        }
        return pattern.Wrong is not null ? LookupStatus.Error
            : pattern.Table is null ? LookupStatus.NotFound
            : (await pattern.Table.LookupAsync(AddressText(address), cancel).ConfigureAwait(false)).Status;
    }

    // A link-local address's zone is no part of a key.
    private static string AddressText(IPAddress address)
    {
        var text = address.ToString();
        var zone = text.IndexOf('%', StringComparison.Ordinal);
        return zone < 0 ? text : text[..zone];
    }
}
