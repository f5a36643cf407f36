using System.Globalization;
using System.Text;
using Facteur.Contracts;

namespace Facteur.Commands;

/// <summary>The listing of mailq: one block per message, and a line of totals.</summary>
/// <param name="output">Where it goes.</param>
/// <param name="longIds">enable_long_queue_ids: wider columns.</param>
/// <param name="zone">The zone of arrival times.</param>
internal sealed class QueueListing(TextWriter output, bool longIds, TimeZoneInfo zone)
{
    private const int ReasonColumn = 76;
    private long _bytes;
    private long _messages;

    /// <summary>One message.</summary>
    public void Add(ListedMessage message)
    {
        if (_messages++ == 0)
        {
            output.WriteLine(longIds ? "----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------"
                : "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------");
        }
        _bytes += message.Size;
        var mark = message.QueueName switch { "active" => "*", "hold" => "!", _ => "" };
        var id = $"{message.QueueId}{mark}{(message.ForcedExpire ? "#" : "")}";
        var size = message.Size.ToString(CultureInfo.InvariantCulture);
        output.WriteLine(longIds ? $"{id,-17} {size,8} {Arrival(message)} {message.Sender}" : $"{id,-11} {size,7} {Arrival(message)}  {message.Sender}");
        string? last = null;
        foreach (var recipient in message.Recipients)
        {
            // A reason stands once in front of the recipients it holds for.
            if (recipient.Reason is { } reason && reason != last)
            {
                output.WriteLine($"{new string(' ', Math.Max(0, ReasonColumn - Encoding.UTF8.GetByteCount(reason)))}({reason})");
                last = reason;
            }
            output.WriteLine($"{new string(' ', longIds ? 47 : 41)}{recipient.Address}");
        }
        output.WriteLine();
    }

    /// <summary>The line of totals.</summary>
    public void End() =>
        output.WriteLine(_messages == 0 ? "Mail queue is empty" : $"-- {_bytes / 1024} Kbytes in {_messages} Request{(_messages == 1 ? "" : "s")}.");

    // As ctime(3) has it: the day of the month takes two columns.
    private string Arrival(ListedMessage message)
    {
        var time = TimeZoneInfo.ConvertTime(DateTimeOffset.FromUnixTimeSeconds(message.ArrivalSeconds), zone);
        return $"{time.ToString("ddd MMM", CultureInfo.InvariantCulture)} {time.Day,2} {time.ToString("HH:mm:ss", CultureInfo.InvariantCulture)}";
    }
}
