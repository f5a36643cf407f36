namespace Facteur.Config.Parameters;

/// <summary>Parameters that exist for each transport of master.cf under its name: smtp_destination_concurrency_limit, mytransport_time_limit…</summary>
public static class TransportParameters
{
    private const string TimeLimit = "_time_limit";

    private static readonly (string Suffix, string Default)[] PerTransport =
    [
        ("_delivery_slot_cost", "$default_delivery_slot_cost"),
        ("_delivery_slot_discount", "$default_delivery_slot_discount"),
        ("_delivery_slot_loan", "$default_delivery_slot_loan"),
        ("_destination_concurrency_failed_cohort_limit", "$default_destination_concurrency_failed_cohort_limit"),
        ("_destination_concurrency_limit", "$default_destination_concurrency_limit"),
        ("_destination_concurrency_negative_feedback", "$default_destination_concurrency_negative_feedback"),
        ("_destination_concurrency_positive_feedback", "$default_destination_concurrency_positive_feedback"),
        ("_destination_rate_delay", "$default_destination_rate_delay"),
        ("_destination_recipient_limit", "$default_destination_recipient_limit"),
        ("_extra_recipient_limit", "$default_extra_recipient_limit"),
        ("_initial_destination_concurrency", "$initial_destination_concurrency"),
        ("_minimum_delivery_slots", "$default_minimum_delivery_slots"),
        ("_recipient_limit", "$default_recipient_limit"),
        ("_recipient_refill_delay", "$default_recipient_refill_delay"),
        ("_recipient_refill_limit", "$default_recipient_refill_limit"),
        ("_transport_rate_delay", "$default_transport_rate_delay"),
    ];

    /// <summary>The default of a name that ends in one of the suffixes, or null.</summary>
    public static string? DefaultOf(string name)
    {
        foreach (var (suffix, value) in PerTransport)
        {
            // The longest suffix is the right one: x_extra_recipient_limit is not the _recipient_limit of "x_extra".
            if (name.Length > suffix.Length && name.EndsWith(suffix, StringComparison.Ordinal))
            {
                return value;
            }
        }
        return name.Length > TimeLimit.Length && name.EndsWith(TimeLimit, StringComparison.Ordinal) ? "$command_time_limit" : null;
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
            foreach (var (suffix, value) in PerTransport)
            {
                yield return new(service + suffix, value);
            }
        }
    }
}
