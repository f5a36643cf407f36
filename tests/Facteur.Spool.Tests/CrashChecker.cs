using System.Runtime.InteropServices;
using Facteur.Mail.Envelopes;

namespace Facteur.Spool.Tests;

/// <summary>Recovers crashed disks and compares with the ledger.</summary>
internal sealed class CrashChecker(Ledger ledger, Func<SimDisk, IDisk> second)
{
    private readonly byte[] _buffer = new byte[ContentLayout.BufferLength];
    private readonly List<byte> _content = [];

    public long States { get; private set; }

    /// <summary>Opens the disk and checks all messages; goes on with it when asked to.</summary>
    public void Check(SimDisk image, string what, bool goOn = false)
    {
        States++;
        var events = new TestEvents();
        using var spool = Open(image, events, what);
        var seen = Compare(spool, what);
        Require(events.Damages.Count == 0, $"{what}: damage reported: {string.Join("; ", events.Damages)}");
        Require(spool.TryTakeIds(1, out var id) && id > ledger.HighestId, $"{what}: number {id} was used before");
        if (goOn)
        {
            GoOn(image, spool, id, seen, what);
        }
    }

    /// <summary>The process is killed and starts again; then the power fails. What the second life showed stays.</summary>
    public void CheckKill(SimDisk image, string what)
    {
        States++;
        var events = new TestEvents();
        Dictionary<ulong, string> seen;
        using (var spool = Open(image, events, what))
        {
            seen = Compare(spool, what);
        }
        Require(events.Damages.Count == 0, $"{what}: damage reported: {string.Join("; ", events.Damages)}");
        CheckSame(image.AfterCut(_ => false), seen, 0, what + ", then nothing kept");
        CheckSame(image.AfterCut(_ => true), seen, 0, what + ", then all kept");
    }

    private void GoOn(SimDisk image, ISpool spool, ulong id, Dictionary<ulong, string> seen, string what)
    {
        Require(spool.Content(id, "new\n"u8) && spool.End(id, new Envelope { ContentSize = 4 }, QueueState.Incoming, 0), $"{what}: no new message");
        Require(spool.Commit(true) == CommitResult.Durable, $"{what}: no commit after recovery");
        CheckSame(image.AfterCut(_ => false), seen, id, what + ", a message, nothing kept");
    }

    private void CheckSame(SimDisk image, Dictionary<ulong, string> expected, ulong added, string what)
    {
        States++;
        var events = new TestEvents();
        using var spool = Open(image, events, what);
        Require(events.Damages.Count == 0, $"{what}: damage reported: {string.Join("; ", events.Damages)}");
        Require(added == 0 || (spool.TryGet(added, out _) && spool.Read(added) is not null), $"{what}: the message acknowledged after recovery is gone");
        foreach (var (id, signature) in expected)
        {
            Require(Signature(spool, id, what) == signature, $"{what}: {id} changed by a second crash");
        }
        Require(Count(spool) == expected.Count + (added == 0 ? 0 : 1), $"{what}: something came or went in a second crash");
    }

    private ISpool Open(SimDisk image, TestEvents events, string what)
    {
        try
        {
            return Spool.Open(Workload.Options, second(image), new TestTime(), events);
        }
        catch (Exception e) when (e is not CrashFoundException)
        {
            throw new CrashFoundException($"{what}: does not open: {e}");
        }
    }

    private Dictionary<ulong, string> Compare(ISpool spool, string what)
    {
        var seen = new Dictionary<ulong, string>();
        foreach (var message in ledger.Messages.Values)
        {
            var signature = Signature(spool, message.Id, what);
            if (!message.Accepts(signature))
            {
                throw new CrashFoundException($"{what}: {message.Id:x} is '{signature ?? "absent"}', not one of '{message.Acceptable}'");
            }
            if (signature is not null)
            {
                seen.Add(message.Id, signature);
                CheckContent(spool, message, what);
            }
        }
        CheckCloses(spool, what);
        Require(Listed(spool) == seen.Count, $"{what}: {Listed(spool)} messages listed of {seen.Count}: claimed on disk");
        Require(Count(spool) == seen.Count, $"{what}: {Count(spool)} messages, {seen.Count} of them known");
        return seen;
    }

    // A report and the mark of the recipients it closes become durable together.
    private void CheckCloses(ISpool spool, string what)
    {
        foreach (var message in ledger.Messages.Values)
        {
            if (message.Envelope.Closes is { } closes && message.Log.Count > 0 && spool.TryGet(message.Id, out _)
                && ledger.Messages[closes.MessageId] is { } closed && closed.Log.Count > 0 && ReferenceEquals(closed.Log[^1].Recipients, closes.Recipients) && spool.TryGet(closed.Id, out _))
            {
                Require(spool.Read(closed.Id)!.Outcomes.All(o => !o.Unreported || !closes.Recipients.Contains(o.Recipient)), $"{what}: report without its mark");
            }
        }
    }

    private static string? Signature(ISpool spool, ulong id, string what)
    {
        if (!spool.TryGet(id, out var entry))
        {
            return null;
        }
        var message = spool.Read(id) ?? throw new CrashFoundException($"{what}: {id:x} can't be read");
        return LedgerState.Signature(entry, message.Outcomes);
    }

    private void CheckContent(ISpool spool, LedgerMessage expected, string what)
    {
        var message = spool.Read(expected.Id)!;
        _content.Clear();
        using var reader = spool.OpenReader();
        for (var i = 0; i < message.Layout.Extents.Count; i++)
        {
            for (long at = 0; at < message.Layout.Extents[i].Length;)
            {
                var result = reader.Read(expected.Id, message.Layout, i, at, _buffer, out var bytes);
                Require(result == ContentRead.Data, $"{what}: content of {expected.Id:x}: {result}");
                _content.AddRange(bytes.Span);
                at += bytes.Length;
            }
        }
        Require(CollectionsMarshal.AsSpan(_content).SequenceEqual(CollectionsMarshal.AsSpan(expected.Content)), $"{what}: content of {expected.Id:x} differs");
        var envelope = message.Envelope;
        Require(
            envelope.Sender == expected.Envelope.Sender && envelope.ArrivalMicros == expected.Envelope.ArrivalMicros
            && envelope.Recipients.SequenceEqual(expected.Envelope.Recipients) && envelope.Closes?.MessageId == expected.Envelope.Closes?.MessageId,
            $"{what}: envelope of {expected.Id:x} differs");
    }

    private static long Listed(ISpool spool)
    {
        var entries = new SpoolEntry[64];
        long count = 0;
        foreach (var state in Enum.GetValues<QueueState>())
        {
            SpoolCursor cursor = default;
            for (int n; (n = spool.Next(state, long.MaxValue, ref cursor, entries)) > 0;)
            {
                count += n;
            }
        }
        return count;
    }

    private static long Count(ISpool spool) =>
        spool.Count(QueueState.Incoming) + spool.Count(QueueState.Deferred) + spool.Count(QueueState.Hold) + spool.Count(QueueState.Corrupt);

    private static void Require(bool holds, string text)
    {
        if (!holds)
        {
            throw new CrashFoundException(text);
        }
    }
}

/// <summary>A crash broke a promise.</summary>
internal sealed class CrashFoundException(string text) : Exception(text);
