using System.Globalization;
using System.Net;

namespace Facteur.Net.Dns;

/// <summary>What of resolv.conf(5) counts here: names are absolute, so search lists don't.</summary>
/// <param name="Servers">Name servers, at most three; 127.0.0.1 when the file names none.</param>
/// <param name="Timeout">Wait for one answer.</param>
/// <param name="Attempts">Rounds over the servers.</param>
public sealed record ResolvConf(IReadOnlyList<IPEndPoint> Servers, TimeSpan Timeout, int Attempts)
{
    private const int ServerLimit = 3;

    /// <summary>Reads a file's text.</summary>
    public static ResolvConf Parse(string text)
    {
        var servers = new List<IPEndPoint>();
        var timeout = 5;
        var attempts = 2;
        foreach (var line in text.Split('\n'))
        {
            var words = line.Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            if (words is ["nameserver", var address, ..] && servers.Count < ServerLimit && IPAddress.TryParse(address, out var ip))
            {
                servers.Add(new IPEndPoint(ip, 53));
            }
            else if (words is ["options", ..])
            {
                foreach (var option in words[1..])
                {
                    timeout = Number(option, "timeout:", timeout, 30);
                    attempts = Number(option, "attempts:", attempts, 5);
                }
            }
        }
        return new ResolvConf(servers.Count > 0 ? servers : [new IPEndPoint(IPAddress.Loopback, 53)], TimeSpan.FromSeconds(timeout), attempts);
    }

    private static int Number(string option, string name, int otherwise, int limit) =>
        option.StartsWith(name, StringComparison.Ordinal) && int.TryParse(option.AsSpan(name.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? Math.Clamp(value, 1, limit) : otherwise;
}
