using System.Buffers;
using System.Collections.Concurrent;
using System.Text;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Headers;
using Facteur.Services.Server;
using Facteur.Spool.Maildrop;
using Facteur.Unix;

namespace Facteur.Services.Receive.Pickup;

/// <summary>
/// pickup(8): brings the mail of maildrop to cleanup. A file is removed when its message is durable in the queue and not before; what is not
/// valid is put aside and logged; what cleanup refuses goes back to its sender; what can't be taken now stays. The files are written by
/// untrusted users: links, pipes, several names and records that users may not set are refused.
/// </summary>
public sealed class PickupService : IDisposable
{
    private const int BatchLimit = 1000;
    private const int ScanLimit = 64 * BatchLimit;
    private const int Parallel = 16;
    private const int ContentPiece = 60 * 1024;

    /// <summary>So often a fault of ours may meet a file, with a pause after each, before the file is put aside.</summary>
    private const int FaultLimit = 10;

    // postdrop sets it when the file is whole.
    private const uint OwnerExecutes = 0x40;
    private static readonly TimeSpan FaultPause = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan LockPause = TimeSpan.FromMilliseconds(100);

    /// <summary>So long another pickup may be at its last files without a word here.</summary>
    private static readonly TimeSpan SilentWait = TimeSpan.FromSeconds(10);

    private readonly MaildropDirectory _directory;
    private readonly ICleanup _cleanup;
    private readonly IBounce _bounce;
    private readonly RefusedMail _refused;
    private readonly IQueueLookup _queue;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _trigger = new(0, 1);
    private readonly uint _self = Libc.geteuid();
    private ServiceLog _log;
    private TimeSpan _wakeup;
    private static readonly byte[] LineEnd = [(byte)'\n'];
    private string _receivedBy;
    private InputOptions _input;
    private string _origin;

    // Both hold only names that are in the directory, and are emptied of others at each look.
    private readonly ConcurrentDictionary<string, (int Count, long At)> _faults = new();
    private readonly ConcurrentDictionary<string, bool> _queued = new();

    // Taken by the first look, given back at the end.
    private UnixFile? _right;
    private string? _cannotLock;
    private volatile bool _running;
    private long _waitingSince;
    private bool _saidWaiting;

    /// <summary>Makes the service.</summary>
    /// <param name="config">The entry's parameters.</param>
    /// <param name="cleanup">Where mail goes.</param>
    /// <param name="bounce">Reports what cleanup refuses to its sender.</param>
    /// <param name="refused">Where the reports find what was refused.</param>
    /// <param name="queue">Says whether a message is in the queue.</param>
    /// <param name="wakeup">The entry's wakeup time: how often the directory is looked at without a trigger.</param>
    /// <param name="log">The entry's log.</param>
    /// <param name="time">The clock.</param>
    public PickupService(
        IConfig config, ICleanup cleanup, IBounce bounce, RefusedMail refused, IQueueLookup queue, TimeSpan wakeup, ServiceLog log, TimeProvider time)
    {
        (_bounce, _refused, _queue) = (bounce, refused, queue);
        _origin = config.Get(CommonParameters.Myorigin);
        _directory = new MaildropDirectory(config.Get(CommonParameters.QueueDirectory));
        _receivedBy = ReceivedBy(config);
        _input = new InputOptions(config);
        _cleanup = cleanup;
        _wakeup = wakeup;
        _log = log;
        _time = time;
    }

    /// <summary>Asks for a look at the directory now. From any thread; several asks are one.</summary>
    public void Trigger()
    {
        try
        {
            if (_trigger.CurrentCount == 0)
            {
                _trigger.Release();
            }
        }
        catch (SemaphoreFullException)
        {
            // Another thread asked at the same instant.
        }
    }

    /// <summary>postfix reload: the next messages follow another configuration.</summary>
    /// <param name="config">The entry's parameters.</param>
    /// <param name="wakeup">The entry's wakeup time.</param>
    /// <param name="log">The entry's log.</param>
    public void Reconfigure(IConfig config, TimeSpan wakeup, ServiceLog log)
    {
        (_receivedBy, _origin, _wakeup, _log, _input) = (ReceivedBy(config), config.Get(CommonParameters.Myorigin), wakeup, log, new InputOptions(config));
        // The wait under way is of the old length.
        Trigger();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        // Who is still handing over gives it back when that is done: another would take the same file.
        if (!_running)
        {
            _right?.Dispose();
        }
        _trigger.Dispose();
    }

    /// <summary>Serves until it is stopped; messages under way are finished.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        _running = true;
        while (!cancel.IsCancellationRequested)
        {
            try
            {
                await ScanAsync(cancel).ConfigureAwait(false);
            }
            catch (Exception e) when (!cancel.IsCancellationRequested)
            {
                // Whatever it was: mail of local users goes on with the next look.
                PickupLog.Failed(_log, e);
            }
            catch (Exception)
            {
                break;
            }
            using var timer = new CancellationTokenSource(_right is null ? LockPause : _wakeup, _time);
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, timer.Token);
            try
            {
                await _trigger.WaitAsync(either.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException)
            {
                // Time to look, or the end.
            }
        }
        _right?.Dispose();
        _right = null;
    }

    /// <summary>Takes all that is there now.</summary>
    public async Task ScanAsync(CancellationToken cancel)
    {
        if (!IsOurs())
        {
            return;
        }
        // What can't be taken now must not hide what lies behind it.
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (!cancel.IsCancellationRequested && seen.Count < ScanLimit)
        {
            IReadOnlyList<MaildropEntry> entries;
            try
            {
                entries = _directory.List(BatchLimit, seen);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                PickupLog.CannotList(_log, _directory.Path, e.Message);
                return;
            }
            seen.UnionWith(entries.Select(e => e.Name));
            Forget(seen);
            var options = new ParallelOptions { MaxDegreeOfParallelism = Parallel };
            await System.Threading.Tasks.Parallel.ForEachAsync(entries, options, async (entry, _) =>
            {
                if (!cancel.IsCancellationRequested)
                {
                    await TryTakeAsync(entry, cancel).ConfigureAwait(false);
                }
            }).ConfigureAwait(false);
            if (entries.Count < BatchLimit)
            {
                return;
            }
        }
    }

    /// <summary>Whether this is the one that may take files out: another may be at its last ones.</summary>
    private bool IsOurs()
    {
        if (_right is not null)
        {
            return true;
        }
        try
        {
            _right = _directory.TryLock();
        }
        catch (IOException e)
        {
            if (_cannotLock != e.Message)
            {
                PickupLog.CannotList(_log, _directory.Path, e.Message);
            }
            _cannotLock = e.Message;
            return false;
        }
        if (_right is null)
        {
            _waitingSince = _waitingSince == 0 ? _time.GetTimestamp() : _waitingSince;
            if (!_saidWaiting && _time.GetElapsedTime(_waitingSince) > SilentWait)
            {
                _saidWaiting = true;
                PickupLog.Waits(_log, _directory.Path);
            }
            return false;
        }
        _cannotLock = null;
        _directory.RemoveTemporaries(_time);
        return true;
    }

    private void Forget(HashSet<string> there)
    {
        if (_faults.IsEmpty && _queued.IsEmpty)
        {
            return;
        }
        foreach (var name in _faults.Keys.Concat(_queued.Keys).Where(name => !there.Contains(name)).ToList())
        {
            _faults.TryRemove(name, out _);
            _queued.TryRemove(name, out _);
        }
    }

    /// <summary>A fault of ours in one file holds up no other.</summary>
    /// <returns>Whether the file is gone from maildrop.</returns>
    private async ValueTask<bool> TryTakeAsync(MaildropEntry entry, CancellationToken cancel)
    {
        if (_faults.TryGetValue(entry.Name, out var fault) && _time.GetElapsedTime(fault.At) < FaultPause)
        {
            return false;
        }
        try
        {
            if (entry.Message != 0)
            {
                switch (await IsQueuedAsync(entry, cancel).ConfigureAwait(false))
                {
                    case true:
                        return Remove(entry);
                    case null:
                        return false;
                }
            }
            return fault.Count >= FaultLimit ? PutAside(entry, 0, "repeated failures")
                : await TakeAsync(entry, cancel).ConfigureAwait(false);
        }
        catch (Exception) when (cancel.IsCancellationRequested)
        {
            return false;
        }
        catch (Exception e)
        {
            PickupLog.Failed(_log, entry.Name, e);
            _faults[entry.Name] = (fault.Count + 1, _time.GetTimestamp());
            return false;
        }
    }

    /// <summary>
    /// Whether the message that a file was handed over as is in the queue: then we ended, or could not remove the file, after that was durable.
    /// One that was delivered meanwhile is not found: of a crash so late the file is taken again, as Postfix does.
    /// </summary>
    /// <returns>Null when the queue is not there to be asked: no fault of the file's.</returns>
    private async ValueTask<bool?> IsQueuedAsync(MaildropEntry entry, CancellationToken cancel)
    {
        try
        {
            return _queued.ContainsKey(entry.Name) || await _queue.FindAsync(entry.Message, cancel).ConfigureAwait(false) is not null;
        }
        catch (Exception e) when (!cancel.IsCancellationRequested)
        {
            // Not reached, or its disk fails.
            PickupLog.Later(_log, entry.Name, $"the queue can't be asked now ({e.Message})");
            return null;
        }
    }

    /// <returns>Whether the file is gone from maildrop.</returns>
    private async ValueTask<bool> TakeAsync(MaildropEntry entry, CancellationToken cancel)
    {
        var errno = MaildropDirectory.Open(entry, out var file);
        if (file is null)
        {
            if (errno == Libc.ELOOP)
            {
                return PutAside(entry, 0, "symbolic link");
            }
            if (errno == Libc.ENOENT || UnixFile.Status(entry.Path, false, out var closed) != 0)
            {
                return false;
            }
            if ((closed.Mode & Libc.S_IFMT) != Libc.S_IFREG)
            {
                return PutAside(entry, closed.Uid, "not a regular file");
            }
            // Postfix: nobody looks into what another user is still writing.
            if ((closed.Mode & OwnerExecutes) != 0)
            {
                PickupLog.CannotOpen(_log, entry.Name, Errno.Text(errno));
            }
            return false;
        }
        using (file)
        {
            errno = file.Status(out var status);
            if (errno != 0)
            {
                PickupLog.CannotRead(_log, entry.Name, Errno.Text(errno));
                return false;
            }
            if ((status.Mode & Libc.S_IFMT) != Libc.S_IFREG)
            {
                return PutAside(entry, status.Uid, "not a regular file");
            }
            if ((status.Mode & OwnerExecutes) == 0)
            {
                // Still being written.
                return false;
            }
            // Who may write it could change it behind the checks: postdrop and the submission service never make such files.
            const uint othersWrite = 0x12;
            return status.Links != 1 ? PutAside(entry, status.Uid, $"file has {status.Links} links")
                : (status.Mode & othersWrite) != 0 ? PutAside(entry, status.Uid, "file is group or other writable")
                : await TakeAsync(entry, file, status, cancel).ConfigureAwait(false);
        }
    }

    private static string ReceivedBy(IConfig config) =>
        $"Received: by {config.Get(CommonParameters.Myhostname)} ({config.Get(CommonParameters.MailName)}, from userid ";

    private async ValueTask<bool> TakeAsync(MaildropEntry entry, UnixFile file, Stat status, CancellationToken cancel)
    {
        var owner = status.Uid;
        var pickup = new MaildropReader(file);
        var wrong = pickup.ReadEnvelope();
        if (wrong is not null)
        {
            return Failed(entry, owner, pickup, wrong);
        }
        // Only a file of our own was written by the submission service, which knows its client from the kernel.
        var uid = owner == _self ? pickup.Message.Submitter ?? owner : owner;
        var envelope = Envelope(pickup.Message, status.Modified.Seconds);
        envelope.SetQueued(NowMicros);
        envelope.LastRecipient = pickup.Message.Recipients.Count > 0 ? pickup.Message.Recipients[^1].Address : "";
        await using var message = await _cleanup.OpenAsync(envelope, cancel).ConfigureAwait(false);
        if (message is null)
        {
            PickupLog.Later(_log, entry.Name, "queue file write error");
            return false;
        }
        PickupLog.Message(_log, message.QueueId, uid, pickup.Message.Sender);
        var received = DateTimeOffset.UnixEpoch.AddMicroseconds(envelope.ArrivalMicros);
        await message.WriteAsync(
            Encoding.UTF8.GetBytes($"{_receivedBy}{uid})\n\tid {message.QueueId}; {MailDate.Format(received, _time.LocalTimeZone)}\n"), cancel)
            .ConfigureAwait(false);
        var buffer = new ArrayBufferWriter<byte>(ContentPiece);
        long length = 0;
        while (pickup.ReadContent(buffer, ContentPiece) is var more)
        {
            if (buffer.WrittenCount > 0)
            {
                if (length == 0 && buffer.WrittenSpan[0] is (byte)' ' or (byte)'\t')
                {
                    // Postfix: content that begins with a blank must not go on with our own Received: header.
                    await OffLinkAsync(message.WriteAsync(LineEnd, cancel)).ConfigureAwait(false);
                }
                await OffLinkAsync(message.WriteAsync(buffer.WrittenMemory, cancel)).ConfigureAwait(false);
                length += buffer.WrittenCount;
                buffer.ResetWrittenCount();
            }
            if (!more)
            {
                break;
            }
        }
        if (pickup.Wrong is not null || pickup.Errno != 0)
        {
            return Failed(entry, owner, pickup, pickup.Wrong);
        }
        foreach (var recipient in pickup.Message.Recipients)
        {
            message.AddRecipient(recipient);
        }
        var errno = _directory.HandOver(entry, message.Id, out entry);
        if (errno != 0)
        {
            PickupLog.Later(_log, entry.Name, $"rename: {Errno.Text(errno)}");
            return false;
        }
        var result = await message.CompleteAsync(cancel).ConfigureAwait(false);
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
        switch (result.Status)
        {
            case CleanupStatus.Ok:
                return Remove(entry);
            case CleanupStatus.WriteError or CleanupStatus.NoSpace or CleanupStatus.TryAgain:
                PickupLog.Later(_log, entry.Name, result.Text ?? result.Status.ToString());
                return false;
            default:
                envelope.Recipients = [.. pickup.Message.Recipients.Select(Qualified)];
                return await ReturnAsync(entry, message, envelope, length, result, cancel).ConfigureAwait(false);
        }
    }

    // What waits for the queue goes on upon the link's thread, which tells SMTP sessions that their mail is durable: no file work there.
    private static async ValueTask OffLinkAsync(ValueTask work)
    {
        if (!work.IsCompleted)
        {
            await work.ConfigureAwait(false);
            await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
            return;
        }
        await work.ConfigureAwait(false);
    }

    private bool Remove(MaildropEntry entry)
    {
        var errno = MaildropDirectory.Remove(entry);
        if (errno != 0 && errno != Libc.ENOENT)
        {
            _queued[entry.Name] = true;
            PickupLog.CannotRemove(_log, entry.Name, Errno.Text(errno));
            return false;
        }
        return true;
    }

    /// <summary>Postfix: what cleanup refuses of pickup's mail is returned by bounce (CLEANUP_FLAG_BOUNCE).</summary>
    private async ValueTask<bool> ReturnAsync(
        MaildropEntry entry, ICleanupMessage message, Envelope envelope, long length, CleanupResult result, CancellationToken cancel)
    {
        var status = result.Status switch
        {
            CleanupStatus.TooLarge => DeliveryStatus.Bounced(3, 4, "message file too big"),
            CleanupStatus.TooManyHops => DeliveryStatus.Bounced(4, 0, "too many hops"),
            CleanupStatus.NoRecipients => DeliveryStatus.Bounced(1, 0, "no recipients specified"),
            _ => Rejected(result.Text ?? "message content rejected"),
        };
        if (result.Status == CleanupStatus.Rejected)
        {
            // Postfix 3.11: of what a rule refuses the headers go back.
            envelope.Return = DsnReturn.Headers;
        }
        // Postfix: somebody must have failed.
        envelope.Recipients = envelope.Recipients.Count > 0 ? envelope.Recipients : [new EnvelopeRecipient("unknown")];
        foreach (var recipient in envelope.Recipients)
        {
            PickupLog.Bounced(_log, message.QueueId, recipient.Address, NowMicros - envelope.ArrivalMicros, status);
        }
        var layout = result.Head.IsEmpty ? _refused.Add(message.Id, entry, length) : _refused.Add(message.Id, result.Head);
        try
        {
            var results = Enumerable.Range(0, envelope.Recipients.Count).Select(i => new RecipientResult(i, status)).ToList();
            var request = new ReportRequest(ReportKind.Failure, message.Id, message.QueueId, envelope, layout, results, Closes: false);
            if (await _bounce.ReportAsync(request, cancel).ConfigureAwait(false) == ReportResult.TryAgain)
            {
                PickupLog.Later(_log, entry.Name, "its sender can't be told now");
                return false;
            }
        }
        finally
        {
            _refused.Remove(message.Id);
        }
        return Remove(entry);
    }

    private static DeliveryStatus Rejected(string text) =>
        EnhancedStatus.TryParsePrefix(text, out var status, out var length) ? DeliveryStatus.Bounced(status.Subject, status.Detail, text[length..].TrimStart())
            : DeliveryStatus.Bounced(7, 1, text);

    // Postfix: cleanup has noted for whom the mail was before it refused it.
    private EnvelopeRecipient Qualified(EnvelopeRecipient recipient)
    {
        var address = recipient.Address.Contains('@') ? recipient.Address : $"{recipient.Address}@{_origin}";
        return recipient with { Address = address, OriginalAddress = recipient.OriginalAddress.Length > 0 ? recipient.OriginalAddress : address };
    }

    private bool Failed(MaildropEntry entry, uint owner, MaildropReader pickup, string? wrong)
    {
        if (pickup.Errno != 0)
        {
            PickupLog.CannotRead(_log, entry.Name, Errno.Text(pickup.Errno));
            return false;
        }
        return PutAside(entry, owner, wrong ?? "no end record");
    }

    private bool PutAside(MaildropEntry entry, uint uid, string reason)
    {
        var errno = _directory.PutAside(entry);
        if (errno != 0)
        {
            PickupLog.CannotPutAside(_log, entry.Name, $"{reason}; {Errno.Text(errno)}");
            return false;
        }
        PickupLog.PutAside(_log, entry.Name, uid, reason);
        return true;
    }

    private long NowMicros => (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    private Envelope Envelope(MaildropMessage message, long modifiedSeconds) => new()
    {
        Sender = message.Sender,
        FullName = message.FullName,
        // It is as old as its submission, however long we were down; its lifetime begins now.
        ArrivalMicros = Math.Clamp(message.SubmittedMicros > 0 ? message.SubmittedMicros : modifiedSeconds * 1_000_000, 0, NowMicros),
        EnvelopeId = message.EnvelopeId,
        Verp = message.Verp,
        Return = message.Return,
        Body = message.Body,
        Origin = MessageOrigin.Pickup,
        Flags = message.Flags | _input.Flags,
        Attributes = MessageAttributes.None.With(MessageAttributes.Filter, _input.Filter),
        Entry = "pickup/unix",
    };
}
