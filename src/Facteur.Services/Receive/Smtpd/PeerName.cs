using System.Net;
using System.Net.Sockets;
using Facteur.Mail.Addresses;
using Facteur.Net.Dns;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>Finds a client's name and verifies that it leads back to the address; the hosts file is asked before the DNS.</summary>
internal sealed class PeerName(IDnsResolver dns, HostsFile hosts, SmtpdLog log, bool lookUp, bool logPort)
{
    public async ValueTask<ClientFacts> FindAsync(EndPoint? remote, CancellationToken cancel)
    {
        if (remote is not IPEndPoint { Address: var address, Port: var port })
        {
            // Postfix: a peer that is no Internet host (a Unix socket, a pipe) is localhost.
            return new ClientFacts
            {
                Ip = IPAddress.Loopback,
                Peer = IPAddress.Loopback,
                Address = "127.0.0.1",
                Name = "localhost",
                ReverseName = "localhost",
                NameStatus = NameStatus.Ok,
                ReverseStatus = NameStatus.Ok,
                ForwardStatus = NameStatus.Ok,
                Printable = "localhost[127.0.0.1]",
            };
        }
        var ip = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        var facts = new ClientFacts { Ip = ip, Peer = ip, Address = ip.ToString(), Port = port };
        if (lookUp)
        {
            facts = await NameAsync(facts, ip, cancel).ConfigureAwait(false);
        }
        return facts with { Printable = logPort ? $"{facts.Name}[{facts.Address}]:{port}" : $"{facts.Name}[{facts.Address}]" };
    }

    private async ValueTask<ClientFacts> NameAsync(ClientFacts facts, IPAddress ip, CancellationToken cancel)
    {
        var name = hosts.Name(ip);
        if (name is null)
        {
            var answer = await dns.NamesAsync(ip, cancel).ConfigureAwait(false);
            if (answer.Status != DnsStatus.Ok || answer.Records.Count == 0)
            {
                var status = answer.Status == DnsStatus.TryAgain ? NameStatus.TryAgain : NameStatus.None;
                return facts with { NameStatus = status, ReverseStatus = status, ForwardStatus = status };
            }
            name = answer.Records[0].TrimEnd('.');
        }
        if (IPAddress.TryParse(name, out _))
        {
            log.Warning($"numeric hostname: {SmtpdLog.Printable(name)}");
            return facts;
        }
        if (!HostName.IsValid(name))
        {
            log.Warning($"malformed hostname for {facts.Address}: {SmtpdLog.Printable(name)}");
            return facts;
        }
        facts = facts with { ReverseName = name, ReverseStatus = NameStatus.Ok };
        var forward = await ForwardAsync(name, ip, cancel).ConfigureAwait(false);
        return facts with { Name = forward == NameStatus.Ok ? name : ClientFacts.Unknown, NameStatus = forward, ForwardStatus = forward };
    }

    private async ValueTask<NameStatus> ForwardAsync(string name, IPAddress ip, CancellationToken cancel)
    {
        if (hosts.Addresses(name).Contains(ip))
        {
            return NameStatus.Ok;
        }
        var answer = await dns.AddressesAsync(name, ip.AddressFamily == AddressFamily.InterNetworkV6, cancel).ConfigureAwait(false);
        if (answer.Status != DnsStatus.Ok)
        {
            log.NameDoesNotResolve(name, ip, answer.Status);
            return answer.Status == DnsStatus.TryAgain ? NameStatus.TryAgain : NameStatus.Forged;
        }
        foreach (var address in answer.Records)
        {
            if (address.Equals(ip))
            {
                return NameStatus.Ok;
            }
        }
        log.NameDoesNotResolve(name, ip);
        return NameStatus.Forged;
    }
}
