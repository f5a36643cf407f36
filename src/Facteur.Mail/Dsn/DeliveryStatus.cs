namespace Facteur.Mail.Dsn;

/// <summary>What became of one recipient in one delivery attempt.</summary>
public enum DeliveryOutcome : byte
{
    /// <summary>Delivered, relayed or expanded: nothing more to do for this recipient.</summary>
    Sent = 1,

    /// <summary>To be tried again.</summary>
    Deferred = 2,

    /// <summary>Failed for good: the sender is told.</summary>
    Bounced = 3,

    /// <summary>Address verification only: the recipient would have been accepted.</summary>
    Deliverable = 4,

    /// <summary>Address verification only: the recipient would have been refused.</summary>
    Undeliverable = 5,
}

/// <summary>The action field of a delivery report (RFC 3464 section 2.3.3).</summary>
public enum DsnAction : byte
{
    /// <summary>Not decided by the agent; the reporter derives it from the outcome.</summary>
    None = 0,

    /// <summary>Failed for good.</summary>
    Failed = 1,

    /// <summary>Not yet delivered.</summary>
    Delayed = 2,

    /// <summary>Delivered to a mailbox.</summary>
    Delivered = 3,

    /// <summary>Handed to a host that does not promise reports.</summary>
    Relayed = 4,

    /// <summary>Expanded into other recipients.</summary>
    Expanded = 5,
}

/// <summary>
/// The outcome of one recipient with Postfix's DSN fields. Text that comes from a peer is sanitised (printable, one line, bounded)
/// by the agent before it enters here.
/// </summary>
/// <param name="Outcome">What became of the recipient.</param>
/// <param name="Status">The enhanced status code; its class agrees with the outcome.</param>
/// <param name="Reason">One line for people and logs, such as "host a[1.2.3.4] said: 550 no (in reply to RCPT TO command)".</param>
/// <param name="Action">The report's action, or None to derive it from the outcome.</param>
/// <param name="DiagnosticType">Type of the diagnostic code: "smtp", "x-unix", or null for "X-Postfix" with the reason as text.</param>
/// <param name="DiagnosticText">The diagnostic code's text without its type, or null.</param>
/// <param name="RemoteMtaType">Type of the remote MTA's name: "dns", or null when there was none.</param>
/// <param name="RemoteMta">The remote MTA's name, or null.</param>
/// <param name="Relay">What the log shows after "relay=", or null: success reports say "delivery via RELAY: REASON".</param>
public sealed record DeliveryStatus(
    DeliveryOutcome Outcome,
    EnhancedStatus Status,
    string Reason,
    DsnAction Action = DsnAction.None,
    string? DiagnosticType = null,
    string? DiagnosticText = null,
    string? RemoteMtaType = null,
    string? RemoteMta = null,
    string? Relay = null)
{
    /// <summary>Longest reason kept, in characters; longer ones are cut.</summary>
    public const int ReasonLimit = 2048;

    /// <summary>Most statuses of one recipient.</summary>
    public const int ChainLimit = 16;

    /// <summary>The address that the recipient's expansion came to and that this is of, where it is another than the recipient's; else null.</summary>
    public string? Recipient { get; init; }

    /// <summary>What became of another address of the same expansion; or null. At most <see cref="ChainLimit"/> in a row.</summary>
    public DeliveryStatus? Next { get; init; }

    /// <summary>This one and those after it.</summary>
    public IEnumerable<DeliveryStatus> All
    {
        get
        {
            for (var status = this; status is not null; status = status.Next)
            {
                yield return status;
            }
        }
    }

    /// <summary>An alias whose members have taken its place: what its sender hears who asked for SUCCESS (RFC 3461 5.2.7.2).</summary>
    public static DeliveryStatus AliasExpanded { get; } = new(DeliveryOutcome.Sent, EnhancedStatus.Ok, "alias expanded", DsnAction.Expanded);

    /// <summary>Sent, with the text after "status=sent".</summary>
    public static DeliveryStatus Sent(string reason, DsnAction action = DsnAction.Delivered) => new(DeliveryOutcome.Sent, EnhancedStatus.Ok, reason, action);

    /// <summary>To be tried again, 4.x.x.</summary>
    public static DeliveryStatus Deferred(ushort subject, ushort detail, string reason) =>
        new(DeliveryOutcome.Deferred, new EnhancedStatus(4, subject, detail), reason, DsnAction.Delayed);

    /// <summary>Failed for good, 5.x.x.</summary>
    public static DeliveryStatus Bounced(ushort subject, ushort detail, string reason) =>
        new(DeliveryOutcome.Bounced, new EnhancedStatus(5, subject, detail), reason, DsnAction.Failed);
}
