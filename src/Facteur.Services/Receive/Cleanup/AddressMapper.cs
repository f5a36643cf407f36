using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Services.Explain;
using Facteur.Tables;

namespace Facteur.Services.Receive.Cleanup;

/// <summary>
/// Maps one address: rewriting to standard form, canonical maps, masquerading. One per message: a table that can't answer is kept in
/// <see cref="Failed"/>, and the message is not accepted.
/// </summary>
internal sealed class AddressMapper(CleanupOptions options, IRewrite rewrite, IAddressMaps addresses, CleanupLog log, string queueId)
{
    // A bound for maps that go in a circle: Postfix's.
    private const int NestingLimit = 10;
    private const AddressKeys Keys = AddressKeys.Full | AddressKeys.LocalUser | AddressKeys.AtDomain;

    private readonly AddressList _list = new();

    /// <summary>A table or the rewriter could not answer.</summary>
    public bool Failed { get; set; }

    /// <summary>Whether mapping applies to the message at all.</summary>
    public bool Mapping { get; init; } = true;

    /// <summary>Is told what masquerading does: no table shows it.</summary>
    public Explanation? Explanation { get; init; }

    /// <summary>Whether any map may change an address in this place.</summary>
    public bool MapsApplyTo(AddressClasses place) =>
        Mapping && (options.Canonical.AppliesTo(place)
            || ((place & (AddressClasses.EnvelopeSender | AddressClasses.HeaderSender)) != 0 ? options.SenderCanonical : options.RecipientCanonical).AppliesTo(place)
            || (options.MasqueradeDomains.Count > 0 && (options.MasqueradeClasses & place) != 0));

    /// <summary>Rewrites an address to standard form; a fully qualified one as it is.</summary>
    public async ValueTask<string> RewriteAsync(bool local, string address, CancellationToken cancel)
    {
        if (await rewrite.RewriteAsync(local, address, cancel).ConfigureAwait(false) is { } rewritten)
        {
            return rewritten;
        }
        Failed = true;
        return address;
    }

    /// <summary>Canonical maps and masquerading for a place.</summary>
    public async ValueTask<string> MapAsync(string address, AddressClasses place, CancellationToken cancel)
    {
        if (!MapsApplyTo(place) || address.Length == 0)
        {
            return address;
        }
        // The special maps come before the common ones.
        var special = (place & (AddressClasses.EnvelopeSender | AddressClasses.HeaderSender)) != 0 ? options.SenderCanonical : options.RecipientCanonical;
        if (special.AppliesTo(place))
        {
            address = await CanonicalAsync(special.Maps, address, cancel).ConfigureAwait(false);
        }
        if (options.Canonical.AppliesTo(place))
        {
            address = await CanonicalAsync(options.Canonical.Maps, address, cancel).ConfigureAwait(false);
        }
        if ((options.MasqueradeClasses & place) == 0)
        {
            return address;
        }
        var masqueraded = await MasqueradeAsync(address, cancel).ConfigureAwait(false);
        if (masqueraded != address)
        {
            Explanation?.Add($"masquerade_domains: {address} -> {masqueraded}");
        }
        return masqueraded;
    }

    /// <summary>Looks an address up and gives the addresses it maps to, in standard form; null when it is not found or a table failed.</summary>
    public async ValueTask<List<string>?> LookupAsync(Maps maps, string address, bool propagate, CancellationToken cancel)
    {
        var (lookup, extension) = await addresses.FindAsync(maps, address, maps == options.VirtualAliases ? Keys : Keys | AddressKeys.ExternalOnly, cancel).ConfigureAwait(false);
        if (lookup.Status != LookupStatus.Found)
        {
            Failed |= lookup.Status == LookupStatus.Error;
            return null;
        }
        var value = lookup.Value;
        if (value.StartsWith('@'))
        {
            var (user, _) = AddressParts.Split(address);
            value = $"{(extension.Length > 0 && user.EndsWith(extension, StringComparison.Ordinal) ? user[..^extension.Length] : user)}{value}";
        }
        var results = new List<string>();
        var found = Parse(value);
        if (found.Count == 0)
        {
            // Postfix: an entry that names nobody is a mistake of its table, not a message to lose.
            log.NoAddress(maps.Parameter, address, value);
            Failed = true;
            return null;
        }
        foreach (var text in found)
        {
            if (text.Length == 0 && maps != options.VirtualAliases)
            {
                continue;
            }
            if (text.Length == 0)
            {
                // Postfix: the null address as a result is whoever mail for nobody goes to, on this host.
                results.Add(options.EmptyAddressRecipient.Contains('@') ? options.EmptyAddressRecipient : $"{options.EmptyAddressRecipient}@{options.Myhostname}");
                continue;
            }
            var result = await RewriteAsync(local: true, text, cancel).ConfigureAwait(false);
            results.Add(propagate && extension.Length > 0 ? WithExtension(result, extension) : result);
        }
        return results.Count > 0 ? results : null;
    }

    /// <summary>The first address a bcc table gives for an address, or null.</summary>
    public async ValueTask<string?> BccAsync(Maps maps, string address, CancellationToken cancel)
    {
        var (lookup, _) = await addresses.FindAsync(maps, address, Keys, cancel).ConfigureAwait(false);
        if (lookup.Status == LookupStatus.Error)
        {
            log.LookupProblem(queueId, maps.Parameter, address);
            Failed = true;
        }
        return lookup.Status == LookupStatus.Found && lookup.Value.Length > 0 ? lookup.Value : null;
    }

    private static string WithExtension(string address, string extension)
    {
        var at = AddressOperator.Last(address, '@');
        var local = at < 0 ? address : address[..at];
        // The extension goes inside of the quotes.
        local = local is ['"', .., '"'] ? $"{local[..^1]}{extension}\"" : local + extension;
        return at < 0 ? local : $"{local}{address[at..]}";
    }

    private List<string> Parse(string value)
    {
        // A table's text is from outside: a line end in it would end a header.
        var bytes = System.Text.Encoding.UTF8.GetBytes(Printable.OneLine(value));
        _list.Parse(bytes, options.HeaderTokenLimit);
        var found = new List<string>();
        for (var i = 0; i < _list.Tokens.Count; i++)
        {
            var token = _list.Tokens[i];
            if (token.Kind == AddressTokenKind.Address && AddressList.AddressText(bytes.AsSpan(token.Start, token.Length)) is { Length: > 0 } text)
            {
                found.Add(text);
            }
            else if (token.Kind == AddressTokenKind.Open && i + 1 < _list.Tokens.Count && _list.Tokens[i + 1].Kind == AddressTokenKind.Close)
            {
                found.Add("");
            }
        }
        return found;
    }

    private async ValueTask<string> CanonicalAsync(Maps maps, string address, CancellationToken cancel)
    {
        for (var depth = 0; depth < NestingLimit; depth++)
        {
            var failed = Failed;
            Failed = false;
            var mapped = await LookupAsync(maps, address, options.PropagateCanonical, cancel).ConfigureAwait(false);
            if (Failed)
            {
                log.LookupProblem(queueId, maps.Parameter, address);
                return address;
            }
            Failed = failed;
            if (mapped is null)
            {
                return address;
            }
            if (mapped.Count > 1)
            {
                log.SeveralValues(queueId, maps.Parameter, address);
            }
            if (mapped[0].Equals(address, StringComparison.OrdinalIgnoreCase))
            {
                return mapped[0];
            }
            address = mapped[0];
        }
        log.NestingTooDeep(queueId, maps.Parameter, address);
        return address;
    }

    private async ValueTask<string> MasqueradeAsync(string address, CancellationToken cancel)
    {
        var at = AddressOperator.Last(address, '@');
        if (at < 0 || options.MasqueradeDomains.Count == 0)
        {
            return address;
        }
        if (options.MasqueradeExceptions is { } exceptions)
        {
            var match = await exceptions.MatchAsync(address[..at], cancel).ConfigureAwait(false);
            if (match != LookupStatus.NotFound)
            {
                if (match == LookupStatus.Error)
                {
                    log.LookupProblem(queueId, "masquerade_exceptions", address);
                    Failed = true;
                }
                return address;
            }
        }
        var domain = address.AsSpan(at + 1);
        foreach (var entry in options.MasqueradeDomains)
        {
            var parent = entry.AsSpan().TrimStart('!');
            if (!domain.EndsWith(parent, StringComparison.OrdinalIgnoreCase) || parent.IsEmpty)
            {
                continue;
            }
            if (domain.Length == parent.Length)
            {
                return address;
            }
            if (domain[^(parent.Length + 1)] == '.')
            {
                // An odd number of "!" protects the domain and what is below it.
                return (entry.Length - parent.Length) % 2 == 1 ? address : $"{address.AsSpan(0, at + 1)}{domain[^parent.Length..]}";
            }
        }
        return address;
    }
}
