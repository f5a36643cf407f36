using Facteur.Mail.Envelopes;

namespace Facteur.Contracts;

/// <summary>The report to make.</summary>
public enum ReportKind : byte
{
    /// <summary>bounce: recipients failed for good.</summary>
    Failure = 1,

    /// <summary>defer: a warning that recipients are delayed.</summary>
    Delay = 2,

    /// <summary>trace: recipients were delivered and NOTIFY=SUCCESS was given.</summary>
    Success = 3,

    /// <summary>trace: sendmail -v or -bv.</summary>
    Verify = 4,

    /// <summary>The content is damaged on disk: a notice for the postmaster alone.</summary>
    Damage = 5,
}

/// <summary>The arrow qmgr → bounce, defer, trace: report what became of some recipients of a message.</summary>
/// <param name="Kind">The report.</param>
/// <param name="MessageId">The message reported on.</param>
/// <param name="QueueId">Its queue id.</param>
/// <param name="Original">Its envelope.</param>
/// <param name="Layout">Its content.</param>
/// <param name="Recipients">Whom to report on, all that failed (or are late, or were delivered). NOTIFY is looked at here, because postmaster copies list them all.</param>
/// <param name="Closes">The durable report closes these recipients (not for Delay and Damage).</param>
public sealed record ReportRequest(
    ReportKind Kind, ulong MessageId, string QueueId, Envelope Original, ContentLayout Layout, IReadOnlyList<RecipientResult> Recipients, bool Closes)
{
    /// <summary>The list's owner, who is told in the sender's place; or null.</summary>
    public string? Owner { get; init; }

    /// <summary>Of the recipients, those that another report closes.</summary>
    public IReadOnlyList<int> Leaves { get; init; } = [];

    /// <summary>The recipients that this report closes once it is durable.</summary>
    public int[] Closed() => [.. Recipients.Select(static r => r.Index).Where(i => !Leaves.Contains(i))];
}

/// <summary>How making a report ended.</summary>
public enum ReportResult : byte
{
    /// <summary>Durable; its end record closed the recipients.</summary>
    Sent = 1,

    /// <summary>Nobody is to be told (null sender's double bounce discarded): qmgr closes the recipients itself.</summary>
    Discarded = 2,

    /// <summary>Could not be made now: qmgr tries again later.</summary>
    TryAgain = 3,
}

/// <summary>Makes delivery reports (RFC 3464). Runs beside the engine, never on it.</summary>
public interface IBounce
{
    /// <summary>Makes one report and sends it by <see cref="IResubmit"/>.</summary>
    ValueTask<ReportResult> ReportAsync(ReportRequest request, CancellationToken cancel);
}
