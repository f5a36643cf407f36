using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Mime;
using Facteur.Mail.Smtp;
using Facteur.Spool;
using State = Facteur.Services.Deliver.Smtp.SmtpDelivery.RecipientState;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>
/// One message over one session: MAIL, RCPT and DATA in one write where the server takes that, then content and final dot, replies counted exactly.
/// The dot is sent only after all content was read with its checksums; otherwise the connection is dropped.
/// </summary>
/// <param name="delivery">The request.</param>
/// <param name="session">The connection.</param>
/// <param name="settings">The entry's settings.</param>
/// <param name="content">Reads the content.</param>
/// <param name="log">The entry's log.</param>
/// <param name="final">No other host is tried after this one.</param>
/// <param name="mayGoPlain">When TLS breaks off, the same host is tried again without it.</param>
internal sealed class SmtpTransaction(SmtpDelivery delivery, SmtpSession session, SmtpSettings settings, SmtpContent content, SmtpLog log, bool final, bool mayGoPlain = false)
{
    /// <summary>Commands sent before their replies are read; below what any peer's window holds, so that both never wait for each other.</summary>
    private const int PipelineLimit = 8 * 1024;
    private const int FlushLimit = 60 * 1024;

    private bool _verify;
    private bool _isCut;
    private int _accepted;
    private bool _refused;
    private bool _resetting;
    private bool[]? _skipped;
    private Dictionary<int, DeliveryStatus>? _probe;

    /// <summary>Whether the session is as after EHLO: no RSET is needed.</summary>
    internal bool IsClean { get; private set; }

    /// <summary>The host went away or fell silent in the middle: what it would have said of the recipients is not known.</summary>
    internal bool IsLost { get; private set; }

    /// <summary>TLS broke off while recipients were without an answer: they are left for plain text to the same host.</summary>
    internal bool GoesPlain { get; private set; }

    /// <summary>Postfix: what comes by BODY=7BIT is not converted, nor anything for a server with 8BITMIME; of the rest the size is not said, since it may grow.</summary>
    private bool Converts =>
        settings.DowngradesMime && (session.Extensions & SmtpExtensions.EightBitMime) == 0 && delivery.Request.Envelope.Body != BodyType.SevenBit;

    /// <summary>Carries it out; outcomes go to the delivery.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    internal async ValueTask RunAsync()
    {
        session.Uses++;
        session.QueueId = delivery.Request.QueueId;
        _verify = (delivery.Request.Flags & DeliveryFlags.VerifyOnly) != 0;
        if (await ObjectionAsync().ConfigureAwait(false) is { } objection)
        {
            // The server will not do, but another might when the objection is not about size.
            delivery.FailAll(objection, session, final);
            IsClean = true;
            return;
        }
        if (session.Uses > 1 && !await BeginResetAsync().ConfigureAwait(false))
        {
            return;
        }
        if (settings.SendXforward && !await XforwardAsync().ConfigureAwait(false))
        {
            return;
        }
        var withData = !_verify || settings.VerifyAtData;
        int code;
        if ((session.Extensions & SmtpExtensions.Pipelining) != 0)
        {
            code = await PipelinedAsync(withData).ConfigureAwait(false);
        }
        else
        {
            code = await OneByOneAsync(withData).ConfigureAwait(false);
        }
        if (code == 0 || session.Loss != SmtpLoss.None)
        {
            return;
        }
        if (_accepted > 0 && code / 100 == 3)
        {
            if (_verify)
            {
                // smtp_address_verify_target = data: accepted at DATA is deliverable; the connection is dropped in place of sending a message.
                EndProbe();
                session.Abort();
                return;
            }
            await SendContentAsync().ConfigureAwait(false);
        }
        else if (code / 100 == 3)
        {
            // RFC 2920 section 3.1: a server may ask for content although it refused all recipients.
            Put(".\r\n"u8);
            await session.FlushAsync().ConfigureAwait(false);
            session.Arm(settings.DataDoneTimeout);
            if (settings.Lmtp)
            {
                // RFC 2033 4.2: a reply to the dot for each recipient that was accepted, so there is none to wait for. A server may think otherwise: it hears no more than QUIT.
                session.MayNotBeReused();
            }
            else
            {
                await session.ReadAsync(false).ConfigureAwait(false);
            }
            IsClean = true;
        }
    }

    /// <summary>Postfix: RSET shows whether a kept session still stands. Where the server takes that, it goes with what follows (RFC 2920 3.1).</summary>
    /// <returns>Whether the session goes on; what it was to do is done with another one, if not.</returns>
    private async ValueTask<bool> BeginResetAsync()
    {
        _resetting = (session.Extensions & SmtpExtensions.Pipelining) != 0;
        if (_resetting)
        {
            Put("RSET\r\n"u8);
            return true;
        }
        return Stands(await session.ResetAsync().ConfigureAwait(false));
    }

    private async ValueTask<bool> EndResetAsync(TimeSpan then)
    {
        if (!_resetting)
        {
            return true;
        }
        _resetting = false;
        // A server that went away without a word is not waited for as long as one that thinks about a sender.
        session.Arm(settings.RsetTimeout);
        var stands = Stands((await session.ReadAsync(false).ConfigureAwait(false)).IsOk);
        session.Arm(then);
        return stands;
    }

    /// <summary>A kept session that RSET does not clear is gone in silence; that it was kept once does not say that its destination lives.</summary>
    private bool Stands(bool stands)
    {
        if (!stands)
        {
            IsLost = true;
            session.Abort();
        }
        return stands;
    }

    /// <summary>Says from whom the message came. A server that does not take it gets the message all the same.</summary>
    /// <returns>Whether the session goes on.</returns>
    private async ValueTask<bool> XforwardAsync()
    {
        var (commands, names) = SmtpCommands.Xforward(session.Output, delivery.Request.Envelope, delivery.Request.QueueId, session.Extensions);
        if (commands == 0)
        {
            return true;
        }
        session.Arm(settings.XforwardTimeout);
        await session.FlushAsync().ConfigureAwait(false);
        if (!await EndResetAsync(settings.XforwardTimeout).ConfigureAwait(false))
        {
            return false;
        }
        for (; commands > 0; commands--, names = false)
        {
            var reply = await session.ReadAsync(true).ConfigureAwait(false);
            if (reply.IsLost)
            {
                return Lost("sending XFORWARD attributes");
            }
            if (!reply.IsOk)
            {
                log.XforwardRefused(session.Host.Relay, SmtpReplyText.OneLine(reply.Text), names ? "name/address" : "helo/protocol");
            }
        }
        return true;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<DeliveryStatus?> ObjectionAsync()
    {
        var envelope = delivery.Request.Envelope;
        if (session.SizeLimit > 0 && envelope.ContentSize > session.SizeLimit)
        {
            return SmtpFailures.TooBig(session.Host, envelope.ContentSize, session.SizeLimit);
        }
        if ((envelope.Flags & MessageFlags.SmtpUtf8) != 0 && (session.Extensions & SmtpExtensions.SmtpUtf8) == 0 && await NeedsUtf8Async().ConfigureAwait(false))
        {
            var status = SmtpFailures.NeedsSmtpUtf8(session.Host);
            return final ? status : status with { Outcome = DeliveryOutcome.Deferred, Status = new EnhancedStatus(4, 6, 7) };
        }
        return null;
    }

    /// <summary>Whether an address or a header holds more than ASCII (RFC 6531 3.2): asking for SMTPUTF8 alone needs no such server.</summary>
    private async ValueTask<bool> NeedsUtf8Async()
    {
        var request = delivery.Request;
        return !Ascii.IsValid(delivery.Sender) || Enumerable.Range(0, request.Recipients.Count).Any(i => !Ascii.IsValid(delivery.Outgoing(i).Address))
            || await HeadersNeedUtf8Async().ConfigureAwait(false);
    }

    private async ValueTask<bool> HeadersNeedUtf8Async()
    {
        var buffer = ArrayPool<byte>.Shared.Rent(ContentLayout.BufferLength);
        try
        {
            var last = (byte)'\n';
            for (var extent = 0; extent < delivery.Request.Layout.Extents.Count; extent++)
            {
                var piece = await content.ReadAsync(delivery.Request, extent, 0, buffer).ConfigureAwait(false);
                if (piece.End != ContentRead.Data)
                {
                    return true;
                }
                var text = piece.Bytes;
                var end = last == '\n' && text.Span is [(byte)'\n', ..] ? 0 : text.Span.IndexOf("\n\n"u8);
                if (!Ascii.IsValid(end < 0 ? text.Span : text.Span[..end]))
                {
                    return true;
                }
                if (end >= 0)
                {
                    return false;
                }
                last = text.IsEmpty ? last : text.Span[^1];
            }
            return false;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <returns>The code of the reply to DATA; 1 when DATA was not sent; 0 when the session was lost.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<int> PipelinedAsync(bool withData)
    {
        var recipients = delivery.Request.Recipients;
        var next = 0;
        var first = true;
        session.Arm(settings.MailTimeout);
        SmtpCommands.Mail(session.Output, Said(delivery.Sender), delivery.Request.Envelope, session.Extensions, Converts);
        while (true)
        {
            var from = next;
            var bytes = 0;
            for (; next < recipients.Count && bytes < PipelineLimit; next++)
            {
                if (delivery[next] == State.Left)
                {
                    SmtpCommands.Rcpt(session.Output, delivery.Outgoing(next), Said(delivery.Outgoing(next).Address), session.Extensions, delivery.Request.Envelope.Origin);
                    bytes += delivery.Outgoing(next).Address.Length + 100;
                }
            }
            var last = next == recipients.Count;
            if (last && withData)
            {
                Put("DATA\r\n"u8);
            }
            await session.FlushAsync().ConfigureAwait(false);
            if (first && !(await EndResetAsync(settings.MailTimeout).ConfigureAwait(false) && await MailReplyAsync().ConfigureAwait(false)))
            {
                return 0;
            }
            first = false;
            for (var i = from; i < next; i++)
            {
                if (delivery[i] != State.Left && !_refused)
                {
                    continue;
                }
                if (_refused ? !await SkipReplyAsync(i).ConfigureAwait(false) : !await RcptReplyAsync(i).ConfigureAwait(false))
                {
                    return 0;
                }
            }
            if (last || _refused)
            {
                return last && withData ? await DataReplyAsync().ConfigureAwait(false) : EndProbe();
            }
        }
    }

    /// <summary>An address as a command says it. Postfix: without smtp_quote_rfc821_envelope as its owner writes it, for servers that take no quotes.</summary>
    private string Said(string address)
    {
        if (settings.QuoteEnvelope)
        {
            return address;
        }
        var (user, domain) = AddressParts.Split(address);
        return domain.Length == 0 ? AddressParts.Unquote(user) : $"{AddressParts.Unquote(user)}@{domain}";
    }

    private async ValueTask<int> OneByOneAsync(bool withData)
    {
        session.Arm(settings.MailTimeout);
        SmtpCommands.Mail(session.Output, Said(delivery.Sender), delivery.Request.Envelope, session.Extensions, Converts);
        await session.FlushAsync().ConfigureAwait(false);
        if (!await MailReplyAsync().ConfigureAwait(false))
        {
            return 0;
        }
        for (var i = 0; i < delivery.Request.Recipients.Count && !_refused; i++)
        {
            if (delivery[i] == State.Left)
            {
                SmtpCommands.Rcpt(session.Output, delivery.Outgoing(i), Said(delivery.Outgoing(i).Address), session.Extensions, delivery.Request.Envelope.Origin);
                await session.FlushAsync().ConfigureAwait(false);
                if (!await RcptReplyAsync(i).ConfigureAwait(false))
                {
                    return 0;
                }
            }
        }
        if (_accepted == 0 || !withData)
        {
            return EndProbe();
        }
        Put("DATA\r\n"u8);
        await session.FlushAsync().ConfigureAwait(false);
        return await DataReplyAsync().ConfigureAwait(false);
    }

    /// <summary>A probe ends at RCPT or DATA: who was accepted is deliverable.</summary>
    private int EndProbe()
    {
        for (var i = 0; _verify && i < delivery.Request.Recipients.Count; i++)
        {
            if (delivery[i] == State.Accepted)
            {
                delivery.Finish(i, _probe![i], session, session.TlsStatus);
            }
        }
        return 1;
    }

    private async ValueTask<bool> MailReplyAsync()
    {
        var reply = await session.ReadAsync(false).ConfigureAwait(false);
        if (reply.IsLost)
        {
            return Lost("sending MAIL FROM");
        }
        if (!reply.IsOk)
        {
            _refused = true;
            _skipped = CountLeft();
            delivery.FailAll(session.Said(reply, "MAIL FROM command"), session, final);
        }
        return true;
    }

    private bool[] CountLeft()
    {
        var left = new bool[delivery.Request.Recipients.Count];
        for (var i = 0; i < left.Length; i++)
        {
            left[i] = delivery[i] == State.Left;
        }
        return left;
    }

    /// <summary>MAIL was refused, but RCPT was sent already: its reply is counted and means nothing.</summary>
    private async ValueTask<bool> SkipReplyAsync(int index) =>
        !_skipped![index] || !(await session.ReadAsync(false).ConfigureAwait(false)).IsLost;

    private async ValueTask<bool> RcptReplyAsync(int index)
    {
        session.Arm(settings.RcptTimeout);
        var reply = await session.ReadAsync(_verify).ConfigureAwait(false);
        if (reply.IsLost)
        {
            return Lost("sending RCPT TO");
        }
        if (reply.IsOk)
        {
            delivery[index] = State.Accepted;
            _accepted++;
            if (_verify)
            {
                _probe ??= [];
                _probe[index] = Sent(reply, delivery.Request.Recipients[index].Recipient) with { Action = DsnAction.Delivered };
            }
            return true;
        }
        delivery.Fail(index, session.Said(reply, "RCPT TO command"), session, final);
        return true;
    }

    private async ValueTask<int> DataReplyAsync()
    {
        session.Arm(settings.DataInitTimeout);
        var reply = await session.ReadAsync(true).ConfigureAwait(false);
        if (reply.IsLost)
        {
            Lost("sending DATA command");
            return 0;
        }
        if (reply.Code / 100 != 3 && _accepted > 0)
        {
            delivery.FailAll(session.Said(reply, "DATA command"), session, final);
            _accepted = 0;
        }
        for (var i = 0; _verify && i < delivery.Request.Recipients.Count; i++)
        {
            if (delivery[i] == State.Accepted)
            {
                // smtp_address_verify_target = data: it is the reply to DATA that counts.
                _probe![i] = Sent(reply, delivery.Request.Recipients[i].Recipient) with { Action = DsnAction.Delivered };
            }
        }
        return reply.Code;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask SendContentAsync()
    {
        session.BeginContent();
        using var downgrade = Downgrade();
        using var checks = settings.Checks is null ? null : new SmtpChecks(settings.Checks, settings.MimeLimits, delivery.Request.QueueId, log);
        using var headers = delivery.Generic is { } generic ? new SmtpGenericHeaders(generic, settings.HeaderSizeLimit, settings.ContentLineLimit) : null;
        session.Transcript?.InContent = true;
        var read = await WriteContentAsync(downgrade, checks, headers).ConfigureAwait(false);
        session.Transcript?.InContent = false;
        if (headers is { Failed: true })
        {
            delivery.FailAll(SmtpFailures.MapProblem(), session, true);
            session.Abort();
            return;
        }
        if (checks is { HasFailed: true })
        {
            delivery.FailAll(SmtpFailures.LocalData(session.Host), session, true);
            session.Abort();
            return;
        }
        if (downgrade is { TooDeep: true })
        {
            // Postfix: no dot, for there is no other way to take back a transaction.
            delivery.FailAll(SmtpFailures.NestsTooDeep(), session, true);
            session.Abort();
            return;
        }
        if (read != ContentRead.End)
        {
            // What was sent so far must not be taken for the message.
            session.Abort();
            delivery.Damaged = read == ContentRead.Damaged;
            delivery.Unreadable = true;
            log.ContentNotRead(delivery.Request.QueueId, read == ContentRead.Damaged ? "the message is damaged" : "the content can't be read now");
            return;
        }
        await DotRepliesAsync().ConfigureAwait(false);
    }

    /// <summary>
    /// RFC 6152 3: 8-bit content is not for a server without 8BITMIME. Postfix: what came with BODY=7BIT goes as it is; but there a header that says 8bit
    /// has overruled BODY when the message came in, and content whose headers say 7bit passes unchanged in any case.
    /// </summary>
    private MimeDowngrade? Downgrade() =>
        settings.DowngradesMime && (session.Extensions & SmtpExtensions.EightBitMime) == 0 ? new MimeDowngrade(settings.MimeLimits) : null;

    /// <summary>Content and the final dot.</summary>
    /// <returns>End when all was written, or the session was lost meanwhile, or the content can't be converted.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<ContentRead> WriteContentAsync(MimeDowngrade? downgrade, SmtpChecks? checks, SmtpGenericHeaders? headers)
    {
        var request = delivery.Request;
        var stuffer = new DotStuffer(settings.LineLengthLimit);
        var buffer = ArrayPool<byte>.Shared.Rent(ContentLayout.BufferLength);
        try
        {
            if (settings.PrependReturnPath || settings.PrependOriginalTo || settings.PrependDeliveredTo)
            {
                Write(ref stuffer, Encoding.UTF8.GetBytes(await PrependedHeadersAsync().ConfigureAwait(false)));
            }
            for (var extent = 0; extent < request.Layout.Extents.Count; extent++)
            {
                long offset = 0;
                do
                {
                    var piece = await content.ReadAsync(request, extent, offset, buffer).ConfigureAwait(false);
                    if (piece.End != ContentRead.Data)
                    {
                        return piece.End == ContentRead.End ? ContentRead.Moved : piece.End;
                    }
                    offset += piece.Bytes.Length;
                    var bytes = downgrade is null ? piece.Bytes : downgrade.Convert(piece.Bytes);
                    bytes = checks is null ? bytes : await checks.ConvertAsync(bytes).ConfigureAwait(false);
                    bytes = headers is null ? bytes : await headers.ConvertAsync(bytes).ConfigureAwait(false);
                    Write(ref stuffer, bytes.Span);
                    if (downgrade is { TooDeep: true } || checks is { HasFailed: true } || headers is { Failed: true })
                    {
                        return ContentRead.End;
                    }
                    if (session.Output.UnflushedBytes > FlushLimit && !await FlushContentAsync().ConfigureAwait(false))
                    {
                        return ContentRead.End;
                    }
                    if (piece.Bytes.IsEmpty)
                    {
                        break;
                    }
                }
                while (offset < request.Layout.Extents[extent].Length);
            }
            if (downgrade is not null)
            {
                var bytes = downgrade.Finish();
                bytes = checks is null ? bytes : await checks.ConvertAsync(bytes).ConfigureAwait(false);
                bytes = headers is null ? bytes : await headers.ConvertAsync(bytes).ConfigureAwait(false);
                Write(ref stuffer, bytes.Span);
                if (downgrade.TooDeep)
                {
                    return ContentRead.End;
                }
            }
            if (checks is not null)
            {
                var bytes = await checks.FinishAsync().ConfigureAwait(false);
                bytes = headers is null ? bytes : await headers.ConvertAsync(bytes).ConfigureAwait(false);
                Write(ref stuffer, bytes.Span);
                if (checks.HasFailed)
                {
                    return ContentRead.End;
                }
            }
            if (headers is not null)
            {
                var bytes = await headers.FinishAsync().ConfigureAwait(false);
                if (headers.Failed)
                {
                    return ContentRead.End;
                }
                Write(ref stuffer, bytes.Span);
            }
            if (stuffer.HasCut)
            {
                log.BrokenLines(request.QueueId, settings.LineLengthLimit);
            }
            if (session.DelaysDot)
            {
                Put(stuffer.AtLineStart ? default : "\r\n"u8);
                stuffer = new DotStuffer(settings.LineLengthLimit);
                if (!await FlushContentAsync().ConfigureAwait(false) || !await session.PauseAsync(settings.PixDelay).ConfigureAwait(false))
                {
                    _isCut = true;
                    return ContentRead.End;
                }
            }
            Put(stuffer.AtLineStart ? ".\r\n"u8 : "\r\n.\r\n"u8);
            await FlushContentAsync().ConfigureAwait(false);
            return ContentRead.End;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async ValueTask<string> PrependedHeadersAsync()
    {
        // In Postfix's order, and mapped as the envelope is.
        var text = new StringBuilder();
        var recipient = delivery.Request.Recipients[0].Recipient;
        if (settings.PrependReturnPath)
        {
            text.Append("Return-Path: <").Append(delivery.Sender).Append(">\n");
        }
        if (settings.PrependOriginalTo)
        {
            var original = recipient.OriginalAddress.Length > 0 ? recipient.OriginalAddress : recipient.Address;
            var mapped = delivery.Generic is { } generic ? await generic.MapAsync(original, CancellationToken.None).ConfigureAwait(false) : original;
            text.Append("X-Original-To: ").Append(mapped is null || SmtpAgent.HasControl(mapped) ? original : mapped).Append('\n');
        }
        if (settings.PrependDeliveredTo)
        {
            text.Append("Delivered-To: ").Append(delivery.Outgoing(0).Address).Append('\n');
        }
        return text.ToString();
    }

    private async ValueTask<bool> FlushContentAsync()
    {
        _isCut = !await session.FlushContentAsync().ConfigureAwait(false);
        return !_isCut;
    }

    private void Write(ref DotStuffer stuffer, ReadOnlySpan<byte> content)
    {
        while (!content.IsEmpty)
        {
            var span = session.Output.GetSpan(content.Length + (content.Length >> 4) + 64);
            var written = stuffer.Encode(content, span, out var consumed);
            session.Output.Advance(written);
            content = content[consumed..];
        }
    }

    /// <summary>
    /// What the server says of the whole message; or, when it went away before the dot was sent, what it said of the part. Postfix takes also a 2xx for an
    /// answer then: it can't be one, for RFC 5321 4.1.1.4 lets the dot alone end a message, and the mail would be lost.
    /// </summary>
    private async ValueTask DotRepliesAsync()
    {
        SmtpReply reply = default;
        for (var i = 0; i < delivery.Request.Recipients.Count; i++)
        {
            if (delivery[i] != State.Accepted)
            {
                continue;
            }
            // RFC 2033 4.2: LMTP answers for each recipient.
            if (settings.Lmtp || reply.IsLost)
            {
                // Each has its own time: a server may deliver to one after the other.
                session.Arm(settings.DataDoneTimeout);
                reply = await session.ReadAsync(true).ConfigureAwait(false);
            }
            if (_isCut && (reply.IsLost || reply.IsOk))
            {
                Lost("sending message body");
                return;
            }
            if (reply.IsLost)
            {
                // It may have been delivered: no other host gets it now.
                Lost("sending end of data -- message may be sent more than once", true);
                return;
            }
            if (reply.IsOk)
            {
                delivery.Finish(i, Sent(reply, delivery.Request.Recipients[i].Recipient), session, session.TlsStatus);
            }
            else if (settings.Lmtp)
            {
                delivery.Fail(i, session.Said(reply, "end of DATA command"), session, final);
            }
            else
            {
                // One word for all of them.
                delivery.FailAll(session.Said(reply, "end of DATA command"), session, final);
                break;
            }
        }
        IsClean = true;
        if (_isCut)
        {
            // Nothing is said any more, or it would stand in the message.
            session.Abort();
        }
    }

    /// <summary>
    /// A server with DSN reports success by itself: no action of ours. To one without, mail is "relayed" (RFC 3461 5.2.2). Postfix: "delivered" is said only of LMTP
    /// without DSN.
    /// </summary>
    private DeliveryStatus Sent(in SmtpReply reply, EnvelopeRecipient recipient)
    {
        var dsn = (session.Extensions & SmtpExtensions.Dsn) != 0;
        var action = dsn && (recipient.Notify & DsnNotify.Success) != 0 ? DsnAction.None
            : settings.Lmtp && settings.Final && !dsn ? DsnAction.Delivered : DsnAction.Relayed;
        var text = SmtpReplyText.OneLine(reply.Text);
        return new DeliveryStatus(
            DeliveryOutcome.Sent, SmtpReplyText.Status(reply.Code, reply.Text), text, action, "smtp", text, "dns", session.Host.Name);
    }

    private bool Lost(string doing) => Lost(doing, final);

    private bool Lost(string doing, bool ends)
    {
        if (session.Loss == SmtpLoss.None)
        {
            // The write failed; a last word of the server is not waited for.
            session.Abort();
        }
        IsLost = true;
        GoesPlain = mayGoPlain && session.TlsBroke;
        delivery.FailAll(session.Lost(doing), session, ends && !GoesPlain);
        return false;
    }

    private void Put(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(session.Output.GetSpan(bytes.Length));
        session.Output.Advance(bytes.Length);
    }
}
