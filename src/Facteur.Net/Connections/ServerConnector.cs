using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Facteur.Net.Connections;

/// <summary>Connects to servers that the administrator named: by a host's name as the system finds it (getaddrinfo(3)), or by the path of a socket.</summary>
public static class ServerConnector
{
    private const int MaxServicesBytes = 1 << 20;

    /// <summary>Connects to a host, address after address.</summary>
    /// <param name="host">A name or an address.</param>
    /// <param name="port">The TCP port.</param>
    /// <param name="timeout">Longest wait for the name, and for each address.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancel">The caller's end.</param>
    /// <exception cref="OperationCanceledException">The caller ended.</exception>
    public static async ValueTask<ConnectResult> ConnectAsync(string host, int port, TimeSpan timeout, TimeProvider time, CancellationToken cancel)
    {
        IPAddress[] addresses;
        try
        {
            addresses = IPAddress.TryParse(host, out var literal) ? [literal]
                : await System.Net.Dns.GetHostAddressesAsync(host, cancel).WaitAsync(timeout, time, cancel).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or ArgumentException)
        {
            return new ConnectResult(null, "host or service name not found");
        }
        catch (TimeoutException)
        {
            return new ConnectResult(null, "host name lookup timed out");
        }
        var result = new ConnectResult(null, "host or service name not found");
        foreach (var address in addresses)
        {
            result = await Connector.ConnectAsync(new IPEndPoint(address, port), null, timeout, time, cancel).ConfigureAwait(false);
            if (result.Connection is not null)
            {
                break;
            }
        }
        return result;
    }

    /// <summary>Connects to a Unix-domain socket.</summary>
    /// <param name="path">Its path.</param>
    /// <param name="timeout">Longest wait.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancel">The caller's end.</param>
    /// <exception cref="OperationCanceledException">The caller ended.</exception>
    public static ValueTask<ConnectResult> ConnectAsync(string path, TimeSpan timeout, TimeProvider time, CancellationToken cancel) =>
        Connector.UnixAddress(path) is { } address ? Connector.ConnectAsync(address, null, timeout, time, cancel)
            : new(new ConnectResult(null, "unix-domain name too long"));

    /// <summary>A TCP port: a number, or a name of services(5).</summary>
    /// <returns>Null when it is neither.</returns>
    public static int? Port(string text)
    {
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return number is > 0 and < 65536 ? number : null;
        }
        const string services = "/etc/services";
        if (text.Length == 0 || !File.Exists(services) || new FileInfo(services).Length > MaxServicesBytes)
        {
            return null;
        }
        foreach (var line in File.ReadLines(services))
        {
            var words = line.Split('#')[0].Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length > 1 && words[1].EndsWith("/tcp", StringComparison.Ordinal) && (words[0] == text || words.Skip(2).Contains(text)))
            {
                return Port(words[1][..^4]);
            }
        }
        return null;
    }
}
