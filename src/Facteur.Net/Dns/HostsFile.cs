using System.Net;

namespace Facteur.Net.Dns;

/// <summary>hosts(5): names and addresses of /etc/hosts, read again when it changes.</summary>
/// <param name="path">The file, normally "/etc/hosts".</param>
/// <param name="time">The clock.</param>
public sealed class HostsFile(string path, TimeProvider time)
{
    private readonly WatchedFile<Content> _file = new(path, Content.Parse, time);

    /// <summary>Addresses of a name in the file's order, empty when it is not there.</summary>
    public IReadOnlyList<IPAddress> Addresses(string name) => _file.Value.Addresses.GetValueOrDefault(name, []);

    /// <summary>The canonical name of an address, or null.</summary>
    public string? Name(IPAddress address) => _file.Value.Names.GetValueOrDefault(address);

    private sealed class Content
    {
        internal Dictionary<string, List<IPAddress>> Addresses { get; } = new(StringComparer.OrdinalIgnoreCase);

        internal Dictionary<IPAddress, string> Names { get; } = [];

        internal static Content Parse(string text)
        {
            var content = new Content();
            foreach (var line in text.Split('\n'))
            {
                var words = line.Split('#')[0].Split((char[])[' ', '\t', '\r'], StringSplitOptions.RemoveEmptyEntries);
                if (words.Length < 2 || !IPAddress.TryParse(words[0], out var address))
                {
                    continue;
                }
                content.Names.TryAdd(address, words[1]);
                foreach (var name in words[1..])
                {
                    if (!content.Addresses.TryGetValue(name, out var list))
                    {
                        content.Addresses[name] = list = [];
                    }
                    if (!list.Contains(address))
                    {
                        list.Add(address);
                    }
                }
            }
            return content;
        }
    }
}
