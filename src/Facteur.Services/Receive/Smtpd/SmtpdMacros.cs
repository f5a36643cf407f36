using System.Buffers;
using System.Globalization;
using System.Text;
using Facteur.Config.Expansion;
using Facteur.Mail.Addresses;
using Facteur.Services.Receive.Smtpd.Restrictions;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>
/// The names that reply templates may use (default_rbl_reply, rbl_reply_maps, smtpd_reject_footer). A value never has a character outside
/// smtpd_expansion_filter: what a client says can't end a reply line. Values are not expanded again.
/// </summary>
internal sealed class SmtpdMacros
{
    private readonly SearchValues<char> _allowed;

    /// <param name="filter">smtpd_expansion_filter, with C's escapes.</param>
    public SmtpdMacros(string filter)
    {
        var allowed = Unescape(filter);
        // Whatever the filter says: a reply is a line.
        _allowed = SearchValues.Create(allowed.Replace("\r", "", StringComparison.Ordinal).Replace("\n", "", StringComparison.Ordinal));
    }

    /// <summary>Expands a template.</summary>
    /// <param name="template">The template.</param>
    /// <param name="context">The session.</param>
    /// <param name="more">Further names, asked first; null for one it does not know.</param>
    /// <param name="what">What is expanded, for a warning.</param>
    /// <returns>The text, or null when the template is wrong; that is logged.</returns>
    public string? Expand(string template, RestrictionContext context, Func<string, string?>? more, string what)
    {
        var expanded = Expander.Expand(template, name =>
        {
            if ((more?.Invoke(name) ?? ValueOf(name, context)) is { } value)
            {
                return Censor(value).Replace("$", "$$", StringComparison.Ordinal);
            }
            // Postfix: a name that means nothing here leaves nothing, and the rest of the text stands.
            context.Log.Warning($"unknown macro name \"{name}\" in expansion request");
            return null;
        });
        if (expanded.Error is null)
        {
            return expanded.Text;
        }
        context.Log.Warning($"{what}: {expanded.Error}");
        return null;
    }

    /// <summary>A value with every character that is not allowed as "_".</summary>
    public string Censor(string value) =>
        value.AsSpan().IndexOfAnyExcept(_allowed) < 0 ? value : string.Create(value.Length, (value, _allowed), static (span, source) =>
        {
            source.value.CopyTo(span);
            for (int at; (at = span.IndexOfAnyExcept(source._allowed)) >= 0;)
            {
                span[at] = '_';
                span = span[(at + 1)..];
            }
        });

    private static string? ValueOf(string name, RestrictionContext context) => name switch
    {
        "client" => context.Client.Printable,
        "client_address" => context.Client.Address,
        "client_name" => context.Client.Name,
        "client_port" => context.Client.Port.ToString(CultureInfo.InvariantCulture),
        "reverse_client_name" => context.Client.ReverseName,
        "helo_name" => context.Helo ?? "",
        "sender" => Whole(context.Sender),
        "sender_name" => Local(context.Sender),
        "sender_domain" => Domain(context.Sender),
        "recipient" => Whole(context.Recipient),
        "recipient_name" => Local(context.Recipient),
        "recipient_domain" => Domain(context.Recipient),
        "server_name" => context.Settings.Myhostname,
        "localtime" => TimeZoneInfo.ConvertTime(context.Time.GetUtcNow(), context.Time.LocalTimeZone).ToString("MMM dd HH:mm:ss", CultureInfo.InvariantCulture),
        _ => null,
    };

    private static string Whole(string? address) => address is null ? "" : address.Length == 0 ? "<>" : AddressParts.Unquote(address);

    private static string Local(string? address) =>
        address is null ? "" : address.Length == 0 ? "<>" : AddressParts.Domain(address) is { IsEmpty: false } domain ? AddressParts.Unquote(address[..(address.Length - domain.Length - 1)]) : AddressParts.Unquote(address);

    private static string Domain(string? address) => address is null ? "" : AddressParts.Domain(address).ToString();

    // Postfix: unescape(3), \a \b \f \n \r \t \v \ooo and \ before any other character.
    private static string Unescape(string text)
    {
        var output = new StringBuilder(text.Length);
        for (var at = 0; at < text.Length; at++)
        {
            if (text[at] != '\\' || at + 1 == text.Length)
            {
                output.Append(text[at]);
                continue;
            }
            var c = text[++at];
            if (c is >= '0' and <= '7')
            {
                var (value, end) = (0, at + 3);
                for (; at < end && at < text.Length && text[at] is >= '0' and <= '7'; at++)
                {
                    value = (value * 8) + text[at] - '0';
                }
                at--;
                output.Append((char)(value & 255));
                continue;
            }
            output.Append(c switch { 'a' => '\a', 'b' => '\b', 'f' => '\f', 'n' => '\n', 'r' => '\r', 't' => '\t', 'v' => '\v', _ => c });
        }
        return output.ToString();
    }
}
