using System.Buffers;
using System.Text;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Mail.Headers;
using Facteur.Spool.Maildrop;
using Facteur.Unix;

namespace Facteur.Services.Receive.Pickup;

/// <summary>
/// pickup(8): brings the mail of maildrop to cleanup. A file is removed when its message is durable in the queue and not before; what is not
/// valid is put aside and logged; what can't be taken now stays. The files are written by untrusted users: links, pipes, several names and
/// records that users may not set are refused.
/// </summary>
public sealed class PickupService : IDisposable
{
    private const int BatchLimit = 1000;
    private const int Parallel = 16;
    private const int ContentPiece = 60 * 1024;

    private readonly MaildropDirectory _directory;
    private readonly ICleanup _cleanup;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _trigger = new(0, 1);
    private readonly uint _self = Libc.geteuid();
    private ServiceLog _log;
    private TimeSpan _wakeup;
    private string _receivedBy;

    /// <summary>Makes the service.</summary>
    /// <param name="config">The entry's parameters.</param>
    /// <param name="cleanup">Where mail goes.</param>
    /// <param name="wakeup">The entry's wakeup time: how often the directory is looked at without a trigger.</param>
    /// <param name="log">The entry's log.</param>
    /// <param name="time">The clock.</param>
    public PickupService(IConfig config, ICleanup cleanup, TimeSpan wakeup, ServiceLog log, TimeProvider time)
    {
        _directory = new MaildropDirectory(config.Get(CommonParameters.QueueDirectory));
        _receivedBy = ReceivedBy(config);
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
        (_receivedBy, _wakeup, _log) = (ReceivedBy(config), wakeup, log);
        // The wait under way is of the old length.
        Trigger();
    }

    /// <inheritdoc/>
    public void Dispose() => _trigger.Dispose();

    /// <summary>Serves until it is stopped; messages under way are finished.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            await ScanAsync(cancel).ConfigureAwait(false);
            using var timer = new CancellationTokenSource(_wakeup, _time);
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
    }

    /// <summary>Takes all that is there now.</summary>
    public async Task ScanAsync(CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            IReadOnlyList<MaildropEntry> entries;
            try
            {
                entries = _directory.List(BatchLimit);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                PickupLog.CannotList(_log, _directory.Path, e.Message);
                return;
            }
            var taken = 0;
            var options = new ParallelOptions { MaxDegreeOfParallelism = Parallel };
            await System.Threading.Tasks.Parallel.ForEachAsync(entries, options, async (entry, _) =>
            {
                if (!cancel.IsCancellationRequested && await TakeAsync(entry, cancel).ConfigureAwait(false))
                {
                    Interlocked.Increment(ref taken);
                }
            }).ConfigureAwait(false);
            if (entries.Count < BatchLimit || taken == 0)
            {
                return;
            }
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
            if (errno != Libc.ENOENT)
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
            const uint ownerExecutes = 0x40;
            if ((status.Mode & Libc.S_IFMT) != Libc.S_IFREG)
            {
                return PutAside(entry, status.Uid, "not a regular file");
            }
            if ((status.Mode & ownerExecutes) == 0)
            {
                // Still being written.
                return false;
            }
            return status.Links != 1
                ? PutAside(entry, status.Uid, $"file has {status.Links} links")
                : await TakeAsync(entry, file, status.Uid, cancel).ConfigureAwait(false);
        }
    }

    private static string ReceivedBy(IConfig config) =>
        $"Received: by {config.Get(CommonParameters.Myhostname)} ({config.Get(CommonParameters.MailName)}, from userid ";

    private async ValueTask<bool> TakeAsync(MaildropEntry entry, UnixFile file, uint owner, CancellationToken cancel)
    {
        var pickup = new PickupMessage(file);
        var wrong = pickup.ReadEnvelope();
        if (wrong is not null)
        {
            return Failed(entry, owner, pickup, wrong);
        }
        // Only a file of our own was written by the submission service, which knows its client from the kernel.
        var uid = owner == _self ? pickup.Message.Submitter ?? owner : owner;
        await using var message = await _cleanup.OpenAsync(Envelope(pickup.Message), cancel).ConfigureAwait(false);
        if (message is null)
        {
            PickupLog.Later(_log, entry.Name, "queue file write error");
            return false;
        }
        PickupLog.Message(_log, message.QueueId, uid, pickup.Message.Sender);
        await message.WriteAsync(
            Encoding.UTF8.GetBytes($"{_receivedBy}{uid})\n\tid {message.QueueId}; {MailDate.Format(_time.GetUtcNow(), _time.LocalTimeZone)}\n"), cancel)
            .ConfigureAwait(false);
        var buffer = new ArrayBufferWriter<byte>(ContentPiece);
        while (pickup.ReadContent(buffer, ContentPiece) is var more)
        {
            if (buffer.WrittenCount > 0)
            {
                await message.WriteAsync(buffer.WrittenMemory, cancel).ConfigureAwait(false);
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
        var result = await message.CompleteAsync(cancel).ConfigureAwait(false);
        return Ended(entry, uid, result);
    }

    private bool Ended(MaildropEntry entry, uint uid, CleanupResult result)
    {
        switch (result.Status)
        {
            case CleanupStatus.Ok:
                var errno = MaildropDirectory.Remove(entry);
                if (errno != 0 && errno != Libc.ENOENT)
                {
                    PickupLog.CannotRemove(_log, entry.Name, Errno.Text(errno));
                    return false;
                }
                return true;
            case CleanupStatus.WriteError or CleanupStatus.NoSpace or CleanupStatus.TryAgain:
                PickupLog.Later(_log, entry.Name, result.Text ?? result.Status.ToString());
                return false;
            default:
                return PutAside(entry, uid, result.Text ?? result.Status switch
                {
                    CleanupStatus.TooLarge => "message file too big",
                    CleanupStatus.TooManyHops => "too many hops",
                    CleanupStatus.NoRecipients => "no recipients specified",
                    _ => "message content rejected",
                });
        }
    }

    private bool Failed(MaildropEntry entry, uint owner, PickupMessage pickup, string? wrong)
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

    private Envelope Envelope(MaildropMessage message) => new()
    {
        Sender = message.Sender,
        FullName = message.FullName,
        ArrivalMicros = (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond,
        EnvelopeId = message.EnvelopeId,
        Return = message.Return,
        Body = message.Body,
        Origin = MessageOrigin.Pickup,
        Flags = message.Flags | MessageFlags.RewriteLocal,
        Entry = "pickup/unix",
    };
}
