using System.Net;

namespace Facteur.Net.Dns;

/// <summary>How a DNS question ended (Postfix: DNS_OK, DNS_NOTFOUND ...).</summary>
public enum DnsStatus : byte
{
    /// <summary>Records were found.</summary>
    Ok = 0,

    /// <summary>The name does not exist: "Host not found".</summary>
    NameError = 1,

    /// <summary>The name exists without such records: "Host found but no data record of requested type".</summary>
    NoData = 2,

    /// <summary>Try again: "Host not found, try again".</summary>
    TryAgain = 3,

    /// <summary>The answer is not usable: "Malformed or unexpected name server reply".</summary>
    Invalid = 4,

    /// <summary>There is an answer, and the administrator wants none of its records (smtp_dns_reply_filter).</summary>
    Filtered = 5,
}

/// <summary>The words for a question that was not answered.</summary>
public static class DnsWords
{
    /// <summary>The reason, as Postfix writes it in warnings and delivery reports.</summary>
    /// <param name="status">How the question ended.</param>
    public static string Reason(DnsStatus status) => status switch
    {
        DnsStatus.NameError => "Host not found",
        DnsStatus.NoData => "Host found but no data record of requested type",
        DnsStatus.Invalid => "Malformed or unexpected name server reply",
        DnsStatus.Filtered => "DNS reply filter policy",
        _ => "Host not found, try again",
    };

    /// <summary>The whole sentence.</summary>
    /// <param name="name">What was asked for.</param>
    /// <param name="type">The type of record.</param>
    /// <param name="status">How the question ended.</param>
    public static string Sentence(string name, string type, DnsStatus status) =>
        status == DnsStatus.Filtered
            ? $"Error looking up name={name} type={type}: DNS reply filter drops all results"
            : $"Host or domain name not found. Name service error for name={name} type={type}: {Reason(status)}";
}

/// <summary>An MX record.</summary>
/// <param name="Preference">Lower is better.</param>
/// <param name="Host">Host name without the final dot; "" is the null MX (RFC 7505).</param>
public readonly record struct MxRecord(int Preference, string Host);

/// <summary>An SRV record (RFC 2782).</summary>
/// <param name="Priority">Lower is better.</param>
/// <param name="Weight">Share among those of one priority.</param>
/// <param name="Port">Where the service is.</param>
/// <param name="Host">Host name without the final dot; "" says that there is no such service.</param>
public readonly record struct SrvRecord(int Priority, int Weight, int Port, string Host);

/// <summary>Whose a record is.</summary>
/// <param name="Name">The name it stands under, without the final dot: that of the question, or what an alias leads to.</param>
/// <param name="Life">How long it may be kept, in seconds, as its server said.</param>
public readonly record struct DnsOwner(string Name, int Life);

/// <summary>An answer.</summary>
/// <typeparam name="T">Kind of record.</typeparam>
/// <param name="Status">How it ended.</param>
/// <param name="Records">The records, empty unless Ok.</param>
public readonly record struct DnsAnswer<T>(DnsStatus Status, IReadOnlyList<T> Records)
{
    /// <summary>Whose each record is, in the same order; null when that is not known.</summary>
    public IReadOnlyList<DnsOwner>? Owners { get; init; }

    /// <summary>An answer without records.</summary>
    public static DnsAnswer<T> None(DnsStatus status) => new(status, []);
}

/// <summary>Asks the DNS. Names are absolute, without a final dot, in A-label form. Every question is bounded in time.</summary>
public interface IDnsResolver
{
    /// <summary>MX records.</summary>
    ValueTask<DnsAnswer<MxRecord>> MxAsync(string name, CancellationToken cancel);

    /// <summary>Addresses of one family.</summary>
    /// <param name="name">The host.</param>
    /// <param name="ipv6">AAAA instead of A.</param>
    /// <param name="cancel">The caller's end.</param>
    ValueTask<DnsAnswer<IPAddress>> AddressesAsync(string name, bool ipv6, CancellationToken cancel);

    /// <summary>Name servers of a zone.</summary>
    ValueTask<DnsAnswer<string>> NameServersAsync(string name, CancellationToken cancel);

    /// <summary>SRV records, of a name such as _submission._tcp.example.com.</summary>
    ValueTask<DnsAnswer<SrvRecord>> ServicesAsync(string name, CancellationToken cancel);

    /// <summary>Texts (TXT), the strings of each record joined.</summary>
    ValueTask<DnsAnswer<string>> TextsAsync(string name, CancellationToken cancel);

    /// <summary>Names of an address (PTR).</summary>
    ValueTask<DnsAnswer<string>> NamesAsync(IPAddress address, CancellationToken cancel);
}
