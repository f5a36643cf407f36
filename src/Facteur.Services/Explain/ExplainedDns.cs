using System.Net;
using Facteur.Net.Dns;

namespace Facteur.Services.Explain;

/// <summary>The DNS, each question and answer told; the client's name may be given instead of asked for.</summary>
internal sealed class ExplainedDns(IDnsResolver dns, Explanation explanation, IPAddress? client, string? name) : IDnsResolver
{
    public async ValueTask<DnsAnswer<MxRecord>> MxAsync(string name, CancellationToken cancel) =>
        Told("MX", name, await dns.MxAsync(name, cancel).ConfigureAwait(false), static r => $"{r.Preference} {(r.Host.Length == 0 ? "." : r.Host)}");

    public async ValueTask<DnsAnswer<IPAddress>> AddressesAsync(string host, bool ipv6, CancellationToken cancel) =>
        name is not null && client is not null && host.Equals(name, StringComparison.OrdinalIgnoreCase)
            ? Told("given", host, new DnsAnswer<IPAddress>(DnsStatus.Ok, [client]), static r => r.ToString())
            : Told(ipv6 ? "AAAA" : "A", host, await dns.AddressesAsync(host, ipv6, cancel).ConfigureAwait(false), static r => r.ToString());

    public async ValueTask<DnsAnswer<string>> NamesAsync(IPAddress address, CancellationToken cancel) =>
        name is not null && address.Equals(client)
            ? Told("given", address.ToString(), name is "unknown" ? DnsAnswer<string>.None(DnsStatus.NameError) : new(DnsStatus.Ok, [name]), static r => r)
            : Told("PTR", address.ToString(), await dns.NamesAsync(address, cancel).ConfigureAwait(false), static r => r);

    public async ValueTask<DnsAnswer<string>> NameServersAsync(string name, CancellationToken cancel) =>
        Told("NS", name, await dns.NameServersAsync(name, cancel).ConfigureAwait(false), static r => r);

    public async ValueTask<DnsAnswer<SrvRecord>> ServicesAsync(string name, CancellationToken cancel) =>
        Told("SRV", name, await dns.ServicesAsync(name, cancel).ConfigureAwait(false), static r => $"{r.Priority} {r.Weight} {r.Port} {r.Host}");

    public async ValueTask<DnsAnswer<string>> TextsAsync(string name, CancellationToken cancel) =>
        Told("TXT", name, await dns.TextsAsync(name, cancel).ConfigureAwait(false), static r => $"\"{r}\"");

    private DnsAnswer<T> Told<T>(string type, string subject, DnsAnswer<T> answer, Func<T, string> text)
    {
        explanation.Told($"{type} {subject}: {(answer.Status == DnsStatus.Ok ? string.Join(", ", answer.Records.Select(text)) : answer.Status switch
        {
            DnsStatus.NameError => "no such name",
            DnsStatus.NoData => "no such record",
            DnsStatus.TryAgain => "no answer now",
            _ => "an answer that can't be used",
        })}");
        return answer;
    }
}
