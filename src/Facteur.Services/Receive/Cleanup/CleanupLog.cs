using Facteur.Contracts;

namespace Facteur.Services.Receive.Cleanup;

/// <summary>The log lines of cleanup(8).</summary>
internal sealed class CleanupLog(ServiceLog log)
{
    public void MessageId(string queueId, string id) => log.Info($"{queueId}: message-id={id}");

    public void ResentMessageId(string queueId, string id) => log.Info($"{queueId}: resent-message-id={id}");

    public void Canceled(string queueId) => log.Info($"{queueId}: removed (canceled)");

    public void Discarded(string queueId) => log.Info($"{queueId}: removed (discarded)");

    public void HopcountExceeded(string queueId) => log.Warning($"{queueId}: message rejected: hopcount exceeded");

    public void LookupProblem(string queueId, string parameter, string address) =>
        log.Warning($"{queueId}: {parameter} map lookup problem for {address} -- message not accepted, try again later");

    public void NestingTooDeep(string queueId, string parameter, string address) =>
        log.Warning($"{queueId}: unreasonable {parameter} map nesting for {address} -- message not accepted, try again later");

    public void ExpansionTooLarge(string queueId, string parameter, string address) =>
        log.Warning($"{queueId}: unreasonable {parameter} map expansion size for {address} -- message not accepted, try again later");

    public void ResultTooLong(string queueId, string parameter, string result) =>
        log.Warning($"{queueId}: unreasonable {parameter} result {(result.Length > 300 ? result[..300] : result)}... -- message not accepted, try again later");

    public void SeveralValues(string queueId, string parameter, string address) => log.Warning($"{queueId}: multi-valued {parameter} entry for {address}");

    public void BadHeaderText(string parameter, string text) => log.Warning($"bad {parameter} header text \"{text}\" -- need \"headername: headervalue\"");

    public void Checked(string text) => log.Info(text);

    public void Warning(string text) => log.Warning(text);

    public void CheckProblem(string queueId, string parameter, string reason)
    {
        log.Warning(reason);
        log.Warning($"{queueId}: {parameter} map lookup problem -- message not accepted, try again later");
    }

    public void TooLarge(string queueId) => log.Warning($"{queueId}: queue file size limit exceeded");
}
