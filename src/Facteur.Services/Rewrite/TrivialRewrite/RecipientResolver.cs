using Facteur.Mail.Addresses;
using Facteur.Tables;

namespace Facteur.Services.Rewrite.TrivialRewrite;

/// <summary>What is left of a recipient when all that is local about it is stripped off.</summary>
/// <param name="Address">user@domain, external form.</param>
/// <param name="Domain">Its domain.</param>
/// <param name="Local">The domain is this system.</param>
/// <param name="Invalid">The domain is no host name and no address in brackets.</param>
internal readonly record struct StrippedRecipient(string Address, string Domain, bool Local, bool Invalid);

/// <summary>
/// Strips local domains off a recipient until a remote one or none is left, seeing routing operators ("%", "!", "@") even inside quotes,
/// which no RFC asks for, but without which a third party could relay through a system that trusts this one.
/// </summary>
internal sealed class RecipientResolver(TrivialRewriteOptions options, AddressRewriter rewriter, LocalDomains local, TrivialRewriteLog log)
{
    /// <summary>Strips a recipient.</summary>
    /// <returns>Null when a table can't answer.</returns>
    public async ValueTask<StrippedRecipient?> StripAsync(string address, CancellationToken cancel)
    {
        var left = address;
        var saved = "";
        var isLocal = true;
        // Each step takes a domain off or an operator out, so that an address of n characters needs fewer than n of them.
        var limit = address.Length + 100;
        for (var step = 0; ; step++)
        {
            if (step > limit)
            {
                log.GivingUp(address, step);
                return null;
            }
            if (AddressOperator.Last(left, '@') >= 0)
            {
                left = AddressRewriter.StripTrailingDot(left);
            }
            if (options.ResolveNullDomain && left.EndsWith('@'))
            {
                left = left[..^1];
            }
            var at = AddressOperator.Last(left, '@');
            if (at >= 0)
            {
                var domain = left[(at + 1)..];
                if (options.ResolveNumericDomain && HostName.IsIPv4(domain))
                {
                    domain = $"[{domain}]";
                    left = $"{left.AsSpan(0, at + 1)}{domain}";
                }
                var match = domain.Length == 0 ? LookupStatus.NotFound : await local.MatchAsync(domain, cancel).ConfigureAwait(false);
                if (match == LookupStatus.Error)
                {
                    return null;
                }
                if (match == LookupStatus.NotFound)
                {
                    isLocal = false;
                    break;
                }
                saved = domain;
                left = left[..at];
            }
            if (AddressOperator.Last(left, '@') >= 0 || (options.SwapBangpath && AddressOperator.Last(left, '!') >= 0)
                || (options.PercentHack && AddressOperator.Last(left, '%') >= 0))
            {
                left = rewriter.Rewrite(options.Local, left);
            }
            else if (options.ResolveDequoted && Dequote(left) is { } bare)
            {
                left = rewriter.Rewrite(options.Local, bare);
            }
            else if (left.Length > 0 && left != "\"\"")
            {
                break;
            }
            else
            {
                // The surrogate may have a domain of its own: once more.
                left = options.EmptyAddressRecipient;
            }
        }
        if (isLocal && saved.Length == 0)
        {
            // Postfix: an address that never had a domain gets this host's, which counts like any other: it need not be in mydestination.
            saved = options.Myhostname;
            var match = await local.MatchAsync(saved, cancel).ConfigureAwait(false);
            if (match == LookupStatus.Error)
            {
                return null;
            }
            return Check($"{left}@{saved}", match == LookupStatus.Found);
        }
        return Check(isLocal ? $"{left}@{saved}" : left, isLocal);
    }

    private StrippedRecipient Check(string address, bool isLocal)
    {
        var at = AddressOperator.Last(address, '@');
        var domain = address[(at + 1)..];
        // Postfix: also of a local domain, which a pattern in mydestination may let match.
        var invalid = domain.StartsWith('[') ? HostName.ParseLiteral(domain) is null : !HostName.IsValid(domain, options.SmtpUtf8);
        return new StrippedRecipient(address, domain, isLocal, invalid || (!options.AllowMinUser && AddressParts.Unquote(address).StartsWith('-')));
    }

    // A local part that is one quoted string with an operator in it, the quotes taken off; null for any other.
    private string? Dequote(string local)
    {
        if (local is not ['"', .., '"'] || local.Length < 3)
        {
            return null;
        }
        var raw = AddressParts.Unquote(local);
        var at = raw.LastIndexOf('@');
        if (at >= 0)
        {
            return $"{AddressParts.Quote(raw[..at])}@{raw[(at + 1)..]}";
        }
        var percent = options.PercentHack ? raw.LastIndexOf('%') : -1;
        if (percent >= 0)
        {
            return $"{AddressParts.Quote(raw[..percent])}@{raw[(percent + 1)..]}";
        }
        return options.SwapBangpath && raw.IndexOf('!') is >= 0 and var bang ? $"{AddressParts.Quote(raw[(bang + 1)..])}@{raw[..bang]}" : null;
    }
}
