using System.Buffers;
using System.Runtime.InteropServices;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Unix;

namespace Facteur.Spool.PostfixQueue;

/// <summary>
/// Brings Postfix's queue files into the journal, before any delivery from it starts. Order, for a batch of files: content staged, the number written
/// behind the file's name, end and outcomes staged; the directories synced, the batch committed; the files unlinked, and the directories synced. So no message is ever in neither place, and one found in both was not delivered from the journal yet.
/// What can't be imported stays where it is and is told; the rest goes on.
/// </summary>
public sealed class PostfixImport
{
    private const int BatchLimit = 256;
    private const long StagedLimit = 1 << 20;

    // Reasons kept of one message's recipients that are still to be tried; that others are done is always kept.
    private const int ReasonLimit = 10_000;

    // Postfix: postsuper -e.
    private const uint GroupExecutes = 0x8;

    private readonly PostfixQueueDirectory _source;
    private readonly ISpool _spool;
    private readonly IPostfixQueueEvents _events;
    private readonly QueueFileReader _reader = new();
    private readonly byte[] _piece = new byte[ContentLayout.PieceLimit];
    private readonly List<PostfixQueueFile> _batch = [];
    private readonly HashSet<string> _emptied = new(StringComparer.Ordinal);
    private int _pieceLength;
    private ulong _nextId;
    private ulong _idEnd;

    /// <param name="source">Postfix's queue; no Postfix may run on it.</param>
    /// <param name="spool">The journal; nothing may be delivered from it meanwhile.</param>
    /// <param name="events">Hears of each message.</param>
    public PostfixImport(PostfixQueueDirectory source, ISpool spool, IPostfixQueueEvents events) => (_source, _spool, _events) = (source, spool, events);

    /// <summary>Messages imported.</summary>
    public long Imported { get; private set; }

    /// <summary>Messages that stay in Postfix's queue.</summary>
    public long Left { get; private set; }

    /// <summary>The disk refused new mail: what is left is to be tried again when there is room.</summary>
    public bool Refused { get; private set; }

    /// <summary>Imports all there is.</summary>
    public void Run()
    {
        foreach (var queue in PostfixQueueDirectory.Queues)
        {
            Each(queue, (directory) =>
            {
                Settle(queue, directory);
                Import(queue, directory);
            });
        }
        Commit();
        foreach (var directory in _emptied)
        {
            // Else a power cut after a delivery could bring a file back.
            Sync(directory);
        }
        _emptied.Clear();
    }

    /// <summary>Ends what an earlier import or export that was killed left half done, and does nothing else.</summary>
    public void Settle()
    {
        foreach (var queue in PostfixQueueDirectory.Queues)
        {
            Each(queue, directory => Settle(queue, directory));
        }
    }

    private void Each(string queue, Action<string> work)
    {
        try
        {
            foreach (var directory in _source.Directories(queue))
            {
                work(directory);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Leave($"{_source.Path}/{queue}", e.Message);
        }
    }

    private void Import(string queue, string directory)
    {
        foreach (var file in PostfixQueueDirectory.Files(queue, directory, handedOver: false))
        {
            if (Refused)
            {
                // Counted and not looked into.
                Left += UnixFile.Status(file.Path, followLinks: false, out var status) == 0 && PostfixQueueDirectory.IsComplete(status) ? 1 : 0;
                continue;
            }
            if (!HasId())
            {
                Refused = true;
                Leave(file.Path, "the journal can't be written");
                continue;
            }
            Import(file, _nextId++);
            if (_batch.Count >= BatchLimit || _spool.StagedBytes > StagedLimit)
            {
                Commit();
            }
        }
    }

    // Numbers are taken while nothing is staged.
    private bool HasId()
    {
        if (_nextId < _idEnd)
        {
            return true;
        }
        Commit();
        var taken = _spool.TryTakeIds(BatchLimit, out _nextId);
        _idEnd = taken ? _nextId + BatchLimit : 0;
        return taken;
    }

    private void Import(PostfixQueueFile file, ulong id)
    {
        using var open = Open(file, out var status);
        if (open is null)
        {
            return;
        }
        var wrong = Read(open, status, out var message, bytes => Content(id, bytes)) ?? (Flush(id) ? null : Refusal());
        if (wrong is not null)
        {
            _spool.Abort(id);
            Leave(file.Path, wrong);
            return;
        }
        var outcomes = Outcomes(file, message);
        if (!IsAlive(message, outcomes))
        {
            _spool.Abort(id);
            Remove(file);
            return;
        }
        var envelope = message.Envelope();
        var handed = file with { Message = id };
        wrong = !EnvelopeCodec.Fits(envelope) ? "its envelope is too large" : UnixPath.Rename(file.Path, handed.Path) is not 0 and var errno ? Errno.Text(errno) : null;
        if (wrong is not null)
        {
            _spool.Abort(id);
            Leave(file.Path, wrong);
            return;
        }
        var state = file.Queue switch { "deferred" => QueueState.Deferred, "hold" => QueueState.Hold, _ => QueueState.Incoming };
        if (!_spool.End(id, envelope, state, state == QueueState.Deferred ? Math.Clamp(status.Modified.Seconds, 0, uint.MaxValue) : 0))
        {
            GiveBack(handed, Refusal());
            return;
        }
        foreach (var outcome in outcomes)
        {
            _spool.Outcome(id, outcome);
        }
        if ((status.Mode & GroupExecutes) != 0)
        {
            _spool.Expire(id);
        }
        _batch.Add(handed);
    }

    private void Commit()
    {
        if (_batch.Count == 0)
        {
            return;
        }
        // The names first: after a power cut a file that the journal has must be known as such.
        foreach (var directory in _batch.Select(file => file.Directory).Distinct(StringComparer.Ordinal))
        {
            Sync(directory);
            _emptied.Add(directory);
        }
        var durable = _spool.Commit(sync: true) == CommitResult.Durable;
        Refused |= !durable;
        foreach (var file in _batch)
        {
            if (!durable)
            {
                // What was written may be there again after a crash: the file stays on its way, and the next start looks.
                Leave(file.Path, Refusal());
            }
            else
            {
                Finish(file);
            }
        }
        _batch.Clear();
    }

    // What can't be removed would be delivered twice one day: the journal's message waits for the next start too, which looks again.
    private void Finish(PostfixQueueFile file)
    {
        if (Remove(file))
        {
            Imported++;
            _events.Moved(file, file.Message);
            return;
        }
        Keep(file, "can't be removed");
    }

    private void Keep(PostfixQueueFile file, string why)
    {
        _ = _spool.Claim(file.Message);
        Leave(file.Path, why);
    }

    private void Settle(string queue, string directory)
    {
        var any = false;
        foreach (var file in PostfixQueueDirectory.Files(queue, directory, handedOver: true))
        {
            using var open = Open(file, out var status);
            if (open is null)
            {
                continue;
            }
            any = true;
            var refused = false;
            var wrong = Read(open, status, out var message, static _ => true);
            var stored = wrong is null ? _spool.Read(file.Message, out refused) : null;
            if (refused)
            {
                Keep(file, "the journal can't be read");
            }
            else if (stored is null || !IsSame(stored.Envelope, message.Envelope()))
            {
                if (UnixPath.Rename(file.Path, (file with { Message = 0 }).Path) is not 0 and var errno)
                {
                    Leave(file.Path, Errno.Text(errno));
                }
            }
            else if (!Complete(file, message, stored))
            {
                Keep(file, Refusal());
            }
            else
            {
                Finish(file);
            }
        }
        if (any)
        {
            Sync(directory);
        }
    }

    // The end may have become durable without all that followed it.
    private bool Complete(PostfixQueueFile file, QueueFileMessage message, SpoolMessage stored)
    {
        var known = stored.Outcomes.Select(o => o.Recipient).ToHashSet();
        foreach (var outcome in Outcomes(file, message).Where(o => !known.Contains(o.Recipient)))
        {
            _spool.Outcome(file.Message, outcome);
        }
        return _spool.Commit(sync: true) == CommitResult.Durable;
    }

    // Numbers of another journal may be the same by chance. Addresses are compared as Postfix has them: quotes may have changed on the way.
    private static bool IsSame(Envelope one, Envelope other) =>
        one.ArrivalMicros == other.ArrivalMicros && AddressParts.Internal(one.Sender) == AddressParts.Internal(other.Sender)
        && one.Recipients.Select(r => AddressParts.Internal(r.Address)).SequenceEqual(other.Recipients.Select(r => AddressParts.Internal(r.Address)), StringComparer.Ordinal);

    private UnixFile? Open(PostfixQueueFile file, out Stat status)
    {
        status = default;
        var errno = UnixFile.Status(file.Path, followLinks: false, out status);
        if (errno == Libc.ENOENT || (errno == 0 && !PostfixQueueDirectory.IsComplete(status)))
        {
            // Postfix: being written, and nobody was told that it is there.
            return null;
        }
        UnixFile? open = null;
        errno = errno != 0 ? errno : UnixFile.Open(file.Path, Libc.O_RDONLY | Libc.O_NOFOLLOW | Libc.O_NONBLOCK, 0, out open);
        if (errno != 0)
        {
            Leave(file.Path, Errno.Text(errno));
        }
        return open;
    }

    private string? Read(UnixFile file, in Stat status, out QueueFileMessage message, Func<ReadOnlySpan<byte>, bool> content)
    {
        _pieceLength = 0;
        message = new QueueFileMessage();
        _reader.Open((offset, into) => ReadAt(file, offset, into), status.Size);
        var (type, last) = ('\0', '\0');
        while (!message.Ended)
        {
            if (!_reader.TryRead(out var record))
            {
                return _reader.Errno != 0 ? Errno.Text(_reader.Errno) : _reader.Wrong;
            }
            if (message.Accept(record, _reader.Offset) is { } wrong)
            {
                return wrong;
            }
            type = (char)record.Type;
            if (message.InContent && type is 'N' or 'L')
            {
                last = type;
                if (!content(record.Data) || (type == 'N' && !content("\n"u8)))
                {
                    return Refusal();
                }
            }
            else if (type == 'X' && last == 'L' && !content("\n"u8))
            {
                return Refusal();
            }
        }
        return null;
    }

    private bool Content(ulong id, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            var part = bytes[..Math.Min(bytes.Length, _piece.Length - _pieceLength)];
            part.CopyTo(_piece.AsSpan(_pieceLength));
            _pieceLength += part.Length;
            bytes = bytes[part.Length..];
            if (_pieceLength == _piece.Length && !Flush(id))
            {
                return false;
            }
        }
        return true;
    }

    private bool Flush(ulong id)
    {
        var kept = _pieceLength == 0 || _spool.Content(id, _piece.AsSpan(0, _pieceLength));
        _pieceLength = 0;
        return kept;
    }

    /// <summary>What became of the recipients: those done, of which some are not reported yet, and why others wait.</summary>
    private List<SpoolOutcome> Outcomes(PostfixQueueFile file, QueueFileMessage message)
    {
        var outcomes = new List<SpoolOutcome>();
        if (message.IsRedirected)
        {
            return outcomes;
        }
        var places = new Dictionary<long, int>();
        for (var i = 0; i < message.Recipients.Count; i++)
        {
            places[message.Recipients[i].Offset] = i;
        }
        var waits = Log("defer", file, places);
        var unreported = Log("trace", file, places);
        foreach (var (index, status) in Log("bounce", file, places))
        {
            unreported[index] = status;
        }
        var reasons = 0;
        for (var i = 0; i < message.Recipients.Count; i++)
        {
            if (message.Recipients[i].IsDone)
            {
                var isReported = !unreported.TryGetValue(i, out var status);
                outcomes.Add(new SpoolOutcome(i, true, !isReported, OutcomeDetail.Write(status ?? DeliveryStatus.Sent("done before it was imported"), message.IsWarned)));
            }
            else if (waits.TryGetValue(i, out var why) && reasons++ < ReasonLimit)
            {
                outcomes.Add(new SpoolOutcome(i, false, false, OutcomeDetail.Write(why, message.IsWarned)));
            }
        }
        return outcomes;
    }

    private Dictionary<int, DeliveryStatus> Log(string log, PostfixQueueFile file, Dictionary<long, int> places)
    {
        var found = new Dictionary<int, DeliveryStatus>();
        if (_source.Log(log, file.Name) is not { } path || UnixFile.Open(path, Libc.O_RDONLY | Libc.O_NOFOLLOW | Libc.O_NONBLOCK, 0, out var open) != 0 || open is null)
        {
            return found;
        }
        using (open)
        {
            var parser = new DeliveryLogFile((place, status) =>
            {
                if (places.TryGetValue(place, out var index))
                {
                    found[index] = status;
                }
            });
            var buffer = ArrayPool<byte>.Shared.Rent(64 << 10);
            while (open.Read(buffer, out var count) == 0 && count > 0)
            {
                parser.Take(buffer.AsSpan(0, count));
            }
            ArrayPool<byte>.Shared.Return(buffer);
            parser.End();
        }
        return found;
    }

    // A file whose recipients are all done and reported was on its way out.
    private static bool IsAlive(QueueFileMessage message, List<SpoolOutcome> outcomes) =>
        message.Recipients.Any(r => !r.IsDone) || outcomes.Any(o => o.Unreported);

    private bool Remove(PostfixQueueFile file)
    {
        if (UnixPath.Unlink(file.Path) is not (0 or Libc.ENOENT))
        {
            return false;
        }
        foreach (var log in (string[])["defer", "bounce", "trace"])
        {
            if (_source.Log(log, file.Name) is { } path)
            {
                _ = UnixPath.Unlink(path);
            }
        }
        return true;
    }

    private void GiveBack(PostfixQueueFile file, string why)
    {
        var plain = file with { Message = 0 };
        _ = UnixPath.Rename(file.Path, plain.Path);
        Leave(plain.Path, why);
    }

    // A full disk takes no other message either.
    private string Refusal()
    {
        Refused |= _spool.RefusedForSpace || _spool.OnReserve;
        return Refused ? "no space left for it" : "the journal does not take it";
    }

    private void Leave(string path, string why)
    {
        Left++;
        _events.Left(path, why);
    }

    private static void Sync(string directory)
    {
        if (UnixFile.SyncDirectory(directory) is not 0 and var errno)
        {
            throw new SpoolException($"sync {directory}: {Errno.Text(errno)}: its mail can't be imported");
        }
    }

    private static unsafe int ReadAt(UnixFile file, long offset, Span<byte> into)
    {
        var done = 0;
        fixed (byte* bytes = into)
        {
            while (done < into.Length)
            {
                var n = (int)Libc.pread(file.Descriptor, bytes + done, into.Length - done, offset + done);
                if (n == 0)
                {
                    break;
                }
                if (n < 0 && Marshal.GetLastPInvokeError() is var errno && errno != Libc.EINTR)
                {
                    return -errno;
                }
                done += Math.Max(n, 0);
            }
        }
        return done;
    }
}
