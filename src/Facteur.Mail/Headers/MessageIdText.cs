using System.Globalization;

namespace Facteur.Mail.Headers;

/// <summary>Makes message ids (RFC 5322 3.6.4).</summary>
public static class MessageIdText
{
    /// <summary>The id without its brackets: time, queue id and host, or queue id and host when queue ids are never used twice.</summary>
    /// <param name="time">When the queue id was given.</param>
    /// <param name="queueId">The queue id.</param>
    /// <param name="longQueueIds">enable_long_queue_ids.</param>
    /// <param name="host">myhostname.</param>
    public static string Make(DateTimeOffset time, string queueId, bool longQueueIds, string host) =>
        longQueueIds ? $"{queueId}@{host}" : string.Create(CultureInfo.InvariantCulture, $"{time.UtcDateTime:yyyyMMddHHmmss}.{queueId}@{host}");
}
