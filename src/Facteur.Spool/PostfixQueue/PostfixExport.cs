using System.Buffers;
using System.Globalization;
using System.Runtime.InteropServices;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Unix;

namespace Facteur.Spool.PostfixQueue;

/// <summary>How queue files are written.</summary>
/// <param name="LongIds">enable_long_queue_ids.</param>
/// <param name="HashedQueues">hash_queue_names.</param>
/// <param name="HashDepth">hash_queue_depth.</param>
/// <param name="DelayWarningSeconds">delay_warning_time.</param>
/// <param name="Owner">User and group of the files; null for who writes them.</param>
public sealed record PostfixExportOptions(bool LongIds, IReadOnlyCollection<string> HashedQueues, int HashDepth, long DelayWarningSeconds, (uint Uid, uint Gid)? Owner);

/// <summary>
/// Writes the journal's messages as Postfix's queue files, and takes them out of the journal. Order, for a batch: the files written and synced, given
/// the name of a file on its way, their directories synced; the deletes committed; the names made final, the directories synced. A crash at any
/// instant leaves a message in one of the two, and <see cref="PostfixImport.Settle()"/> says in which.
/// </summary>
/// <param name="target">Where to; no Postfix may run on it.</param>
/// <param name="spool">The journal; nothing may be delivered from it meanwhile.</param>
/// <param name="events">Hears of each message.</param>
/// <param name="options">How.</param>
/// <param name="time">The clock.</param>
public sealed class PostfixExport(PostfixQueueDirectory target, ISpool spool, IPostfixQueueEvents events, PostfixExportOptions options, TimeProvider time)
{
    private const int BatchLimit = 128;
    private const int SyncsAtOnce = 16;
    private const int OutputLimit = 64 << 10;
    private const uint DirectoryMode = 0x1C0, WritingMode = 0x180, CompleteMode = 0x1C0, ExpiredMode = 0x1C8; // 0700, 0600, 0700, 0710
    private const string Unfinished = ".export";

    private readonly QueueFileWriter _writer = new();
    private readonly byte[] _buffer = new byte[ContentLayout.BufferLength];
    private readonly List<(PostfixQueueFile File, string Written, UnixFile Open)> _batch = [];
    private readonly HashSet<string> _touched = new(StringComparer.Ordinal);

    /// <summary>Messages exported.</summary>
    public long Exported { get; private set; }

    /// <summary>Messages that stay in the journal.</summary>
    public long Left { get; private set; }

    /// <summary>Exports all there is.</summary>
    /// <exception cref="SpoolException">The disk refuses; what was done so far is whole, and the rest can be done later.</exception>
    public void Run()
    {
        foreach (var queue in PostfixQueueDirectory.Queues.Concat(["defer", "bounce", "trace", "corrupt"]))
        {
            MakeDirectory($"{target.Path}/{queue}");
            foreach (var file in Directory.EnumerateFiles($"{target.Path}/{queue}", "*" + Unfinished))
            {
                _ = UnixPath.Unlink(file);
            }
        }
        try
        {
            using var reader = spool.OpenReader();
            var entries = new SpoolEntry[BatchLimit];
            var place = 0;
            for (var more = true; more;)
            {
                more = spool.Scan(ref place, entries, out var count);
                foreach (var entry in entries.AsSpan(0, count))
                {
                    Export(entry, reader);
                }
                Commit();
            }
        }
        catch (AggregateException e) when (e.InnerException is SpoolException first)
        {
            throw new SpoolException(first.Message);
        }
        finally
        {
            _batch.ForEach(item => item.Open.Dispose());
        }
    }

    private void Export(in SpoolEntry entry, ISpoolReader reader)
    {
        var queue = entry.State switch { QueueState.Deferred => "deferred", QueueState.Hold => "hold", _ => "incoming" };
        var name = $"message {QueueId.Format(entry.Id, options.LongIds)}";
        if (entry.State == QueueState.Corrupt || spool.Read(entry.Id) is not { } message)
        {
            Leave(name, "it is damaged");
            return;
        }
        var temporary = string.Create(CultureInfo.InvariantCulture, $"{target.Path}/{queue}/{entry.Id:X}{Unfinished}");
        var outcomes = message.Outcomes.Where(o => o.Recipient < message.Envelope.Recipients.Count)
            .ToDictionary(o => o.Recipient, o => (Outcome: o, Detail: OutcomeDetail.Read(o.Detail.Span)));
        var file = Create(temporary);
        Check(file.Status(out var status), temporary);
        var id = PostfixQueueDirectory.Id(message.Envelope.ArrivalMicros, status.Inode, options.LongIds);
        _batch.Add((new PostfixQueueFile(queue, Place(queue, id), id, entry.Id), temporary, file));
        if (!Write(file, temporary, id, message, outcomes, reader))
        {
            file.Dispose();
            _batch.RemoveAt(_batch.Count - 1);
            _ = UnixPath.Unlink(temporary);
            Leave(name, "its content can't be read");
            return;
        }
        File.SetLastWriteTimeUtc(temporary, Seconds(entry));
        Check(file.ChangeMode(entry.Expire ? ExpiredMode : CompleteMode), temporary);
        Logs(id, message.Envelope, outcomes);
    }

    // Postfix: the time of a file is that of its next attempt.
    private DateTime Seconds(in SpoolEntry entry) =>
        DateTimeOffset.FromUnixTimeSeconds(entry.State == QueueState.Deferred ? entry.DueSeconds : Math.Min(entry.ArrivalSeconds, time.GetUtcNow().ToUnixTimeSeconds())).UtcDateTime;

    private bool Write(
        UnixFile file, string path, string id, SpoolMessage message, Dictionary<int, (SpoolOutcome Outcome, (DeliveryStatus? Status, bool Warned) Detail)> outcomes, ISpoolReader reader)
    {
        long? warn = outcomes.Values.Any(o => o.Detail.Warned) ? 0
            : options.DelayWarningSeconds > 0 ? message.Envelope.ArrivalMicros / 1_000_000 + options.DelayWarningSeconds : null;
        _writer.Begin(message.Envelope, id, i => outcomes.TryGetValue(i, out var known) && IsDone(known), warn, isTraced: outcomes.Count > 0);
        for (var i = 0; i < message.Layout.Extents.Count; i++)
        {
            for (long offset = 0; offset < message.Layout.Extents[i].Length;)
            {
                if (reader.Read(message.Entry.Id, message.Layout, i, offset, _buffer, out var content) != ContentRead.Data || content.IsEmpty)
                {
                    return false;
                }
                _writer.Content(content.Span);
                offset += content.Length;
                if (_writer.Output.WrittenCount > OutputLimit)
                {
                    Flush(file, path);
                }
            }
        }
        var size = _writer.End();
        Flush(file, path);
        Check(WriteAtFront(file, size), path);
        return true;
    }

    private void Flush(UnixFile file, string path)
    {
        Check(file.Write(_writer.Output.WrittenSpan), path);
        _writer.Taken();
    }

    // "Done" and "to be reported" with a status that is not final: a requeue that was cut off.
    private static bool IsDone((SpoolOutcome Outcome, (DeliveryStatus? Status, bool Warned) Detail) known) =>
        known.Outcome.Done && !(known.Outcome.Unreported && known.Detail.Status?.Outcome == DeliveryOutcome.Deferred);

    private void Logs(string id, Envelope envelope, Dictionary<int, (SpoolOutcome Outcome, (DeliveryStatus? Status, bool Warned) Detail)> outcomes)
    {
        foreach (var log in outcomes.Where(o => o.Value.Detail.Status is not null).GroupBy(o => Log(o.Value)).Where(group => group.Key is not null))
        {
            var text = new ArrayBufferWriter<byte>();
            foreach (var (index, known) in log.OrderBy(o => o.Key))
            {
                DeliveryLogFile.Write(_writer.Places[index], envelope.Recipients[index], known.Detail.Status!, text);
            }
            var path = $"{Place(log.Key!, id)}/{id}";
            _ = UnixPath.Unlink(path);
            using var file = Create(path);
            Check(file.Write(text.WrittenSpan), path);
            // A reason of delay is made anew by the next attempt; a report not sent yet is not.
            Check(log.Key == "defer" ? 0 : file.Sync(), path);
            Check(file.Close(), path);
        }
    }

    private static string? Log((SpoolOutcome Outcome, (DeliveryStatus? Status, bool Warned) Detail) known) =>
        !IsDone(known) ? "defer" : !known.Outcome.Unreported ? null : known.Detail.Status?.Outcome == DeliveryOutcome.Bounced ? "bounce" : "trace";

    private void Commit()
    {
        if (_batch.Count == 0)
        {
            return;
        }
        // Together they cost hardly more than one.
        Parallel.ForEach(_batch, new ParallelOptions { MaxDegreeOfParallelism = SyncsAtOnce }, static item => SyncFile(item.Open, item.Written));
        foreach (var (file, written, _) in _batch)
        {
            Check(UnixPath.Rename(written, file.Path), file.Path);
            spool.Delete(file.Message);
        }
        Sync();
        if (spool.Commit(sync: true) != CommitResult.Durable)
        {
            // Whether the deletes are on disk is not known: the next import or export finds out.
            throw new SpoolException("the journal can't be written");
        }
        foreach (var (file, _, _) in _batch)
        {
            var final = file with { Message = 0 };
            Check(UnixPath.Rename(file.Path, final.Path), final.Path);
            Exported++;
            events.Moved(final, file.Message);
        }
        Sync();
        _batch.Clear();
        _touched.Clear();
    }

    private static void SyncFile(UnixFile file, string path)
    {
        using (file)
        {
            Check(file.Sync(), path);
            Check(file.Close(), path);
        }
    }

    private void Sync()
    {
        foreach (var directory in _touched)
        {
            Check(UnixFile.SyncDirectory(directory), directory);
        }
    }

    private string Place(string queue, string id)
    {
        var directory = target.Place(queue, id, options.HashedQueues.Contains(queue) ? options.HashDepth : 0);
        MakeDirectory(directory);
        _touched.Add(directory);
        return directory;
    }

    private void MakeDirectory(string path)
    {
        if (UnixPath.IsDirectory(path))
        {
            return;
        }
        MakeDirectory(UnixPath.Parent(path));
        Check(UnixPath.MakeDirectories(path, DirectoryMode, out _), path);
        Check(options.Owner is { } owner && Libc.chown(path, owner.Uid, owner.Gid) < 0 ? Marshal.GetLastPInvokeError() : 0, path);
        _touched.Add(UnixPath.Parent(path));
    }

    private UnixFile Create(string path)
    {
        Check(UnixFile.Open(path, Libc.O_WRONLY | Libc.O_CREAT | Libc.O_EXCL | Libc.O_NOFOLLOW, WritingMode, out var file), path);
        Check(options.Owner is { } owner ? file!.ChangeOwner(owner.Uid, owner.Gid) : 0, path);
        return file!;
    }

    private void Leave(string name, string why)
    {
        Left++;
        events.Left(name, why);
    }

    private static void Check(int errno, string path)
    {
        if (errno != 0)
        {
            throw new SpoolException($"write {path}: {Errno.Text(errno)}");
        }
    }

    private static unsafe int WriteAtFront(UnixFile file, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
        {
            var n = Libc.pwrite(file.Descriptor, start, bytes.Length, 0);
            return n == bytes.Length ? 0 : n < 0 ? Marshal.GetLastPInvokeError() : Libc.ENOSPC;
        }
    }
}
