using System.Net;
using System.Net.Sockets;
using Facteur.Net.Dns;

namespace Facteur.Testing.World;

/// <summary>The DNS of the recorded scenarios.</summary>
public sealed class WorldDns : IDnsResolver
{
    public Dictionary<string, List<MxRecord>> Mx { get; } = new(StringComparer.OrdinalIgnoreCase)
    {
        ["dest.example"] = [new(10, "mx.dest.example")],
        ["remote.example"] = [new(10, "mx1.remote.example"), new(20, "mx2.remote.example")],
        ["nullmx.example"] = [new(0, "")],
        ["sender.example"] = [new(10, "mx.sender.example")],
    };

    public Dictionary<string, List<IPAddress>> Hosts { get; } = new(StringComparer.OrdinalIgnoreCase)
    {
        ["mx.dest.example"] = [IPAddress.Parse("127.0.0.25")],
        ["localhost"] = [IPAddress.Loopback],
        ["client.good.example"] = [IPAddress.Parse("127.0.7.1")],
        ["liar.example"] = [IPAddress.Parse("127.0.7.222")],
        ["spammer.bad.example"] = [IPAddress.Parse("127.0.7.4")],
        ["other.example"] = [IPAddress.Parse("127.0.10.3")],
    };

    public Dictionary<IPAddress, string> Names { get; } = new()
    {
        [IPAddress.Loopback] = "localhost",
        [IPAddress.Parse("127.0.7.1")] = "client.good.example",
        [IPAddress.Parse("127.0.7.2")] = "liar.example",
        [IPAddress.Parse("127.0.7.4")] = "spammer.bad.example",
    };

    public Dictionary<string, List<string>> NameServers { get; } = new(StringComparer.OrdinalIgnoreCase);

    public Dictionary<string, List<string>> Texts { get; } = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Names without any usable record.</summary>
    public HashSet<string> Empty { get; } = ["nomxnoa.example"];

    /// <summary>Names whose servers do not answer.</summary>
    public HashSet<string> Failing { get; } = ["tempfail.example"];

    public ValueTask<DnsAnswer<MxRecord>> MxAsync(string name, CancellationToken cancel) => Answer(name, Mx);

    public ValueTask<DnsAnswer<IPAddress>> AddressesAsync(string name, bool ipv6, CancellationToken cancel)
    {
        var family = ipv6 ? AddressFamily.InterNetworkV6 : AddressFamily.InterNetwork;
        var found = Hosts.TryGetValue(name, out var all) ? all.FindAll(address => address.AddressFamily == family) : [];
        return found.Count > 0 ? new(new DnsAnswer<IPAddress>(DnsStatus.Ok, found)) : Answer<IPAddress>(name, []);
    }

    public ValueTask<DnsAnswer<string>> NamesAsync(IPAddress address, CancellationToken cancel) =>
        new(Names.TryGetValue(address, out var name) ? new DnsAnswer<string>(DnsStatus.Ok, [name]) : DnsAnswer<string>.None(DnsStatus.NameError));

    public ValueTask<DnsAnswer<string>> NameServersAsync(string name, CancellationToken cancel) => Answer(name, NameServers);

    public ValueTask<DnsAnswer<SrvRecord>> ServicesAsync(string name, CancellationToken cancel) => new(DnsAnswer<SrvRecord>.None(DnsStatus.NameError));

    public ValueTask<DnsAnswer<string>> TextsAsync(string name, CancellationToken cancel) => Answer(name, Texts);

    private ValueTask<DnsAnswer<T>> Answer<T>(string name, Dictionary<string, List<T>> records) =>
        new(Failing.Contains(name) ? DnsAnswer<T>.None(DnsStatus.TryAgain)
            : records.TryGetValue(name, out var found) ? new DnsAnswer<T>(DnsStatus.Ok, found)
            : DnsAnswer<T>.None(Empty.Contains(name) || Mx.ContainsKey(name) || Hosts.ContainsKey(name) ? DnsStatus.NoData : DnsStatus.NameError));
}
