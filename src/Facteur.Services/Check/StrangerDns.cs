using System.Net;
using System.Net.Sockets;
using Facteur.Net.Dns;

namespace Facteur.Services.Check;

/// <summary>
/// The DNS as a stranger would have it: his names exist, with addresses, mail exchangers and a name that leads back to him; no list knows him. Nobody on the
/// network is asked.
/// </summary>
internal sealed class StrangerDns : IDnsResolver
{
    private readonly HashSet<string> _known = new(StringComparer.OrdinalIgnoreCase);
    private IPAddress _client = IPAddress.None;
    private string _name = "";

    /// <summary>The next session's client, its name ("" for none), and all other names that exist.</summary>
    public void Set(IPAddress client, string name, IEnumerable<string> known)
    {
        (_client, _name) = (client, name);
        _known.Clear();
        _known.UnionWith(known);
        _known.Add(name);
    }

    public ValueTask<DnsAnswer<MxRecord>> MxAsync(string name, CancellationToken cancel) =>
        new(_known.Contains(name) ? new DnsAnswer<MxRecord>(DnsStatus.Ok, [new MxRecord(10, name)]) : DnsAnswer<MxRecord>.None(DnsStatus.NameError));

    public ValueTask<DnsAnswer<IPAddress>> AddressesAsync(string name, bool ipv6, CancellationToken cancel) => new(
        !_known.Contains(name) ? DnsAnswer<IPAddress>.None(DnsStatus.NameError)
        : _client.AddressFamily == AddressFamily.InterNetworkV6 == ipv6 ? new DnsAnswer<IPAddress>(DnsStatus.Ok, [_client])
        : DnsAnswer<IPAddress>.None(DnsStatus.NoData));

    public ValueTask<DnsAnswer<string>> NamesAsync(IPAddress address, CancellationToken cancel) =>
        new(address.Equals(_client) && _name.Length > 0 ? new DnsAnswer<string>(DnsStatus.Ok, [_name]) : DnsAnswer<string>.None(DnsStatus.NameError));

    public ValueTask<DnsAnswer<string>> NameServersAsync(string name, CancellationToken cancel) =>
        new(_known.Contains(name) ? new DnsAnswer<string>(DnsStatus.Ok, [name]) : DnsAnswer<string>.None(DnsStatus.NameError));

    public ValueTask<DnsAnswer<SrvRecord>> ServicesAsync(string name, CancellationToken cancel) =>
        new(DnsAnswer<SrvRecord>.None(_known.Contains(name) ? DnsStatus.NoData : DnsStatus.NameError));

    public ValueTask<DnsAnswer<string>> TextsAsync(string name, CancellationToken cancel) =>
        new(DnsAnswer<string>.None(_known.Contains(name) ? DnsStatus.NoData : DnsStatus.NameError));
}
