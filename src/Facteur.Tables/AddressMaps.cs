using System.Net;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Tables.Patterns;
using Facteur.Mail.Addresses;

namespace Facteur.Tables;

/// <summary>
/// The key orders of canonical(5), virtual(5), transport(5), access(5) (Postfix: mail_addr_find). The whole address is asked of all tables;
/// its parts only of those whose keys are fixed strings.
/// </summary>
public sealed class AddressMaps : IAddressMaps
{
    private readonly RecipientDelimiters _delimiters;
    private readonly string _origin;
    private readonly IDomainList _destinations;
    private readonly Func<IPAddress, bool> _isOwnAddress;

    /// <summary>Makes the lookups of one configuration snapshot.</summary>
    /// <param name="config">recipient_delimiter, myorigin, mydestination.</param>
    /// <param name="lists">Makes mydestination's list.</param>
    /// <param name="isOwnAddress">Whether an address is one of inet_interfaces or proxy_interfaces, for user@[192.0.2.1].</param>
    public AddressMaps(IConfig config, IMatchLists lists, Func<IPAddress, bool> isOwnAddress)
    {
        _delimiters = DelimiterSettings.Of(config);
        _origin = config.Get(CommonParameters.Myorigin);
        _destinations = lists.Domains("mydestination", config.Get(CommonParameters.Mydestination));
        _isOwnAddress = isOwnAddress;
    }

    /// <inheritdoc/>
    public async ValueTask<AddressLookup> FindAsync(Maps maps, string address, AddressKeys keys, CancellationToken cancel)
    {
        if (maps.IsEmpty || address.Length == 0)
        {
            return new AddressLookup(Lookup.NotFound, "");
        }
        var found = await FindFormAsync(maps, address, keys, cancel).ConfigureAwait(false);
        // Left on purpose: Postfix wants an international domain in both of its forms in a table.
        return found.Lookup.Status == LookupStatus.NotFound && HostName.OtherForm(AddressParts.Split(address).Domain) is { } other
            ? await FindFormAsync(maps, $"{address[..(address.LastIndexOf('@') + 1)]}{other}", keys, cancel).ConfigureAwait(false)
            : found;
    }

    private async ValueTask<AddressLookup> FindFormAsync(Maps maps, string address, AddressKeys keys, CancellationToken cancel)
    {
        var parts = new AddressKeyParts(address, _delimiters, keys.HasFlag(AddressKeys.ExternalOnly));
        if (keys.HasFlag(AddressKeys.Full))
        {
            var found = await FindUserAsync(maps, parts, parts.AtDomain, partial: false, cancel).ConfigureAwait(false);
            if (found.Lookup.Status != LookupStatus.NotFound)
            {
                return found;
            }
        }
        if (keys.HasFlag(AddressKeys.LocalUser))
        {
            var local = await IsLocalAsync(parts.Domain, cancel).ConfigureAwait(false);
            if (local == LookupStatus.Error)
            {
                return new AddressLookup(Lookup.Error("mydestination: table lookup problem"), "");
            }
            var found = local == LookupStatus.Found ? await FindUserAsync(maps, parts, "", partial: true, cancel).ConfigureAwait(false) : default;
            if (found.Lookup.Status != LookupStatus.NotFound)
            {
                return found;
            }
        }
        var lookup = parts.Domain.Length == 0 ? Lookup.NotFound : await FindDomainAsync(maps, parts, keys, cancel).ConfigureAwait(false);
        return lookup.Status == LookupStatus.NotFound && keys.HasFlag(AddressKeys.UserAt)
            ? await FindUserAsync(maps, parts, "@", partial: true, cancel).ConfigureAwait(false)
            : new AddressLookup(lookup, "");
    }

    /// <summary>user+ext and user, each followed by the tail, each first in external form, then unquoted.</summary>
    private static async ValueTask<AddressLookup> FindUserAsync(Maps maps, AddressKeyParts parts, string tail, bool partial, CancellationToken cancel)
    {
        var lookup = await maps.FindAsync(parts.Key(parts.Local, tail), partial, cancel).ConfigureAwait(false);
        if (lookup.Status == LookupStatus.NotFound && parts.UnquotedLocal is { } unquoted)
        {
            lookup = await maps.FindAsync(unquoted + tail, partial, cancel).ConfigureAwait(false);
        }
        if (lookup.Status != LookupStatus.NotFound || parts.User is null)
        {
            return new AddressLookup(lookup, "");
        }
        lookup = await maps.FindAsync(parts.User + tail, partial: true, cancel).ConfigureAwait(false);
        if (lookup.Status == LookupStatus.NotFound && parts.UnquotedUser is { } unquotedUser)
        {
            lookup = await maps.FindAsync(unquotedUser + tail, partial: true, cancel).ConfigureAwait(false);
        }
        return new AddressLookup(lookup, lookup.Status == LookupStatus.Found ? parts.Extension : "");
    }

    private static async ValueTask<Lookup> FindDomainAsync(Maps maps, AddressKeyParts parts, AddressKeys keys, CancellationToken cancel)
    {
        var lookup = keys.HasFlag(AddressKeys.AtDomain) ? await maps.FindAsync(parts.AtDomain, partial: true, cancel).ConfigureAwait(false) : Lookup.NotFound;
        if (lookup.Status == LookupStatus.NotFound && keys.HasFlag(AddressKeys.Domain))
        {
            lookup = await maps.FindAsync(parts.Domain, partial: true, cancel).ConfigureAwait(false);
        }
        if ((keys & (AddressKeys.DotParents | AddressKeys.Parents)) == 0)
        {
            return lookup;
        }
        for (var dot = parts.Domain.IndexOf('.', StringComparison.Ordinal); lookup.Status == LookupStatus.NotFound && dot >= 0 && dot < parts.Domain.Length - 1;
             dot = parts.Domain.IndexOf('.', dot + 1))
        {
            if (keys.HasFlag(AddressKeys.DotParents))
            {
                lookup = await maps.FindAsync(parts.Domain[dot..], partial: true, cancel).ConfigureAwait(false);
            }
            if (lookup.Status == LookupStatus.NotFound && keys.HasFlag(AddressKeys.Parents))
            {
                lookup = await maps.FindAsync(parts.Domain[(dot + 1)..], partial: true, cancel).ConfigureAwait(false);
            }
        }
        return lookup;
    }

    /// <summary>Whether a domain is ours: none, $myorigin, in $mydestination, or an address literal of ours (Postfix: resolve_local).</summary>
    private ValueTask<LookupStatus> IsLocalAsync(string domain, CancellationToken cancel)
    {
        if (domain.Length == 0 || domain.Equals(_origin, StringComparison.OrdinalIgnoreCase))
        {
            return new(LookupStatus.Found);
        }
        if (domain is ['[', .. var literal, ']'])
        {
            literal = literal.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase) ? literal[5..] : literal;
            return new(CidrPattern.TryParseAddress(literal, out var address) && _isOwnAddress(address) ? LookupStatus.Found : LookupStatus.NotFound);
        }
        return _destinations.MatchAsync(domain.EndsWith('.') ? domain[..^1] : domain, cancel);
    }
}
