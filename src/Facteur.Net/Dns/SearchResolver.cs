using System.Net;

namespace Facteur.Net.Dns;

/// <summary>
/// Questions for hosts and mail exchangers whose names may be unfinished: completed by the search list of resolv.conf(5), as res_search(3) does it.
/// </summary>
public sealed class SearchResolver : IDnsResolver
{
    private readonly IDnsResolver _dns;
    private readonly WatchedFile<ResolvConf> _conf;
    private readonly bool _defnames;
    private readonly bool _dnsrch;

    /// <summary>Makes a resolver on top of another.</summary>
    /// <param name="dns">Is asked absolute names.</param>
    /// <param name="resolvConf">Path of resolv.conf(5).</param>
    /// <param name="defnames">res_defnames: names without a dot get the first domain of the list.</param>
    /// <param name="dnsrch">res_dnsrch: all domains of the list are tried, for names with dots too.</param>
    /// <param name="time">The clock.</param>
    public SearchResolver(IDnsResolver dns, string resolvConf, bool defnames, bool dnsrch, TimeProvider time)
    {
        (_dns, _defnames, _dnsrch) = (dns, defnames, dnsrch);
        _conf = new WatchedFile<ResolvConf>(resolvConf, ResolvConf.Parse, time);
    }

    /// <inheritdoc/>
    public ValueTask<DnsAnswer<MxRecord>> MxAsync(string name, CancellationToken cancel) => SearchAsync(name, n => _dns.MxAsync(n, cancel));

    /// <inheritdoc/>
    public ValueTask<DnsAnswer<IPAddress>> AddressesAsync(string name, bool ipv6, CancellationToken cancel) =>
        SearchAsync(name, n => _dns.AddressesAsync(n, ipv6, cancel));

    /// <inheritdoc/>
    public ValueTask<DnsAnswer<string>> NameServersAsync(string name, CancellationToken cancel) => _dns.NameServersAsync(name, cancel);

    /// <inheritdoc/>
    public ValueTask<DnsAnswer<SrvRecord>> ServicesAsync(string name, CancellationToken cancel) => SearchAsync(name, n => _dns.ServicesAsync(n, cancel));

    /// <inheritdoc/>
    public ValueTask<DnsAnswer<string>> TextsAsync(string name, CancellationToken cancel) => _dns.TextsAsync(name, cancel);

    /// <inheritdoc/>
    public ValueTask<DnsAnswer<string>> NamesAsync(IPAddress address, CancellationToken cancel) => _dns.NamesAsync(address, cancel);

    // A name that was not found goes on to the next domain; one that could not be asked about makes the whole "try again", unless another is found.
    private async ValueTask<DnsAnswer<T>> SearchAsync<T>(string name, Func<string, ValueTask<DnsAnswer<T>>> ask)
    {
        DnsAnswer<T>? first = null;
        var again = false;
        foreach (var candidate in Candidates(name))
        {
            var answer = await ask(candidate).ConfigureAwait(false);
            if (answer.Status is DnsStatus.Ok or DnsStatus.Invalid or DnsStatus.Filtered)
            {
                return answer;
            }
            again |= answer.Status == DnsStatus.TryAgain;
            // The name itself says best what is wrong; "no data" more than "not found".
            first = first is null || (first.Value.Status == DnsStatus.NameError && answer.Status == DnsStatus.NoData) ? answer : first;
        }
        return again ? DnsAnswer<T>.None(DnsStatus.TryAgain) : first!.Value;
    }

    private IEnumerable<string> Candidates(string name)
    {
        var conf = _conf.Value;
        var dots = name.AsSpan().Count('.');
        var whole = dots >= conf.Dots;
        if (whole)
        {
            yield return name;
        }
        if (dots == 0 ? _defnames || _dnsrch : _dnsrch)
        {
            // res_search(3): without RES_DNSRCH only the first one.
            foreach (var domain in conf.Search.Take(_dnsrch ? ResolvConf.SearchLimit : 1))
            {
                yield return $"{name}.{domain}";
            }
        }
        if (!whole)
        {
            yield return name;
        }
    }
}
