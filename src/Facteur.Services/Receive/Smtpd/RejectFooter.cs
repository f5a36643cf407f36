using System.Text;
using Facteur.Mail.Dsn;
using Facteur.Services.Receive.Smtpd.Restrictions;
using Facteur.Tables;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>
/// smtpd_reject_filter_maps: another reply in place of one 4xx or 5xx. Behind it, smtpd_reject_footer and smtpd_reject_footer_maps: text behind every reply 4xx and 5xx, for who reads it in a delivery report. The log has the
/// reply without it.
/// </summary>
internal sealed class RejectFooter(string footer, Maps maps, SmtpdMacros macros, Maps filter)
{
    /// <summary>There is nothing to add to any reply.</summary>
    public bool IsEmpty => footer.Length == 0 && maps.IsEmpty && filter.IsEmpty;

    /// <summary>Adds the footer.</summary>
    /// <param name="reply">The reply, of one or more lines (a filter's).</param>
    /// <param name="context">The session.</param>
    /// <returns>The reply, of one or more lines, CR LF between them.</returns>
    public async ValueTask<string> AddAsync(string reply, RestrictionContext context)
    {
        if (reply.Length < 4 || reply[0] is not ('4' or '5'))
        {
            return reply;
        }
        reply = await FilterAsync(reply, context).ConfigureAwait(false);
        var template = footer;
        if (!maps.IsEmpty)
        {
            var lookup = await maps.FindAsync(reply, false, context.Cancel).ConfigureAwait(false);
            if (lookup.Status == LookupStatus.Error)
            {
                context.Log.Warning($"{maps.Parameter} lookup error for \"{reply}\"");
            }
            template = lookup.Status == LookupStatus.Found ? lookup.Value : template;
        }
        return template.Length > 0 && macros.Expand(template, context, null, maps.IsEmpty ? "smtpd_reject_footer" : maps.Parameter) is { } text ? Join(reply, text) : reply;
    }

    /// <summary>What smtpd_reject_filter_maps has in place of a reply. A refusal stays one.</summary>
    private async ValueTask<string> FilterAsync(string reply, RestrictionContext context)
    {
        if (filter.IsEmpty)
        {
            return reply;
        }
        var lookup = await filter.FindAsync(reply, false, context.Cancel).ConfigureAwait(false);
        if (lookup.Status != LookupStatus.Found)
        {
            if (lookup.Status == LookupStatus.Error)
            {
                context.Log.Warning($"{filter.Parameter} lookup error for \"{reply}\"");
            }
            return reply;
        }
        var other = SmtpdLog.Printable(lookup.Value);
        if (other is ['4' or '5', >= '0' and <= '9', >= '0' and <= '9', ' ', _, ..])
        {
            return other;
        }
        context.Log.Warning($"{filter.Parameter}: bad result \"{other}\" for \"{reply}\": expected a reply 4xx or 5xx");
        return reply;
    }

    /// <summary>Puts text behind a reply: on a line of its own, or on the same after "\c". "\n" begins a line; each has the codes of the reply.</summary>
    internal static string Join(string reply, string text)
    {
        var continues = text.StartsWith("\\c", StringComparison.Ordinal);
        var lines = (continues ? text[2..] : text).Split("\\n");
        var body = reply[4..];
        var dsn = EnhancedStatus.TryParsePrefix(body, out var status, out _) ? status + " " : "";
        var whole = new StringBuilder(reply.Length + text.Length + 32).Append(reply);
        // Where the last line begins: the one without "-".
        var last = reply.LastIndexOf('\n') + 1;
        for (var i = 0; i < lines.Length; i++)
        {
            var line = SmtpdLog.Printable(lines[i]);
            if (i == 0 && continues)
            {
                whole.Append(line);
                continue;
            }
            if (i == lines.Length - 1 && line.Length == 0 && i > 0)
            {
                break;
            }
            whole[last + 3] = '-';
            whole.Append("\r\n");
            last = whole.Length;
            whole.Append(reply, 0, 3).Append(' ').Append(dsn).Append(line);
        }
        return whole.ToString();
    }
}
