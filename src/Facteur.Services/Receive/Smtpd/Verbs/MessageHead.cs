using Facteur.Mail.Envelopes;
using Facteur.Mail.Headers;

namespace Facteur.Services.Receive.Smtpd.Verbs;

/// <summary>What smtpd puts in front of a message's content.</summary>
internal static class MessageHead
{
    /// <summary>Sends headers that access tables asked for (PREPEND), and makes the Received: header that goes with the first content.</summary>
    public static async ValueTask<string> MakeAsync(SmtpdSession session, ContentIntake content)
    {
        var transaction = session.Transaction!;
        if (session.Context.Effects.Discard && transaction.Message is not Proxy.IProxyMessage)
        {
            // Postfix: cleanup learns it before the content, and reads none.
            transaction.Envelope!.Flags |= MessageFlags.Discard;
        }
        transaction.Envelope!.LastRecipient = transaction.Recipients.Count > 0 ? transaction.Recipients[^1].Address : "";
        foreach (var line in session.Context.Effects.Prepend)
        {
            await content.HeaderAsync(line + "\n", session.Cancel).ConfigureAwait(false);
        }
        if (transaction.Message is Proxy.IProxyMessage && session.IsForwarded)
        {
            // Postfix: between two filters we are no hop.
            return "";
        }
        var context = session.Context;
        return ReceivedHeader.Make(
            session.Settings,
            session.Client,
            context.Helo,
            // RFC 3848, RFC 6531 4.3: who logged in has an "A".
            (transaction.Smtputf8 ? "UTF8SMTP" : context.Protocol) + (context.SaslUsername.Length > 0 && context.Protocol == "ESMTP" ? "A" : ""),
            transaction.Message!.QueueId,
            transaction.Recipients.Count == 1 ? transaction.Recipients[0].Address : null,
            MailDate.Format(transaction.Arrival, session.Service.Time.LocalTimeZone));
    }
}
