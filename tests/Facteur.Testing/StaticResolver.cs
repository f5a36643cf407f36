using System.Net;
using Facteur.Net.Dns;

namespace Facteur.Testing;

/// <summary>A zone: names that are not in it don't exist.</summary>
public sealed class StaticResolver : IDnsResolver
{
    private readonly Dictionary<string, List<string>> _records = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Names whose every question ends with "try again".</summary>
    public HashSet<string> Failing { get; } = new(StringComparer.OrdinalIgnoreCase);

    public List<string> Asked { get; } = [];

    /// <summary>A name's records are others from now on.</summary>
    public void Set(string name, params string[] records)
    {
        _records.Remove(name);
        Add(name, records);
    }

    /// <summary>Adds a record such as ("a.example", "MX 10 mx.a.example"), "A 127.0.0.1", "CNAME b.example", "AAAA ::1"; the address's name for "PTR host".</summary>
    public StaticResolver Add(string name, params string[] records)
    {
        if (!_records.TryGetValue(name, out var list))
        {
            _records[name] = list = [];
        }
        list.AddRange(records);
        return this;
    }

    public ValueTask<DnsAnswer<MxRecord>> MxAsync(string name, CancellationToken cancel) => Answer(
        name, "MX",
        text =>
        {
            var words = text.Split(' ');
            return new MxRecord(int.Parse(words[0], null), words[1].TrimEnd('.'));
        });

    public ValueTask<DnsAnswer<IPAddress>> AddressesAsync(string name, bool ipv6, CancellationToken cancel) => Answer(name, ipv6 ? "AAAA" : "A", IPAddress.Parse);

    public ValueTask<DnsAnswer<string>> NamesAsync(IPAddress address, CancellationToken cancel) => Answer(address.ToString(), "PTR", text => text);

    public ValueTask<DnsAnswer<string>> NameServersAsync(string name, CancellationToken cancel) => Answer(name, "NS", text => text);

    public ValueTask<DnsAnswer<SrvRecord>> ServicesAsync(string name, CancellationToken cancel) => Answer(
        name, "SRV",
        text =>
        {
            var words = text.Split(' ');
            return new SrvRecord(int.Parse(words[0], null), int.Parse(words[1], null), int.Parse(words[2], null), words[3].TrimEnd('.'));
        });

    public ValueTask<DnsAnswer<string>> TextsAsync(string name, CancellationToken cancel) => Answer(name, "TXT", text => text);

    private ValueTask<DnsAnswer<T>> Answer<T>(string name, string type, Func<string, T> convert)
    {
        lock (Asked)
        {
            Asked.Add($"{type} {name}");
        }
        if (Failing.Contains(name))
        {
            return ValueTask.FromResult(DnsAnswer<T>.None(DnsStatus.TryAgain));
        }
        if (!_records.TryGetValue(name, out var list))
        {
            return ValueTask.FromResult(DnsAnswer<T>.None(DnsStatus.NameError));
        }
        if (list.Find(r => r.StartsWith("CNAME ", StringComparison.Ordinal)) is { } alias)
        {
            var answer = Answer(alias[6..], type, convert).AsTask().GetAwaiter().GetResult();
            return ValueTask.FromResult(answer with { Owners = [.. answer.Records.Select(_ => new DnsOwner(alias[6..], 0))] });
        }
        var found = list.Where(r => r.StartsWith(type + " ", StringComparison.Ordinal)).Select(r => convert(r[(type.Length + 1)..])).ToList();
        return ValueTask.FromResult(found.Count > 0 ? new DnsAnswer<T>(DnsStatus.Ok, found) : DnsAnswer<T>.None(DnsStatus.NoData));
    }
}
