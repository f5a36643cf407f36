using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Unicode;
using Facteur.Net.Connections;

namespace Facteur.Services.Receive.Smtpd;

/// <summary>How waiting for the peer ended.</summary>
internal enum ReadOutcome : byte
{
    /// <summary>There is something in <see cref="SmtpdChannel.Buffer"/> or <see cref="SmtpdChannel.Line"/>.</summary>
    Data = 0,

    /// <summary>The peer went away.</summary>
    Lost = 1,

    /// <summary>The peer took too long.</summary>
    TimedOut = 2,

    /// <summary>The service is to stop.</summary>
    Stopped = 3,
}

/// <summary>
/// The bytes of a session: lines and content in, replies out. It sees only a pipe. Replies are collected and sent when all input is used up.
/// Nothing but the pipe's own buffers is kept while waiting.
/// </summary>
internal sealed class SmtpdChannel(IDuplexPipe pipe, TimeProvider time, SmtpdSettings settings) : IHeartbeatMember
{
    private const int UnflushedLimit = 8192;

    private readonly PipeReader _reader = pipe.Input;
    private readonly PipeWriter _writer = pipe.Output;
    private readonly Connection? _connection = pipe as Connection;

    // 0 while nothing waits. Whoever sets it to 0 decides how the wait ended: the wait itself, or the heartbeat.
    private long _deadline;
    private volatile bool _flushing;
    private volatile bool _stopping;
    private ReadOutcome _lost;
    private TimeSpan _budget = settings.Timeout;
    private bool _isBounded = settings.PerRequestDeadline;
    private long _examined = -1;
    private int _unflushed;

    /// <summary>What was read; valid until it is given back.</summary>
    public ReadOnlySequence<byte> Buffer { get; private set; }

    /// <summary>The last command line, without its line end.</summary>
    public string Line { get; private set; } = "";

    /// <summary>The line was longer than line_length_limit; the rest of it is gone.</summary>
    public bool LineTooLong { get; private set; }

    /// <summary>The line ended in LF without CR.</summary>
    public bool LineBare { get; private set; }

    /// <summary>The line is no UTF-8.</summary>
    public bool LineMalformed { get; private set; }

    /// <summary>The peer can't be reached any more.</summary>
    public bool IsLost => _lost != ReadOutcome.Data;

    /// <summary>A new request: with smtpd_per_request_deadline, or a limit of its own, its time begins now.</summary>
    public void BeginRequest(TimeSpan? limit = null) => (_budget, _isBounded) = (limit ?? settings.Timeout, limit is not null || settings.PerRequestDeadline);

    /// <summary>Content came: it extends the deadline of the request (smtpd_min_data_rate).</summary>
    public void Credit(long bytes)
    {
        var more = _budget + TimeSpan.FromSeconds(bytes / (double)settings.MinDataRate);
        _budget = more < settings.Timeout ? more : settings.Timeout;
    }

    /// <summary>The service stops: a pending read ends.</summary>
    public void Stop()
    {
        _stopping = true;
        _reader.CancelPendingRead();
    }

    /// <inheritdoc/>
    public bool IsDue(long now) => Volatile.Read(ref _deadline) is not 0 and var deadline && now >= deadline;

    /// <inheritdoc/>
    public void Beat(long now)
    {
        var deadline = Volatile.Read(ref _deadline);
        var flushing = _flushing;
        if (deadline == 0 || now < deadline || Interlocked.CompareExchange(ref _deadline, 0, deadline) != deadline)
        {
            return;
        }
        // Only what waits: cancelling a flush aborts the connection, and who is merely idle is still to be told.
        if (flushing)
        {
            _writer.CancelPendingFlush();
        }
        else
        {
            _reader.CancelPendingRead();
        }
    }

    /// <summary>Reads a command line of at most line_length_limit bytes; a longer one is cut and its rest skipped.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<ReadOutcome> ReadLineAsync()
    {
        BeginRequest();
        LineTooLong = false;
        while (true)
        {
            var outcome = await ReadAsync().ConfigureAwait(false);
            if (outcome != ReadOutcome.Data)
            {
                return outcome;
            }
            var end = Buffer.PositionOf((byte)'\n');
            // One byte more than the limit: it may be the CR of the line end.
            if (end is null && Buffer.Length <= settings.LineLimit + 1)
            {
                Advance(Buffer.Start, Buffer.End);
                continue;
            }
            var line = end is { } position ? Buffer.Slice(0, position) : Buffer;
            if (!LineTooLong)
            {
                TakeLine(line, whole: end is not null);
            }
            if (end is { } found)
            {
                Advance(Buffer.GetPosition(1, found));
                return ReadOutcome.Data;
            }
            Advance(Buffer.End);
        }
    }

    /// <summary>Reads more bytes than were left unconsumed; waits only when there are none.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<ReadOutcome> ReadAsync()
    {
        while (true)
        {
            // Before the pipe is asked: a look ahead may have used up the cancelled read that told of it.
            if (IsLost || _stopping)
            {
                return IsLost ? _lost : ReadOutcome.Stopped;
            }
            var expired = false;
            if (!TryRead(out var result))
            {
                var flushed = await FlushAsync().ConfigureAwait(false);
                if (flushed != ReadOutcome.Data)
                {
                    return flushed;
                }
                (result, expired) = await WaitAsync().ConfigureAwait(false);
            }
            if (IsLost)
            {
                return _lost;
            }
            if (expired)
            {
                _reader.AdvanceTo(result.Buffer.Start);
                return ReadOutcome.TimedOut;
            }
            if (result.IsCanceled)
            {
                _reader.AdvanceTo(result.Buffer.Start);
                continue;
            }
            if (result.IsCompleted && result.Buffer.Length == Math.Max(_examined, 0))
            {
                _reader.AdvanceTo(result.Buffer.End);
                _lost = ReadOutcome.Lost;
                return _lost;
            }
            Buffer = result.Buffer;
            return ReadOutcome.Data;
        }
    }

    /// <summary>Gives back what was used.</summary>
    public void Advance(SequencePosition consumed) => Advance(consumed, consumed);

    /// <summary>Gives back what was used; what was looked at stays and is read again with more behind it.</summary>
    public void Advance(SequencePosition consumed, SequencePosition examined)
    {
        _examined = Buffer.Slice(consumed, examined).Length;
        _reader.AdvanceTo(consumed, examined);
        Buffer = default;
    }

    /// <summary>The first bytes of input that is here already, with us or in the kernel, at most a given number; empty when there is none.</summary>
    public async ValueTask<byte[]> PeekAsync(int limit)
    {
        if (!TryRead(out var result))
        {
            if (_connection is not { Available: > 0 })
            {
                return [];
            }
            // Does not wait: there is something.
            (result, _) = await WaitAsync().ConfigureAwait(false);
        }
        if (IsLost)
        {
            return [];
        }
        var bytes = result.IsCanceled ? [] : result.Buffer.Slice(0, Math.Min(limit, result.Buffer.Length)).ToArray();
        _reader.AdvanceTo(result.Buffer.Start);
        return bytes;
    }

    /// <summary>Adds a reply line.</summary>
    public void Write(string text)
    {
        var span = _writer.GetSpan(Encoding.UTF8.GetMaxByteCount(text.Length) + 2);
        var length = Encoding.UTF8.GetBytes(text, span);
        span[length] = (byte)'\r';
        span[length + 1] = (byte)'\n';
        _writer.Advance(length + 2);
        _unflushed += length + 2;
    }

    /// <summary>Adds a whole reply with its line ends.</summary>
    public void Write(ReadOnlySpan<byte> reply)
    {
        _writer.Write(reply);
        _unflushed += reply.Length;
    }

    /// <summary>Sends when much has been collected: a peer that sends and does not read waits.</summary>
    public ValueTask<ReadOutcome> FlushIfManyAsync() => _unflushed > UnflushedLimit ? FlushAsync() : new(ReadOutcome.Data);

    /// <summary>Sends what was collected.</summary>
    public async ValueTask<ReadOutcome> FlushAsync()
    {
        if (_unflushed == 0 || IsLost)
        {
            return _lost;
        }
        _unflushed = 0;
        try
        {
            Arm(flushing: true);
            var result = await _writer.FlushAsync(CancellationToken.None).ConfigureAwait(false);
            _lost = Disarm() ? ReadOutcome.TimedOut : result.IsCompleted ? ReadOutcome.Lost : ReadOutcome.Data;
        }
        catch (Exception e) when (IsPeersFault(e))
        {
            _lost = ReadOutcome.Lost;
        }
        return _lost;
    }

    private bool TryRead(out ReadResult result)
    {
        try
        {
            return _reader.TryRead(out result);
        }
        catch (Exception e) when (IsPeersFault(e))
        {
            _lost = ReadOutcome.Lost;
            result = default;
            return true;
        }
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    private async ValueTask<(ReadResult Result, bool Expired)> WaitAsync()
    {
        try
        {
            Arm(flushing: false);
            var result = await _reader.ReadAsync(CancellationToken.None).ConfigureAwait(false);
            return (result, Disarm());
        }
        catch (Exception e) when (IsPeersFault(e))
        {
            _lost = ReadOutcome.Lost;
            return default;
        }
    }

    private void Arm(bool flushing)
    {
        _flushing = flushing;
        var limit = _isBounded ? _budget : settings.Timeout;
        Volatile.Write(ref _deadline, time.GetTimestamp() + (long)(Math.Max(limit.TotalSeconds, 0) * time.TimestampFrequency) + 1);
    }

    // The deadline tells how much of the request's time is left: only waiting is counted. True when the heartbeat was here first.
    private bool Disarm()
    {
        var deadline = Interlocked.Exchange(ref _deadline, 0);
        if (_isBounded && deadline != 0)
        {
            _budget = TimeSpan.FromSeconds((deadline - time.GetTimestamp()) / (double)time.TimestampFrequency);
        }
        return deadline == 0;
    }

    private void TakeLine(ReadOnlySequence<byte> line, bool whole)
    {
        LineTooLong = !whole || line.Length > settings.LineLimit + 1;
        if (LineTooLong)
        {
            line = line.Slice(0, settings.LineLimit);
        }
        Span<byte> copy = line.IsSingleSegment ? [] : line.ToArray();
        var bytes = line.IsSingleSegment ? line.FirstSpan : copy;
        LineBare = !LineTooLong && (bytes.IsEmpty || bytes[^1] != '\r');
        bytes = LineTooLong || LineBare ? bytes : bytes[..^1];
        // Postfix: text behind a NUL is not seen.
        var nul = bytes.IndexOf((byte)0);
        bytes = nul < 0 ? bytes : bytes[..nul];
        LineMalformed = !Utf8.IsValid(bytes);
        Line = LineMalformed ? Encoding.Latin1.GetString(bytes) : Encoding.UTF8.GetString(bytes);
    }

    private static bool IsPeersFault(Exception e) => e is IOException or SocketException or ObjectDisposedException or InvalidOperationException or OperationCanceledException;
}
