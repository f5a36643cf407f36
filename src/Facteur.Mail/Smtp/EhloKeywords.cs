using System.Globalization;

namespace Facteur.Mail.Smtp;

/// <summary>Extensions that a server offers and our client knows.</summary>
[Flags]
public enum SmtpExtensions : ushort
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>PIPELINING (RFC 2920).</summary>
    Pipelining = 1,

    /// <summary>SIZE (RFC 1870).</summary>
    Size = 2,

    /// <summary>8BITMIME (RFC 6152).</summary>
    EightBitMime = 4,

    /// <summary>STARTTLS (RFC 3207).</summary>
    StartTls = 8,

    /// <summary>DSN (RFC 3461).</summary>
    Dsn = 16,

    /// <summary>SMTPUTF8 (RFC 6531).</summary>
    SmtpUtf8 = 32,

    /// <summary>ENHANCEDSTATUSCODES (RFC 2034).</summary>
    EnhancedStatusCodes = 64,

    /// <summary>XFORWARD NAME; the others are its other attributes.</summary>
    XforwardName = 128,

    /// <summary>XFORWARD ADDR.</summary>
    XforwardAddress = 256,

    /// <summary>XFORWARD PORT.</summary>
    XforwardPort = 512,

    /// <summary>XFORWARD PROTO.</summary>
    XforwardProtocol = 1024,

    /// <summary>XFORWARD HELO.</summary>
    XforwardHelo = 2048,

    /// <summary>XFORWARD IDENT.</summary>
    XforwardIdent = 4096,

    /// <summary>XFORWARD SOURCE.</summary>
    XforwardSource = 8192,
}

/// <summary>What an EHLO or LHLO reply says.</summary>
/// <param name="Name">The server's name: the first word of the first line.</param>
/// <param name="Extensions">What it offers.</param>
/// <param name="SizeLimit">Bytes of a message; 0 when there is no limit or none was told.</param>
public readonly record struct EhloKeywords(string Name, SmtpExtensions Extensions, long SizeLimit)
{
    /// <summary>Reads the text of a reply.</summary>
    /// <param name="text">Lines with their codes, as <see cref="SmtpReplyText.Make"/> leaves them.</param>
    /// <param name="ignored">Keywords to overlook, any case (smtp_discard_ehlo_keywords).</param>
    public static EhloKeywords Parse(string text, IReadOnlySet<string> ignored)
    {
        var name = "";
        var extensions = SmtpExtensions.None;
        long limit = 0;
        var first = true;
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            var words = line.Length > 4 ? line[4..].Trim() : default;
            var space = words.IndexOf(' ');
            var word = space < 0 ? words : words[..space];
            if (first)
            {
                name = word.ToString();
                first = false;
                continue;
            }
            var extension = word.Equals("XFORWARD", StringComparison.OrdinalIgnoreCase) && space > 0 ? Xforward(words[(space + 1)..]) : Extension(word);
            if (extension == SmtpExtensions.None || (ignored.Count > 0 && ignored.Contains(word.ToString())))
            {
                continue;
            }
            // Postfix: SIZE without a number is no offer.
            if (extension == SmtpExtensions.Size && (space < 0 || !long.TryParse(words[(space + 1)..].Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out limit)))
            {
                continue;
            }
            extensions |= extension;
        }
        return new EhloKeywords(name, extensions, limit);
    }

    private static SmtpExtensions Xforward(ReadOnlySpan<char> attributes)
    {
        var extensions = SmtpExtensions.None;
        foreach (var range in attributes.Split(' '))
        {
            extensions |= attributes[range] switch
            {
                "NAME" => SmtpExtensions.XforwardName,
                "ADDR" => SmtpExtensions.XforwardAddress,
                "PORT" => SmtpExtensions.XforwardPort,
                "PROTO" => SmtpExtensions.XforwardProtocol,
                "HELO" => SmtpExtensions.XforwardHelo,
                "IDENT" => SmtpExtensions.XforwardIdent,
                "SOURCE" => SmtpExtensions.XforwardSource,
                _ => SmtpExtensions.None,
            };
        }
        return extensions;
    }

    private static SmtpExtensions Extension(ReadOnlySpan<char> word)
    {
        Span<char> upper = stackalloc char[24];
        return word.Length > upper.Length ? SmtpExtensions.None : upper[..Math.Max(word.ToUpperInvariant(upper), 0)] switch
        {
            "PIPELINING" => SmtpExtensions.Pipelining,
            "SIZE" => SmtpExtensions.Size,
            "8BITMIME" => SmtpExtensions.EightBitMime,
            "STARTTLS" => SmtpExtensions.StartTls,
            "DSN" => SmtpExtensions.Dsn,
            "SMTPUTF8" => SmtpExtensions.SmtpUtf8,
            "ENHANCEDSTATUSCODES" => SmtpExtensions.EnhancedStatusCodes,
            _ => SmtpExtensions.None,
        };
    }
}
