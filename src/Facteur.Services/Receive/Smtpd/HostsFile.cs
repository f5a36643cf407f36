using System.Net;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>The hosts file (hosts(5)), read again when it has changed; looked at no more than once in five seconds.</summary>
internal sealed class HostsFile(string path, TimeProvider time)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private Entries _entries = new([], []);
    private DateTime _changed;
    private long _looked;

    /// <summary>The first name of an address, or null.</summary>
    public string? Name(IPAddress address) => Current().Names.GetValueOrDefault(address);

    /// <summary>Whether a line gives the name to the address.</summary>
    public bool Has(string name, IPAddress address) => Current().Pairs.Contains((name.ToLowerInvariant(), address));

    private Entries Current()
    {
        if (path.Length == 0)
        {
            return _entries;
        }
        lock (_lock)
        {
            if (_looked != 0 && time.GetElapsedTime(_looked) < Interval)
            {
                return _entries;
            }
            _looked = time.GetTimestamp();
            try
            {
                var changed = File.GetLastWriteTimeUtc(path);
                if (changed != _changed)
                {
                    _entries = Parse(File.ReadLines(path));
                    _changed = changed;
                }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Unreadable: the DNS alone decides.
                _entries = new([], []);
            }
            return _entries;
        }
    }

    private static Entries Parse(IEnumerable<string> lines)
    {
        var entries = new Entries([], []);
        foreach (var line in lines)
        {
            var words = line.Split('#', 2)[0].Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 2 || !IPAddress.TryParse(words[0], out var address))
            {
                continue;
            }
            entries.Names.TryAdd(address, words[1]);
            foreach (var name in words.AsSpan(1))
            {
                entries.Pairs.Add((name.ToLowerInvariant(), address));
            }
        }
        return entries;
    }

    private sealed record Entries(Dictionary<IPAddress, string> Names, HashSet<(string, IPAddress)> Pairs);
}
