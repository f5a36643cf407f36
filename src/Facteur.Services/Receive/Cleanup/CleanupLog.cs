using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;

namespace Facteur.Services.Receive.Cleanup;

/// <summary>The log lines of cleanup(8).</summary>
internal sealed class CleanupLog(ServiceLog log)
{
    /// <summary>An address as lines show it.</summary>
    public string Address(string address) => log.Address(address);

    public void MessageId(string queueId, string id) => log.Info($"{queueId}: message-id={id}");

    public void ResentMessageId(string queueId, string id) => log.Info($"{queueId}: resent-message-id={id}");

    public void Canceled(string queueId) => log.Info($"{queueId}: removed (canceled)");

    public void Discarded(string queueId) => log.Info($"{queueId}: removed (discarded)");

    public void HopcountExceeded(string queueId) => log.Warning($"{queueId}: message rejected: hopcount exceeded");

    public void LookupProblem(string queueId, string parameter, string address) =>
        log.Warning($"{queueId}: {parameter} map lookup problem for {address} -- message not accepted, try again later");

    public void NoAddress(string parameter, string address, string value) =>
        log.Warning($"{parameter} lookup of {address} returns non-address result \"{(value.Length > 300 ? value[..300] : value)}\"");

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

    public void VerpForNullSender(string queueId) => log.Warning($"{queueId}: ignoring VERP request for null sender");

    public void BadVerp(string queueId, string delimiters) => log.Warning($"{queueId}: ignoring bad VERP request: \"{(delimiters.Length > 100 ? delimiters[..100] : delimiters)}\"");

    /// <summary>A probe that ends here.</summary>
    public void Deliverable(string queueId, string address, string text) =>
        log.Info($"{queueId}: to=<{log.Address(address)}>, relay=none, delay=0, delays=0/0/0/0, dsn=2.0.0, status=deliverable ({text})");

    /// <summary>Content that is refused.</summary>
    public void Rejected(string queueId, Envelope envelope, string what, string content, string? recipient, string text)
    {
        var client = envelope.Client;
        var line = new StringBuilder();
        foreach (var c in content)
        {
            line.Append(char.IsControl(c) ? '?' : c);
        }
        var origin = envelope.Origin == MessageOrigin.Smtpd ? $"{client.Name}[{client.Address}]" : "local";
        log.Info($"{queueId}: reject: {what} {line} from {origin}; from=<{log.Address(envelope.Sender)}>{(recipient is null ? "" : $" to=<{log.Address(recipient)}>")}"
            + $"{(client.Protocol.Length > 0 ? $" proto={client.Protocol}" : "")}{(client.Helo.Length > 0 ? $" helo=<{client.Helo}>" : "")}: {text}");
    }

    public void TooLarge(string queueId) => log.Warning($"{queueId}: queue file size limit exceeded");
}
