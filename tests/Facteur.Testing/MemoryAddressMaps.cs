using Facteur.Mail.Addresses;
using Facteur.Tables;

namespace Facteur.Testing;

/// <summary>The key orders of address lookups in their plain form.</summary>
public sealed class MemoryAddressMaps(string delimiters = "", params string[] localDomains) : IAddressMaps
{
    public async ValueTask<AddressLookup> FindAsync(Maps maps, string address, AddressKeys keys, CancellationToken cancel)
    {
        var (local, domain) = AddressParts.Split(address);
        var (user, extension) = AddressParts.SplitExtension(local, new(delimiters));
        var unmatched = extension is null ? "" : local[user.Length..];
        var candidates = new List<(string Key, bool Partial, string Extension)>();
        void Add(AddressKeys key, string tail, bool partial)
        {
            if (keys.HasFlag(key))
            {
                candidates.Add((local + tail, partial, ""));
                if (extension is not null)
                {
                    candidates.Add((user + tail, true, unmatched));
                }
            }
        }
        Add(AddressKeys.Full, domain.Length > 0 ? "@" + domain : "", false);
        if (localDomains.Contains(domain, StringComparer.OrdinalIgnoreCase))
        {
            Add(AddressKeys.LocalUser, "", true);
        }
        if (keys.HasFlag(AddressKeys.AtDomain))
        {
            candidates.Add(("@" + domain, true, ""));
        }
        if (keys.HasFlag(AddressKeys.Domain))
        {
            candidates.Add((domain, true, ""));
        }
        for (var dot = domain.IndexOf('.'); dot >= 0; dot = domain.IndexOf('.', dot + 1))
        {
            if (keys.HasFlag(AddressKeys.DotParents))
            {
                candidates.Add((domain[dot..], true, ""));
            }
            if (keys.HasFlag(AddressKeys.Parents))
            {
                candidates.Add((domain[(dot + 1)..], true, ""));
            }
        }
        foreach (var (key, partial, ext) in candidates)
        {
            var lookup = await maps.FindAsync(key, partial, cancel);
            if (lookup.Status != LookupStatus.NotFound)
            {
                return new AddressLookup(lookup, lookup.Status == LookupStatus.Found ? ext : "");
            }
        }
        return new AddressLookup(Lookup.NotFound, "");
    }
}
