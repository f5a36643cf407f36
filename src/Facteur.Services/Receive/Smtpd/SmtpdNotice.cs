using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Headers;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>The mail that tells the postmaster of a session with errors (postconf(5), notify_classes). A courtesy: when it can't be sent, a warning is all; there are so many in a minute.</summary>
internal static class SmtpdNotice
{
    public static async ValueTask SendAsync(SmtpdSession session)
    {
        var settings = session.Settings;
        var now = session.Service.Time.GetUtcNow();
        var envelope = new Envelope
        {
            // Postfix: this address never gets a report, so that notices make no loops.
            Sender = $"{settings.DoubleBounceSender}@{settings.Myhostname}",
            ArrivalMicros = (now - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond,
            Origin = MessageOrigin.Notice,
            Flags = MessageFlags.RewriteLocal,
        };
        // Not cancelled when the service stops: the session is over, and nobody waits.
        var message = await session.Arrows.Cleanup.OpenAsync(envelope, CancellationToken.None).ConfigureAwait(false);
        if (message is null)
        {
            session.Log.NotNotified("queue file write error");
            return;
        }
        await using (message.ConfigureAwait(false))
        {
            // Postfix: of mail for nobody bounce_notice_recipient is told, whatever the header says.
            var bounce = (session.Transcript!.Errors & NoticeClasses.Bounce) != 0;
            message.AddRecipient(new EnvelopeRecipient(bounce ? settings.BounceNoticeRecipient : settings.ErrorNoticeRecipient));
            await message.WriteAsync(Encoding.UTF8.GetBytes(Text(session, now)), CancellationToken.None).ConfigureAwait(false);
            var result = await message.CompleteAsync(CancellationToken.None).ConfigureAwait(false);
            if (result.Status != CleanupStatus.Ok)
            {
                session.Log.NotNotified(result.Text ?? result.Status.ToString());
            }
        }
    }

    private static string Text(SmtpdSession session, DateTimeOffset now)
    {
        var settings = session.Settings;
        var text = new StringBuilder(2048);
        text.Append("Date: ").Append(MailDate.Format(now, session.Service.Time.LocalTimeZone)).Append('\n');
        text.Append("From: ").Append(FromText.Format("Mail Delivery System", $"MAILER-DAEMON@{settings.Myhostname}", settings.ObsoleteFrom, "")).Append('\n');
        text.Append("To: ").Append(FromText.Format("Postmaster", settings.ErrorNoticeRecipient, settings.ObsoleteFrom, "")).Append('\n');
        text.Append($"Subject: {settings.MailName} SMTP server: errors from {session.Client.Printable}\n\nTranscript of session follows.\n\n");
        session.Transcript!.Write(text);
        text.Append('\n');
        if (session.Transcript.Aborted is { } reason)
        {
            text.Append($"Session aborted, reason: {reason}\n");
        }
        return text.Append("\nFor other details, see the local mail logfile\n").ToString();
    }
}
