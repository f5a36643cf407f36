using System.Text;
using Facteur.Mail.Addresses;
using Facteur.Mail.Envelopes;

namespace Facteur.Mail.Smtp;

/// <summary>
/// The path of MAIL and RCPT (RFC 5321 4.1.2). Without the strict rules it takes what senders really write: no brackets, blanks around the address and
/// around its operators, comments, any words joined by operators as local part, or none, a domain literal that nothing closes.
/// </summary>
public static class SmtpPath
{
    /// <summary>Takes the address out of a token.</summary>
    /// <param name="token">The token, with its brackets when it has some.</param>
    /// <param name="strict">strict_rfc821_envelopes: brackets are required, comments and names refused.</param>
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
        // Postfix: two pairs of brackets are one.
        while (text is ['<', .., '>'])
        {
            text = text[1..^1];
        }
        // Postfix: a name before the brackets, and what ends a group, do not matter unless the rules are strict.
        text = strict ? text.Trim(' ') : Bracketed(text.Trim().TrimEnd(';').TrimEnd());
        if (text.IsEmpty)
        {
            return true;
        }
        var route = RouteLength(text);
        // Postfix: a route that leads to nobody is no address for the strict rules.
        if (route < 0 || (strict && route == 0 && text[0] == '@'))
        {
            return false;
        }
        if (!TryMailbox(text[route..], strict, out var mailbox))
        {
            return false;
        }
        // Postfix: nothing between quotes is no address, and "user@domain" in quotes and without a domain of its own is one in clear.
        address = mailbox == "\"\"" ? "" : InClear(mailbox);
        if (strict && (address.StartsWith('@') || address.StartsWith("\"@", StringComparison.Ordinal) || address.StartsWith("\"\"@", StringComparison.Ordinal)))
        {
            return false;
        }
        return Encoding.UTF8.GetByteCount(address) <= Envelope.AddressLimit;
    }

    // The address of "phrase <address>"; the text itself when it has no such form.
    private static ReadOnlySpan<char> Bracketed(ReadOnlySpan<char> text)
    {
        var open = 0;
        while (open < text.Length && text[open] != '<')
        {
            if (text[open] is '@' or ',' or ':' or ';' or '>' or '\\' or '(' or '[')
            {
                return text;
            }
            open = text[open] == '"' ? EnclosedEnd(text, open, '"') : open + 1;
        }
        return open > 0 && open < text.Length && text[^1] == '>' && text[(open + 1)..^1].IndexOfAny('<', '>') < 0 ? text[(open + 1)..^1] : text;
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
        return colon < 0 ? 0 : text[..colon].ContainsAny(" \t\"<>\\()") ? -1 : colon + 1;
    }

    private static bool TryMailbox(ReadOnlySpan<char> text, bool strict, out string mailbox)
    {
        mailbox = "";
        if (text.IndexOfAnyInRange('\0', '\x1f') >= 0 || text.Contains('\x7f'))
        {
            return false;
        }
        var bare = new StringBuilder(text.Length + 2);
        var (at, last, apart) = (-1, Part.Operator, false);
        for (var i = 0; i < text.Length;)
        {
            var c = text[i];
            if (c is '<' or '>' or ')' or ',' or ';')
            {
                return false;
            }
            if (c is ' ' or '(')
            {
                if (strict && c == '(')
                {
                    return false;
                }
                i = c == ' ' ? i + 1 : CommentEnd(text, i);
                apart = true;
                continue;
            }
            var part = c is '@' or '.' or ':' ? Part.Operator : c is '"' or '[' ? Part.Enclosed : Part.Atom;
            // Two words with nothing that joins them are no address.
            if (part != Part.Operator && last != Part.Operator && (part == Part.Enclosed || last == Part.Enclosed || apart))
            {
                return false;
            }
            at = c == '@' ? bare.Length : at;
            var end = part == Part.Enclosed ? EnclosedEnd(text, i, c == '"' ? '"' : ']') : c == '\\' ? i + 2 : i + 1;
            if (end > text.Length && c != '[')
            {
                return false;
            }
            // A backslash at the end would take the bracket's meaning away.
            bare.Append(end > text.Length ? text[i..].TrimEnd('\\') : text[i..end]);
            if (end > text.Length)
            {
                bare.Append(']');
            }
            (last, apart, i) = (part, false, end);
        }
        var whole = bare.ToString();
        if (at < 0)
        {
            mailbox = whole.Length == 0 ? "" : AddressParts.Quote(AddressParts.Unquote(whole));
            return true;
        }
        var domain = whole[(at + 1)..];
        if (domain.Contains('"'))
        {
            domain = AddressParts.Unquote(domain);
            if (!HostName.IsValid(domain, international: true))
            {
                return false;
            }
        }
        if (domain.Length == 0 || (at > 0 && whole[at - 1] == '@'))
        {
            return false;
        }
        mailbox = $"{AddressParts.Quote(AddressParts.Unquote(whole[..at]))}@{domain}";
        return true;
    }

    // Behind the closing character; beyond the text's end when there is none.
    private static int EnclosedEnd(ReadOnlySpan<char> text, int start, char closing)
    {
        for (var i = start + 1; i < text.Length; i++)
        {
            if (text[i] == '\\')
            {
                i++;
            }
            else if (text[i] == closing)
            {
                return i + 1;
            }
        }
        return text.Length + 1;
    }

    // RFC 5322 3.2.2: comments nest.
    private static int CommentEnd(ReadOnlySpan<char> text, int start)
    {
        var depth = 0;
        for (var i = start; i < text.Length; i++)
        {
            switch (text[i])
            {
                case '\\':
                    i++;
                    break;
                case '(':
                    depth++;
                    break;
                case ')' when --depth == 0:
                    return i + 1;
            }
        }
        return text.Length;
    }

    private enum Part : byte
    {
        Operator = 0,

        Atom,

        /// <summary>A quoted string or domain literal.</summary>
        Enclosed,
    }
}
