using System.Collections.Concurrent;
using System.IO.Pipelines;
using Facteur.Contracts.Wire;
using Facteur.Mail.Envelopes;

namespace Facteur.Contracts;

/// <summary>Frames of the arrow → trivial-rewrite; the id is the caller's number of the question. Version 1.</summary>
public static class RewriteFrames
{
    /// <summary>The contract's version.</summary>
    public const ushort Version = 1;

    /// <summary>→ rewrite: context u8, address.</summary>
    public const ushort Rewrite = 1;

    /// <summary>← rewrite: address or absent.</summary>
    public const ushort Rewritten = 2;

    /// <summary>→ rewrite: sender, recipient.</summary>
    public const ushort Resolve = 3;

    /// <summary>← rewrite: transport, nexthop, recipient, flags u16.</summary>
    public const ushort Resolved = 4;

    /// <summary>→ rewrite: sender, recipient of a probe; answered as Resolve is.</summary>
    public const ushort ResolveProbe = 5;

    /// <summary>Longest text.</summary>
    public const int TextLimit = 8192;

    /// <summary>Longest address asked about, in bytes: an answer may be longer by a domain.</summary>
    public const int AddressLimit = 6000;

    /// <summary>Whether a text fits a frame.</summary>
    public static bool IsText(string text) => text.Length <= TextLimit / 3 || System.Text.Encoding.UTF8.GetByteCount(text) <= TextLimit;

    /// <summary>Whether an address may be asked about.</summary>
    public static bool Fits(string address) => address.Length <= AddressLimit / 3 || System.Text.Encoding.UTF8.GetByteCount(address) <= AddressLimit;
}

/// <summary>
/// The client of the arrow → trivial-rewrite. Answers are kept for a few seconds, so that a table's change is seen as soon as
/// Postfix's daemons would see it, and a busy destination costs one question now and then. Polled by its owner: questions leave with
/// <see cref="Flush"/>, and what waits for an answer goes on within <see cref="Poll"/>.
/// </summary>
public sealed class RewriteClient : IRewrite, IDisposable
{
    private const int KeepLimit = 8192;
    private static readonly TimeSpan KeepTime = TimeSpan.FromSeconds(2);
    /// <summary>How long questions wait for another trivial-rewrite when theirs is gone.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);
    private readonly Action _bell;
    private readonly TimeProvider _time;
    private readonly bool _replaced;
    private LinkWriter? _writer;
    private LinkReader? _reader;
    private volatile bool _senderDependent;
    private readonly ConcurrentDictionary<ulong, Question> _waiters = new();
    private long _goneAt;
    private volatile Answers _young = new();
    private volatile Answers _old = new();
    private long _turnAt;
    private ulong _number;

    /// <summary>The client over a link that is the only one: without it there is no answer.</summary>
    /// <param name="link">The link.</param>
    /// <param name="senderDependent">Routing depends on the sender (sender_dependent_* is set): answers are kept per sender.</param>
    /// <param name="time">The clock.</param>
    /// <param name="bell">Rung when there is something to poll.</param>
    public RewriteClient(IDuplexPipe link, bool senderDependent, TimeProvider time, Action bell)
        : this(senderDependent, time, bell)
    {
        _replaced = false;
        Attach(link);
    }

    /// <summary>The client of a trivial-rewrite that comes and goes: <see cref="Attach"/>.</summary>
    /// <param name="senderDependent">Routing depends on the sender (sender_dependent_* is set): answers are kept per sender.</param>
    /// <param name="time">The clock.</param>
    /// <param name="bell">Rung when there is something to poll.</param>
    public RewriteClient(bool senderDependent, TimeProvider time, Action bell)
    {
        (_time, _bell, _replaced, _senderDependent) = (time, bell, true, senderDependent);
        _goneAt = _turnAt = time.GetTimestamp();
    }

    /// <summary>Asks over another link from now on, also what had no answer yet. On the thread that polls.</summary>
    public void Attach(IDuplexPipe link)
    {
        Dispose();
        _writer = new LinkWriter(link.Output);
        _reader = new LinkReader(link.Input, _bell);
        _goneAt = 0;
        foreach (var (number, question) in _waiters)
        {
            question.Write(_writer, number);
        }
        _writer.Flush();
    }

    /// <inheritdoc/>
    public ValueTask<string?> RewriteAsync(bool local, string address, CancellationToken cancel)
    {
        if (!RewriteFrames.Fits(address))
        {
            // A header's word as long as this is no address: it stays as it is. What does not fit a frame would end the link.
            return new ValueTask<string?>(address);
        }
        Turn();
        var key = (local, address);
        if (_young.Rewritten.TryGetValue(key, out var kept) || _old.Rewritten.TryGetValue(key, out kept))
        {
            return new ValueTask<string?>(kept);
        }
        return Slow(key, cancel);

        async ValueTask<string?> Slow((bool Local, string Address) key, CancellationToken cancel)
        {
            // An answer is kept beside those it was asked among: what was forgotten meanwhile does not come back.
            var young = _young;
            var answer = await AskAsync(new Question(key.Local ? "local" : null, key.Address, RewriteFrames.Rewrite), cancel).ConfigureAwait(false);
            if (answer is string text)
            {
                young.Keep(key, text);
                return text;
            }
            return null;
        }
    }

    /// <inheritdoc/>
    public ValueTask<Resolution> ResolveAsync(string sender, string recipient, CancellationToken cancel)
    {
        if (!RewriteFrames.Fits(sender) || !RewriteFrames.Fits(recipient))
        {
            return new ValueTask<Resolution>(new Resolution("", "", recipient, ResolveFlags.Fail));
        }
        Turn();
        var key = (_senderDependent ? sender : "", recipient);
        if (_young.Resolved.TryGetValue(key, out var kept) || _old.Resolved.TryGetValue(key, out kept))
        {
            return new ValueTask<Resolution>(kept);
        }
        return Slow(key, sender, cancel);

        async ValueTask<Resolution> Slow((string Sender, string Recipient) key, string sender, CancellationToken cancel)
        {
            var young = _young;
            var answer = await AskAsync(new Question(sender, key.Recipient, RewriteFrames.Resolve), cancel).ConfigureAwait(false);
            if (answer is not Resolution resolution)
            {
                return new Resolution("", "", key.Recipient, ResolveFlags.Fail);
            }
            if ((resolution.Flags & ResolveFlags.Fail) == 0)
            {
                young.Keep(key, resolution);
            }
            return resolution;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<Resolution> ResolveProbeAsync(string sender, string recipient, CancellationToken cancel)
    {
        // Probes are few, and each address has one in a long time: their answers are not kept.
        var answer = RewriteFrames.Fits(sender) && RewriteFrames.Fits(recipient)
            ? await AskAsync(new Question(sender, recipient, RewriteFrames.ResolveProbe), cancel).ConfigureAwait(false) : null;
        return answer as Resolution ?? new Resolution("", "", recipient, ResolveFlags.Fail);
    }

    /// <summary>Another configuration: answers kept are forgotten, and so are those to questions that were asked before.</summary>
    /// <param name="senderDependent">Routing depends on the sender.</param>
    public void Forget(bool senderDependent)
    {
        _senderDependent = senderDependent;
        _old = _young = new Answers();
    }

    /// <summary>Handles the answers that are there.</summary>
    /// <returns>Whether there was one.</returns>
    public bool Poll()
    {
        var any = false;
        while (_reader?.TryRead(out var frame) == true)
        {
            any = true;
            if (!OnFrame(frame))
            {
                _reader.Close();
            }
        }
        if (_reader?.Closed == true && _goneAt == 0)
        {
            _goneAt = _time.GetTimestamp();
        }
        if (!_waiters.IsEmpty && _goneAt != 0 && (!_replaced || _time.GetElapsedTime(_goneAt) > Patience))
        {
            foreach (var number in _waiters.Keys)
            {
                if (_waiters.TryRemove(number, out var waiter))
                {
                    waiter.TrySetResult(null);
                }
            }
        }
        return any;
    }

    /// <summary>Sends the questions.</summary>
    public void Flush() => _writer?.Flush();

    /// <inheritdoc/>
    public void Dispose()
    {
        _writer?.Complete();
        _reader?.Close();
    }

    private bool OnFrame(in Frame frame)
    {
        var reader = new FieldReader(frame.Payload);
        object? answer;
        switch (frame.Type)
        {
            case RewriteFrames.Rewritten:
                answer = reader.OptionalText(RewriteFrames.TextLimit);
                break;
            case RewriteFrames.Resolved:
                answer = new Resolution(reader.Text(RewriteFrames.TextLimit), reader.Text(RewriteFrames.TextLimit), reader.Text(RewriteFrames.TextLimit), (ResolveFlags)reader.UInt16());
                break;
            default:
                return false;
        }
        // One that can't be read is no answer, and no reason to lose all others with the link.
        answer = reader.Failed ? null : answer;
        if (_waiters.TryRemove(frame.Id, out var waiter))
        {
            waiter.TrySetResult(answer);
        }
        return true;
    }

    private async ValueTask<object?> AskAsync(Question question, CancellationToken cancel)
    {
        var number = Interlocked.Increment(ref _number);
        if (!_replaced && _reader!.Closed)
        {
            return null;
        }
        _waiters[number] = question;
        if (_writer is { Closed: false } writer)
        {
            question.Write(writer, number);
        }
        if (!cancel.CanBeCanceled)
        {
            return await question.Task.ConfigureAwait(false);
        }
        try
        {
            return await question.Task.WaitAsync(cancel).ConfigureAwait(false);
        }
        finally
        {
            _waiters.TryRemove(number, out _);
        }
    }

    private void Turn()
    {
        var turnAt = Volatile.Read(ref _turnAt);
        if (_young.Count < KeepLimit && _time.GetElapsedTime(turnAt) < KeepTime)
        {
            return;
        }
        if (Interlocked.CompareExchange(ref _turnAt, _time.GetTimestamp(), turnAt) == turnAt)
        {
            _old = _young;
            _young = new Answers();
        }
    }

    /// <summary>
    /// One question: it may be asked again. What waits for it goes on within Poll, on the owner's thread: a hand-over to the thread pool
    /// would cost more than the answer.
    /// </summary>
    private sealed class Question(string? first, string second, ushort type) : TaskCompletionSource<object?>
    {
        public void Write(LinkWriter writer, ulong number)
        {
            if (type != RewriteFrames.Rewrite)
            {
                writer.Write(type, RewriteFrames.Version, number, (Sender: first!, Recipient: second), static ((string Sender, string Recipient) q, ref FieldWriter writer) =>
                {
                    writer.Text(q.Sender);
                    writer.Text(q.Recipient);
                });
            }
            else
            {
                writer.Write(RewriteFrames.Rewrite, RewriteFrames.Version, number, (Local: first is not null, Address: second), static ((bool Local, string Address) q, ref FieldWriter writer) =>
                {
                    writer.Byte(q.Local ? (byte)1 : (byte)0);
                    writer.Text(q.Address);
                });
            }
        }
    }

    private sealed class Answers
    {
        private int _count;

        public ConcurrentDictionary<(bool Local, string Address), string> Rewritten { get; } = new(1, 31);

        public ConcurrentDictionary<(string Sender, string Recipient), Resolution> Resolved { get; } = new(1, 31);

        public int Count => Volatile.Read(ref _count);

        public void Keep((bool Local, string Address) key, string address)
        {
            if (Rewritten.TryAdd(key, address))
            {
                Interlocked.Increment(ref _count);
            }
        }

        public void Keep((string Sender, string Recipient) key, Resolution resolution)
        {
            if (Resolved.TryAdd(key, resolution))
            {
                Interlocked.Increment(ref _count);
            }
        }
    }
}

/// <summary>The server's end of the arrow → trivial-rewrite: answers one client's questions.</summary>
public sealed class RewriteServer : IFrameHandler, IDisposable
{
    private readonly IRewrite _rewrite;
    private readonly LinkWriter _writer;
    private readonly LinkPump _pump;
    private readonly CancellationTokenSource _stop = new();
    private int _reading;

    /// <summary>Serves a link.</summary>
    public RewriteServer(IDuplexPipe link, IRewrite rewrite)
    {
        _rewrite = rewrite;
        _writer = new LinkWriter(link.Output);
        _pump = new LinkPump(link.Input, this, "rewrite server");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        _writer.Complete();
        _pump.Dispose();
        _stop.Dispose();
    }

    bool IFrameHandler.OnFrame(in Frame frame)
    {
        _reading = Environment.CurrentManagedThreadId;
        var reader = new FieldReader(frame.Payload);
        switch (frame.Type)
        {
            case RewriteFrames.Rewrite:
                var local = reader.Byte() == 1;
                var address = reader.Text(RewriteFrames.TextLimit);
                Answer(frame.Id, local, reader.Failed ? null : address);
                return true;
            case RewriteFrames.Resolve or RewriteFrames.ResolveProbe:
                var (sender, recipient) = (reader.Text(RewriteFrames.TextLimit), reader.Text(RewriteFrames.TextLimit));
                Answer(frame.Id, sender, reader.Failed ? null : recipient, frame.Type == RewriteFrames.ResolveProbe);
                return true;
            default:
                return false;
        }
    }

    void IFrameHandler.OnBatchEnd() => _writer.Flush();

    // Who asks must learn of it, whatever the cause.
    void IFrameHandler.OnClosed() => _writer.Complete();

    // A question that can't be read has an answer too: without one its mail would wait for another process of ours while this one lives.
    private async void Answer(ulong number, bool local, string? address)
    {
        string? answer = null;
        try
        {
            answer = address is null ? null : await _rewrite.RewriteAsync(local, address, _stop.Token).ConfigureAwait(false);
            answer = answer is null || RewriteFrames.IsText(answer) ? answer : null;
        }
        catch (Exception)
        {
            // Stopped, or a fault in one answer: "can't say now", which defers the mail that asked; never the end of the process.
        }
        _writer.Write(RewriteFrames.Rewritten, RewriteFrames.Version, number, answer, static (string? text, ref FieldWriter writer) => writer.OptionalText(text));
        FlushLate();
    }

    private async void Answer(ulong number, string sender, string? recipient, bool probe)
    {
        var answer = new Resolution("", "", recipient ?? "", ResolveFlags.Fail);
        try
        {
            var found = recipient is null ? answer : probe
                ? await _rewrite.ResolveProbeAsync(sender, recipient, _stop.Token).ConfigureAwait(false)
                : await _rewrite.ResolveAsync(sender, recipient, _stop.Token).ConfigureAwait(false);
            answer = RewriteFrames.IsText(found.Transport) && RewriteFrames.IsText(found.Nexthop) && RewriteFrames.IsText(found.Recipient) ? found : answer;
        }
        catch (Exception)
        {
            // As above: it fails.
        }
        _writer.Write(RewriteFrames.Resolved, RewriteFrames.Version, number, answer, static (Resolution r, ref FieldWriter writer) =>
        {
            writer.Text(r.Transport);
            writer.Text(r.Nexthop);
            writer.Text(r.Recipient);
            writer.UInt16((ushort)r.Flags);
        });
        FlushLate();
    }

    /// <summary>An answer given while frames are read leaves with the batch; one that had to wait leaves at once.</summary>
    private void FlushLate()
    {
        if (_reading != Environment.CurrentManagedThreadId)
        {
            _writer.Flush();
        }
    }
}
