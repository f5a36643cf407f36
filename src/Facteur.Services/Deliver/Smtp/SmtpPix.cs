using Facteur.Config;
using Facteur.Contracts;
using Facteur.Services.Server;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>
/// Old Cisco PIX firewalls in front of a server hide its greeting behind stars, know nothing of ESMTP, and lose a message whose end does not stand in one packet by
/// itself (smtp_pix_workarounds).
/// </summary>
internal static class SmtpPix
{
    /// <summary>What is done about it.</summary>
    [Flags]
    internal enum Workarounds : byte
    {
        None = 0,

        /// <summary>HELO in place of EHLO.</summary>
        DisableEsmtp = 1,

        /// <summary>A pause before the final dot.</summary>
        DelayDotCrlf = 2,
    }

    /// <summary>What to do with the server of a greeting; logged when it is anything.</summary>
    internal static async ValueTask<Workarounds> FindAsync(
        string greeting, SmtpHost host, DeliveryRequest request, SmtpSettings settings, SmtpLog log, TimeProvider time, CancellationToken cancel)
    {
        if (greeting.AsSpan().ContainsAnyExcept("20 *\t\n"))
        {
            return Workarounds.None;
        }
        var found = Workarounds.None;
        foreach (var word in ListSyntax.Split(await settings.Tables.PixAsync(host, settings.PixWorkarounds, cancel).ConfigureAwait(false)))
        {
            // Postfix: a word that is not known is passed over.
            found |= word.Equals("disable_esmtp", StringComparison.OrdinalIgnoreCase) ? Workarounds.DisableEsmtp
                : word.Equals("delay_dotcrlf", StringComparison.OrdinalIgnoreCase) ? Workarounds.DelayDotCrlf : Workarounds.None;
        }
        if (TimeSpan.FromMicroseconds(DeliveryTimes.Now(time) - request.Envelope.ArrivalMicros) < settings.PixAge)
        {
            found &= ~Workarounds.DelayDotCrlf;
        }
        if (found != Workarounds.None)
        {
            var words = ((found & Workarounds.DisableEsmtp) != 0, (found & Workarounds.DelayDotCrlf) != 0) switch
            {
                (true, true) => "disable_esmtp delay_dotcrlf",
                (true, false) => "disable_esmtp",
                _ => "delay_dotcrlf",
            };
            log.PixWorkarounds(request.QueueId, words, host.Relay);
        }
        return found;
    }
}
