using System.Text;

namespace Facteur.Mail.Addresses;

/// <summary>
/// Cuts addresses. Everywhere in Facteur an address is text in its external form (RFC 5321: local part quoted where needed),
/// without brackets; "" is the null address; an address without "@" is a bare local part.
/// </summary>
public static class AddressParts
{
    /// <summary>Local part and domain, split at the last "@"; domain is "" when there is none.</summary>
    public static (string Local, string Domain) Split(string address)
    {
        var at = address.LastIndexOf('@');
        return at < 0 ? (address, "") : (address[..at], address[(at + 1)..]);
    }

    /// <summary>The domain, "" when there is none.</summary>
    public static ReadOnlySpan<char> Domain(string address) => address.AsSpan(address.LastIndexOf('@') is var at && at < 0 ? address.Length : at + 1);

    /// <summary>
    /// Splits a local part at the first recipient delimiter: user and extension (without the delimiter), extension null when there is none.
    /// Never splits a reserved name (postmaster, MAILER-DAEMON, double-bounce), nor, unless told to, owner-list or list-request when the
    /// delimiter is "-" (Postfix: split_addr).
    /// </summary>
    /// <param name="local">A local part.</param>
    /// <param name="delimiters">What ends a user.</param>
    public static (string User, string? Extension) SplitExtension(string local, RecipientDelimiters delimiters)
    {
        if (delimiters.Characters.Length == 0
            || local.Equals("postmaster", StringComparison.OrdinalIgnoreCase)
            || local.Equals("mailer-daemon", StringComparison.OrdinalIgnoreCase)
            || local.Equals("double-bounce", StringComparison.OrdinalIgnoreCase))
        {
            return (local, null);
        }
        if (delimiters.KeepsListNames && delimiters.Characters.Contains('-')
            && (local.StartsWith("owner-", StringComparison.OrdinalIgnoreCase) || local.EndsWith("-request", StringComparison.OrdinalIgnoreCase)))
        {
            return (local, null);
        }
        // A delimiter in front leaves no user: not an extension.
        var at = local.Length > 1 ? local.AsSpan(1).IndexOfAny(delimiters.Characters) : -1;
        return at < 0 ? (local, null) : (local[..(at + 1)], local[(at + 2)..]);
    }

    /// <summary>The local part as the mailbox owner writes it: quotes and backslashes removed (RFC 5321 4.1.2).</summary>
    public static string Unquote(string local)
    {
        if (!local.Contains('"') && !local.Contains('\\'))
        {
            return local;
        }
        var text = new StringBuilder(local.Length);
        for (var i = 0; i < local.Length; i++)
        {
            if (local[i] == '\\' && i + 1 < local.Length)
            {
                text.Append(local[++i]);
            }
            else if (local[i] != '"')
            {
                text.Append(local[i]);
            }
        }
        return text.ToString();
    }

    /// <summary>An address as Postfix's files have it (Postfix: internal form): without quotes. An "@" that was quoted or escaped is then like any other.</summary>
    public static string Internal(string address) => AddressOperator.Last(address, '@') is >= 0 and var at
        ? $"{Unquote(address[..at])}{address.AsSpan(at)}" : Unquote(address);

    /// <summary>A raw local part in external form: quoted when it is no dot-string (RFC 5321 4.1.2).</summary>
    public static string Quote(string raw)
    {
        if (IsDotString(raw))
        {
            return raw;
        }
        var text = new StringBuilder(raw.Length + 2).Append('"');
        foreach (var c in raw)
        {
            if (c is '"' or '\\' or '\r' or '\n')
            {
                text.Append('\\');
            }
            text.Append(c);
        }
        return text.Append('"').ToString();
    }

    /// <summary>Whether a local part needs no quotes. Characters above ASCII count as atom text (RFC 6531).</summary>
    public static bool IsDotString(ReadOnlySpan<char> local)
    {
        if (local.IsEmpty || local[0] == '.' || local[^1] == '.' || local.Contains("..", StringComparison.Ordinal))
        {
            return false;
        }
        foreach (var c in local)
        {
            if (c <= ' ' || c == 0x7f || "()<>[]:;@\\,\"".Contains(c))
            {
                return false;
            }
        }
        return true;
    }
}
