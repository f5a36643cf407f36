using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Unicode;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Headers;
using Facteur.Mail.Mime;
using Facteur.Services.Server;
using Facteur.Spool.PostfixQueue;

namespace Facteur.Services.Receive.Cleanup;

/// <summary>
/// One message on its way through cleanup(8). Headers are taken one by one, each bounded; the body passes through. After the first thing that
/// is wrong nothing more is kept, and <see cref="CompleteAsync"/> says what it was. What must never happen: content that reaches the queue with
/// an end, though something was wrong.
/// </summary>
internal sealed class CleanupMessage : ICleanupMessage
{
    private const string RefusedCharacter = "5.7.1 disallowed character";

    // More than an envelope and a recipient take in a queue file of Postfix's; and just what server_address=127.0.0.25 and server_port=25 take.
    private const int EnvelopeRoom = 8192;
    private const int RecipientRoom = 4096;
    private const int ServerRoom = 43;

    private static readonly byte[] LineEnd = [(byte)'\n'];

    private static readonly byte[] UnterminatedHeader = [.. "MIME-Error: "u8, .. Encoding.Latin1.GetBytes(MessageChecks.Unterminated), (byte)'\n'];

    private readonly CleanupService _service;
    private readonly IIncoming _incoming;
    private readonly CleanupOptions _options;
    private readonly CleanupLog _log;
    private readonly Envelope _envelope;
    private readonly HeaderScanner _scanner;
    private readonly ContentSink _sink;
    private readonly AddressMapper _mapper;
    private readonly HeaderRewriter _rewriter;
    private readonly RecipientList _recipients;
    private readonly List<EnvelopeRecipient> _given;
    private readonly List<string> _fromHeaders = [];
    private readonly List<string> _fromResentHeaders = [];
    private readonly bool _localHeaders;
    private readonly bool _rewriteHeaders;
    private readonly bool _detectUtf8;
    private readonly MessageChecks? _checks;
    private readonly SearchValues<byte>? _rejects;
    private readonly MimeDowngrade? _convert;
    private readonly EightBitDetector? _eightBit;
    private CleanupStatus _status;
    private string? _statusText;
    private string? _refused;
    private uint _seen;
    private int _hops;
    private bool _resent;
    private bool _inBody;
    private bool _unterminated;
    private bool _passes;
    private bool _ended;

    public CleanupMessage(CleanupService service, IIncoming incoming, ulong id, Envelope envelope)
    {
        _service = service;
        _incoming = incoming;
        _options = service.Options;
        _log = service.Log;
        _envelope = envelope;
        Id = id;
        QueueId = Mail.Envelopes.QueueId.Format(id, _options.LongQueueIds);
        _scanner = new HeaderScanner(_options.HeaderSizeLimit, _options.LineLengthLimit);
        _sink = new ContentSink(incoming, id, _options.LineLengthLimit);
        var mapping = !envelope.Flags.HasFlag(MessageFlags.NoAddressMappings);
        _mapper = new AddressMapper(_options, service.Rewrite, service.Addresses, _log, QueueId) { Mapping = mapping, Explanation = service.Explanation };
        _rewriter = new HeaderRewriter(_options, _mapper);
        _recipients = new RecipientList(_options, _mapper, new VirtualAliases(_options, _mapper, _log, QueueId))
        {
            // Only new mail is copied: not what was made inside, not probes. Postfix: what goes round again is new mail, whatever it was before.
            Bcc = mapping && (envelope.Origin is MessageOrigin.Smtpd or MessageOrigin.Pickup || envelope.Flags.HasFlag(MessageFlags.Requeued))
                && !envelope.Flags.HasFlag(MessageFlags.VerifyOnly),
            IsProbe = envelope.Flags.HasFlag(MessageFlags.Probe),
            FromNetwork = envelope.Origin == MessageOrigin.Smtpd,
        };
        _given = [.. envelope.Recipients];
        _localHeaders = envelope.Flags.HasFlag(MessageFlags.RewriteLocal) || envelope.Origin is MessageOrigin.Bounce or MessageOrigin.Notice or MessageOrigin.Verify;
        // Postfix: what is refused for is looked for in mail from outside only.
        _rejects = envelope.Origin is MessageOrigin.Smtpd or MessageOrigin.Pickup && (envelope.Flags & MessageFlags.NoHeaderBodyChecks) == 0 ? _options.RejectCharacters : null;
        _rewriteHeaders = _localHeaders || _options.RewriteRemoteHeaders;
        _detectUtf8 = _options.DetectUtf8.Contains(envelope.Origin);
        var rules = _options.Checks is not null && (envelope.Flags & MessageFlags.NoHeaderBodyChecks) == 0
            && (_options.CheckedOrigins.Contains(envelope.Origin) || envelope.Flags.HasFlag(MessageFlags.Requeued));
        _convert = _options.ConvertsMime && (envelope.Flags & MessageFlags.NoHeaderBodyChecks) == 0 && _options.CheckedOrigins.Contains(envelope.Origin)
            ? new MimeDowngrade(_options.ConvertedLimits) : null;
        _eightBit = _options.DetectEightBit ? new EightBitDetector(_options.MimeLimits, _options.ReadsMime) : null;
        _checks = rules || _options.IsStrict ? new MessageChecks(_options, _log, QueueId, envelope, rules) : null;
    }

    public ulong Id { get; }

    public string QueueId { get; }

    public bool RecipientsFromHeaders { get; set; }

    /// <summary>Rewrites the sender and, for mail whose maker could not know its queue id, writes the Received header.</summary>
    public async ValueTask BeginAsync(CancellationToken cancel)
    {
        if (_envelope.Sender.Length > 0)
        {
            await SenderAsync(cancel).ConfigureAwait(false);
        }
        CheckVerp();
        // What goes round again has its header already, and gets another one from pickup.
        if (_envelope.Origin is MessageOrigin.Bounce or MessageOrigin.Notice or MessageOrigin.Forward or MessageOrigin.Verify && !_envelope.Flags.HasFlag(MessageFlags.Requeued))
        {
            var date = MailDate.Format(Arrival, _service.Zone);
            await WriteAsync(Encoding.UTF8.GetBytes($"Received: by {_options.Myhostname} ({_options.MailName})\n\tid {QueueId}; {date}\n"), cancel).ConfigureAwait(false);
        }
    }

    public void AddRecipient(EnvelopeRecipient recipient) => _given.Add(recipient);

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
    {
        if (IsDiscarded)
        {
            return;
        }
        if (_rejects is not null && _status == CleanupStatus.Ok && content.Span.IndexOfAny(_rejects) is >= 0 and var bad)
        {
            Refuse(content.Span, bad);
            return;
        }
        byte[]? replaced = null;
        byte[]? stripped = null;
        try
        {
            if (_options.StripCharacters is { } strip && content.Span.ContainsAny(strip))
            {
                stripped = ArrayPool<byte>.Shared.Rent(content.Length);
                content = stripped.AsMemory(0, Strip(content.Span, strip, stripped));
            }
            if (_options.ReplaceStray && content.Span.Contains((byte)'\r'))
            {
                replaced = ArrayPool<byte>.Shared.Rent(content.Length);
                content.Span.Replace(replaced, (byte)'\r', (byte)' ');
                content = replaced.AsMemory(0, content.Length);
            }
            await TakeAsync(_convert is null ? content : _convert.Convert(content), cancel).ConfigureAwait(false);
        }
        finally
        {
            if (replaced is not null)
            {
                ArrayPool<byte>.Shared.Return(replaced);
            }
            if (stripped is not null)
            {
                ArrayPool<byte>.Shared.Return(stripped);
            }
        }
    }

    private async ValueTask TakeAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
    {
        if (_checks is not null)
        {
            await CheckedAsync(content, last: false, cancel).ConfigureAwait(false);
            return;
        }
        while (!_inBody && _status == CleanupStatus.Ok)
        {
            var found = Scan(ref content);
            if (found == HeaderScan.NeedInput)
            {
                return;
            }
            await FoundAsync(found, cancel).ConfigureAwait(false);
        }
        _eightBit?.Body(content);
        await OutAsync(content, cancel).ConfigureAwait(false);
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<CleanupResult> CompleteAsync(CancellationToken cancel)
    {
        if (IsDiscarded)
        {
            // The client is told that it was queued.
            Cancel();
            return new CleanupResult(CleanupStatus.Ok);
        }
        if (_convert is not null)
        {
            await TakeAsync(_convert.Finish(), cancel).ConfigureAwait(false);
            if (_convert.TooDeep)
            {
                Fail(CleanupStatus.Rejected, "5.6.0 MIME nesting exceeds safety limit");
            }
        }
        if (_checks is not null)
        {
            await CheckedAsync(default, last: true, cancel).ConfigureAwait(false);
            if (IsDiscarded)
            {
                Cancel();
                return new CleanupResult(CleanupStatus.Ok);
            }
        }
        while (_checks is null && !_inBody && _status == CleanupStatus.Ok)
        {
            await FoundAsync(_scanner.Finish(), cancel).ConfigureAwait(false);
        }
        if (_sink.InLine)
        {
            await OutAsync(LineEnd, cancel).ConfigureAwait(false);
        }
        if (_status == CleanupStatus.Ok)
        {
            await RecipientsAsync(cancel).ConfigureAwait(false);
        }
        if (_status == CleanupStatus.Ok && IsTooLarge())
        {
            _log.TooLarge(QueueId);
            Fail(CleanupStatus.TooLarge);
        }
        if (_status != CleanupStatus.Ok)
        {
            if (_refused is not null)
            {
                _log.Rejected(QueueId, _envelope, "content", _refused, _given.Count > 0 ? _given[^1].Address : null, RefusedCharacter);
            }
            Cancel();
            var shown = _status == CleanupStatus.Rejected && _envelope.Origin == MessageOrigin.Pickup && !_sink.Sent;
            return new CleanupResult(_status, _statusText, shown ? _sink.Rest.ToArray() : default);
        }
        _envelope.Recipients = _recipients.WithExpanded;
        _envelope.ContentSize = _sink.Size;
        _envelope.Body = _eightBit is { Found: true } ? BodyType.EightBitMime : _envelope.Body;
        _ended = true;
        var status = await _incoming.EndAsync(Id, _sink.Rest, _envelope, cancel).ConfigureAwait(false);
        if (status != CleanupStatus.Ok)
        {
            _log.Canceled(QueueId);
        }
        return new CleanupResult(status, status == CleanupStatus.Ok && _recipients.HasSeveralForProbe ? RecipientList.SeveralText : null);
    }

    public ValueTask DisposeAsync()
    {
        Cancel();
        _scanner.Dispose();
        _convert?.Dispose();
        _eightBit?.Dispose();
        _checks?.Dispose();
        _sink.Dispose();
        return default;
    }

    private bool IsDiscarded => (_envelope.Flags & MessageFlags.Discard) != 0;

    private DateTimeOffset Arrival => DateTimeOffset.UnixEpoch.AddMicroseconds(_envelope.ArrivalMicros);

    private async ValueTask SenderAsync(CancellationToken cancel)
    {
        var sender = _envelope.Sender;
        if (!Mail.Addresses.AddressList.IsQualified(sender))
        {
            sender = await _mapper.RewriteAsync(local: true, sender, cancel).ConfigureAwait(false);
        }
        // Postfix: MAILER-DAEMON of this system is the null sender, so that its bounces make no loops.
        if (sender.StartsWith("MAILER-DAEMON@", StringComparison.OrdinalIgnoreCase)
            && sender.Equals(await _mapper.RewriteAsync(local: true, "MAILER-DAEMON", cancel).ConfigureAwait(false), StringComparison.OrdinalIgnoreCase))
        {
            sender = "";
        }
        _envelope.Sender = await _mapper.MapAsync(sender, AddressClasses.EnvelopeSender, cancel).ConfigureAwait(false);
        CheckMapper();
    }

    private void CheckVerp()
    {
        if (_envelope.Verp.Length == 0)
        {
            return;
        }
        if (_envelope.Sender.Length == 0)
        {
            _log.VerpForNullSender(QueueId);
            _envelope.Verp = "";
        }
        else if (!Verp.IsValid(_envelope.Verp, _options.VerpFilter))
        {
            _log.BadVerp(QueueId, _envelope.Verp);
            _envelope.Verp = "";
        }
    }

    private void Refuse(ReadOnlySpan<byte> content, int at)
    {
        var start = content[..at].LastIndexOf((byte)'\n') + 1;
        var line = content[start..];
        var end = line.IndexOf((byte)'\n');
        line = end < 0 ? line : line[..end];
        // It is said at the end, when the recipients are known that the line names.
        _refused = Encoding.UTF8.GetString(line[..Math.Min(line.Length, 200)]);
        Fail(CleanupStatus.Rejected, RefusedCharacter);
    }

    private static int Strip(ReadOnlySpan<byte> content, SearchValues<byte> strip, Span<byte> into)
    {
        var length = 0;
        while (!content.IsEmpty)
        {
            var next = content.IndexOfAny(strip);
            var keep = next < 0 ? content : content[..next];
            keep.CopyTo(into[length..]);
            length += keep.Length;
            content = next < 0 ? default : content[(next + 1)..];
        }
        return length;
    }

    private HeaderScan Scan(ref ReadOnlyMemory<byte> content)
    {
        var left = content.Span;
        var found = _scanner.Next(ref left);
        content = content[^left.Length..];
        return found;
    }

    /// <summary>The way of a message that is checked: through all its parts, line by line, as far as there is something to look at.</summary>
    private async ValueTask CheckedAsync(ReadOnlyMemory<byte> content, bool last, CancellationToken cancel)
    {
        var parts = _checks!.Parts;
        if (_checks.Recipient.Length == 0 && _envelope.LastRecipient.Length > 0)
        {
            _checks.Recipient = await _recipients.StandardAsync(_envelope.LastRecipient, cancel).ConfigureAwait(false);
        }
        while (!_passes && _status == CleanupStatus.Ok && !IsDiscarded)
        {
            switch (last ? parts.Finish() : parts.Next(ref content))
            {
                case MimeScan.NeedInput:
                    return;
                case MimeScan.End:
                    _checks.Finish();
                    FailChecked();
                    return;
                case MimeScan.Header:
                    await CheckedHeaderAsync(parts.Place, parts.Whole, cancel).ConfigureAwait(false);
                    break;
                case MimeScan.MailboxLine:
                    if (MailboxHeader(parts.Text.Span) is { } mailbox)
                    {
                        await CheckedHeaderAsync(HeaderPlace.Primary, mailbox, cancel).ConfigureAwait(false);
                    }
                    break;
                case MimeScan.EndOfHeaders when parts.Place == HeaderPlace.Primary:
                    _checks.EndOfHeaders();
                    _unterminated = parts.BodyFollows && !parts.BlankLine && _options.HeaderEnd != HeaderEndAction.FixQuietly;
                    await EndOfHeadersAsync(parts.BlankLine || parts.BodyFollows, default, cancel).ConfigureAwait(false);
                    FailChecked();
                    _passes = parts.BodyIsLast && !_checks.LooksAtBody;
                    break;
                case MimeScan.EndOfHeaders:
                    _checks.EndOfHeaders();
                    await OutAsync(parts.BlankLine ? LineEnd : default, cancel).ConfigureAwait(false);
                    _passes = parts.BodyIsLast && !_checks.LooksAtBody;
                    break;
                case MimeScan.Body:
                    if (_unterminated)
                    {
                        _unterminated = false;
                        _checks.HeaderNotTerminated(parts.Text.Span);
                    }
                    await CheckedLineAsync(await _checks.BodyAsync(cancel).ConfigureAwait(false), parts.EndsLine, cancel).ConfigureAwait(false);
                    break;
            }
        }
        await OutAsync(_passes ? content : default, cancel).ConfigureAwait(false);
        if (last && _passes)
        {
            _checks.Finish();
            FailChecked();
        }
    }

    // What a rule refuses goes no further; but of local mail the report shows all headers (Postfix), so these are finished first.
    private void FailChecked()
    {
        if (_inBody || _checks!.Status != CleanupStatus.Rejected || _envelope.Origin != MessageOrigin.Pickup)
        {
            Fail(_checks!.Status, _checks.StatusText);
        }
    }

    private async ValueTask CheckedHeaderAsync(HeaderPlace place, ReadOnlyMemory<byte> found, CancellationToken cancel)
    {
        var header = await _checks!.HeaderAsync(found, cancel).ConfigureAwait(false);
        FailChecked();
        if (_status != CleanupStatus.Ok || IsDiscarded)
        {
            return;
        }
        if (!header.Before.IsEmpty)
        {
            await OutHeaderAsync(header.Before, cancel).ConfigureAwait(false);
        }
        if (header.Dropped)
        {
            return;
        }
        var text = header.Text[..HeaderScanner.Fit(header.Text.Span, _options.HeaderSizeLimit)];
        if (place == HeaderPlace.Primary)
        {
            await HeaderAsync(text, cancel).ConfigureAwait(false);
        }
        else
        {
            _eightBit?.Header(text.Span);
            await OutHeaderAsync(text, cancel).ConfigureAwait(false);
        }
    }

    private async ValueTask CheckedLineAsync(CheckedLine line, bool ends, CancellationToken cancel)
    {
        FailChecked();
        if (!line.Before.IsEmpty)
        {
            await OutHeaderAsync(line.Before, cancel).ConfigureAwait(false);
        }
        if (!line.Dropped)
        {
            await OutAsync(line.Text, cancel).ConfigureAwait(false);
            await OutAsync(ends ? LineEnd : default, cancel).ConfigureAwait(false);
        }
    }

    private ValueTask FoundAsync(HeaderScan found, CancellationToken cancel) => found switch
    {
        HeaderScan.Header => HeaderAsync(_scanner.Text, cancel),
        HeaderScan.MailboxLine => MailboxHeader(_scanner.Text.Span) is { } mailbox ? OutHeaderAsync(mailbox, cancel) : default,
        _ => EndOfHeadersAsync(_scanner.BlankLine || _scanner.Text.Length > 0, _scanner.Text, cancel),
    };

    // Postfix: what sendmail(1) gets from mail readers loses its separator; what comes by SMTP keeps it as a header.
    private byte[]? MailboxHeader(ReadOnlySpan<byte> line) => _envelope.Origin == MessageOrigin.Smtpd ? [.. "Mailbox-Line: "u8, .. line] : null;

    private ValueTask HeaderAsync(ReadOnlyMemory<byte> header, CancellationToken cancel)
    {
        var name = header.Span[..HeaderField.NameLength(header.Span)];
        var known = KnownHeaders.Find(name, out var traits);
        if (_detectUtf8 && !Ascii.IsValid(header.Span) && Utf8.IsValid(header.Span))
        {
            _envelope.Flags |= MessageFlags.SmtpUtf8;
        }
        var drop = Dropped(name);
        if (known == KnownHeader.None)
        {
            _eightBit?.Header(header.Span);
            return drop ? default : OutHeaderAsync(header, cancel);
        }
        _seen |= MissingHeaders.Bit(known);
        _resent |= (traits & HeaderTraits.Resent) != 0;
        switch (known)
        {
            case KnownHeader.MessageId:
                _log.MessageId(QueueId, Encoding.UTF8.GetString(HeaderField.Value(header.Span)));
                break;
            case KnownHeader.ResentMessageId:
                _log.ResentMessageId(QueueId, Encoding.UTF8.GetString(HeaderField.Value(header.Span)));
                break;
            case KnownHeader.Received when ++_hops >= _options.HopcountLimit:
                _log.HopcountExceeded(QueueId);
                Fail(CleanupStatus.TooManyHops);
                return default;
        }
        var extract = RecipientsFromHeaders && (traits & HeaderTraits.Extract) != 0;
        var rewrite = _rewriteHeaders && !drop && (traits & (HeaderTraits.Sender | HeaderTraits.Recipient)) != 0;
        if (extract || rewrite)
        {
            _rewriter.Parse(header.Span);
        }
        if (extract)
        {
            ((traits & HeaderTraits.Resent) != 0 ? _fromResentHeaders : _fromHeaders).AddRange(_rewriter.Addresses(header));
        }
        var place = (traits & HeaderTraits.Sender) != 0 ? AddressClasses.HeaderSender : AddressClasses.HeaderRecipient;
        return drop ? default
            : rewrite && _rewriter.MayChange(header.Span, place) ? RewrittenAsync(header, place, cancel)
            : OutHeaderAsync(header, cancel);
    }

    private bool Dropped(ReadOnlySpan<byte> name)
    {
        for (var i = 0; i < _options.DropHeaders.Count; i++)
        {
            if (Ascii.EqualsIgnoreCase(_options.DropHeaders[i], name))
            {
                return true;
            }
        }
        return false;
    }

    private async ValueTask RewrittenAsync(ReadOnlyMemory<byte> header, AddressClasses place, CancellationToken cancel)
    {
        var rewritten = await _rewriter.RewriteAsync(header, place, _localHeaders, cancel).ConfigureAwait(false);
        CheckMapper();
        await OutHeaderAsync(rewritten ?? header, cancel).ConfigureAwait(false);
    }

    private async ValueTask EndOfHeadersAsync(bool line, ReadOnlyMemory<byte> body, CancellationToken cancel)
    {
        _inBody = true;
        if (_options.HeaderEnd == HeaderEndAction.AddHeader && (_unterminated || (_checks is null && !_scanner.BlankLine && body.Length > 0)))
        {
            await OutAsync(UnterminatedHeader, cancel).ConfigureAwait(false);
        }
        if (_rewriteHeaders || _options.AlwaysAddHeaders)
        {
            var missing = _service.Missing.Make(ref _seen, _resent, Arrival, QueueId, _envelope.Sender, _envelope.FullName);
            await OutAsync(Encoding.UTF8.GetBytes(missing), cancel).ConfigureAwait(false);
        }
        if ((_seen & MissingHeaders.Bit(KnownHeader.MessageId)) == 0)
        {
            _log.MessageId(QueueId, "<>");
        }
        // A body that follows its headers without an empty line gets one.
        if (line)
        {
            await OutAsync(LineEnd, cancel).ConfigureAwait(false);
            _eightBit?.Body(body);
            await OutAsync(body, cancel).ConfigureAwait(false);
        }
    }

    private ValueTask OutHeaderAsync(ReadOnlyMemory<byte> header, CancellationToken cancel)
    {
        var line = OutAsync(header, cancel);
        return line.IsCompletedSuccessfully ? OutAsync(LineEnd, cancel) : EndAsync(line, cancel);

        async ValueTask EndAsync(ValueTask line, CancellationToken cancel)
        {
            await line.ConfigureAwait(false);
            await OutAsync(LineEnd, cancel).ConfigureAwait(false);
        }
    }

    // Postfix: message_size_limit is a limit of the queue file, with all that it holds beside the content. What sendmail took is not refused for that: it would
    // lie in Postfix's maildrop for good.
    private bool IsTooLarge()
    {
        var recipients = _recipients.WithExpanded;
        if (_options.MessageSizeLimit == 0 || _envelope.Origin != MessageOrigin.Smtpd || _sink.Size + EnvelopeRoom + (long)RecipientRoom * recipients.Count <= _options.MessageSizeLimit)
        {
            return false;
        }
        var given = _envelope.Recipients;
        _envelope.Recipients = recipients;
        var file = new QueueFileWriter();
        file.Begin(_envelope, QueueId, static _ => false, null);
        _envelope.Recipients = given;
        // What the envelope does not have: the addresses of the server; two records that end the file.
        return _sink.Size + file.ContentStart + ServerRoom + 4 > _options.MessageSizeLimit;
    }

    private ValueTask OutAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
    {
        return Take(ref content) ? default : RestAsync(content, cancel);

        async ValueTask RestAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
        {
            do
            {
                await _sink.SendAsync(cancel).ConfigureAwait(false);
            }
            while (!Take(ref content));
        }
    }

    /// <returns>Nothing is left of it.</returns>
    private bool Take(ref ReadOnlyMemory<byte> content)
    {
        if (_status != CleanupStatus.Ok)
        {
            return true;
        }
        content = content[_sink.Write(content.Span)..];
        if (_options.MessageSizeLimit > 0 && _sink.Size > _options.MessageSizeLimit)
        {
            _log.TooLarge(QueueId);
            Fail(CleanupStatus.TooLarge);
        }
        return _status != CleanupStatus.Ok || content.IsEmpty;
    }

    private async ValueTask RecipientsAsync(CancellationToken cancel)
    {
        await _recipients.AddSenderBccAsync(_envelope.Sender, cancel).ConfigureAwait(false);
        foreach (var recipient in _given)
        {
            await _recipients.AddAsync(recipient, cancel).ConfigureAwait(false);
        }
        if (RecipientsFromHeaders)
        {
            // RFC 5322 3.6.6: who resends a message means the Resent- recipients only.
            foreach (var address in _resent && _fromResentHeaders.Count > 0 ? _fromResentHeaders : _fromHeaders)
            {
                await _recipients.AddAsync(new EnvelopeRecipient(address), cancel).ConfigureAwait(false);
            }
        }
        await _recipients.AddAlwaysBccAsync(cancel).ConfigureAwait(false);
        foreach (var address in _checks?.Bcc ?? [])
        {
            await _recipients.AddBccAsync(address, cancel).ConfigureAwait(false);
        }
        if ((_checks?.Redirect ?? _envelope.Redirect) is { Length: > 0 } target)
        {
            // No table maps it (Postfix).
            _envelope.Redirect = await _mapper.RewriteAsync(local: true, target, cancel).ConfigureAwait(false);
        }
        if (_recipients.ExpansionFailed)
        {
            Fail(CleanupStatus.TryAgain, VirtualAliases.ErrorText);
        }
        CheckMapper();
        if (_recipients.HasSeveralForProbe)
        {
            _log.Deliverable(QueueId, _given[0].Address, RecipientList.SeveralText);
        }
        else if (_recipients.Recipients.Count == 0)
        {
            Fail(CleanupStatus.NoRecipients);
        }
        if (_detectUtf8 && (!Ascii.IsValid(_envelope.Sender) || _recipients.Recipients.Any(recipient => !Ascii.IsValid(recipient.Address))))
        {
            _envelope.Flags |= MessageFlags.SmtpUtf8;
        }
    }

    private void CheckMapper()
    {
        if (_mapper.Failed)
        {
            Fail(CleanupStatus.TryAgain);
        }
    }

    private void Fail(CleanupStatus status, string? text = null)
    {
        if (_status == CleanupStatus.Ok && status != CleanupStatus.Ok)
        {
            (_status, _statusText) = (status, text);
        }
    }

    private void Cancel()
    {
        if (_ended)
        {
            return;
        }
        _ended = true;
        if (_sink.Sent)
        {
            _incoming.Abort(Id);
        }
        if (IsDiscarded)
        {
            _log.Discarded(QueueId);
        }
        else
        {
            _log.Canceled(QueueId);
        }
    }
}
