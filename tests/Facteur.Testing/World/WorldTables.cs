using System.Net;
using System.Text.RegularExpressions;
using Facteur.Config;
using Facteur.Mail.Addresses;
using Facteur.Tables;

namespace Facteur.Testing.World;

/// <summary>Tables in memory by name, with the lists and address lookups on top of them.</summary>
public sealed class WorldTables : ITableSet, IMatchLists, IAddressMaps
{
    private readonly Dictionary<string, Dictionary<string, string>> _tables = new(StringComparer.Ordinal);

    public WorldTables()
    {
        this["proxy:unix:passwd.byname"] = new(StringComparer.OrdinalIgnoreCase);
        foreach (var user in new[] { "root", "alice", "bob", "carol", "dave", "owner", "vmail" })
        {
            this["proxy:unix:passwd.byname"][user] = "x";
        }
        this["lmdb:/mnt/it/etc/aliases"] = new(StringComparer.OrdinalIgnoreCase) { ["postmaster"] = "root", ["mailer-daemon"] = "postmaster", ["root"] = "owner" };
    }

    /// <summary>Tables that answer every lookup with an error.</summary>
    public HashSet<string> Broken { get; } = [];

    public Dictionary<string, string> this[string name]
    {
        get => _tables[name];
        set => _tables[name] = value;
    }

    public ITable Open(string name)
    {
        if (name.StartsWith("regexp:{{", StringComparison.Ordinal))
        {
            return new Pattern(name);
        }
        return new Memory(this, name);
    }

    public IDomainList Domains(string parameter, string value) => new DomainList(this, value);

    public INetworkList Networks(string parameter, string value) => new NetworkList(value);

    public async ValueTask<AddressLookup> FindAsync(Maps maps, string address, AddressKeys keys, CancellationToken cancel)
    {
        var (user, domain) = AddressParts.Split(address);
        var candidates = new List<(string Key, bool Partial)> { (address, false) };
        if ((keys & AddressKeys.LocalUser) != 0 && (domain.Length == 0 || WorldRewrite.IsLocal(domain)))
        {
            candidates.Add((user, true));
        }
        if ((keys & AddressKeys.AtDomain) != 0)
        {
            candidates.Add(("@" + domain, true));
        }
        if ((keys & AddressKeys.Domain) != 0)
        {
            candidates.Add((domain, true));
        }
        for (var dot = domain.IndexOf('.'); dot >= 0 && (keys & (AddressKeys.Parents | AddressKeys.DotParents)) != 0; dot = domain.IndexOf('.', dot + 1))
        {
            candidates.Add((domain[((keys & AddressKeys.Parents) != 0 ? dot + 1 : dot)..], true));
        }
        if ((keys & AddressKeys.UserAt) != 0)
        {
            candidates.Add((user + "@", true));
        }
        foreach (var (key, partial) in candidates)
        {
            var lookup = await maps.FindAsync(key, partial, cancel);
            if (lookup.Status != LookupStatus.NotFound)
            {
                return new AddressLookup(lookup, "");
            }
        }
        return new AddressLookup(Lookup.NotFound, "");
    }

    private sealed class Memory(WorldTables world, string name) : ITable
    {
        public string Name => name;

        public bool IsPattern => false;

        public bool CanBlock => false;

        public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel) =>
            new(world.Broken.Contains(name) || !world._tables.TryGetValue(name, out var table) ? Lookup.Error("table is broken")
                : table.TryGetValue(key, out var value) || table.TryGetValue(key.ToLowerInvariant(), out value) ? Lookup.Found(value) : Lookup.NotFound);

        public void Dispose()
        {
        }
    }

    private sealed class Pattern : ITable
    {
        private readonly Regex _regex;

        public Pattern(string name)
        {
            Name = name;
            var inner = name["regexp:{{/".Length..];
            _regex = new Regex(inner[..inner.LastIndexOf('/')], RegexOptions.IgnoreCase | RegexOptions.CultureInvariant);
        }

        public string Name { get; }

        public bool IsPattern => true;

        public bool CanBlock => false;

        public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel) => new(_regex.IsMatch(key) ? Lookup.Found("x") : Lookup.NotFound);

        public void Dispose()
        {
        }
    }

    private sealed class DomainList(WorldTables tables, string value) : IDomainList
    {
        public async ValueTask<LookupStatus> MatchAsync(string domain, CancellationToken cancel)
        {
            foreach (var item in ListSyntax.Split(value))
            {
                var status = item.Contains(':') ? (await tables.Open(item).LookupAsync(domain, cancel)).Status
                    : item.Equals(domain, StringComparison.OrdinalIgnoreCase) ? LookupStatus.Found : LookupStatus.NotFound;
                if (status != LookupStatus.NotFound)
                {
                    return status;
                }
            }
            return LookupStatus.NotFound;
        }
    }

    private sealed class NetworkList(string value) : INetworkList
    {
        public ValueTask<LookupStatus> MatchAsync(IPAddress address, string? name, CancellationToken cancel)
        {
            foreach (var item in ListSyntax.Split(value))
            {
                if (item.StartsWith("fail:", StringComparison.Ordinal))
                {
                    return new(LookupStatus.Error);
                }
                var text = item.Replace("[", "", StringComparison.Ordinal).Replace("]", "", StringComparison.Ordinal);
                if (IPNetwork.TryParse(text, out var network) ? network.Contains(address) : IPAddress.TryParse(text, out var one) && one.Equals(address))
                {
                    return new(LookupStatus.Found);
                }
            }
            return new(LookupStatus.NotFound);
        }
    }
}
