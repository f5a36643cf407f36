using Facteur.Mail.Addresses;

namespace Facteur.Services.Rewrite.TrivialRewrite;

/// <summary>What an incomplete address is completed with; "" appends nothing.</summary>
/// <param name="Origin">Domain of addresses that have none.</param>
/// <param name="Domain">Parent of domains without dot.</param>
internal sealed record RewriteContext(string Origin, string Domain);

/// <summary>Rewrites addresses to user@fully.qualified.domain.</summary>
/// <param name="swapBangpath">swap_bangpath.</param>
/// <param name="percentHack">allow_percent_hack.</param>
/// <param name="appended">Told of a domain without dot and of the one that it became; null when nobody wants to know.</param>
internal sealed class AddressRewriter(bool swapBangpath, bool percentHack, Action<string, string>? appended = null)
{
    /// <summary>The address in standard form; the null address stays as it is, in either of its forms.</summary>
    public string Rewrite(RewriteContext context, string address)
    {
        if (address is "" or "\"\"")
        {
            return address;
        }
        address = StripRoute(address);
        if (AddressOperator.Last(address, '@') < 0)
        {
            address = Complete(context, address);
        }
        // Forms that end in "@" are left alone, so that what is said of them later is right.
        var at = AddressOperator.Last(address, '@');
        if (context.Domain.Length > 0 && at >= 0 && at < address.Length - 1 && address[at + 1] != '[' && !address.AsSpan(at).Contains('.'))
        {
            appended?.Invoke(address[(at + 1)..], $"{address.AsSpan(at + 1)}.{context.Domain}");
            address = $"{address}.{context.Domain}";
        }
        return Requote(StripTrailingDot(address));
    }

    /// <summary>One trailing dot goes; two dots or "@." show a broken address and stay.</summary>
    public static string StripTrailingDot(string address) =>
        address is [.., not ('.' or '@'), '.'] && AddressOperator.Last(address, '.') == address.Length - 1
            ? address[..^1] : address;

    // RFC 5321 4.1.2: quotes stand where they are needed and nowhere else, so that an address has one form in all tables.
    private static string Requote(string address)
    {
        var at = AddressOperator.Last(address, '@');
        var local = at < 0 ? address : address[..at];
        // Postfix: an empty local part is written, for "<@domain>" would be a route without an address.
        if (at == 0 && address.Length > 1 && !address.Contains(':'))
        {
            return $"\"\"{address}";
        }
        return local.Length == 0 || AddressParts.IsDotString(local) ? address : $"{AddressParts.Quote(AddressParts.Unquote(local))}{address.AsSpan(local.Length)}";
    }

    // RFC 5321 4.1.2, appendix C: source routes are dropped.
    private static string StripRoute(string address)
    {
        var colon = address[0] == '@' ? AddressOperator.First(address, ':') : -1;
        return colon >= 0 && colon < address.Length - 1 ? address[(colon + 1)..] : address;
    }

    private string Complete(RewriteContext context, string address)
    {
        if (swapBangpath && AddressOperator.First(address, '!') is >= 0 and var bang)
        {
            return $"{address[(bang + 1)..]}@{address[..bang]}";
        }
        if (percentHack && AddressOperator.Last(address, '%') is >= 0 and var percent)
        {
            return $"{address[..percent]}@{address[(percent + 1)..]}";
        }
        return context.Origin.Length > 0 ? $"{address}@{context.Origin}" : address;
    }
}
