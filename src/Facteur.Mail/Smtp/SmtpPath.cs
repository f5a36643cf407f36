using System.Text;
using Facteur.Mail.Addresses;
using Facteur.Mail.Envelopes;

namespace Facteur.Mail.Smtp;

/// <summary>
/// The path of MAIL and RCPT (RFC 5321 4.1.2). Without the strict rules it takes what senders really write: no brackets, spaces around the address,
/// any text without spaces as local part.
/// </summary>
public static class SmtpPath
{
    /// <summary>Takes the address out of a token.</summary>
    /// <param name="token">The token, with its brackets when it has some.</param>
    /// <param name="strict">strict_rfc821_envelopes: brackets are required, source routes refused.</param>
    /// <param name="address">The address in external form; "" is the null address.</param>
    /// <returns>False when this is no address.</returns>
    public static bool TryParse(string token, bool strict, out string address)
    {
        address = "";
        var text = token.AsSpan();
        if (text is ['<', .., '>'])
        {
            text = text[1..^1];
        }
        else if (strict)
        {
            return false;
        }
        text = strict ? text : text.Trim();
        if (text.IsEmpty)
        {
            return true;
        }
        var route = RouteLength(text);
        if (route < 0 || (strict && text[0] == '@'))
        {
            return false;
        }
        if (!TryMailbox(text[route..], out var mailbox))
        {
            return false;
        }
        // Postfix: nothing between quotes is no address, and "user@domain" in quotes and without a domain of its own is one in clear.
        address = mailbox == "\"\"" ? "" : InClear(mailbox);
        return Encoding.UTF8.GetByteCount(address) <= Envelope.AddressLimit;
    }

    private static string InClear(string mailbox)
    {
        if (mailbox is not ['"', .., '"'] || !mailbox.Contains('@'))
        {
            return mailbox;
        }
        var raw = AddressParts.Unquote(mailbox);
        var (local, domain) = AddressParts.Split(raw);
        return local.Length > 0 && HostName.IsValid(domain, international: true) ? $"{AddressParts.Quote(local)}@{domain}" : mailbox;
    }

    // A source route "@one,@two:" is dropped (RFC 5321 4.1.1.3: SHOULD ignore).
    private static int RouteLength(ReadOnlySpan<char> text)
    {
        if (text[0] != '@')
        {
            return 0;
        }
        var colon = text.IndexOf(':');
        return colon < 0 || text[..colon].ContainsAny(" \t\"<>\\()") ? -1 : colon + 1;
    }

    private static bool TryMailbox(ReadOnlySpan<char> text, out string mailbox)
    {
        mailbox = "";
        var at = -1;
        var quoted = false;
        var anyQuoted = false;
        var literal = false;
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c < ' ' || c == 0x7f)
            {
                return false;
            }
            if (c == '\\')
            {
                if (++i >= text.Length)
                {
                    return false;
                }
            }
            else if (c == '"' && !literal)
            {
                quoted = !quoted;
                anyQuoted = true;
            }
            else if (!quoted)
            {
                if (c is ' ' or '<' or '>' or '(' or ')' or ',' or ';' || (c == ':' && !literal))
                {
                    return false;
                }
                at = c == '@' && !literal ? i : at;
                literal = c == '[' ? at >= 0 : c != ']' && literal;
            }
        }
        if (quoted || literal)
        {
            return false;
        }
        var local = at < 0 ? text : text[..at];
        if (local.IsEmpty && !anyQuoted)
        {
            return false;
        }
        var name = AddressParts.Quote(AddressParts.Unquote(local.ToString()));
        mailbox = at < 0 ? name : string.Concat(name, text[at..]);
        return true;
    }
}
