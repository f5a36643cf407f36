using System.Net;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Tables;

namespace Facteur.Services.Server;

/// <summary>Whose sessions are logged word by word: all of an entry with -v (master(5)), and those with a peer of debug_peer_list.</summary>
internal sealed class DebugPeers(IConfig config, IMatchLists lists, ServiceLog log)
{
    private readonly INetworkList? _list = config.Get(CommonParameters.DebugPeerList) is { Length: > 0 } value ? lists.Networks(CommonParameters.DebugPeerList.Name, value) : null;

    /// <summary>Whether what is said with this peer is logged; not when a table of the list can't answer.</summary>
    /// <param name="address">Its address, or null.</param>
    /// <param name="name">Its name, or null.</param>
    /// <param name="cancel">The session's end.</param>
    public async ValueTask<bool> HasAsync(IPAddress? address, string? name, CancellationToken cancel) =>
        log.IsVerbose || (_list is not null && address is not null && await _list.MatchAsync(address, name, cancel).ConfigureAwait(false) == LookupStatus.Found);
}
