using Facteur.Contracts;

namespace Facteur.Services.Report.Bounce;

/// <summary>The log lines of bounce(8).</summary>
internal sealed class BounceLog(ServiceLog log)
{
    public void SenderReport(ReportKind kind, string queueId, string reportId) => log.Info($"{queueId}: sender {Name(kind)} notification: {reportId}");

    public void PostmasterReport(ReportKind kind, string queueId, string reportId) => log.Info($"{queueId}: postmaster {Name(kind)} notification: {reportId}");

    public void DoubleBounceDiscarded(string queueId) => log.Warning($"{queueId}: undeliverable postmaster notification discarded");

    public void SuccessNotSent(string queueId, string kind) => log.Info($"{queueId}: not sending trace/success notification for {kind} message");

    public void Refused(ReportKind kind, string queueId, bool postmaster, string to, CleanupResult why) =>
        log.Warning($"{queueId}: {(postmaster ? "postmaster" : "sender")} {Name(kind)} notification to <{to}> refused for good ({why.Text ?? Words(why.Status)}): discarded");

    public void NotMade(ReportKind kind, string queueId, string to, CleanupResult why) =>
        log.Warning($"{queueId}: {Name(kind)} notification to <{to}> can't be made now ({why.Text ?? Words(why.Status)}): tried again with the message");

    public void OriginalUnreadable(string queueId) => log.Warning($"{queueId}: the original message is damaged: its report returns only a part of it");

    public void TemplateUnusable(string why) => log.Warning($"{why}; built-in templates are used instead");

    public void UnknownNotifyClass(string name) =>
        log.Warning($"unknown class \"{name}\" in notify_classes; expected bounce, 2bounce, data, delay, policy, protocol, resource or software");

    private static string Words(CleanupStatus status) => status switch
    {
        CleanupStatus.TooLarge => "message file too big",
        CleanupStatus.TooManyHops => "too many hops",
        CleanupStatus.NoRecipients => "no recipients",
        CleanupStatus.WriteError => "queue file write error",
        CleanupStatus.NoSpace => "insufficient system storage",
        CleanupStatus.TryAgain => "what it needs is not there",
        _ => "message content rejected",
    };

    private static string Name(ReportKind kind) => kind switch
    {
        ReportKind.Failure or ReportKind.Damage => "non-delivery",
        ReportKind.Delay => "delay",
        _ => "delivery status",
    };
}
