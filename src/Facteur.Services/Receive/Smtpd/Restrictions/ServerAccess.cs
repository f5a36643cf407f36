using Facteur.Mail.Addresses;
using Facteur.Net.Dns;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// check_*_{a,mx,ns}_access: look at the hosts of a domain (itself, its mail exchangers, its name servers) and at their addresses, each as key in an access
/// table; return what the entry says. OK is a mistake of the configuration: who owns a zone must not be able to permit himself. What the DNS can't say now
/// is logged and says nothing.
/// </summary>
internal sealed class ServerAccess(AccessTable table, string restriction, ServerKind kind)
{
    // Who owns the zone decides how many there are.
    private const int ServerLimit = 32;

    /// <summary>The restrictions by name: what is asked about, and the kind of host.</summary>
    public static (ServerSubject Subject, ServerKind Kind)? Find(string name)
    {
        foreach (var (suffix, kind) in ((string, ServerKind)[])[("_mx_access", ServerKind.Mx), ("_ns_access", ServerKind.Ns), ("_a_access", ServerKind.A)])
        {
            if (name.EndsWith(suffix, StringComparison.OrdinalIgnoreCase))
            {
                ServerSubject? subject = name[..^suffix.Length].ToLowerInvariant() switch
                {
                    "check_client" => ServerSubject.Client,
                    "check_reverse_client_hostname" => ServerSubject.ReverseClient,
                    "check_helo" => ServerSubject.Helo,
                    "check_sender" => ServerSubject.Sender,
                    "check_recipient" => ServerSubject.Recipient,
                    _ => null,
                };
                return subject is { } found ? (found, kind) : null;
            }
        }
        return null;
    }

    public ValueTask<Verdict> CheckAsync(RestrictionContext context, ServerSubject about)
    {
        var client = context.Client;
        return about switch
        {
            ServerSubject.Client => client.Name == ClientFacts.Unknown ? new(Verdict.Dunno) : DomainAsync(context, client.Name, new Subject(client.Printable, Subject.ClientHost)),
            ServerSubject.ReverseClient => client.ReverseName == ClientFacts.Unknown ? new(Verdict.Dunno) : DomainAsync(context, client.ReverseName, new Subject(client.ReverseName, Subject.UnverifiedClientHost)),
            ServerSubject.Helo => context.Helo is { } helo ? DomainAsync(context, helo, new Subject(helo, Subject.HeloCommand)) : new(Verdict.Dunno),
            ServerSubject.Sender => context.Sender is { Length: > 0 } sender ? DomainAsync(context, sender, Subject.OfSender(sender)) : new(Verdict.Dunno),
            _ => context.Recipient is { Length: > 0 } recipient
                ? DomainAsync(context, recipient, Subject.OfRecipient(recipient)) : new(Verdict.Dunno),
        };
    }

    private async ValueTask<Verdict> DomainAsync(RestrictionContext context, string name, Subject subject)
    {
        var domain = name.Contains('@') ? AddressParts.Domain(name).ToString() : name;
        if (domain.StartsWith('['))
        {
            return kind != ServerKind.Ns && HostName.ParseLiteral(domain) is { } literal
                ? Forbid(context, restriction, await table.AddressAsync(context, literal.ToString(), subject).ConfigureAwait(false), subject)
                : Verdict.Dunno;
        }
        if (kind != ServerKind.Ns && HostName.ParseLiteral($"[{domain}]") is { AddressFamily: System.Net.Sockets.AddressFamily.InterNetwork } numbers)
        {
            // Postfix: numbers without brackets are the name of a host that has this address.
            var named = kind == ServerKind.Mx ? await table.DomainAsync(context, domain, subject).ConfigureAwait(false) : null;
            return Forbid(context, restriction, named ?? await table.AddressAsync(context, numbers.ToString(), subject).ConfigureAwait(false), subject);
        }
        if (HostName.ToAscii(HostName.WithoutFinalDot(domain).ToString(), context.Settings.Idna2003) is not { } ascii || !HostName.IsValid(ascii))
        {
            return Verdict.Dunno;
        }
        foreach (var host in await HostsAsync(context, name, ascii).ConfigureAwait(false))
        {
            var found = kind == ServerKind.A ? null : await table.DomainAsync(context, host, subject).ConfigureAwait(false);
            found ??= await AddressesAsync(context, host, subject).ConfigureAwait(false);
            if (found is not null)
            {
                return Forbid(context, restriction, found, subject);
            }
        }
        return Verdict.Dunno;
    }

    private async ValueTask<IReadOnlyList<string>> HostsAsync(RestrictionContext context, string name, string domain)
    {
        var dns = context.Dns;
        if (kind == ServerKind.A)
        {
            return [domain];
        }
        if (kind == ServerKind.Mx)
        {
            var mx = await dns.MxAsync(domain, context.Cancel).ConfigureAwait(false);
            if (mx.Status == DnsStatus.Ok)
            {
                // RFC 7505: the null MX names nobody.
                return [.. mx.Records.OrderBy(record => record.Preference).Select(record => record.Host).Where(host => host.Length > 0).Take(ServerLimit)];
            }
            return mx.Status is DnsStatus.NameError or DnsStatus.NoData ? [domain] : Failed(context, domain, mx.Status);
        }
        // A name within a zone has none of its own: those of the zone count.
        var ns = await dns.NameServersAsync(domain, context.Cancel).ConfigureAwait(false);
        var zone = domain;
        while (ns.Status is DnsStatus.NameError or DnsStatus.NoData && zone.IndexOf('.') is >= 0 and var dot)
        {
            zone = zone[(dot + 1)..];
            ns = await dns.NameServersAsync(zone, context.Cancel).ConfigureAwait(false);
        }
        return ns.Status == DnsStatus.Ok ? [.. ns.Records.Take(ServerLimit)]
            : Failed(context, ns.Status is DnsStatus.NameError or DnsStatus.NoData ? AddressParts.Unquote(name) : zone, ns.Status);
    }

    private async ValueTask<Verdict?> AddressesAsync(RestrictionContext context, string host, Subject subject)
    {
        // Postfix: addresses of hosts come from the system, and smtpd_dns_reply_filter does not count for them.
        var ipv4 = await context.Arrows.Dns.AddressesAsync(host, false, context.Cancel).ConfigureAwait(false);
        var ipv6 = await context.Arrows.Dns.AddressesAsync(host, true, context.Cancel).ConfigureAwait(false);
        if (ipv4.Status != DnsStatus.Ok && ipv6.Status != DnsStatus.Ok)
        {
            if (kind == ServerKind.A)
            {
                return null;
            }
            context.Log.Warning($"Unable to look up {Type} host {host} for {subject.Class} {subject.Name}: {SmtpdLog.ResolverReason(ipv4.Status)}");
            return null;
        }
        foreach (var address in ipv4.Records.Concat(ipv6.Records).Take(ServerLimit))
        {
            if (await table.AddressAsync(context, address.ToString(), subject).ConfigureAwait(false) is { } verdict)
            {
                return verdict;
            }
        }
        return null;
    }

    /// <summary>Who chose the name that was looked up is not to be let in by it: OK is a mistake.</summary>
    public static Verdict Forbid(RestrictionContext context, string restriction, Verdict? found, Subject subject)
    {
        if (found == Verdict.Ok && !context.Effects.Discard)
        {
            context.Log.Warning($"restriction {restriction} returns OK for {subject.Name}");
            context.Log.Warning("this is not allowed for security reasons");
            context.Log.Warning("use DUNNO instead of OK if you want to make an exception");
            return context.ServerError();
        }
        return found ?? Verdict.Dunno;
    }

    private IReadOnlyList<string> Failed(RestrictionContext context, string domain, DnsStatus status)
    {
        context.Log.Warning($"Unable to look up {Type} host for {domain}: {DnsWords.Reason(status)}");
        return [];
    }

    private string Type => kind == ServerKind.Mx ? "MX" : "NS";
}

/// <summary>Whose hosts are looked at.</summary>
internal enum ServerSubject : byte
{
    Client = 0,
    ReverseClient = 1,
    Helo = 2,
    Sender = 3,
    Recipient = 4,
}

/// <summary>Which hosts of a domain are looked at.</summary>
internal enum ServerKind : byte
{
    A = 0,
    Mx = 1,
    Ns = 2,
}
