using System.Globalization;
using System.Text;
using Facteur.Contracts;

namespace Facteur.Commands;

/// <summary>The lines of postqueue -j: one JSON object per message, members in Postfix's order.</summary>
internal static class QueueJson
{
    /// <summary>One message's line, without its end.</summary>
    public static string Line(ListedMessage message)
    {
        var text = new StringBuilder(256);
        text.Append("{\"queue_name\": ");
        Quote(text, message.QueueName);
        text.Append(", \"queue_id\": ");
        Quote(text, message.QueueId);
        text.Append(CultureInfo.InvariantCulture, $", \"arrival_time\": {message.ArrivalSeconds}, \"message_size\": {message.Size}");
        text.Append(message.ForcedExpire ? ", \"forced_expire\": true, \"sender\": " : ", \"forced_expire\": false, \"sender\": ");
        Quote(text, message.Sender);
        text.Append(", \"recipients\": [");
        for (var i = 0; i < message.Recipients.Count; i++)
        {
            var recipient = message.Recipients[i];
            text.Append(i == 0 ? "{\"orig_address\": " : ", {\"orig_address\": ");
            Quote(text, recipient.OriginalAddress);
            text.Append(", \"address\": ");
            Quote(text, recipient.Address);
            if (recipient.Reason is { } reason)
            {
                text.Append(recipient.Bounced ? ", \"bounce_reason\": " : ", \"delay_reason\": ");
                Quote(text, reason);
            }
            text.Append('}');
        }
        return text.Append("]}").ToString();
    }

    /// <summary>A JSON string (RFC 8259 section 7).</summary>
    public static void Quote(StringBuilder text, string value)
    {
        text.Append('"');
        foreach (var c in value)
        {
            _ = c switch
            {
                '"' => text.Append("\\\""),
                '\\' => text.Append("\\\\"),
                '\b' => text.Append("\\b"),
                '\f' => text.Append("\\f"),
                '\n' => text.Append("\\n"),
                '\r' => text.Append("\\r"),
                '\t' => text.Append("\\t"),
                < ' ' or '\x7f' => text.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}"),
                _ => text.Append(c),
            };
        }
        text.Append('"');
    }
}
