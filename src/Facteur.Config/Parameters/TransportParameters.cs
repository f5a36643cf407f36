namespace Facteur.Config.Parameters;

/// <summary>Parameters that exist for each transport of master.cf under its name: smtp_destination_concurrency_limit, mytransport_time_limit…</summary>
public static class TransportParameters
{
    private const string TimeLimit = "_time_limit";

    // Why there is nothing to do for some of them.
    private const string Turns = "messages of a destination take turns: a long one is overtaken without slots";
    private const string OneLimit = "recipients in memory are bounded for all transports together: qmgr_message_recipient_limit";

    private static readonly (string Suffix, string Default, int Least, string Summary, string Reason)[] PerTransport =
    [
        ("_delivery_slot_cost", "$default_delivery_slot_cost", 1, "How many deliveries a message must make before another may overtake it.", Turns),
        ("_delivery_slot_discount", "$default_delivery_slot_discount", 0, "Per cent of the slots that a message need not have gathered yet when another may overtake.", Turns),
        ("_delivery_slot_loan", "$default_delivery_slot_loan", 0, "Slots that a message need not have gathered yet when another may overtake.", Turns),
        ("_destination_concurrency_failed_cohort_limit", "$default_destination_concurrency_failed_cohort_limit", 0, "Rounds of failed connections until a destination is dead, 0 for never.", ""),
        ("_destination_concurrency_limit", "$default_destination_concurrency_limit", 0, "Deliveries to one destination at the same time.", ""),
        ("_destination_concurrency_negative_feedback", "$default_destination_concurrency_negative_feedback", 1, "What a failure takes from the concurrency.", ""),
        ("_destination_concurrency_positive_feedback", "$default_destination_concurrency_positive_feedback", 1, "What a delivery adds to the concurrency.", ""),
        ("_destination_rate_delay", "$default_destination_rate_delay", 0, "Least time between two deliveries to one destination.", ""),
        ("_destination_recipient_limit", "$default_destination_recipient_limit", 0, "Recipients of one delivery.", ""),
        ("_extra_recipient_limit", "$default_extra_recipient_limit", 0, "Recipients above the limit for messages that overtake.", OneLimit),
        ("_initial_destination_concurrency", "$initial_destination_concurrency", 1, "The concurrency that a destination begins with.", ""),
        ("_minimum_delivery_slots", "$default_minimum_delivery_slots", 0, "Recipients that a message needs before others may overtake it.", Turns),
        ("_recipient_limit", "$default_recipient_limit", 0, "Recipients that are kept in memory.", OneLimit),
        ("_recipient_refill_delay", "$default_recipient_refill_delay", 1, "Longest time until more recipients of a message are read.", OneLimit),
        ("_recipient_refill_limit", "$default_recipient_refill_limit", 1, "Recipients that are read at once when there is room.", OneLimit),
        ("_transport_rate_delay", "$default_transport_rate_delay", 0, "Least time between two deliveries of the transport.", ""),
    ];

    /// <summary>The default of a name that ends in one of the suffixes, or null.</summary>
    public static string? DefaultOf(string name)
    {
        foreach (var (suffix, value, _, _, _) in PerTransport)
        {
            // The longest suffix is the right one: x_extra_recipient_limit is not the _recipient_limit of "x_extra".
            if (name.Length > suffix.Length && name.EndsWith(suffix, StringComparison.Ordinal))
            {
                return value;
            }
        }
        return name.Length > TimeLimit.Length && name.EndsWith(TimeLimit, StringComparison.Ordinal) ? "$command_time_limit" : null;
    }

    /// <summary>What the parameter of a transport says; null when the name ends in none of the suffixes.</summary>
    internal static string? SummaryOf(string name) => Suffix(name)?.Summary;

    /// <summary>Why there is nothing to do for the parameter of a transport; null when the name ends in none of the suffixes, "" when it acts.</summary>
    internal static string? ReasonOf(string name) => Suffix(name)?.Reason;

    /// <summary>The least value of the parameter of a transport.</summary>
    internal static int LeastOf(string name) => Suffix(name)?.Least ?? 0;

    private static (string Suffix, string Default, int Least, string Summary, string Reason)? Suffix(string name)
    {
        foreach (var row in PerTransport)
        {
            if (name.EndsWith(row.Suffix, StringComparison.Ordinal))
            {
                return row;
            }
        }
        return null;
    }

    /// <summary>Whether a row of the registry belongs to a stock transport: it exists when master.cf has that transport.</summary>
    public static bool IsStock(string name)
    {
        // local's own two have defaults of their own.
        if (name is "local_destination_concurrency_limit" or "local_destination_recipient_limit")
        {
            return false;
        }
        var end = name.IndexOf('_', StringComparison.Ordinal);
        return end > 0 && name[..end] is ("error" or "lmtp" or "local" or "relay" or "retry" or "smtp" or "virtual")
            && PerTransport.Any(p => name.AsSpan(end).SequenceEqual(p.Suffix));
    }

    /// <summary>Names and defaults that a service of master.cf brings with it (as "postconf -C service" lists them).</summary>
    /// <param name="service">The service's name.</param>
    /// <param name="type">Its type as written.</param>
    /// <param name="command">Its program.</param>
    public static IEnumerable<KeyValuePair<string, string>> Of(string service, string type, string command)
    {
        if (command is "pipe" or "spawn")
        {
            yield return new(service + TimeLimit, "$command_time_limit");
        }
        if (type == "unix" && command is ("error" or "lmtp" or "local" or "pipe" or "smtp" or "virtual"))
        {
            foreach (var (suffix, value, _, _, _) in PerTransport)
            {
                yield return new(service + suffix, value);
            }
        }
    }
}
