namespace Facteur.Tables;

/// <summary>What an address lookup found.</summary>
/// <param name="Lookup">The answer.</param>
/// <param name="UnmatchedExtension">The extension with its delimiter ("+foo") that the matching key lacked, or "".</param>
public readonly record struct AddressLookup(Lookup Lookup, string UnmatchedExtension);

/// <summary>The keys an address is looked up by, in this order, as far as set (Postfix: MA_FIND_*).</summary>
[Flags]
public enum AddressKeys : byte
{
    /// <summary>user+ext@domain and user@domain.</summary>
    Full = 1,

    /// <summary>user+ext and user alone, when the domain is $myorigin, in $mydestination or our own address.</summary>
    LocalUser = 2,

    /// <summary>@domain.</summary>
    AtDomain = 4,

    /// <summary>domain, without "@".</summary>
    Domain = 8,

    /// <summary>.parent of the domain, each in turn.</summary>
    DotParents = 16,

    /// <summary>user+ext@ and user@ (access tables).</summary>
    UserAt = 32,

    /// <summary>Parents of the domain without the dot, each in turn (parent_domain_matches_subdomains).</summary>
    Parents = 64,

    /// <summary>Quoted local parts as they are written only, not unquoted too (canonical and generic maps).</summary>
    ExternalOnly = 128,
}

/// <summary>Looks addresses up in maps with the keys of canonical(5), virtual(5), transport(5), access(5) and so on.</summary>
public interface IAddressMaps
{
    /// <summary>Looks one address up. External form first, then the unquoted form, per key; key by key over all tables.</summary>
    ValueTask<AddressLookup> FindAsync(Maps maps, string address, AddressKeys keys, CancellationToken cancel);
}
