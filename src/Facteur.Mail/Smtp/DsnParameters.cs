using Facteur.Mail.Dsn;

namespace Facteur.Mail.Smtp;

/// <summary>The parameters RET, ENVID, NOTIFY and ORCPT (RFC 3461 section 4).</summary>
public static class DsnParameters
{
    /// <summary>RET=FULL or HDRS.</summary>
    public static bool TryReturn(string value, out DsnReturn result)
    {
        result = value.Equals("FULL", StringComparison.OrdinalIgnoreCase) ? DsnReturn.Full
            : value.Equals("HDRS", StringComparison.OrdinalIgnoreCase) ? DsnReturn.Headers : DsnReturn.None;
        return result != DsnReturn.None;
    }

    /// <summary>NOTIFY=NEVER, or a list of SUCCESS, FAILURE, DELAY. Postfix: a word may stand there twice, and a comma before or behind all.</summary>
    public static bool TryNotify(string value, out DsnNotify result)
    {
        result = DsnNotify.None;
        foreach (var range in value.AsSpan().Split(','))
        {
            var word = value.AsSpan()[range];
            if (word.IsEmpty)
            {
                continue;
            }
            var one = word.Equals("NEVER", StringComparison.OrdinalIgnoreCase) ? DsnNotify.Never
                : word.Equals("SUCCESS", StringComparison.OrdinalIgnoreCase) ? DsnNotify.Success
                : word.Equals("FAILURE", StringComparison.OrdinalIgnoreCase) ? DsnNotify.Failure
                : word.Equals("DELAY", StringComparison.OrdinalIgnoreCase) ? DsnNotify.Delay : DsnNotify.None;
            if (one == DsnNotify.None)
            {
                return false;
            }
            result |= one;
        }
        return result != DsnNotify.None && ((result & DsnNotify.Never) == 0 || result == DsnNotify.Never);
    }

    /// <summary>ENVID: xtext of printable characters.</summary>
    public static bool TryEnvelopeId(string value, out string result) => Xtext.TryDecode(value, out result) && result.Length is > 0 and <= 100 && IsPrintable(result);

    /// <summary>ORCPT=type;xtext, as "type;address". Postfix: the address may be empty, and may be anything that can be written as xtext; here controls become "?".</summary>
    public static bool TryOriginalRecipient(string value, out string result)
    {
        result = "";
        var semicolon = value.IndexOf(';');
        if (semicolon <= 0 || !IsAtom(value.AsSpan(0, semicolon)))
        {
            return false;
        }
        var encoded = value.AsSpan(semicolon + 1);
        var isUtf8 = value.AsSpan(0, semicolon).Equals("utf-8", StringComparison.OrdinalIgnoreCase);
        if (!(isUtf8 ? Xtext.TryDecodeUnitext(encoded, out var address) : Xtext.TryDecode(encoded, out address)))
        {
            return false;
        }
        result = string.Concat(value.AsSpan(0, semicolon + 1), Printable(address));
        return true;
    }

    private static bool IsAtom(ReadOnlySpan<char> text) => !text.ContainsAnyExceptInRange('!', '~') && !text.ContainsAny("()<>@,:\\\"/[]?=");

    /// <summary>An address for ORCPT, whose controls are replaced.</summary>
    public static string Printable(string address) => IsPrintable(address) ? address : string.Concat(address.Select(c => char.IsControl(c) ? '?' : c));

    private static bool IsPrintable(string text)
    {
        foreach (var c in text)
        {
            if (char.IsControl(c))
            {
                return false;
            }
        }
        return true;
    }
}
