using System.Buffers;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Headers;
using Facteur.Spool;

namespace Facteur.Services.Report.Bounce;

/// <summary>
/// bounce(8), with defer and trace: decides who is told of what became of a message, and sends the reports. The sender's report closes the
/// recipients; a postmaster's copy is a courtesy whose failure changes nothing. No report is made about a report on a report.
/// </summary>
public sealed class BounceService : IBounce
{
    private const int FlushSize = 32 * 1024;
    private readonly IResubmit _resubmit;
    private readonly TimeProvider _time;
    private readonly BounceLog _log;
    private readonly BounceTemplates _templates;
    private readonly OriginalCopy _original;
    private readonly NotifyClasses _classes;
    private readonly string _hostname;
    private readonly string _mailName;
    private readonly string _doubleBounce;
    private readonly string _doubleBounceRecipient;
    private readonly string _bounceRecipient;
    private readonly string _delayRecipient;
    private readonly string _errorRecipient;
    private readonly long _sizeLimit;
    private readonly TimeSpan _lifetime;
    private readonly bool _threaded;
    private readonly bool _obsoleteFrom;
    private readonly bool _verpBounces;

    /// <summary>Reads the configuration and the templates.</summary>
    /// <param name="config">The entry's snapshot.</param>
    /// <param name="resubmit">Takes the reports.</param>
    /// <param name="reader">Reads the messages reported on; used by one report at a time.</param>
    /// <param name="log">The log, as $syslog_name/bounce.</param>
    /// <param name="time">The clock.</param>
    public BounceService(IConfig config, IResubmit resubmit, ISpoolReader reader, ServiceLog log, TimeProvider time)
    {
        _resubmit = resubmit;
        _time = time;
        _log = new BounceLog(log);
        _templates = new BounceTemplates(config, _log);
        _original = new OriginalCopy(reader);
        _classes = ReadClasses(config.Get(BounceParameters.NotifyClasses));
        _hostname = config.Get(CommonParameters.Myhostname);
        _mailName = config.Get(CommonParameters.MailName);
        _doubleBounce = $"{config.Get(CommonParameters.DoubleBounceSender)}@{_hostname}";
        _doubleBounceRecipient = config.Get(BounceParameters.DoubleBounceNoticeRecipient);
        _bounceRecipient = config.Get(BounceParameters.BounceNoticeRecipient);
        _delayRecipient = config.Get(BounceParameters.DelayNoticeRecipient);
        _errorRecipient = config.Get(BounceParameters.ErrorNoticeRecipient);
        _sizeLimit = config.Get(BounceParameters.BounceSizeLimit) is var limit and > 0 ? limit : long.MaxValue;
        _lifetime = config.Get(CommonParameters.MaximalQueueLifetime);
        _threaded = config.Get(BounceParameters.EnableThreadedBounces);
        _verpBounces = !config.Get(BounceParameters.DisableVerpBounces);
        _obsoleteFrom = config.Get(BounceParameters.HeaderFromFormat) == "obsolete";
    }

    [Flags]
    private enum NotifyClasses
    {
        None = 0,
        Bounce = 1,
        DoubleBounce = 2,
        Delay = 4,
        Resource = 8,
    }

    /// <inheritdoc/>
    public async ValueTask<ReportResult> ReportAsync(ReportRequest request, CancellationToken cancel)
    {
        var sender = request.Original.Sender;
        if (request.Owner is null && sender.Equals(_doubleBounce, StringComparison.OrdinalIgnoreCase))
        {
            if (request.Kind is ReportKind.Failure or ReportKind.Delay)
            {
                _log.DoubleBounceDiscarded(request.QueueId);
            }
            else if (request.Kind is ReportKind.Success or ReportKind.Verify)
            {
                _log.SuccessNotSent(request.QueueId, "double-bounce");
            }
            return ReportResult.Discarded;
        }
        if (request.Kind == ReportKind.Damage)
        {
            // postconf(5), notify_classes, resource: mail not delivered due to resource problems.
            return (_classes & NotifyClasses.Resource) == 0 ? ReportResult.Discarded
                : await SendAsync(request, request.Recipients, _errorRecipient, postmaster: true, headersOnly: true, closes: false, cancel).ConfigureAwait(false);
        }
        return request.Owner is null && sender.Length == 0
            ? await ReportNullSenderAsync(request, cancel).ConfigureAwait(false)
            : await ReportSenderAsync(request, cancel).ConfigureAwait(false);
    }

    // The last chance of such a message to be seen: the postmaster gets all of it, whatever NOTIFY says.
    private async ValueTask<ReportResult> ReportNullSenderAsync(ReportRequest request, CancellationToken cancel)
    {
        if (request.Kind is ReportKind.Success or ReportKind.Verify)
        {
            if ((_classes & NotifyClasses.DoubleBounce) == 0)
            {
                _log.SuccessNotSent(request.QueueId, "single-bounce");
                return ReportResult.Discarded;
            }
            return Told(request) is not { Count: > 0 } told ? ReportResult.Discarded
                : await SendAsync(request, told, _doubleBounceRecipient, postmaster: false, headersOnly: true, request.Closes, cancel).ConfigureAwait(false);
        }
        // postconf(5): the class bounce includes 2bounce.
        var (wanted, recipient) = request.Kind switch
        {
            ReportKind.Failure => ((_classes & (NotifyClasses.Bounce | NotifyClasses.DoubleBounce)) != 0, _doubleBounceRecipient),
            ReportKind.Delay => ((_classes & NotifyClasses.Delay) != 0, _delayRecipient),
            _ => (false, ""),
        };
        return !wanted ? ReportResult.Discarded
            : await SendAsync(request, request.Recipients, recipient, postmaster: true, headersOnly: request.Kind != ReportKind.Failure, closes: request.Closes, cancel).ConfigureAwait(false);
    }

    private async ValueTask<ReportResult> ReportSenderAsync(ReportRequest request, CancellationToken cancel)
    {
        if (request.Original.Verp.Length > 0 && request.Kind == ReportKind.Failure && _verpBounces)
        {
            // A report for each recipient, to the sender that its delivery had.
            var all = ReportResult.Discarded;
            foreach (var recipient in request.Recipients)
            {
                var to = Verp.Sender(request.Original.Verp, request.Original.Sender, request.Original.Recipients[recipient.Index]);
                var one = await ReportToAsync(request with { Recipients = [recipient] }, to, cancel).ConfigureAwait(false);
                if (one == ReportResult.TryAgain)
                {
                    return one;
                }
                all = one == ReportResult.Sent ? one : all;
            }
            return all;
        }
        return await ReportToAsync(request, request.Owner ?? request.Original.Sender, cancel).ConfigureAwait(false);
    }

    private async ValueTask<ReportResult> ReportToAsync(ReportRequest request, string to, CancellationToken cancel)
    {
        var told = Told(request);
        var result = ReportResult.Discarded;
        if (told.Count > 0)
        {
            var headersOnly = request.Kind != ReportKind.Failure || request.Original.Return == DsnReturn.Headers;
            result = await SendAsync(request, told, to, postmaster: false, headersOnly, request.Closes, cancel).ConfigureAwait(false);
        }
        var copyTo = request.Kind switch
        {
            ReportKind.Failure when (_classes & NotifyClasses.Bounce) != 0 => _bounceRecipient,
            ReportKind.Delay when (_classes & NotifyClasses.Delay) != 0 => _delayRecipient,
            _ => null,
        };
        if (result != ReportResult.TryAgain && copyTo is not null && request.Recipients.Count > 0)
        {
            await SendAsync(request, request.Recipients, copyTo, postmaster: true, headersOnly: true, closes: false, cancel).ConfigureAwait(false);
        }
        return result;
    }

    // RFC 3461 section 4.1: without NOTIFY failures and delays are told.
    private static IReadOnlyList<RecipientResult> Told(ReportRequest request)
    {
        var wanted = request.Kind switch { ReportKind.Failure => DsnNotify.Failure, ReportKind.Delay => DsnNotify.Delay, ReportKind.Success => DsnNotify.Success, _ => DsnNotify.None };
        if (wanted == DsnNotify.None)
        {
            return request.Recipients;
        }
        var told = new List<RecipientResult>(request.Recipients.Count);
        foreach (var result in request.Recipients)
        {
            var notify = request.Original.Recipients[result.Index].Notify;
            // Of deliveries qmgr sends those that somebody wants to hear of: after a delay (confirm_delay_cleared) that may be all but those who said no.
            if (notify == DsnNotify.None || (notify & (wanted == DsnNotify.Success ? wanted | DsnNotify.Delay : wanted)) != 0)
            {
                told.Add(result);
            }
        }
        return told;
    }

    private async ValueTask<ReportResult> SendAsync(
        ReportRequest request, IReadOnlyList<RecipientResult> recipients, string to, bool postmaster, bool headersOnly, bool closes, CancellationToken cancel)
    {
        // Postfix: a message too large is not cut, which would damage its MIME structure; its headers alone are returned.
        headersOnly |= request.Layout.Length > _sizeLimit;
        var refused = await TrySendAsync(request, recipients, to, postmaster, headersOnly, closes, cancel).ConfigureAwait(false);
        if (refused is { Status: CleanupStatus.TooLarge } && !headersOnly)
        {
            refused = await TrySendAsync(request, recipients, to, postmaster, headersOnly: true, closes, cancel).ConfigureAwait(false);
        }
        switch (refused?.Status)
        {
            case null:
                return ReportResult.Sent;
            case CleanupStatus.TooLarge or CleanupStatus.TooManyHops or CleanupStatus.Rejected or CleanupStatus.NoRecipients:
                // It would be refused at every attempt, and the message would never leave.
                _log.Refused(request.Kind, request.QueueId, postmaster, to, refused.Value);
                return ReportResult.Discarded;
            default:
                _log.NotMade(request.Kind, request.QueueId, to, refused.Value);
                return ReportResult.TryAgain;
        }
    }

    /// <returns>Null when it is on stable storage, else why not.</returns>
    private async ValueTask<CleanupResult?> TrySendAsync(
        ReportRequest request, IReadOnlyList<RecipientResult> recipients, string to, bool postmaster, bool headersOnly, bool closes, CancellationToken cancel)
    {
        string? thread = null;
        if (_threaded)
        {
            var scan = new HeaderEnd();
            if (await _original.CopyAsync(request, headersOnly: true, _sizeLimit, to: null, scan, cancel).ConfigureAwait(false) is ContentRead.Moved or ContentRead.Failed)
            {
                return new CleanupResult(CleanupStatus.TryAgain);
            }
            thread = scan.MessageId;
        }
        var report = new DeliveryReport
        {
            Template = _templates.For(request.Kind),
            Hostname = _hostname,
            MailName = _mailName,
            QueueId = request.QueueId,
            Original = request.Original,
            To = to,
            Now = _time.GetLocalNow(),
            QueueLifetime = _lifetime,
            PostmasterCopy = postmaster,
            HeadersOnly = headersOnly,
            ObsoleteFrom = _obsoleteFrom,
            ThreadId = thread,
        };
        using var message = _resubmit.Begin(Envelope(request, to, postmaster, closes, report.Now));
        if (!await WriteAsync(report, request, recipients, message, cancel).ConfigureAwait(false))
        {
            return new CleanupResult(CleanupStatus.TryAgain);
        }
        var end = await message.EndAsync(cancel).ConfigureAwait(false);
        if (end.Result.Status != CleanupStatus.Ok)
        {
            return end.Result;
        }
        if (postmaster)
        {
            _log.PostmasterReport(request.Kind, request.QueueId, end.QueueId);
        }
        else
        {
            _log.SenderReport(request.Kind, request.QueueId, end.QueueId);
        }
        return null;
    }

    private Envelope Envelope(ReportRequest request, string to, bool postmaster, bool closes, DateTimeOffset now)
    {
        return new Envelope
        {
            // Postfix: what the null sender asked for goes to the postmaster, too, and makes no loops.
            Sender = postmaster || (request.Owner is null && request.Original.Sender.Length == 0) ? _doubleBounce : "",
            ArrivalMicros = (now - DateTimeOffset.UnixEpoch).Ticks / 10,
            Origin = MessageOrigin.Bounce,
            Flags = MessageFlags.RewriteLocal | (request.Original.Flags & MessageFlags.SmtpUtf8),
            Body = request.Original.Body,
            // RFC 3461 section 6.2: nobody is told what became of a report; its sender sees to that, and NOTIFY is not given (as in Postfix).
            Recipients = [new EnvelopeRecipient(to)],
            Closes = closes ? new ClosedRecipients(request.MessageId, request.Closed()) : null,
        };
    }

    // False when the original can't be read now and the report must wait.
    private async ValueTask<bool> WriteAsync(
        DeliveryReport report, ReportRequest request, IReadOnlyList<RecipientResult> recipients, IResubmitMessage message, CancellationToken cancel)
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        report.WriteHeader(buffer);
        foreach (var result in recipients)
        {
            foreach (var status in result.Status.All)
            {
                report.WriteReason(Of(request, result.Index, status), status, buffer);
            }
            await FlushAsync(buffer, message, FlushSize, cancel).ConfigureAwait(false);
        }
        report.WriteStatusHead(buffer);
        foreach (var result in recipients)
        {
            foreach (var status in result.Status.All)
            {
                report.WriteStatus(Of(request, result.Index, status), status, buffer);
            }
            await FlushAsync(buffer, message, FlushSize, cancel).ConfigureAwait(false);
        }
        report.WriteOriginalHead(buffer);
        await FlushAsync(buffer, message, 0, cancel).ConfigureAwait(false);
        switch (await _original.CopyAsync(request, report.HeadersOnly, _sizeLimit, message, report.HeadersOnly ? new HeaderEnd() : null, cancel).ConfigureAwait(false))
        {
            case ContentRead.Damaged:
                // Postfix: a report is sent also when the original can't be read.
                _log.OriginalUnreadable(request.QueueId);
                buffer.Write("\n"u8);
                break;
            case not ContentRead.End:
                return false;
        }
        report.WriteEnd(buffer);
        await FlushAsync(buffer, message, 0, cancel).ConfigureAwait(false);
        return true;
    }

    /// <summary>Whom a status is of: the recipient, or an address that it was expanded to.</summary>
    private static EnvelopeRecipient Of(ReportRequest request, int index, DeliveryStatus status)
    {
        var recipient = request.Original.Recipients[index];
        if (status is { Recipient: null, Action: DsnAction.Delivered } && status.Reason == DeliveryStatus.AliasExpanded.Reason && recipient.DsnOriginalRecipient.Length > 0)
        {
            // Postfix: a mailing list is told of by its own name alone.
            return recipient with { OriginalAddress = recipient.Address };
        }
        return status.Recipient is not { } address ? recipient
            : recipient with { Address = address, OriginalAddress = recipient.OriginalAddress.Length > 0 ? recipient.OriginalAddress : recipient.Address };
    }

    private static async ValueTask FlushAsync(ArrayBufferWriter<byte> buffer, IResubmitMessage message, int atLeast, CancellationToken cancel)
    {
        if (buffer.WrittenCount > atLeast)
        {
            await message.WriteAsync(buffer.WrittenMemory, cancel).ConfigureAwait(false);
            buffer.ResetWrittenCount();
        }
    }

    private NotifyClasses ReadClasses(string value)
    {
        var classes = NotifyClasses.None;
        foreach (var name in ListSyntax.Split(value))
        {
            switch (name.ToLowerInvariant())
            {
                case "bounce":
                    classes |= NotifyClasses.Bounce;
                    break;
                case "2bounce":
                    classes |= NotifyClasses.DoubleBounce;
                    break;
                case "delay":
                    classes |= NotifyClasses.Delay;
                    break;
                case "resource":
                    classes |= NotifyClasses.Resource;
                    break;
                case "data" or "policy" or "protocol" or "software":
                    break;
                default:
                    _log.UnknownNotifyClass(name);
                    break;
            }
        }
        return classes;
    }
}
