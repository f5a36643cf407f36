using Facteur.Contracts;
using Facteur.Net.Tls;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>The log lines of smtp(8) but the one per recipient.</summary>
internal sealed class SmtpLog(ServiceLog log)
{
    // Postfix: whatever the order in which they were given.
    private static readonly string[] KeywordOrder =
        ["8BITMIME", "AUTH", "ETRN", "PIPELINING", "SIZE", "VRFY", "XCLIENT", "XFORWARD", "STARTTLS", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8", "CHUNKING"];

    internal ServiceLog Service => log;

    /// <summary>A host did not do and another one is tried.</summary>
    internal void NextHost(string queueId, string reason) => log.Info($"{queueId}: {reason}");

    /// <summary>A line of the dialogue, for a peer whose sessions are logged word by word.</summary>
    internal void Said(string relay, char sign, string line) => log.Info($"{sign} {relay}: {line}");

    internal void NotConnected(string reason) => log.Info(reason);

    internal void NumericHost(string domain, string host) => log.Warning($"numeric domain name in resource data of MX record for {domain}: {host}");

    internal void NoMxAddress(string domain) => log.Warning($"no MX host for {domain} has a valid address record");

    internal void Fault(string queueId, Exception fault) => log.Error($"{queueId}: {fault}");

    internal void Misconfigured(string parameter) => log.Warning($"{parameter} configuration problem");

    internal void HandshakeFailed(string relay, string error) => log.Info($"SSL_connect error to {relay}: {error}");

    internal void TlsEstablished(string relay, TlsFacts facts) =>
        log.Info($"{facts.Trust} TLS connection established to {relay}: {facts.Protocol} with cipher {facts.Cipher} ({facts.Bits}/{facts.AlgorithmBits} bits)");

    internal void GreetedByOwnName(string relay, string name) => log.Warning($"host {relay} greeted me with my own hostname {name}");

    internal void RepliedWithOwnName(string relay, string name) => log.Warning($"host {relay} replied to HELO/EHLO with my own hostname {name}");

    internal void BadSize(string relay, string limit) => log.Warning($"bad EHLO SIZE limit \"{limit}\" from {relay}");

    internal void OffersUtf8Only(string nameAddress) => log.Info($"host {nameAddress} offers SMTPUTF8 support, but not 8BITMIME");

    internal void Malformed(string queueId, bool lmtp, string relay, string text) => log.Warning($"{queueId}: non-{(lmtp ? "LMTP" : "ESMTP")} response from {relay}: {text}");

    internal void OneRecipientWanted(string transport) => log.Warning($"flag `D' requires {transport}_destination_recipient_limit = 1");

    internal void PathTooLong(string path) => log.Warning($"unix-domain name too long: {path}");

    internal void MapProblem(string parameter, string address) => log.Warning($"{parameter} map lookup problem for {address}");

    internal void SeveralValues(string parameter, string address) => log.Warning($"multi-valued {parameter} result for {address}");

    internal void NotNotified(string reason) => log.Warning($"postmaster notify: {reason}");

    internal void XforwardRefused(string relay, string reply, string attributes) => log.Warning($"host {relay} said: {reply} (in reply to XFORWARD {attributes} command)");

    internal void NotBound(System.Net.IPAddress address, string error) => log.Warning($"smtp_connect_addr: bind {address}: {error}");

    internal void Checked(string queueId, string action, string kind, string line, string text) =>
        log.Info(text.Length > 0 ? $"{queueId}: {action}: {kind} {line}: {text}" : $"{queueId}: {action}: {kind} {line}");

    internal void Discarded(IReadOnlySet<string> keywords) => log.Info($"discarding EHLO keywords: {string.Join(' ', KeywordOrder.Where(keywords.Contains))}");

    internal void BrokenLines(string queueId, int limit) => log.Info($"{queueId}: breaking line > {limit} bytes with <CR><LF>SPACE");

    internal void KeywordsNotFound(string address, string parameter) => log.Warning($"{parameter} map lookup error for {address}");

    internal void Replaced(string relay, string line, string by) => log.Info($"{relay}: replacing server reply \"{line}\" with \"{by}\"");

    internal void FilterFailed(string table, string line, string reason) => log.Warning($"table {table} lookup error for {line}: {reason}");

    internal void PixWorkarounds(string queueId, string words, string relay) => log.Info($"{queueId}: enabling PIX workarounds: {words} for {relay}");

    internal void Misused(string text) => log.Warning(text);

    internal void ContentNotRead(string queueId, string reason) => log.Warning($"{queueId}: {reason}");
}
