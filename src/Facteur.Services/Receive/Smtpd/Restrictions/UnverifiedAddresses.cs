using Facteur.Contracts;
using Facteur.Mail.Dsn;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>
/// reject_unverified_sender, reject_unverified_recipient: look at what a probe of the address found (ADDRESS_VERIFICATION_README); refuse what bounces, put
/// off what is not known, by defer or defer_if_permit. A probe under way is asked for address_verify_poll_count times.
/// </summary>
internal static class UnverifiedAddresses
{
    public static ValueTask<Verdict> Sender(RestrictionContext context, Subject subject) =>
        context.Sender is { Length: > 0 } sender ? CheckAsync(context, sender, isSender: true, "reject_unverified_sender") : new(Verdict.Dunno);

    public static ValueTask<Verdict> Recipient(RestrictionContext context, Subject subject) =>
        context.Recipient is { Length: > 0 } recipient ? CheckAsync(context, recipient, isSender: false, "reject_unverified_recipient") : new(Verdict.Dunno);

    private static async ValueTask<Verdict> CheckAsync(RestrictionContext context, string address, bool isSender, string name)
    {
        if (context.Arrows.Probes is not { } probes)
        {
            context.Log.Warning($"restriction \"{name}\" is not supported yet");
            return context.ServerError();
        }
        var settings = isSender ? context.Settings.UnverifiedSender : context.Settings.UnverifiedRecipient;
        var complete = await context.Arrows.Rewrite.RewriteAsync(true, address, context.Cancel).ConfigureAwait(false) ?? address;
        var result = await probes.QueryAsync(complete, context.Cancel).ConfigureAwait(false);
        for (var asked = 1; result.Status == ProbeStatus.InProgress && asked < context.Settings.VerifyPollCount; asked++)
        {
            await Task.Delay(context.Settings.VerifyPollDelay, context.Time, context.Cancel).ConfigureAwait(false);
            result = await probes.QueryAsync(complete, context.Cancel).ConfigureAwait(false);
        }
        var kind = isSender ? Subject.SenderAddress : Subject.RecipientAddress;
        var plain = isSender ? "4.1.7" : "4.1.1";
        var head = $"<{address}>: {kind} rejected: ";
        return result.Status switch
        {
            ProbeStatus.Deliverable => Verdict.Dunno,
            ProbeStatus.Undeliverable => context.Reject(
                settings.RejectCode, Fixed(result.Dsn, plain, kind), head + (settings.RejectReason.Length > 0 ? settings.RejectReason : "undeliverable address: " + Cut(result.Text))),
            ProbeStatus.Unavailable => context.DeferLater(settings.DefersIfPermit, 450, "4.3.0", head + "address verification problem"),
            ProbeStatus.InProgress => context.DeferLater(settings.DefersIfPermit, settings.DeferCode, plain, head + "unverified address: Address verification in progress"),
            _ => context.DeferLater(settings.DefersIfPermit, settings.DeferCode, Fixed(result.Dsn, plain, kind), head + "unverified address: " + Cut(result.Text)),
        };
    }

    private static string Fixed(string dsn, string plain, string kind) => EnhancedStatus.TryParsePrefix(dsn, out var status, out _) ? DsnClasses.Fix(status.ToString(), kind) : plain;

    // Postfix: as much of it as a reply line can hold.
    private static string Cut(string text) => text.Length > 250 ? text[..250] : text;
}

/// <summary>The values of unverified_sender_* or unverified_recipient_*.</summary>
internal sealed record UnverifiedSettings(int RejectCode, int DeferCode, string RejectReason, bool DefersIfPermit);
