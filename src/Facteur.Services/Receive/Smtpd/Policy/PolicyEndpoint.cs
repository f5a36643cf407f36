using System.Globalization;
using System.Net;
using Facteur.Config.MasterCf;
using Facteur.Mail.Addresses;
using Facteur.Net.Connections;
using Facteur.Net.Dns;

namespace Facteur.Services.Receive.Smtpd.Policy;

/// <summary>Where a policy service listens: inet:host:port, inet:port, host:port, or unix:path.</summary>
internal sealed class PolicyEndpoint
{
    private readonly string? _host;
    private readonly int _port;
    private readonly string? _path;

    private PolicyEndpoint(string name, string? host, int port, string? path) => (Name, _host, _port, _path) = (name, host, port, path);

    /// <summary>As logs name it: without inet: or unix:.</summary>
    public string Name { get; }

    /// <summary>Reads one; null when it is none.</summary>
    /// <param name="text">As it was written.</param>
    /// <param name="sockets">What names of sockets stand for.</param>
    public static PolicyEndpoint? Parse(string text, SocketNames sockets)
    {
        if (text.StartsWith("unix:", StringComparison.Ordinal))
        {
            var path = text[5..];
            return path.Length == 0 ? null : new PolicyEndpoint(path, null, 0, sockets.Resolve(path));
        }
        var isInet = text.StartsWith("inet:", StringComparison.Ordinal);
        var place = isInet ? text[5..] : text;
        // Postfix: inet:port is one of this host.
        var colon = place.LastIndexOf(':');
        if ((colon < 0 && !isInet) || !ushort.TryParse(place.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port == 0)
        {
            return null;
        }
        var host = colon < 0 ? "" : place[..colon].Trim('[', ']');
        return !IPAddress.TryParse(host, out _) && host.Length > 0 && !HostName.IsValid(host) ? null : new PolicyEndpoint(place, host.Length == 0 ? "localhost" : host, port, null);
    }

    /// <summary>The addresses to try in turn.</summary>
    public async ValueTask<IReadOnlyList<EndPoint>> AddressesAsync(IDnsResolver dns, HostsFile hosts, CancellationToken cancel)
    {
        if (_path is not null)
        {
            return Connector.UnixAddress(_path) is { } address ? [address] : [];
        }
        if (IPAddress.TryParse(_host, out var ip))
        {
            return [new IPEndPoint(ip, _port)];
        }
        var lookup = new HostLookup(dns, hosts, [HostSource.Native]);
        var found = await lookup.AddressesAsync(_host!, true, true, cancel).ConfigureAwait(false);
        return [.. found.Ipv4.Records.Concat(found.Ipv6.Records).Select(address => new IPEndPoint(address, _port))];
    }
}
