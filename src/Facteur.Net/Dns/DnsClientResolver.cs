using System.Net;
using DnsClient;
using DnsClient.Protocol;

namespace Facteur.Net.Dns;

/// <summary>
/// Asks the servers of resolv.conf through DnsClient. The package's cache is off: ours keeps "not found" apart from "try again" and lives briefly,
/// since a mail system that runs for months must follow changes.
/// </summary>
public sealed class DnsClientResolver : IDnsResolver
{
    private static readonly TimeSpan PositiveLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan NegativeLimit = TimeSpan.FromSeconds(10);

    // Answers are kept: who answers over TCP could fill 64 KiB with each of them. Postfix takes as many.
    private const int RecordLimit = 100;

    private readonly WatchedFile<LookupClient> _client;
    private readonly DnsCache<MxRecord> _mx;
    private readonly DnsCache<IPAddress> _ipv4;
    private readonly DnsCache<IPAddress> _ipv6;
    private readonly DnsCache<SrvRecord> _services;
    private readonly DnsCache<string> _names;
    private readonly DnsCache<string> _nameServers;
    private readonly DnsCache<string> _texts;

    /// <summary>Makes a resolver.</summary>
    /// <param name="resolvConf">Path of resolv.conf(5).</param>
    /// <param name="time">The clock.</param>
    public DnsClientResolver(string resolvConf, TimeProvider time)
        : this(resolvConf, ResolvConf.Parse, time)
    {
    }

    internal DnsClientResolver(string path, Func<string, ResolvConf> parse, TimeProvider time)
    {
        _client = new WatchedFile<LookupClient>(path, text => Client(parse(text)), time);
        _mx = new DnsCache<MxRecord>(name => AskAsync<MxRecord, DnsClient.Protocol.MxRecord>(name, QueryType.MX, Mx), time);
        _ipv4 = new DnsCache<IPAddress>(name => AskAsync<IPAddress, ARecord>(name, QueryType.A, record => (true, record.Address)), time);
        _ipv6 = new DnsCache<IPAddress>(name => AskAsync<IPAddress, AaaaRecord>(name, QueryType.AAAA, record => (true, record.Address)), time);
        _services = new DnsCache<SrvRecord>(name => AskAsync<SrvRecord, DnsClient.Protocol.SrvRecord>(name, QueryType.SRV, Srv), time);
        _names = new DnsCache<string>(name => AskAsync<string, PtrRecord>(name, QueryType.PTR, record => Name(record.PtrDomainName)), time);
        _nameServers = new DnsCache<string>(name => AskAsync<string, NsRecord>(name, QueryType.NS, record => Name(record.NSDName)), time);
        _texts = new DnsCache<string>(name => AskAsync<string, TxtRecord>(name, QueryType.TXT, record => (true, string.Concat(record.Text))), time);
    }

    /// <inheritdoc/>
    public ValueTask<DnsAnswer<MxRecord>> MxAsync(string name, CancellationToken cancel) => _mx.GetAsync(name, cancel);

    /// <inheritdoc/>
    public ValueTask<DnsAnswer<IPAddress>> AddressesAsync(string name, bool ipv6, CancellationToken cancel) => (ipv6 ? _ipv6 : _ipv4).GetAsync(name, cancel);

    /// <inheritdoc/>
    public ValueTask<DnsAnswer<string>> NamesAsync(IPAddress address, CancellationToken cancel) =>
        _names.GetAsync(address.GetArpaName().TrimEnd('.'), cancel);

    /// <inheritdoc/>
    public ValueTask<DnsAnswer<string>> NameServersAsync(string name, CancellationToken cancel) => _nameServers.GetAsync(name, cancel);

    /// <inheritdoc/>
    public ValueTask<DnsAnswer<SrvRecord>> ServicesAsync(string name, CancellationToken cancel) => _services.GetAsync(name, cancel);

    /// <inheritdoc/>
    public ValueTask<DnsAnswer<string>> TextsAsync(string name, CancellationToken cancel) => _texts.GetAsync(name, cancel);

    private static LookupClient Client(ResolvConf conf) => new(new LookupClientOptions([.. conf.Servers])
    {
        UseCache = false,
        Timeout = conf.Timeout,
        Retries = conf.Attempts - 1,
        ThrowDnsErrors = false,
        ContinueOnDnsError = true,
        ContinueOnEmptyResponse = false,
        UseTcpFallback = true,
        UseRandomNameServer = false,
        Recursion = true,
    });

    private static (bool Valid, MxRecord Record) Mx(DnsClient.Protocol.MxRecord record)
    {
        var (valid, name) = Name(record.Exchange);
        return (valid, new MxRecord(record.Preference, name));
    }

    private static (bool Valid, SrvRecord Record) Srv(DnsClient.Protocol.SrvRecord record)
    {
        var (valid, name) = Name(record.Target);
        return (valid, new SrvRecord(record.Priority, record.Weight, record.Port, name));
    }

    /// <summary>A host name without its final dot; not valid with characters that no host name has (it may end in logs and commands).</summary>
    private static (bool Valid, string Name) Name(DnsString name)
    {
        var text = name.Value;
        text = text.EndsWith('.') ? text[..^1] : text;
        return (text.Length <= 255 && !text.AsSpan().ContainsAnyExcept(HostCharacters), text);
    }

    private static readonly System.Buffers.SearchValues<char> HostCharacters =
        System.Buffers.SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");

    private async Task<(DnsAnswer<T> Answer, TimeSpan Life)> AskAsync<T, TRecord>(string name, QueryType type, Func<TRecord, (bool Valid, T Record)> convert)
        where TRecord : DnsResourceRecord
    {
        IDnsQueryResponse response;
        try
        {
            response = await _client.Value.QueryAsync(name + ".", type).ConfigureAwait(false);
        }
        catch (DnsResponseException)
        {
            return (DnsAnswer<T>.None(DnsStatus.TryAgain), TimeSpan.Zero);
        }
        catch (Exception e) when (e is ArgumentException or System.Net.Sockets.SocketException or OperationCanceledException or InvalidOperationException)
        {
            // ArgumentException: a name that the wire format can't hold.
            return (DnsAnswer<T>.None(e is ArgumentException ? DnsStatus.NameError : DnsStatus.TryAgain), TimeSpan.Zero);
        }
        return Read(response, convert);
    }

    private static (DnsAnswer<T> Answer, TimeSpan Life) Read<T, TRecord>(IDnsQueryResponse response, Func<TRecord, (bool Valid, T Record)> convert)
        where TRecord : DnsResourceRecord
    {
        var records = new List<T>();
        var owners = new List<DnsOwner>();
        var found = 0;
        var life = PositiveLimit;
        foreach (var record in response.Answers)
        {
            life = TimeSpan.FromSeconds(Math.Min(life.TotalSeconds, record.InitialTimeToLive));
            if (record is TRecord wanted)
            {
                found++;
                var (valid, converted) = convert(wanted);
                if (valid && records.Count < RecordLimit)
                {
                    records.Add(converted);
                    owners.Add(new DnsOwner(Name(record.DomainName).Name, record.InitialTimeToLive));
                }
            }
        }
        var status = (DnsHeaderResponseCode)response.Header.ResponseCode switch
        {
            DnsHeaderResponseCode.NoError => records.Count > 0 ? DnsStatus.Ok : found > 0 ? DnsStatus.Invalid : DnsStatus.NoData,
            DnsHeaderResponseCode.NotExistentDomain => DnsStatus.NameError,
            _ => DnsStatus.TryAgain,
        };
        return status == DnsStatus.Ok
            ? (new DnsAnswer<T>(status, records) { Owners = owners }, life)
            : (DnsAnswer<T>.None(status), status is DnsStatus.NameError or DnsStatus.NoData ? NegativeLife(response) : TimeSpan.Zero);
    }

    /// <summary>RFC 2308 section 5: the lesser of the SOA record's own life and its minimum field.</summary>
    private static TimeSpan NegativeLife(IDnsQueryResponse response)
    {
        var soa = response.Authorities.OfType<SoaRecord>().FirstOrDefault();
        var seconds = soa is null ? 1 : Math.Min(soa.InitialTimeToLive, soa.Minimum);
        return TimeSpan.FromSeconds(Math.Min(seconds, NegativeLimit.TotalSeconds));
    }
}
