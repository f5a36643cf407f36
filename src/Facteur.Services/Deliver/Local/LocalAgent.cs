using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Services.Server;
using Facteur.Spool;
using Facteur.Tables;

namespace Facteur.Services.Deliver.Local;

/// <summary>local(8): aliases, .forward, files, commands, mailboxes. What needs a user's rights is done by <see cref="IUserHands"/>.</summary>
public sealed class LocalAgent : IDeliveryAgent
{
    private readonly LocalRooms _rooms;

    /// <summary>Makes the agent of one master.cf entry.</summary>
    /// <param name="config">The entry's parameters.</param>
    /// <param name="tables">Where tables are opened.</param>
    /// <param name="rewrite">Completes addresses in aliases and says which of them are local.</param>
    /// <param name="reader">Contents.</param>
    /// <param name="resubmit">Where forwarded mail goes.</param>
    /// <param name="transports">The agent of another entry, for mailbox_transport and fallback_transport; null for none.</param>
    /// <param name="hands">Who acts in users' names.</param>
    /// <param name="threads">Threads for what blocks.</param>
    /// <param name="log">The entry's log.</param>
    /// <param name="time">The clock.</param>
    /// <param name="bounce">Tells owners of lists; null for nobody.</param>
    /// <param name="filters">Where local_delivery_status_filter's tables are opened, which may substitute; null for where all are.</param>
    /// <exception cref="ConfigException">Values that can't be used.</exception>
    public LocalAgent(
        IConfig config, ITableSet tables, IRewrite rewrite, ISpoolReader reader, IResubmit resubmit, Func<string, IDeliveryAgent?> transports, UserHands hands,
        BlockingThreads threads, ServiceLog log, TimeProvider time, IBounce? bounce = null, ITableSet? filters = null) =>
        _rooms = new LocalRooms(new LocalSettings(config, tables), rewrite, reader, resubmit, transports, hands.Hands, threads, log, time,
            DeliveryStatusFilter.Of(config, DeliveryStatusParameters.Local, filters ?? tables, log), bounce);

    /// <inheritdoc/>
    public async ValueTask<DeliveryResult> DeliverAsync(DeliveryRequest request, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (_rooms.Settings.SizeLimit.Refusal(_rooms.Log, request) is { } refusal)
        {
            return refusal;
        }
        var results = new List<RecipientResult>(request.Recipients.Count);
        using var content = new MessageContent(_rooms.Reader, request.MessageId, request.Layout);
        // The content may have to come from the disk.
        var (loops, end) = await _rooms.Threads.RunAsync(() => (DeliveredTo.Find(content, out var read), read), cancel).ConfigureAwait(false);
        var damaged = end == ContentRead.Damaged;
        foreach (var recipient in request.Recipients)
        {
            if (end is not (ContentRead.Data or ContentRead.End))
            {
                var times = new DeliveryTimes(DeliveryTimes.Now(_rooms.Time), 0, DeliveryTimes.Now(_rooms.Time));
                var status = MailboxResult.NotReadable(damaged ? CopyEnd.Damaged : CopyEnd.Unreadable).Failure ?? DeliveryStatus.Deferred(3, 0, "");
                results.Add(DeliveryLog.Write(_rooms.Log, request, recipient, status, times, request.Transport));
                continue;
            }
            // Postfix: each recipient has a filter of its own; what one alias has delivered another one delivers again.
            var delivery = new LocalDelivery(_rooms, request, recipient, content, loops, new Duplicates(_rooms.Settings.DuplicateLimit));
            results.Add(await delivery.RunAsync(cancel).ConfigureAwait(false));
            damaged |= delivery.Damaged;
        }
        return new DeliveryResult(request.RequestId, results, Damaged: damaged);
    }
}

/// <summary>What every delivery of one agent shares.</summary>
internal sealed record LocalRooms(
    LocalSettings Settings, IRewrite Rewrite, ISpoolReader Reader, IResubmit Resubmit, Func<string, IDeliveryAgent?> Transports, IUserHands Hands,
    BlockingThreads Threads, ServiceLog Log, TimeProvider Time, DeliveryStatusFilter? Filter, IBounce? Bounce);
