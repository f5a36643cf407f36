using System.Net;
using System.Net.Sockets;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Net.Dns;
using Facteur.Tables;

namespace Facteur.Services.Server;

/// <summary>
/// smtp_dns_reply_filter and smtpd_dns_reply_filter: each record of an answer, as "name. ttl IN type value", is looked up; of IGNORE nobody hears. When nothing
/// is left the status says so, for it is not the same as no record.
/// </summary>
public sealed class DnsReplyFilter : IDnsResolver
{
    private readonly IDnsResolver _dns;
    private readonly Maps _maps;
    private readonly ServiceLog _log;

    private DnsReplyFilter(IDnsResolver dns, Maps maps, ServiceLog log) => (_dns, _maps, _log) = (dns, maps, log);

    /// <summary>A resolver behind the filter, or the resolver itself where there is none.</summary>
    public static IDnsResolver Of(IDnsResolver dns, IConfig config, StringParameter parameter, ITableSet? tables, ServiceLog log) =>
        tables is null || config.Get(parameter).Length == 0 ? dns : new DnsReplyFilter(dns, Maps.Open(tables, parameter.Name, config.Get(parameter)), log);

    /// <inheritdoc/>
    public async ValueTask<DnsAnswer<MxRecord>> MxAsync(string name, CancellationToken cancel) =>
        await FilterAsync(name, await _dns.MxAsync(name, cancel).ConfigureAwait(false), static r => $"MX {r.Preference} {r.Host}.", cancel).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask<DnsAnswer<IPAddress>> AddressesAsync(string name, bool ipv6, CancellationToken cancel) => await FilterAsync(
        name, await _dns.AddressesAsync(name, ipv6, cancel).ConfigureAwait(false),
        static r => $"{(r.AddressFamily == AddressFamily.InterNetworkV6 ? "AAAA" : "A")} {r}", cancel).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask<DnsAnswer<string>> NameServersAsync(string name, CancellationToken cancel) =>
        await FilterAsync(name, await _dns.NameServersAsync(name, cancel).ConfigureAwait(false), static r => $"NS {r}.", cancel).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask<DnsAnswer<SrvRecord>> ServicesAsync(string name, CancellationToken cancel) =>
        await FilterAsync(name, await _dns.ServicesAsync(name, cancel).ConfigureAwait(false), static r => $"SRV {r.Priority} {r.Weight} {r.Port} {r.Host}.", cancel).ConfigureAwait(false);

    /// <inheritdoc/>
    public async ValueTask<DnsAnswer<string>> TextsAsync(string name, CancellationToken cancel) =>
        await FilterAsync(name, await _dns.TextsAsync(name, cancel).ConfigureAwait(false), static r => $"TXT {r}", cancel).ConfigureAwait(false);

    /// <inheritdoc/>
    public ValueTask<DnsAnswer<string>> NamesAsync(IPAddress address, CancellationToken cancel) => _dns.NamesAsync(address, cancel);

    private async ValueTask<DnsAnswer<T>> FilterAsync<T>(string name, DnsAnswer<T> answer, Func<T, string> text, CancellationToken cancel)
    {
        if (answer.Status != DnsStatus.Ok)
        {
            return answer;
        }
        var records = new List<T>(answer.Records.Count);
        var owners = new List<DnsOwner>(answer.Records.Count);
        for (var i = 0; i < answer.Records.Count; i++)
        {
            var owner = answer.Owners is { } known ? known[i] : new DnsOwner(name, 0);
            var record = Printable.OneLine($"{owner.Name}. {owner.Life} IN {text(answer.Records[i])}");
            var lookup = await _maps.FindAsync(record, false, cancel).ConfigureAwait(false);
            if (lookup.Status == LookupStatus.Error || (lookup.Status == LookupStatus.Found && !lookup.Value.Trim().Equals("IGNORE", StringComparison.OrdinalIgnoreCase)))
            {
                _log.Warning(lookup.Status == LookupStatus.Error ? $"{_maps.Parameter}: {lookup.Value}" : $"{_maps.Parameter}: unknown DNS filter action: \"{lookup.Value}\"");
                return DnsAnswer<T>.None(DnsStatus.TryAgain);
            }
            if (lookup.Status == LookupStatus.NotFound)
            {
                records.Add(answer.Records[i]);
                owners.Add(owner);
            }
            else
            {
                _log.Info($"ignoring DNS RR: {record}");
            }
        }
        return records.Count > 0 ? new DnsAnswer<T>(DnsStatus.Ok, records) { Owners = owners } : DnsAnswer<T>.None(DnsStatus.Filtered);
    }
}
