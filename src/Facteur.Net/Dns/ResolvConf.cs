using System.Globalization;
using System.Net;

namespace Facteur.Net.Dns;

/// <summary>What of resolv.conf(5) counts here.</summary>
/// <param name="Servers">Name servers, at most three; 127.0.0.1 when the file names none.</param>
/// <param name="Timeout">Wait for one answer.</param>
/// <param name="Attempts">Rounds over the servers.</param>
public sealed record ResolvConf(IReadOnlyList<IPEndPoint> Servers, TimeSpan Timeout, int Attempts)
{
    /// <summary>Domains of a search list that are looked at.</summary>
    public const int SearchLimit = 6;

    private const int ServerLimit = 3;

    /// <summary>Domains that unfinished names get, for those who ask with them (<see cref="SearchResolver"/>); without final dots.</summary>
    public IReadOnlyList<string> Search { get; init; } = [];

    /// <summary>Names with as many dots are tried as they are first (ndots).</summary>
    public int Dots { get; init; } = 1;

    /// <summary>Reads a file's text.</summary>
    public static ResolvConf Parse(string text)
    {
        var servers = new List<IPEndPoint>();
        var timeout = 5;
        var attempts = 2;
        var dots = 1;
        string[] search = [];
        foreach (var line in text.Split('\n'))
        {
            var words = line.Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
            if (words is ["nameserver", var address, ..] && servers.Count < ServerLimit && IPAddress.TryParse(address, out var ip))
            {
                servers.Add(new IPEndPoint(ip, 53));
            }
            else if (words is ["search" or "domain", .. var domains])
            {
                // resolv.conf(5): they exclude each other; the last one counts.
                search = [.. domains.Select(d => d.TrimEnd('.')).Where(d => d.Length > 0).Take(words[0] == "domain" ? 1 : SearchLimit)];
            }
            else if (words is ["options", ..])
            {
                foreach (var option in words[1..])
                {
                    timeout = Number(option, "timeout:", timeout, 30);
                    attempts = Number(option, "attempts:", attempts, 5);
                    dots = Number(option, "ndots:", dots, 15);
                }
            }
        }
        return new ResolvConf(servers.Count > 0 ? servers : [new IPEndPoint(IPAddress.Loopback, 53)], TimeSpan.FromSeconds(timeout), attempts)
        {
            Search = search,
            Dots = dots,
        };
    }

    private static int Number(string option, string name, int otherwise, int limit) =>
        option.StartsWith(name, StringComparison.Ordinal) && int.TryParse(option.AsSpan(name.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? Math.Clamp(value, 1, limit) : otherwise;
}
