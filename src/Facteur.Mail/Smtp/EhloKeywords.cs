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
/// <param name="BadSize">What stands behind SIZE and is no number, or "".</param>
public readonly record struct EhloKeywords(string Name, SmtpExtensions Extensions, long SizeLimit, string BadSize = "")
{
    /// <summary>Reads the text of a reply.</summary>
    /// <param name="text">Lines with their codes, as <see cref="SmtpReplyText.Make"/> leaves them.</param>
    /// <param name="ignored">Keywords to overlook, any case (smtp_discard_ehlo_keywords).</param>
    public static EhloKeywords Parse(string text, IReadOnlySet<string> ignored)
    {
        var name = "";
        var extensions = SmtpExtensions.None;
        var (limit, badSize) = (0L, "");
        var first = true;
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            var words = line.Length > 4 ? line[4..].Trim() : default;
            // Postfix: KEYWORD=parameter, as some old servers write it, is KEYWORD parameter.
            words = words.TrimStart("= ");
            var end = words.IndexOfAny(' ', '=');
            var word = end < 0 ? words : words[..end];
            var parameters = end < 0 ? default : words[(end + 1)..].Trim(' ');
            if (first)
            {
                name = word.ToString();
                first = false;
                continue;
            }
            var extension = word.Equals("XFORWARD", StringComparison.OrdinalIgnoreCase) ? Xforward(parameters) : Extension(word);
            if (extension == SmtpExtensions.None || (ignored.Count > 0 && ignored.Contains(word.ToString())))
            {
                continue;
            }
            if (extension == SmtpExtensions.Size)
            {
                (limit, badSize) = Size(parameters);
            }
            extensions |= extension;
        }
        return new EhloKeywords(name, extensions, limit, badSize);
    }

    /// <summary>Postfix: SIZE without a number offers the extension and tells no limit, and so does one that no number holds.</summary>
    private static (long Limit, string Bad) Size(ReadOnlySpan<char> parameters)
    {
        var space = parameters.IndexOf(' ');
        var number = space < 0 ? parameters : parameters[..space];
        return number.ContainsAnyExceptInRange('0', '9') ? (0, number.ToString())
            : (long.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) ? limit : 0, "");
    }

    private static SmtpExtensions Xforward(ReadOnlySpan<char> attributes)
    {
        var extensions = SmtpExtensions.None;
        // Postfix: in any case, as keywords are (RFC 5321 2.4).
        Span<char> upper = stackalloc char[8];
        foreach (var range in attributes.Split(' '))
        {
            extensions |= upper[..Math.Max(attributes[range].ToUpperInvariant(upper), 0)] switch
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
