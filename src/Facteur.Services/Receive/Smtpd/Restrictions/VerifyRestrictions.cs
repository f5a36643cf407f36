using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Addresses;

namespace Facteur.Services.Receive.Smtpd.Restrictions;

/// <summary>What comes of an address that was probed, by the unverified_sender_ or unverified_recipient_ parameters.</summary>
/// <param name="RejectCode">Reply code for an address that is refused; 2xx to only log it.</param>
/// <param name="DeferCode">Reply code for one of which nothing is known.</param>
/// <param name="Reason">Told instead of what the probe found; "" for that.</param>
/// <param name="DefersIfPermit">The tempfail action is defer_if_permit.</param>
internal sealed record UnverifiedAction(int RejectCode, int DeferCode, string Reason, bool DefersIfPermit);

/// <summary>The parameters of address verification that smtpd acts on.</summary>
internal sealed class UnverifiedSettings(IConfig config)
{
    public UnverifiedAction Sender { get; } = Action(
        config, VerifyParameters.SenderRejectCode, VerifyParameters.SenderDeferCode, VerifyParameters.SenderRejectReason, VerifyParameters.SenderTempfailAction);

    public UnverifiedAction Recipient { get; } = Action(
        config, VerifyParameters.RecipientRejectCode, VerifyParameters.RecipientDeferCode, VerifyParameters.RecipientRejectReason, VerifyParameters.RecipientTempfailAction);

    public string ServiceName { get; } = config.Get(VerifyParameters.ServiceName);

    public int PollCount { get; } = (int)Math.Min(config.Get(VerifyParameters.PollCount), int.MaxValue);

    public TimeSpan PollDelay { get; } = config.GetWait(VerifyParameters.PollDelay);

    private static UnverifiedAction Action(IConfig config, IntParameter reject, IntParameter defer, StringParameter reason, StringParameter tempfail) =>
        new((int)config.Get(reject), (int)config.Get(defer), config.Get(reason), DefersIfPermit(tempfail, config.Get(tempfail)));

    private static bool DefersIfPermit(StringParameter parameter, string value) => value.ToLowerInvariant() switch
    {
        "defer_if_permit" => true,
        "defer" => false,
        _ => throw new ConfigException($"{parameter.Name} = {value}: expected defer or defer_if_permit"),
    };
}

/// <summary>reject_unverified_sender and reject_unverified_recipient: asks verify(8), and waits a while for a probe that is under way.</summary>
internal static class VerifyRestrictions
{
    public static ValueTask<Verdict> Sender(RestrictionContext context, Subject subject) =>
        context.Sender is { Length: > 0 } sender ? CheckAsync(context, sender, isSender: true) : new(Verdict.Dunno);

    public static ValueTask<Verdict> Recipient(RestrictionContext context, Subject subject) =>
        context.Recipient is { Length: > 0 } recipient ? CheckAsync(context, recipient, isSender: false) : new(Verdict.Dunno);

    private static async ValueTask<Verdict> CheckAsync(RestrictionContext context, string address, bool isSender)
    {
        var settings = context.Settings.Verify;
        var (action, kind, dsn) = isSender ? (settings.Sender, Subject.SenderAddress, "4.1.7") : (settings.Recipient, Subject.RecipientAddress, "4.1.1");
        var resolution = await context.ResolveAsync(address, isSender).ConfigureAwait(false);
        if ((resolution.Flags & ResolveFlags.Fail) != 0)
        {
            return context.TemporaryLookupFailure(address);
        }
        if (await AskAsync(context, settings, resolution.Recipient).ConfigureAwait(false) is not { } verdict)
        {
            context.Log.Warning($"{settings.ServiceName} service failure");
            return context.DeferLater(action.DefersIfPermit, 450, dsn, $"<{AddressParts.Unquote(address)}>: {kind} rejected: address verification problem");
        }
        var code = verdict.Status switch { AddressStatus.Ok => 0, AddressStatus.Bounced => action.RejectCode, _ => action.DeferCode };
        var why = code >= 400 && action.Reason.Length > 0 ? action.Reason : verdict.Text;
        switch (code / 100)
        {
            case 0:
                return Verdict.Dunno;
            case 2:
                // Postfix: a code 2xx is for trying it out.
                context.Log.Event(context, "permit", why);
                return Verdict.Dunno;
            case 4:
                return context.DeferLater(action.DefersIfPermit, code, dsn, $"<{AddressParts.Unquote(address)}>: {kind} rejected: unverified address: {(why.Length > 250 ? why[..250] : why)}");
            default:
                return context.Reject(code, dsn, $"<{AddressParts.Unquote(address)}>: {kind} rejected: undeliverable address: {why}");
        }
    }

    private static async ValueTask<AddressVerdict?> AskAsync(RestrictionContext context, UnverifiedSettings settings, string address)
    {
        if (context.Arrows.Probes is not { } probes)
        {
            return null;
        }
        for (var asked = 1; ; asked++)
        {
            var verdict = await probes.QueryAsync(address, context.Cancel).ConfigureAwait(false);
            // Who only explains sends no probe: there is nothing to wait for.
            if (verdict is not { Status: AddressStatus.InProgress } || asked >= settings.PollCount || context.Arrows.Explanation is not null)
            {
                return verdict;
            }
            await Task.Delay(settings.PollDelay, context.Time, context.Cancel).ConfigureAwait(false);
        }
    }
}
