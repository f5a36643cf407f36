using System.Text;
using Facteur.Mail.Headers;

namespace Facteur.Services.Receive.Cleanup;

/// <summary>Makes the headers that local mail lacks, in Postfix's order: Message-Id, Date, From, and a header for recipients not shown.</summary>
internal sealed class MissingHeaders(CleanupOptions options, CleanupLog log, TimeZoneInfo zone)
{
    /// <summary>The headers to add, each with its line end; "" for none.</summary>
    /// <param name="seen">A bit for each <see cref="KnownHeader"/> of the message; gets those added.</param>
    /// <param name="resent">The message has Resent- headers, so those are completed instead.</param>
    /// <param name="arrival">Arrival.</param>
    /// <param name="queueId">The queue id.</param>
    /// <param name="sender">The envelope sender.</param>
    /// <param name="fullName">Its full name, or "".</param>
    public string Make(ref uint seen, bool resent, DateTimeOffset arrival, string queueId, string sender, string fullName)
    {
        var text = new StringBuilder();
        var prefix = resent ? "Resent-" : "";
        if (Missing(seen, resent ? KnownHeader.ResentMessageId : KnownHeader.MessageId))
        {
            var id = $"<{MessageIdText.Make(arrival, queueId, options.LongQueueIds, options.Myhostname)}>";
            text.Append($"{prefix}Message-Id: {id}\n");
            seen |= Bit(resent ? KnownHeader.ResentMessageId : KnownHeader.MessageId);
            if (resent)
            {
                log.ResentMessageId(queueId, id);
            }
            else
            {
                log.MessageId(queueId, id);
            }
        }
        if (Missing(seen, resent ? KnownHeader.ResentDate : KnownHeader.Date))
        {
            text.Append($"{prefix}Date: {MailDate.Format(arrival, zone)}\n");
        }
        if (Missing(seen, resent ? KnownHeader.ResentFrom : KnownHeader.From))
        {
            var from = sender.Length == 0 ? "MAILER-DAEMON" : FromText.Format(fullName, sender, options.ObsoleteFrom, options.FullNameCharset);
            text.Append($"{prefix}From: {from}\n");
        }
        var visible = Bit(KnownHeader.To) | Bit(KnownHeader.ResentTo) | Bit(KnownHeader.Cc) | Bit(KnownHeader.ResentCc);
        if ((seen & visible) == 0 && options.UndisclosedHeader.Length > 0)
        {
            if (HeaderField.NameLength(Encoding.UTF8.GetBytes(options.UndisclosedHeader)) > 0)
            {
                text.Append(options.UndisclosedHeader).Append('\n');
            }
            else
            {
                log.BadHeaderText("undisclosed_recipients_header", options.UndisclosedHeader);
            }
        }
        return text.ToString();
    }

    /// <summary>The bit of a header.</summary>
    public static uint Bit(KnownHeader header) => 1u << (int)header;

    private static bool Missing(uint seen, KnownHeader header) => (seen & Bit(header)) == 0;
}
