using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;

namespace Facteur.Services.Server;

/// <summary>The line that every delivery agent logs per recipient, and the outcome as the queue manager is to see it.</summary>
public static class DeliveryLog
{
    /// <summary>delay_logging_resolution_limit's default: digits behind the point.</summary>
    public const int ResolutionDefault = 2;

    /// <summary>
    /// Logs one recipient and makes its result. With <see cref="DeliveryFlags.VerifyOnly"/> the outcome becomes deliverable or undeliverable;
    /// with soft_bounce a permanent failure becomes a temporary one.
    /// </summary>
    /// <param name="log">The agent's log.</param>
    /// <param name="request">The request.</param>
    /// <param name="recipient">The recipient.</param>
    /// <param name="status">What became of it.</param>
    /// <param name="times">When.</param>
    /// <param name="relay">"host[address]:port", "local", "virtual", a service's name, or "none".</param>
    /// <param name="connectionUse">How many deliveries the connection has carried with this one; logged when above 1.</param>
    /// <param name="tls">TLS feature status such as "may:none", or null for an agent without TLS.</param>
    /// <param name="softBounce">soft_bounce.</param>
    /// <param name="resolution">delay_logging_resolution_limit, 0 to 6.</param>
    /// <param name="filter">The agent's delivery status filter, or null.</param>
    public static RecipientResult Write(
        ServiceLog log, DeliveryRequest request, in DeliveryRecipient recipient, DeliveryStatus status, in DeliveryTimes times, string relay,
        int connectionUse = 0, string? tls = null, bool softBounce = false, int resolution = ResolutionDefault,
        DeliveryStatusFilter? filter = null)
    {
        status = filter is null ? status : filter.Apply(status);
        var word = Word(status.Outcome);
        var result = status;
        if ((request.Flags & DeliveryFlags.VerifyOnly) != 0)
        {
            var outcome = status.Outcome is DeliveryOutcome.Sent or DeliveryOutcome.Deliverable ? DeliveryOutcome.Deliverable : DeliveryOutcome.Undeliverable;
            result = status with { Outcome = outcome };
            word = outcome == DeliveryOutcome.Undeliverable && (request.Flags & DeliveryFlags.FailureNotKept) != 0 ? "undeliverable-but-not-cached" : Word(outcome);
        }
        else if (softBounce && status.Outcome == DeliveryOutcome.Bounced)
        {
            status = status with { Status = status.Status with { Class = 4 } };
            result = status with { Outcome = DeliveryOutcome.Deferred, Action = DsnAction.Delayed };
            word = "SOFTBOUNCE";
        }
        if (relay != "none" && Told(request, recipient))
        {
            result = result with { Relay = relay };
        }
        log.Info(Line(log, request, recipient, status, times, relay, connectionUse, tls, word, resolution));
        // Postfix: a command's output ends with its last line's end: a blank in the log, and nothing in queue and reports.
        return new RecipientResult(recipient.Index, result with { Reason = result.Reason.TrimEnd(), DiagnosticText = result.DiagnosticText?.TrimEnd() });
    }

    // Only a report of success names the relay.
    private static bool Told(DeliveryRequest request, in DeliveryRecipient recipient) =>
        (recipient.Recipient.Notify & DsnNotify.Success) != 0 || (request.Flags & DeliveryFlags.ConfirmsDelay) != 0 || (request.Envelope.Flags & (MessageFlags.ReportDeliveries | MessageFlags.VerifyOnly)) != 0;

    /// <summary>
    /// A time as Postfix writes it: two significant digits, at most so many behind the point, no zeros at the end.
    /// </summary>
    /// <param name="micros">Microseconds; below 0 counts as 0.</param>
    /// <param name="resolution">Digits behind the point, 0 to 6.</param>
    /// <param name="into">At least 24 characters.</param>
    /// <returns>Characters written.</returns>
    public static int FormatDelay(long micros, int resolution, Span<char> into)
    {
        micros = Math.Max(micros, 0);
        var decimals = micros >= 10_000_000 ? 0 : micros >= 1_000_000 ? 1 : 2;
        for (var unit = 100_000L; micros < unit && unit > 1; unit /= 10)
        {
            decimals++;
        }
        decimals = Math.Min(decimals, resolution);
        var step = 1_000_000L;
        for (var i = 0; i < decimals; i++)
        {
            step /= 10;
        }
        var rounded = (micros + step / 2) / step * step;
        (rounded / 1_000_000).TryFormat(into, out var length);
        var fraction = rounded % 1_000_000;
        if (fraction > 0)
        {
            into[length++] = '.';
            for (var digit = 100_000; fraction > 0; digit /= 10)
            {
                into[length++] = (char)('0' + fraction / digit);
                fraction %= digit;
            }
        }
        return length;
    }

    private static string Line(
        ServiceLog log, DeliveryRequest request, in DeliveryRecipient recipient, DeliveryStatus status, in DeliveryTimes times, string relay,
        int connectionUse, string? tls, string word, int resolution)
    {
        var connected = times.ConnectedMicros == 0 ? times.StartMicros : times.ConnectedMicros;
        var arrival = request.Envelope.ArrivalMicros;
        Span<char> buffer = stackalloc char[5 * 24];
        var total = Delay(times.EndMicros - arrival, resolution, buffer[..24]);
        var queued = Delay(request.ActiveMicros - arrival, resolution, buffer[24..48]);
        var active = Delay(times.StartMicros - request.ActiveMicros, resolution, buffer[48..72]);
        var connect = Delay(connected - times.StartMicros, resolution, buffer[72..96]);
        var transfer = Delay(times.EndMicros - connected, resolution, buffer[96..]);
        var original = recipient.Recipient.OriginalAddress;
        var hasOriginal = original.Length > 0 && !original.Equals(recipient.Recipient.Address, StringComparison.OrdinalIgnoreCase);
        var line = new System.Runtime.CompilerServices.DefaultInterpolatedStringHandler(120, 8, null, stackalloc char[512]);
        line.AppendFormatted(request.QueueId);
        line.AppendLiteral(": to=<");
        line.AppendFormatted(log.Address(recipient.Recipient.Address));
        if (hasOriginal)
        {
            line.AppendLiteral(">, orig_to=<");
            line.AppendFormatted(log.Address(original));
        }
        line.AppendLiteral(">, relay=");
        line.AppendFormatted(relay);
        if (connectionUse > 1)
        {
            line.AppendLiteral(", conn_use=");
            line.AppendFormatted(connectionUse);
        }
        line.AppendLiteral(", delay=");
        line.AppendFormatted(total);
        line.AppendLiteral(", delays=");
        line.AppendFormatted(queued);
        line.AppendLiteral("/");
        line.AppendFormatted(active);
        line.AppendLiteral("/");
        line.AppendFormatted(connect);
        line.AppendLiteral("/");
        line.AppendFormatted(transfer);
        if (tls is not null)
        {
            line.AppendLiteral(", tls=");
            line.AppendFormatted(tls);
        }
        line.AppendLiteral(", dsn=");
        line.AppendFormatted(status.Status.Class);
        line.AppendLiteral(".");
        line.AppendFormatted(status.Status.Subject);
        line.AppendLiteral(".");
        line.AppendFormatted(status.Status.Detail);
        line.AppendLiteral(", status=");
        line.AppendLiteral(word);
        line.AppendLiteral(" (");
        line.AppendFormatted(status.Reason);
        line.AppendLiteral(")");
        return line.ToStringAndClear();
    }

    private static ReadOnlySpan<char> Delay(long micros, int resolution, Span<char> into) => into[..FormatDelay(micros, resolution, into)];

    private static string Word(DeliveryOutcome outcome) => outcome switch
    {
        DeliveryOutcome.Sent => "sent",
        DeliveryOutcome.Deferred => "deferred",
        DeliveryOutcome.Bounced => "bounced",
        DeliveryOutcome.Deliverable => "deliverable",
        _ => "undeliverable",
    };
}
