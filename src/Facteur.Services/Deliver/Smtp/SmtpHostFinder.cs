using System.Net;
using System.Net.Sockets;
using Facteur.Config.MasterCf;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Net.Connections;
using Facteur.Net.Dns;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>The addresses of a next hop in the order to try, or why there are none.</summary>
/// <param name="Hosts">Addresses; empty when there are none.</param>
/// <param name="Why">Why not.</param>
/// <param name="OneIsOwn">We are a mail host of it ourselves, the best or a backup: a fallback relay would only bring its mail back.</param>
internal readonly record struct SmtpHosts(IReadOnlyList<SmtpHost> Hosts, DeliveryStatus? Why, bool OneIsOwn = false);

/// <summary>Finds the hosts of a next hop (RFC 5321 5.1, RFC 7505).</summary>
internal sealed class SmtpHostFinder(SmtpSettings settings, SocketNames sockets, IDnsResolver dns, HostLookup lookup, OwnAddresses own, SmtpLog log)
{

    internal async ValueTask<SmtpHosts> FindAsync(SmtpDestination destination, CancellationToken cancel)
    {
        if (destination.UnixPath is { } path)
        {
            if (Connector.UnixAddress(sockets.Resolve(path)) is { } socket)
            {
                return new SmtpHosts([new SmtpHost(destination.Name, path, socket, 0, true)], null);
            }
            log.PathTooLong(path);
            return new SmtpHosts([], SmtpFailures.ServerConfiguration());
        }
        if (IPAddress.TryParse(destination.Name, out var literal))
        {
            return Speaks(literal) ? CheckLoop(destination, [Host(destination, destination.Name, literal, 0)]) : new SmtpHosts([], NotSpoken(destination.Name));
        }
        if (HostName.ToAscii(destination.Name, settings.Idna2003) is not { } name)
        {
            return new SmtpHosts([], DeliveryStatus.Bounced(4, 4, $"invalid host name: {destination.Name}"));
        }
        destination = destination with { Name = name };
        if (destination.SrvService is { } service && settings.DnsEnabled && await FindServiceAsync(destination, service, cancel).ConfigureAwait(false) is { } served)
        {
            return served;
        }
        return destination.UseMx && settings.DnsEnabled
            ? await FindMxAsync(destination, cancel).ConfigureAwait(false)
            : await FindHostAsync(destination, cancel).ConfigureAwait(false);
    }

    /// <summary>Hosts by SRV records (RFC 2782, RFC 6186, RFC 8314).</summary>
    /// <returns>Null when it goes on as if there were no such records.</returns>
    private async ValueTask<SmtpHosts?> FindServiceAsync(SmtpDestination destination, string service, CancellationToken cancel)
    {
        var name = $"_{service}._tcp.{destination.Name}";
        var answer = await dns.ServicesAsync(name, cancel).ConfigureAwait(false);
        if (answer.Status != DnsStatus.Ok)
        {
            var goesOn = answer.Status == DnsStatus.TryAgain ? settings.IgnoreSrvLookupError
                : settings.SrvFallback && answer.Status is DnsStatus.NameError or DnsStatus.NoData;
            return goesOn ? null : new SmtpHosts([], NotFound(name, "SRV", answer.Status, null));
        }
        var hosts = new List<SmtpHost>();
        DeliveryStatus? why = null;
        var records = InOrder(answer.Records);
        for (var i = 0; i < records.Count; i++)
        {
            why = await AddAsync(destination with { Port = records[i].Port }, records[i].Host, i, hosts, why, cancel).ConfigureAwait(false) ?? why;
        }
        if (hosts.Count == 0)
        {
            return settings.SrvFallback ? null
                : new SmtpHosts([], why ?? DeliveryStatus.Bounced(4, 4, $"Domain {destination.Name} does not offer the service {service}"));
        }
        return new SmtpHosts(Order(hosts), null);
    }

    /// <summary>RFC 2782: by priority; among equals by lot, as often first as their weight says. A record without a host is none.</summary>
    internal static List<SrvRecord> InOrder(IReadOnlyList<SrvRecord> records)
    {
        const int RecordLimit = 100;
        var left = records.Where(r => r.Host.Length > 0).OrderBy(r => r.Priority).ThenBy(r => r.Weight).Take(RecordLimit).ToList();
        var ordered = new List<SrvRecord>(left.Count);
        while (left.Count > 0)
        {
            var equals = left.TakeWhile(r => r.Priority == left[0].Priority).ToList();
            var lot = Random.Shared.Next(equals.Sum(r => r.Weight) + 1);
            var at = 0;
            while (at < equals.Count - 1 && (lot -= equals[at].Weight) > 0)
            {
                at++;
            }
            ordered.Add(left[at]);
            left.RemoveAt(at);
        }
        return ordered;
    }

    private async ValueTask<SmtpHosts> FindHostAsync(SmtpDestination destination, CancellationToken cancel)
    {
        var hosts = new List<SmtpHost>();
        var why = await AddAsync(destination, destination.Name, 0, hosts, null, cancel).ConfigureAwait(false);
        return hosts.Count == 0 ? new SmtpHosts([], why) : CheckLoop(destination, Order(hosts));
    }

    private async ValueTask<SmtpHosts> FindMxAsync(SmtpDestination destination, CancellationToken cancel)
    {
        var answer = await dns.MxAsync(destination.Name, cancel).ConfigureAwait(false);
        switch (answer.Status)
        {
            case DnsStatus.Ok when answer.Records is [{ Host: "" }] || answer.Records.Any(r => r is { Host: "", Preference: 0 }):
                // RFC 7505 section 3: it stands alone; Postfix takes it for what it says where it does not.
                return new SmtpHosts([], DeliveryStatus.Bounced(1, 0, $"Domain {destination.Name} does not accept mail (nullMX)"));
            case DnsStatus.Ok:
                return await FindMxHostsAsync(destination, answer.Records, cancel).ConfigureAwait(false);
            case DnsStatus.Invalid or DnsStatus.Filtered:
                return new SmtpHosts([], NotFound(destination.Name, "MX", answer.Status, null));
            case DnsStatus.TryAgain when !settings.IgnoreMxLookupError:
                return new SmtpHosts([], NotFound(destination.Name, "MX", DnsStatus.TryAgain, null));
            default:
                // RFC 5321 5.1: no MX record, so the host itself.
                return await FindHostAsync(destination, cancel).ConfigureAwait(false);
        }
    }

    private async ValueTask<SmtpHosts> FindMxHostsAsync(SmtpDestination destination, IReadOnlyList<MxRecord> records, CancellationToken cancel)
    {
        const int RecordLimit = 100;
        var sorted = records.OrderBy(r => r.Preference).Take(RecordLimit).ToList();
        var hosts = new List<SmtpHost>();
        DeliveryStatus? why = null;
        foreach (var record in sorted)
        {
            if (IPAddress.TryParse(record.Host, out _))
            {
                log.NumericHost(destination.Name, record.Host);
            }
            why = await AddAsync(destination, record.Host, record.Preference, hosts, why, cancel).ConfigureAwait(false) ?? why;
        }
        if (hosts.Count == 0)
        {
            log.NoMxAddress(destination.Name);
            return new SmtpHosts([], settings.DeferIfNoMxAddress && why is { Outcome: DeliveryOutcome.Bounced }
                ? why with { Outcome = DeliveryOutcome.Deferred, Status = why.Status with { Class = 4 }, Action = DsnAction.Delayed } : why);
        }
        var best = sorted[0].Preference;
        var self = DetectsLoops(destination) ? hosts.Find(IsOwn) : null;
        if (self is not null)
        {
            hosts.RemoveAll(h => h.Preference >= self.Preference);
            if (hosts.Count == 0)
            {
                return new SmtpHosts(
                    [], self.Preference > best ? DeliveryStatus.Deferred(4, 4, $"unable to find primary relay for {destination.Name}") : SmtpFailures.Loops(destination.Name), true);
            }
        }
        return new SmtpHosts(Order(hosts.ConvertAll(h => h with { IsBest = h.Preference == best })), null, self is not null);
    }

    /// <summary>Adds the addresses of one host.</summary>
    /// <returns>Why there are none; a temporary reason found before keeps later ones temporary.</returns>
    private async ValueTask<DeliveryStatus?> AddAsync(
        SmtpDestination destination, string name, int preference, List<SmtpHost> hosts, DeliveryStatus? before, CancellationToken cancel)
    {
        if (IPAddress.TryParse(name, out var literal))
        {
            // Postfix: an address where a name belongs is taken as it is meant.
            if (!Speaks(literal))
            {
                return before is { Outcome: DeliveryOutcome.Deferred } ? before : NotSpoken(name);
            }
            hosts.Add(Host(destination, name, literal, preference));
            return null;
        }
        var found = await lookup.AddressesAsync(name, settings.UseIpv6, settings.UseIpv4, cancel).ConfigureAwait(false);
        var (six, four) = (found.Ipv6, found.Ipv4);
        Add(destination, name, six, preference, hosts);
        Add(destination, name, four, preference, hosts);
        if (found.Any)
        {
            return null;
        }
        var (status, type) = !settings.UseIpv4 ? (six.Status, "AAAA")
            : settings.UseIpv6 && six.Status is DnsStatus.TryAgain or DnsStatus.Filtered ? (six.Status, "AAAA")
            : settings.UseIpv6 && four.Status is not (DnsStatus.TryAgain or DnsStatus.Filtered) ? (six.Status, "AAAA") : (four.Status, "A");
        return found.Native ? NotFoundNative(name, status, before) : NotFound(name, type, status, before);
    }

    private void Add(SmtpDestination destination, string name, in DnsAnswer<IPAddress> answer, int preference, List<SmtpHost> hosts)
    {
        for (var i = 0; i < answer.Records.Count; i++)
        {
            hosts.Add(Host(destination, settings.CnameOverridesName && answer.Owners is { } owners ? owners[i].Name : name, answer.Records[i], preference));
        }
    }

    private static DeliveryStatus NotFound(string name, string type, DnsStatus status, DeliveryStatus? before)
    {
        var soft = status == DnsStatus.TryAgain || before is { Outcome: DeliveryOutcome.Deferred };
        var detail = (ushort)(status == DnsStatus.TryAgain ? 3 : 4);
        var text = DnsWords.Sentence(name, type, status);
        return status == DnsStatus.Filtered ? DeliveryStatus.Deferred(7, 0, text)
            : soft ? DeliveryStatus.Deferred(4, detail, text) : DeliveryStatus.Bounced(4, detail, text);
    }

    /// <summary>The words of getaddrinfo(3). Postfix takes a name that is there and has no address for no fault of the name: x.3.0.</summary>
    private static DeliveryStatus NotFoundNative(string name, DnsStatus status, DeliveryStatus? before)
    {
        var soft = status == DnsStatus.TryAgain || before is { Outcome: DeliveryOutcome.Deferred };
        var (subject, detail, error) = status switch
        {
            DnsStatus.TryAgain => ((ushort)4, (ushort)3, "Temporary failure in name resolution"),
            DnsStatus.NoData => ((ushort)3, (ushort)0, "No address associated with hostname"),
            _ => ((ushort)4, (ushort)4, "Name or service not known"),
        };
        var text = $"unable to look up host {name}: {error}";
        return soft ? DeliveryStatus.Deferred(subject, detail, text) : DeliveryStatus.Bounced(subject, detail, text);
    }

    /// <summary>inet_protocols has its family.</summary>
    private bool Speaks(IPAddress address) => address.AddressFamily == AddressFamily.InterNetworkV6 ? settings.UseIpv6 : settings.UseIpv4;

    private static DeliveryStatus NotSpoken(string name) => DeliveryStatus.Bounced(4, 4, $"Name service error for {name}: invalid host or domain name");

    private static SmtpHost Host(SmtpDestination destination, string name, IPAddress address, int preference) =>
        new(name, address.ToString(), new IPEndPoint(address, destination.Port), preference, true);

    private SmtpHosts CheckLoop(SmtpDestination destination, List<SmtpHost> hosts) =>
        DetectsLoops(destination) && hosts.Exists(IsOwn)
            ? new SmtpHosts([], SmtpFailures.Loops(destination.Name), true) : new SmtpHosts(hosts, null);

    /// <summary>Postfix: only mail to the SMTP port can come back to us.</summary>
    private bool DetectsLoops(SmtpDestination destination) => !settings.Lmtp && destination.Port == 25;

    private bool IsOwn(SmtpHost host) => host.EndPoint is IPEndPoint ip && own.Contains(ip.Address);

    private List<SmtpHost> Order(List<SmtpHost> hosts)
    {
        var family = settings.AddressPreference switch
        {
            "ipv4" => AddressFamily.InterNetwork,
            "ipv6" => AddressFamily.InterNetworkV6,
            _ => AddressFamily.Unknown,
        };
        var array = hosts.ToArray();
        if (settings.RandomizeAddresses)
        {
            Random.Shared.Shuffle(array);
        }
        var ordered = array.OrderBy(h => h.Preference).ThenBy(h => h.EndPoint.AddressFamily == family ? 0 : 1).ToList();
        return settings.BalanceFamilies && settings.MxAddressLimit > 1 ? Balance(ordered, settings.MxAddressLimit) : ordered;
    }

    /// <summary>Drops addresses of the bigger family so that both are within the limit.</summary>
    private static List<SmtpHost> Balance(List<SmtpHost> hosts, int limit)
    {
        var six = hosts.Count(h => h.EndPoint.AddressFamily == AddressFamily.InterNetworkV6);
        var four = hosts.Count - six;
        var room4 = Math.Min(four, Math.Max(limit / 2, limit - six));
        var room6 = Math.Min(six, limit - room4);
        return [.. hosts.Where(h => (h.EndPoint.AddressFamily == AddressFamily.InterNetworkV6 ? room6-- : room4--) > 0)];
    }
}
