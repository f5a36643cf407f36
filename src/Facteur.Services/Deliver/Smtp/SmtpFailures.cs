using Facteur.Mail.Dsn;
using Facteur.Mail.Smtp;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>The texts of failures, as Postfix has them.</summary>
internal static class SmtpFailures
{
    internal static DeliveryStatus Connect(SmtpHost host, string error) => DeliveryStatus.Deferred(4, 1, $"connect to {host.Relay}: {error}");

    internal static DeliveryStatus Loops(string name) => DeliveryStatus.Bounced(4, 6, $"mail for {name} loops back to myself");

    /// <summary>A host that is ourselves, as its reply to EHLO says. Postfix: one that is not the best of its destination's leaves the mail to others.</summary>
    internal static DeliveryStatus Loops(string nexthop, bool best) => best ? Loops(nexthop) : DeliveryStatus.Deferred(4, 6, $"mail for {nexthop} loops back to myself");

    internal static DeliveryStatus BadDestination(string nexthop) => DeliveryStatus.Deferred(3, 5, $"bad destination syntax: {nexthop}");

    internal static DeliveryStatus ServerConfiguration() => DeliveryStatus.Deferred(3, 5, "Server configuration error");

    /// <summary>A failure for good that is a mistake in main.cf and not in the mail: it waits until that is put right.</summary>
    internal static DeliveryStatus Misconfigured(DeliveryStatus why) =>
        why with { Outcome = DeliveryOutcome.Deferred, Status = new EnhancedStatus(4, 3, 5), Action = DsnAction.Delayed };

    /// <summary>A reply in place of the one hoped for.</summary>
    internal static DeliveryStatus Said(SmtpHost host, in SmtpReply reply, string command) =>
        Of(host, reply, $"host {host.NameAddress} said: {SmtpReplyText.OneLine(reply.Text)} (in reply to {command})");

    /// <summary>A greeting or an EHLO reply that lets nobody in; 5xx becomes temporary where the next host may do better.</summary>
    internal static DeliveryStatus Refused(SmtpHost host, in SmtpReply reply, bool soften)
    {
        var status = Of(host, reply, $"host {host.NameAddress} refused to talk to me: {SmtpReplyText.OneLine(reply.Text)}");
        return soften && reply.Code >= 500
            ? status with { Outcome = DeliveryOutcome.Deferred, Status = status.Status with { Class = 4 }, Action = DsnAction.Delayed } : status;
    }

    internal static DeliveryStatus TlsRefused(SmtpHost host, in SmtpReply reply) =>
        Of(host, reply, $"TLS is required, but host {host.NameAddress} refused to start TLS: {SmtpReplyText.OneLine(reply.Text)}");

    internal static DeliveryStatus TlsNotOffered(SmtpHost host) =>
        DeliveryStatus.Deferred(7, 4, $"TLS is required, but was not offered by host {host.NameAddress}");

    internal static DeliveryStatus MapProblem() => DeliveryStatus.Deferred(3, 0, "address mapping problem");

    internal static DeliveryStatus TlsFailed() => DeliveryStatus.Deferred(7, 5, "Cannot start TLS: handshake failure");

    internal static DeliveryStatus TlsInjection(SmtpHost host) =>
        DeliveryStatus.Deferred(7, 0, $"host {host.NameAddress} sent plain text after its reply to STARTTLS");

    internal static DeliveryStatus TooBig(SmtpHost host, long size, long limit) =>
        DeliveryStatus.Bounced(3, 4, $"message size {size} exceeds size limit {limit} of server {host.NameAddress}");

    internal static DeliveryStatus NeedsSmtpUtf8(SmtpHost host) =>
        DeliveryStatus.Bounced(6, 7, $"message requires SMTPUTF8, but no server was found that supports SMTPUTF8. The last attempted server was {host.NameAddress}");

    internal static DeliveryStatus LocalData(SmtpHost host) =>
        DeliveryStatus.Deferred(3, 0, $"local data error while talking to {host.NameAddress}");

    internal static DeliveryStatus NestsTooDeep() => DeliveryStatus.Bounced(6, 0, "MIME nesting exceeds safety limit");

    internal static DeliveryStatus Lost(SmtpHost host, SmtpLoss loss, string doing) => loss switch
    {
        SmtpLoss.TimedOut => DeliveryStatus.Deferred(4, 2, $"conversation with {host.NameAddress} timed out while {doing}"),
        SmtpLoss.LocalData => LocalData(host),
        SmtpLoss.Garbage => DeliveryStatus.Deferred(5, 0, $"non-SMTP response from {host.NameAddress} while {doing}"),
        _ => DeliveryStatus.Deferred(4, 2, $"lost connection with {host.NameAddress} while {doing}"),
    };

    private static DeliveryStatus Of(SmtpHost host, in SmtpReply reply, string reason)
    {
        // Postfix: a reply that fits nowhere (2xx or 3xx in place of another) is the peer's mistake, and final.
        var fits = reply.Code >= 400;
        var hard = !fits || reply.Code >= 500;
        var status = fits ? SmtpReplyText.Status(reply.Code, reply.Text) : new EnhancedStatus(5, 5, 0);
        reason = reply.IsOk ? $"Protocol error: {reason}" : reason;
        reason = reason.Length > DeliveryStatus.ReasonLimit ? reason[..DeliveryStatus.ReasonLimit] : reason;
        return new DeliveryStatus(
            hard ? DeliveryOutcome.Bounced : DeliveryOutcome.Deferred, status, reason, hard ? DsnAction.Failed : DsnAction.Delayed,
            "smtp", SmtpReplyText.OneLine(reply.Text), "dns", host.Name);
    }
}
