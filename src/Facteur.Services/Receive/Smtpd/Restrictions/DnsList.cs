using System.Net;
using System.Net.Sockets;
using System.Text;
using Facteur.Mail.Addresses;
using Facteur.Net.Dns;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>What a DNS list says of a name.</summary>
internal enum DnsListStatus : byte
{
    /// <summary>It is not listed.</summary>
    NotListed = 0,

    /// <summary>It is listed, with an answer that counts.</summary>
    Listed = 1,

    /// <summary>The list does not answer.</summary>
    Failed = 2,
}

/// <summary>
/// A DNS list as the administrator wrote it: its domain, and perhaps "=d.d.d.d" (RFC 5782). Looks at A records, and for those that count at TXT
/// records.
/// </summary>
internal sealed class DnsList(string text, string domain, DnsListFilter? filter)
{
    // Postfix: a text goes into a reply, so it is cut.
    private const int ReasonLimit = 500;

    /// <summary>As it was written: the key in rbl_reply_maps.</summary>
    public string Text => text;

    /// <summary>Without the filter: $rbl_domain.</summary>
    public string Domain => domain;

    /// <summary>Reads a list; what is wrong with it otherwise.</summary>
    public static string? Parse(string text, out DnsList? list)
    {
        list = null;
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        var domain = equals < 0 ? text : text[..equals];
        DnsListFilter? filter = null;
        if (equals >= 0 && DnsListFilter.Parse(text[(equals + 1)..], out filter) is { } wrong)
        {
            return $"bad DNSBL filter: {wrong}";
        }
        if (!HostName.IsValid(HostName.WithoutFinalDot(domain)))
        {
            return $"bad argument \"{text}\": need domain name";
        }
        list = new DnsList(text, domain, filter);
        return null;
    }

    /// <summary>The name to ask for an address: its numbers backwards (RFC 5782 2.1, 2.4).</summary>
    public static string Reversed(IPAddress address)
    {
        var bytes = address.GetAddressBytes();
        var name = new StringBuilder(72);
        for (var i = bytes.Length - 1; i >= 0; i--)
        {
            _ = address.AddressFamily == AddressFamily.InterNetwork
                ? name.Append(bytes[i]).Append('.')
                : name.Append("0123456789abcdef"[bytes[i] & 15]).Append('.').Append("0123456789abcdef"[bytes[i] >> 4]).Append('.');
        }
        name.Length--;
        return name.ToString();
    }

    /// <summary>Asks the list; a list that does not answer is logged.</summary>
    /// <param name="context">The session.</param>
    /// <param name="name">What is asked for, without the list's domain.</param>
    public async ValueTask<(DnsListStatus Status, string Reason)> AskAsync(RestrictionContext context, string name)
    {
        var query = $"{name}.{HostName.WithoutFinalDot(domain)}";
        var answer = await context.Dns.AddressesAsync(query, false, context.Cancel).ConfigureAwait(false);
        if (answer.Status is DnsStatus.NameError or DnsStatus.NoData)
        {
            return (DnsListStatus.NotListed, "");
        }
        if (answer.Status != DnsStatus.Ok)
        {
            context.Log.Warning($"{query}: RBL lookup error: {DnsWords.Sentence(query, "A", answer.Status)}");
            return (DnsListStatus.Failed, "");
        }
        if (filter is not null && !answer.Records.Any(filter.Matches))
        {
            return (DnsListStatus.NotListed, "");
        }
        var texts = await context.Dns.TextsAsync(query, context.Cancel).ConfigureAwait(false);
        var reason = texts.Status == DnsStatus.Ok ? string.Join(" / ", texts.Records) : "";
        if (context.Arrows.Explanation is { } explanation)
        {
            var said = (filter is null ? answer.Records : answer.Records.Where(filter.Matches)).Select(record => record.ToString());
            explanation.Answered("dns A", query, $"{string.Join(", ", said)}{(reason.Length > 0 ? $" \"{reason}\"" : "")}");
        }
        return (DnsListStatus.Listed, SmtpdLog.Printable(reason.Length > ReasonLimit ? reason[..ReasonLimit] : reason));
    }
}
