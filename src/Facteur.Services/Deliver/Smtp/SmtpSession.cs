using System.Buffers;
using System.Runtime.CompilerServices;
using System.Text;
using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Mail.Smtp;
using Facteur.Net.Connections;
using Facteur.Net.Tls;
using Facteur.Tables;

namespace Facteur.Services.Deliver.Smtp;

/// <summary>
/// A connection to a server and what is known of it. One delivery at a time. One timer bounds every wait: when it ends, the connection is aborted and
/// the pending read or write returns. After a loss nothing more is sent.
/// </summary>
internal sealed class SmtpSession : IAsyncDisposable
{
    private readonly SmtpSettings _settings;
    private readonly SmtpLog _log;
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly Lock _timing = new();
    private readonly long _created;
    private Connection _connection;
    private TranscriptWriter? _recorder;
    private SmtpPix.Workarounds _pix;
    private TimeSpan _contentTime;
    private long _deadline = long.MaxValue;
    private long _armed = long.MaxValue;
    private volatile bool _timedOut;
    private bool _last;
    private string _nexthop = "";
    private bool _isTls;
    private bool _aborted;

    internal SmtpSession(Connection connection, SmtpHost host, SmtpSettings settings, SmtpLog log, TimeProvider time, SmtpTranscript? transcript = null)
    {
        Transcript = transcript;
        _connection = connection;
        Host = host;
        _settings = settings;
        _log = log;
        _time = time;
        _created = time.GetTimestamp();
        _timer = time.CreateTimer(static session => ((SmtpSession)session!).OnTimer(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        TlsStatus = settings.TlsLevel == SmtpTlsLevel.None ? settings.TlsWord : settings.TlsWord + "?";
    }

    internal SmtpHost Host { get; }

    internal SmtpExtensions Extensions { get; private set; }

    internal long SizeLimit { get; private set; }

    /// <summary>"may:none", "may", "may?": the level wanted and what came of it.</summary>
    internal string TlsStatus { get; private set; }

    internal SmtpLoss Loss { get; private set; }

    /// <summary>The server said 421: it closes.</summary>
    internal bool Closing { get; private set; }

    /// <summary>A handshake failed that plain text could replace.</summary>
    internal bool TlsFailed { get; private set; }

    /// <summary>It broke off under TLS, after the handshake: plain text may do better.</summary>
    internal bool TlsBroke => _isTls && !_aborted && Loss is (SmtpLoss.Closed or SmtpLoss.TimedOut);

    /// <summary>The message it carries.</summary>
    internal string QueueId { get; set; } = "";

    /// <summary>Deliveries carried so far.</summary>
    internal int Uses { get; set; }

    /// <summary>When it became idle; a timestamp.</summary>
    internal long IdleSince { get; set; }

    internal bool IsUsable => Loss == SmtpLoss.None && !Closing;

    /// <summary>Whether the limits allow another delivery.</summary>
    internal bool MayBeReused =>
        IsUsable && !_last && (_settings.ReuseCount == 0 || Uses <= _settings.ReuseCount) && _time.GetElapsedTime(_created) < _settings.ReuseTime;

    internal System.IO.Pipelines.PipeWriter Output => Transcript is null ? _connection.Output : _recorder ??= new TranscriptWriter(_connection.Output, Transcript);

    /// <summary>What was said, for the postmaster; null when nobody wants to know.</summary>
    internal SmtpTranscript? Transcript { get; }

    /// <summary>No delivery after this one.</summary>
    internal void MayNotBeReused() => _last = true;

    /// <summary>Greeting, EHLO and STARTTLS.</summary>
    /// <param name="request">The delivery it is for.</param>
    /// <param name="plain">No TLS even where it is offered.</param>
    /// <param name="tls">The client's TLS.</param>
    /// <param name="nexthop">The destination's name.</param>
    /// <param name="cancel">The caller's end.</param>
    /// <returns>Why no mail can be sent, or null.</returns>
    internal async ValueTask<DeliveryStatus?> OpenAsync(DeliveryRequest request, bool plain, ITlsHandshake tls, string nexthop, CancellationToken cancel)
    {
        (_nexthop, QueueId) = (request.Nexthop, request.QueueId);
        if (_settings.TlsWrapper && await StartTlsAsync(tls, nexthop, cancel).ConfigureAwait(false) is { } unwrapped)
        {
            return unwrapped;
        }
        Arm(_settings.HeloTimeout);
        var greeting = await ReadAsync(true).ConfigureAwait(false);
        if (greeting.IsLost)
        {
            return Lost("receiving the initial server greeting");
        }
        if (!greeting.IsOk)
        {
            return Refused(greeting, _settings.Skip5xxGreeting);
        }
        CheckGreeting(greeting.Text);
        _pix = await SmtpPix.FindAsync(greeting.Text, Host, request, _settings, _log, _time, cancel).ConfigureAwait(false);
        var esmtp = (_pix & SmtpPix.Workarounds.DisableEsmtp) == 0 && !_settings.NeverSendEhlo && (_settings.AlwaysSendEhlo || greeting.Text.Contains("ESMTP", StringComparison.OrdinalIgnoreCase));
        if (await HelloAsync(esmtp, cancel).ConfigureAwait(false) is { } refused)
        {
            return refused;
        }
        if (_settings.TlsWrapper || _settings.TlsLevel == SmtpTlsLevel.None)
        {
            return null;
        }
        if (plain || (Extensions & SmtpExtensions.StartTls) == 0)
        {
            TlsStatus = _settings.TlsWord + ":none";
            return _settings.TlsLevel == SmtpTlsLevel.Encrypt ? SmtpFailures.TlsNotOffered(Host) : null;
        }
        return await NegotiateTlsAsync(tls, nexthop, cancel).ConfigureAwait(false);
    }

    /// <summary>Bounds the coming waits.</summary>
    internal void Arm(TimeSpan timeout)
    {
        var due = _time.GetTimestamp() + (long)(timeout.TotalSeconds * _time.TimestampFrequency);
        lock (_timing)
        {
            _deadline = due;
            // A timer that fires too early looks at the deadline again, so that it is set anew only to fire sooner.
            if (due < _armed)
            {
                _armed = due;
                _timer.Change(timeout, Timeout.InfiniteTimeSpan);
            }
        }
    }

    /// <summary>No wait is bounded until the next <see cref="Arm"/>.</summary>
    internal void Disarm()
    {
        lock (_timing)
        {
            _deadline = long.MaxValue;
        }
    }

    /// <summary>Content begins: from here on its time counts.</summary>
    internal void BeginContent() => _contentTime = _settings.DataXferTimeout;

    /// <summary>
    /// Sends what was written of the content. postconf(5), smtp_min_data_rate: with deadlines per request its time is shared by all writes, and what flows gives some back.
    /// </summary>
    /// <returns>False when it did not go out whole; what the server said before it went may still be there.</returns>
    internal async ValueTask<bool> FlushContentAsync()
    {
        if (!_settings.PerRequestDeadline)
        {
            Arm(_settings.DataXferTimeout);
            return await FlushAsync().ConfigureAwait(false) && !_connection.WriteFailed;
        }
        var (start, bytes) = (_time.GetTimestamp(), _connection.Output.UnflushedBytes);
        Arm(_contentTime);
        var sent = await FlushAsync().ConfigureAwait(false);
        _contentTime = ContentTimeLeft(_contentTime - _time.GetElapsedTime(start), bytes, _settings.MinDataRate, _settings.DataXferTimeout);
        return sent && !_connection.WriteFailed;
    }

    /// <summary>The time content has left after a write: what flowed gives some back, and never more than there was. postconf(5), smtp_min_data_rate.</summary>
    internal static TimeSpan ContentTimeLeft(TimeSpan left, long bytes, long rate, TimeSpan limit)
    {
        var more = left + TimeSpan.FromSeconds((double)bytes / rate);
        return more < TimeSpan.Zero ? TimeSpan.Zero : more < limit ? more : limit;
    }

    /// <summary>The final dot waits, for a firewall that must not see it in one packet with the content.</summary>
    internal bool DelaysDot => (_pix & SmtpPix.Workarounds.DelayDotCrlf) != 0;

    /// <summary>Waits with the session.</summary>
    internal async ValueTask<bool> PauseAsync(TimeSpan time)
    {
        Disarm();
        await Task.Delay(time, _time).ConfigureAwait(false);
        return IsUsable;
    }

    /// <summary>Sends what was written.</summary>
    internal async ValueTask<bool> FlushAsync()
    {
        var flush = _connection.Output.FlushAsync();
        var result = flush.IsCompletedSuccessfully ? flush.Result : await flush.ConfigureAwait(false);
        if (result.IsCompleted && Loss == SmtpLoss.None)
        {
            // What the server said before it went may still be there: only reading finds the loss.
            return !_timedOut;
        }
        return Loss == SmtpLoss.None;
    }

    /// <summary>Reads one reply and nothing behind it.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    internal async ValueTask<SmtpReply> ReadAsync(bool wantText)
    {
        if (_settings.Tables.ReplyFilter is { } filter)
        {
            return await ReadFilteredAsync(filter).ConfigureAwait(false);
        }
        while (Loss == SmtpLoss.None)
        {
            if (!_connection.Input.TryRead(out var result))
            {
                result = await _connection.Input.ReadAsync().ConfigureAwait(false);
            }
            var found = SmtpReplyParser.Parse(result.Buffer, wantText || Transcript is not null, out var code, out var text, out var end);
            if (found == ReplyParse.Done)
            {
                _connection.Input.AdvanceTo(end);
                Closing |= code == 421;
                Transcript?.In(text);
                return new SmtpReply(code, text);
            }
            if (found == ReplyParse.Malformed)
            {
                _log.Malformed(QueueId, _settings.Lmtp, Host.Relay, text);
                Transcript?.Malformed();
                Loss = SmtpLoss.Garbage;
            }
            else if (result.IsCompleted || result.IsCanceled)
            {
                Loss = _timedOut ? SmtpLoss.TimedOut : SmtpLoss.Closed;
            }
            _connection.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
        return default;
    }

    /// <summary>
    /// smtp_reply_filter: each line is what the table makes of it before anything looks at it, also a line that is no reply. Postfix: of several lines the
    /// last one's code counts.
    /// </summary>
    private async ValueTask<SmtpReply> ReadFilteredAsync(ITable filter)
    {
        var lines = new StringBuilder();
        while (Loss == SmtpLoss.None)
        {
            if (!_connection.Input.TryRead(out var result))
            {
                result = await _connection.Input.ReadAsync().ConfigureAwait(false);
            }
            if (result.Buffer.PositionOf((byte)'\n') is not { } feed)
            {
                var ended = result.IsCompleted || result.IsCanceled;
                var endless = result.Buffer.Length > SmtpReplyParser.ReplyLimit;
                _connection.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
                Loss = endless ? SmtpLoss.Garbage : ended ? _timedOut ? SmtpLoss.TimedOut : SmtpLoss.Closed : Loss;
                continue;
            }
            var line = SmtpReplyText.Make(result.Buffer.Slice(0, feed).ToArray());
            _connection.Input.AdvanceTo(result.Buffer.GetPosition(1, feed));
            var lookup = line.Length == 0 ? Lookup.NotFound : await filter.LookupAsync(line, CancellationToken.None).ConfigureAwait(false);
            if (lookup.Status == LookupStatus.Error)
            {
                _log.FilterFailed(filter.Name, line, lookup.Value);
                Loss = SmtpLoss.LocalData;
                Abort();
                break;
            }
            if (lookup.Status == LookupStatus.Found)
            {
                var replaced = Printable.OneLine(lookup.Value);
                _log.Replaced(Host.Relay, line, replaced);
                line = replaced;
            }
            lines.Append(lines.Length > 0 ? "\n" : "").Append(line);
            if (lines.Length > SmtpReplyParser.ReplyLimit || !SmtpReplyParser.TryCode(line, out var code, out var more))
            {
                _log.Malformed(QueueId, _settings.Lmtp, Host.Relay, line);
                Transcript?.Malformed();
                Loss = SmtpLoss.Garbage;
            }
            else if (!more)
            {
                Closing |= code == 421;
                var text = lines.Length > SmtpReplyText.TextLimit ? lines.ToString(0, SmtpReplyText.TextLimit) : lines.ToString();
                Transcript?.In(text);
                return new SmtpReply(code, text);
            }
        }
        return default;
    }

    /// <summary>A command was refused.</summary>
    internal DeliveryStatus Said(in SmtpReply reply, string command)
    {
        Transcript?.Check(reply.Code);
        return SmtpFailures.Said(Host, reply, command);
    }

    internal DeliveryStatus Lost(string doing) => SmtpFailures.Lost(Host, Loss, doing);

    /// <summary>Ends the connection without a word: a message half sent must not look whole.</summary>
    internal void Abort()
    {
        _aborted |= Loss == SmtpLoss.None && !_timedOut;
        Loss = Loss != SmtpLoss.None ? Loss : _timedOut ? SmtpLoss.TimedOut : SmtpLoss.Closed;
        _connection.Abort();
    }

    /// <summary>Whether an idle connection still stands: the server has said nothing and not gone, as far as is known.</summary>
    internal bool IsQuiet()
    {
        if (!_connection.Input.TryRead(out var result))
        {
            return true;
        }
        _connection.Input.AdvanceTo(result.Buffer.Start);
        return false;
    }

    /// <summary>RSET: after a transaction that did not end by itself, and to learn whether a kept connection still stands.</summary>
    internal async ValueTask<bool> ResetAsync()
    {
        Arm(_settings.RsetTimeout);
        Put("RSET\r\n"u8);
        await FlushAsync().ConfigureAwait(false);
        var reply = await ReadAsync(false).ConfigureAwait(false);
        return reply.IsOk && IsUsable;
    }

    /// <summary>Says goodbye and closes.</summary>
    /// <param name="reset">A transaction did not end by itself: RSET goes before it, in one piece where the server takes that (RFC 2920 3.1).</param>
    internal async ValueTask QuitAsync(bool reset = false)
    {
        var together = reset && (Extensions & SmtpExtensions.Pipelining) != 0;
        if (reset && !together && IsUsable)
        {
            await ResetAsync().ConfigureAwait(false);
        }
        if (IsUsable)
        {
            Arm(_settings.QuitTimeout);
            if (together)
            {
                Put("RSET\r\n"u8);
            }
            Put("QUIT\r\n"u8);
            await FlushAsync().ConfigureAwait(false);
            if (together)
            {
                // A server that took DATA with a success reads content now and answers nothing: RSET's own time is short.
                Arm(_settings.RsetTimeout);
                await ReadAsync(false).ConfigureAwait(false);
                Arm(_settings.QuitTimeout);
            }
            if (!_settings.SkipQuitResponse)
            {
                await ReadAsync(false).ConfigureAwait(false);
            }
        }
        await DisposeAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Disarm();
        await _timer.DisposeAsync().ConfigureAwait(false);
        await _connection.DisposeAsync().ConfigureAwait(false);
    }

    private async ValueTask<DeliveryStatus?> HelloAsync(bool esmtp, CancellationToken cancel)
    {
        Arm(_settings.HeloTimeout);
        Extensions = SmtpExtensions.None;
        SizeLimit = 0;
        if (esmtp)
        {
            var verb = _settings.Lmtp ? "LHLO" : "EHLO";
            var reply = await SayAsync(verb, _settings.HeloName).ConfigureAwait(false);
            if (reply.IsLost)
            {
                return Lost(_settings.Lmtp ? "performing the LHLO handshake" : "performing the EHLO handshake");
            }
            if (reply.IsOk)
            {
                if (await _settings.Tables.DiscardedAsync(Host, _settings.IgnoredKeywords, cancel).ConfigureAwait(false) is not { } ignored)
                {
                    _log.KeywordsNotFound(Host.Address, _settings.Tables.KeywordsParameter);
                    Abort();
                    return SmtpFailures.LocalData(Host);
                }
                if (ignored.Count > 0 && !ignored.Contains("silent-discard"))
                {
                    _log.Discarded(ignored);
                }
                var offer = EhloKeywords.Parse(reply.Text, ignored);
                (Extensions, SizeLimit) = (offer.Extensions, offer.SizeLimit);
                CheckOffer(offer);
                return CheckName(offer.Name);
            }
            if (_settings.Lmtp || reply.Code == 421)
            {
                return Refused(reply, false);
            }
        }
        var simple = await SayAsync("HELO", _settings.HeloName).ConfigureAwait(false);
        return simple.IsLost ? Lost("performing the HELO handshake") : simple.IsOk ? null : Refused(simple, false);
    }

    /// <summary>Postfix: who has our own name on the SMTP port is ourselves. A greeting that says so is told, the reply to EHLO ends it.</summary>
    private DeliveryStatus? CheckName(string name)
    {
        if (!IsOwnName(name))
        {
            return null;
        }
        _log.RepliedWithOwnName(Host.Relay, _settings.Myhostname);
        return SmtpFailures.Loops(_nexthop, Host.IsBest);
    }

    private void CheckGreeting(string text)
    {
        var words = text.AsSpan(Math.Min(4, text.Length)).TrimStart(' ');
        if (IsOwnName(words[..(words.IndexOfAny(' ', '\n') is var end and >= 0 ? end : words.Length)]))
        {
            _log.GreetedByOwnName(Host.Relay, _settings.Myhostname);
        }
    }

    private bool IsOwnName(ReadOnlySpan<char> name) =>
        !_settings.Lmtp && Host.EndPoint is System.Net.IPEndPoint { Port: 25 } && name.Equals(_settings.Myhostname, StringComparison.OrdinalIgnoreCase);

    private void CheckOffer(in EhloKeywords offer)
    {
        if (offer.BadSize.Length > 0)
        {
            _log.BadSize(Host.Relay, offer.BadSize);
        }
        if ((Extensions & (SmtpExtensions.SmtpUtf8 | SmtpExtensions.EightBitMime)) == SmtpExtensions.SmtpUtf8)
        {
            // RFC 6531 3.1, 3.6: SMTPUTF8 has 8BITMIME in it.
            _log.OffersUtf8Only(Host.NameAddress);
            Extensions |= SmtpExtensions.EightBitMime;
        }
    }

    private async ValueTask<DeliveryStatus?> NegotiateTlsAsync(ITlsHandshake tls, string nexthop, CancellationToken cancel)
    {
        Arm(_settings.StarttlsTimeout);
        Put("STARTTLS\r\n"u8);
        await FlushAsync().ConfigureAwait(false);
        var reply = await ReadAsync(true).ConfigureAwait(false);
        if (reply.IsLost)
        {
            return Lost("receiving the STARTTLS response");
        }
        if (!reply.IsOk)
        {
            TlsStatus = _settings.TlsWord + ":none";
            return _settings.TlsLevel == SmtpTlsLevel.Encrypt ? SmtpFailures.TlsRefused(Host, reply) : null;
        }
        // RFC 3207 section 4.2: what came in plain text behind the reply would be taken for the server's protected words.
        if (!IsQuiet())
        {
            TlsFailed = true;
            Abort();
            return SmtpFailures.TlsInjection(Host);
        }
        return await StartTlsAsync(tls, nexthop, cancel).ConfigureAwait(false) ?? await HelloAsync(true, cancel).ConfigureAwait(false);
    }

    private async ValueTask<DeliveryStatus?> StartTlsAsync(ITlsHandshake tls, string nexthop, CancellationToken cancel)
    {
        Arm(_settings.StarttlsTimeout);
        var name = _settings.TlsServerName switch { "" => null, "hostname" => Host.Name, "nexthop" => nexthop, var fixedName => fixedName };
        var result = await tls.HandshakeAsync(_connection, name, cancel).ConfigureAwait(false);
        if (result.Connection is null)
        {
            _log.HandshakeFailed(Host.Relay, result.Error);
            TlsFailed = true;
            Abort();
            return SmtpFailures.TlsFailed();
        }
        (_connection, _recorder, _isTls) = (result.Connection, null, true);
        TlsStatus = _settings.TlsWord;
        if (_settings.TlsLog)
        {
            _log.TlsEstablished(Host.Relay, result.Facts!);
        }
        return null;
    }

    private DeliveryStatus Refused(in SmtpReply reply, bool nextHost)
    {
        Transcript?.Check(reply.Code);
        return SmtpFailures.Refused(Host, reply, nextHost);
    }

    private async ValueTask<SmtpReply> SayAsync(string verb, string argument)
    {
        var span = Output.GetSpan(verb.Length + 3 + argument.Length * 3);
        var length = Encoding.UTF8.GetBytes(verb, span);
        span[length++] = (byte)' ';
        length += Encoding.UTF8.GetBytes(argument, span[length..]);
        "\r\n"u8.CopyTo(span[length..]);
        Output.Advance(length + 2);
        await FlushAsync().ConfigureAwait(false);
        return await ReadAsync(true).ConfigureAwait(false);
    }

    private void Put(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Output.GetSpan(bytes.Length));
        Output.Advance(bytes.Length);
    }

    private void OnTimer()
    {
        lock (_timing)
        {
            var left = _deadline - _time.GetTimestamp();
            if (_deadline == long.MaxValue || left > 0)
            {
                _armed = _deadline;
                if (_deadline != long.MaxValue)
                {
                    // Rounded up, so that the deadline has passed when it fires.
                    var wait = TimeSpan.FromSeconds((double)left / _time.TimestampFrequency) + TimeSpan.FromMilliseconds(1);
                    _timer.Change(wait, Timeout.InfiniteTimeSpan);
                }
                return;
            }
        }
        _timedOut = true;
        _connection.Abort();
    }
}
