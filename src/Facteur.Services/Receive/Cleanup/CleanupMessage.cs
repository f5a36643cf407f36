using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Unicode;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Headers;

namespace Facteur.Services.Receive.Cleanup;

/// <summary>
/// One message on its way through cleanup(8). Headers are taken one by one, each bounded; the body passes through. After the first thing that
/// is wrong nothing more is kept, and <see cref="CompleteAsync"/> says what it was. What must never happen: content that reaches the queue with
/// an end, though something was wrong.
/// </summary>
internal sealed class CleanupMessage : ICleanupMessage
{
    private const string RefusedCharacter = "5.7.1 disallowed character";

    private static readonly byte[] LineEnd = [(byte)'\n'];

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
    private readonly SearchValues<byte>? _rejects;
    private CleanupStatus _status;
    private string? _statusText;
    private string? _refused;
    private uint _seen;
    private int _hops;
    private bool _resent;
    private bool _inBody;
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
        _mapper = new AddressMapper(_options, service.Rewrite, service.Addresses, _log, QueueId) { Mapping = mapping };
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
        _rejects = envelope.Origin is MessageOrigin.Smtpd or MessageOrigin.Pickup ? _options.RejectCharacters : null;
        _rewriteHeaders = _localHeaders || _options.RewriteRemoteHeaders;
        _detectUtf8 = _options.DetectUtf8.Contains(envelope.Origin);
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
            while (!_inBody && _status == CleanupStatus.Ok)
            {
                var found = Scan(ref content);
                if (found == HeaderScan.NeedInput)
                {
                    return;
                }
                await FoundAsync(found, cancel).ConfigureAwait(false);
            }
            await OutAsync(content, cancel).ConfigureAwait(false);
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

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<CleanupResult> CompleteAsync(CancellationToken cancel)
    {
        if (IsDiscarded)
        {
            // The client is told that it was queued.
            Cancel();
            return new CleanupResult(CleanupStatus.Ok);
        }
        while (!_inBody && _status == CleanupStatus.Ok)
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
        if (_status != CleanupStatus.Ok)
        {
            if (_refused is not null)
            {
                _log.Rejected(QueueId, _envelope, "content", _refused, _given.Count > 0 ? _given[^1].Address : null, RefusedCharacter);
            }
            Cancel();
            return new CleanupResult(_status, _statusText);
        }
        _envelope.Recipients = _recipients.Recipients;
        _envelope.ContentSize = _sink.Size;
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

    private ValueTask FoundAsync(HeaderScan found, CancellationToken cancel) => found switch
    {
        HeaderScan.Header => HeaderAsync(_scanner.Text, cancel),
        HeaderScan.MailboxLine => MailboxLineAsync(cancel),
        _ => EndOfHeadersAsync(cancel),
    };

    // Postfix: what sendmail(1) gets from mail readers loses its separator; what comes by SMTP keeps it as a header.
    private async ValueTask MailboxLineAsync(CancellationToken cancel)
    {
        if (_envelope.Origin == MessageOrigin.Smtpd)
        {
            await OutAsync("Mailbox-Line: "u8.ToArray(), cancel).ConfigureAwait(false);
            await OutHeaderAsync(_scanner.Text, cancel).ConfigureAwait(false);
        }
    }

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
        foreach (var dropped in _options.DropHeaders)
        {
            if (Ascii.EqualsIgnoreCase(dropped, name))
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

    private async ValueTask EndOfHeadersAsync(CancellationToken cancel)
    {
        _inBody = true;
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
        if (_scanner.BlankLine || _scanner.Text.Length > 0)
        {
            await OutAsync(LineEnd, cancel).ConfigureAwait(false);
            await OutAsync(_scanner.Text, cancel).ConfigureAwait(false);
        }
    }

    private async ValueTask OutHeaderAsync(ReadOnlyMemory<byte> header, CancellationToken cancel)
    {
        await OutAsync(header, cancel).ConfigureAwait(false);
        await OutAsync(LineEnd, cancel).ConfigureAwait(false);
    }

    private async ValueTask OutAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
    {
        while (_status == CleanupStatus.Ok && content.Length > 0)
        {
            content = content[_sink.Write(content.Span)..];
            if (_options.MessageSizeLimit > 0 && _sink.Size > _options.MessageSizeLimit)
            {
                _log.TooLarge(QueueId);
                Fail(CleanupStatus.TooLarge);
            }
            else if (content.Length > 0)
            {
                await _sink.SendAsync(cancel).ConfigureAwait(false);
            }
        }
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
        if (_status == CleanupStatus.Ok)
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
