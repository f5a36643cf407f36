using System.Text;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Headers;
using Facteur.Services.Server;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>
/// The mail that tells the postmaster of a server that did not understand us (postconf(5), notify_classes: protocol). A courtesy: when it can't be sent, a
/// warning is all; there are so many in a minute, and none about a notice.
/// </summary>
internal sealed class SmtpNotice
{
    private readonly bool _wanted;
    private readonly string _recipient;
    private readonly string _sender;
    private readonly string _host;
    private readonly string _name;
    private readonly bool _obsoleteFrom;
    private readonly IResubmit _resubmit;
    private readonly SmtpLog _log;
    private readonly TimeProvider _time;
    private readonly NoticeRate _rate;

    public SmtpNotice(IConfig config, bool lmtp, IResubmit resubmit, SmtpLog log, TimeProvider time)
    {
        _wanted = ListSyntax.Split(config.Get(BounceParameters.NotifyClasses)).Contains("protocol", StringComparer.OrdinalIgnoreCase);
        _recipient = config.Get(BounceParameters.ErrorNoticeRecipient);
        _host = config.Get(CommonParameters.Myhostname);
        _sender = $"{config.Get(CommonParameters.DoubleBounceSender)}@{_host}";
        _name = $"{config.Get(CommonParameters.MailName)} {(lmtp ? "LMTP" : "SMTP")} client";
        _obsoleteFrom = config.Get(BounceParameters.HeaderFromFormat) == "obsolete";
        (_resubmit, _log, _time, _rate) = (resubmit, log, time, new NoticeRate(time));
    }

    /// <summary>A transcript for a session, or null when nobody wants to know.</summary>
    /// <param name="said">Takes each line as it is said, or null.</param>
    public SmtpTranscript? Begin(Action<char, string>? said) => _wanted || said is not null ? new SmtpTranscript(_wanted, said) : null;

    /// <summary>Tells of a session, when there is something to tell. Never throws.</summary>
    public async ValueTask SendAsync(DeliveryRequest request, SmtpSession session)
    {
        // Postfix: not while a report or a notice is sent, so that notices make no loops.
        if (session.Transcript is not { HasErrors: true } transcript || request.Envelope.Sender.Length == 0 || request.Envelope.Origin == MessageOrigin.Notice
            || request.Envelope.Sender.Equals(_sender, StringComparison.OrdinalIgnoreCase) || !_rate.Take())
        {
            return;
        }
        try
        {
            var now = _time.GetUtcNow();
            using var message = _resubmit.Begin(new Envelope
            {
                Sender = _sender,
                ArrivalMicros = (now - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond,
                Origin = MessageOrigin.Notice,
                Flags = MessageFlags.RewriteLocal,
                Recipients = [new EnvelopeRecipient(_recipient)],
            });
            await message.WriteAsync(Encoding.UTF8.GetBytes(Text(session.Host, transcript, now)), CancellationToken.None).ConfigureAwait(false);
            var result = (await message.EndAsync(CancellationToken.None).ConfigureAwait(false)).Result;
            if (result.Status != CleanupStatus.Ok)
            {
                _log.NotNotified(result.Text ?? result.Status.ToString());
            }
        }
        catch (Exception e)
        {
            _log.NotNotified(e.Message);
        }
    }

    private string Text(SmtpHost host, SmtpTranscript transcript, DateTimeOffset now)
    {
        var text = new StringBuilder(2048);
        text.Append("Date: ").Append(MailDate.Format(now, _time.LocalTimeZone)).Append('\n');
        text.Append("From: ").Append(FromText.Format("Mail Delivery System", $"MAILER-DAEMON@{_host}", _obsoleteFrom, "")).Append('\n');
        text.Append("To: ").Append(FromText.Format("Postmaster", _recipient, _obsoleteFrom, "")).Append('\n');
        text.Append($"Subject: {_name}: errors from {host.Relay}\n\nUnexpected response from {host.Relay}.\n\nTranscript of session follows.\n\n");
        transcript.Take(text);
        return text.Append("\nFor other details, see the local mail logfile\n").ToString();
    }
}
