using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Services.Server;
using Facteur.Spool;
using Facteur.Tables;
using Facteur.Unix;

namespace Facteur.Services.Deliver.Virtual;

/// <summary>
/// virtual(8): mailboxes found by address, without users of this system. Tables say mailbox, user and group; a user number below
/// virtual_minimum_uid is refused before <see cref="IUserHands"/> act in its name.
/// </summary>
public sealed class VirtualAgent : IDeliveryAgent
{
    private readonly Maps _mailboxes;
    private readonly Maps _uids;
    private readonly Maps _gids;
    private readonly string _base;
    private readonly long _minimumUid;
    private readonly MailboxLimit _limit;
    private readonly MailboxLocks _locks;
    private readonly bool _strictOwner;
    private readonly bool _softBounce;
    private readonly DeliveryStatusFilter? _filter;
    private readonly bool _originalTo;
    private readonly RecipientDelimiters _delimiters;
    private readonly string _host;
    private readonly ISpoolReader _reader;
    private readonly IUserHands _hands;
    private readonly ServiceLog _log;
    private readonly TimeProvider _time;

    /// <summary>Makes the agent of one master.cf entry.</summary>
    /// <param name="config">The entry's parameters.</param>
    /// <param name="tables">Where tables are opened.</param>
    /// <param name="reader">Contents.</param>
    /// <param name="hands">Who acts in users' names.</param>
    /// <param name="log">The entry's log.</param>
    /// <param name="time">The clock.</param>
    /// <param name="filters">Where virtual_delivery_status_filter's tables are opened, which may substitute; null for where all are.</param>
    /// <exception cref="ConfigException">A lock is unknown.</exception>
    public VirtualAgent(IConfig config, ITableSet tables, ISpoolReader reader, UserHands hands, ServiceLog log, TimeProvider time, ITableSet? filters = null)
    {
        _mailboxes = Open(tables, config, VirtualParameters.MailboxMaps);
        _uids = Open(tables, config, VirtualParameters.UidMaps);
        _gids = Open(tables, config, VirtualParameters.GidMaps);
        _base = config.Get(VirtualParameters.MailboxBase);
        _minimumUid = config.Get(VirtualParameters.MinimumUid);
        _limit = new MailboxLimit(config, VirtualParameters.MailboxLimit);
        _locks = MailboxLocks.Parse(
            VirtualParameters.MailboxLock.Name, config.Get(VirtualParameters.MailboxLock), (int)Math.Min(config.Get(LocalParameters.DeliverLockAttempts), int.MaxValue),
            config.Get(LocalParameters.DeliverLockDelay), config.Get(LocalParameters.StaleLockTime));
        _strictOwner = config.Get(LocalParameters.StrictMailboxOwnership);
        _softBounce = config.Get(CommonParameters.SoftBounce);
        _filter = DeliveryStatusFilter.Of(config, DeliveryStatusParameters.Virtual, filters ?? tables, log);
        _originalTo = config.Get(CommonParameters.EnableOriginalRecipient);
        _delimiters = DelimiterSettings.Of(config);
        _host = Maildir.HostOf(config);
        _reader = reader;
        _hands = hands.Hands;
        _log = log;
        _time = time;
    }

    /// <inheritdoc/>
    public async ValueTask<DeliveryResult> DeliverAsync(DeliveryRequest request, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (_limit.Refusal(_log, request) is { } refusal)
        {
            return refusal;
        }
        var results = new List<RecipientResult>(request.Recipients.Count);
        var damaged = false;
        using var content = new MessageContent(_reader, request.MessageId, request.Layout);
        foreach (var recipient in request.Recipients)
        {
            var start = DeliveryTimes.Now(_time);
            var (status, isDamaged) = await DeliverOneAsync(request, recipient, content, cancel).ConfigureAwait(false);
            damaged |= isDamaged;
            results.Add(DeliveryLog.Write(
                _log, request, recipient, status, new DeliveryTimes(start, 0, DeliveryTimes.Now(_time)), request.Transport, softBounce: _softBounce, filter: _filter));
        }
        return new DeliveryResult(request.RequestId, results, Damaged: damaged);
    }

    private static Maps Open(ITableSet tables, IConfig config, StringParameter parameter) => Maps.Open(tables, parameter.Name, config.Get(parameter));

    private async ValueTask<(DeliveryStatus Status, bool Damaged)> DeliverOneAsync(
        DeliveryRequest request, DeliveryRecipient recipient, MessageContent content, CancellationToken cancel)
    {
        // virtual(8): the whole address, folded to lower case.
        var address = recipient.Recipient.Address.ToLowerInvariant();
        var mailbox = await FindAsync(_mailboxes, address, cancel).ConfigureAwait(false);
        if (mailbox.Status == LookupStatus.Error)
        {
            VirtualLog.LookupFailed(_log, _mailboxes.Parameter, address, mailbox.Value);
            return (DeliveryStatus.Deferred(3, 5, "mail system configuration error"), false);
        }
        if (mailbox.Status == LookupStatus.NotFound)
        {
            return (DeliveryStatus.Bounced(1, 1, $"unknown user: \"{address}\""), false);
        }
        var uid = await FindIdAsync(_uids, "uid", address, _minimumUid, cancel).ConfigureAwait(false);
        var gid = uid is null ? null : await FindIdAsync(_gids, "gid", address, 1, cancel).ConfigureAwait(false);
        if (uid is null || gid is null)
        {
            return (DeliveryStatus.Deferred(3, 5, "mail system configuration error"), false);
        }
        var path = _base.Length > 0 ? $"{_base}/{mailbox.Value}" : mailbox.Value;
        var isMaildir = path.EndsWith('/');
        if ((request.Flags & DeliveryFlags.VerifyOnly) != 0)
        {
            return (DeliveryStatus.Sent(isMaildir ? "delivers to maildir" : "delivers to mailbox"), false);
        }
        var job = new MailboxJob
        {
            Path = path,
            Sender = request.Envelope.Sender,
            OriginalTo = !_originalTo ? "" : recipient.Recipient.OriginalAddress.Length > 0 ? recipient.Recipient.OriginalAddress : recipient.Recipient.Address,
            DeliveredTo = recipient.Recipient.Address,
            Host = _host,
            SizeLimit = _limit.Bytes,
            ErrorClass = 4,
            Locks = _locks,
            StrictOwner = _strictOwner,
        };
        MailboxEnd end;
        try
        {
            var who = new UserIdentity(IdentityKind.Virtual, "", uid.Value, gid.Value);
            end = await MailboxDelivery.DeliverAsync(_hands, who, job, content, _time, cancel).ConfigureAwait(false);
        }
        catch (IdentityException e)
        {
            _log.Warning(e.Message);
            return (DeliveryStatus.Deferred(3, 0, e.Message), false);
        }
        foreach (var warning in end.Warnings)
        {
            _log.Warning(warning);
        }
        var result = end.Result;
        if (!isMaildir)
        {
            result = result.Prefixed($"delivery failed to mailbox {path}: ");
        }
        else
        {
            MaildirLog.Problem(_log, result.Failure, uid.Value, gid.Value);
        }
        return (result.Failure ?? DeliveryStatus.Sent(isMaildir ? "delivered to maildir" : "delivered to mailbox"), result.Damaged);
    }

    /// <summary>virtual(8), "table search order": user+extension@domain, user@domain, @domain; patterns see the whole address only.</summary>
    private async ValueTask<Lookup> FindAsync(Maps maps, string address, CancellationToken cancel)
    {
        var lookup = await maps.FindAsync(address, partial: false, cancel).ConfigureAwait(false);
        if (lookup.Status != LookupStatus.NotFound)
        {
            return lookup;
        }
        var (local, domain) = AddressParts.Split(address);
        var (user, extension) = AddressParts.SplitExtension(local, _delimiters);
        if (extension is not null)
        {
            lookup = await maps.FindAsync($"{user}@{domain}", partial: true, cancel).ConfigureAwait(false);
        }
        return lookup.Status == LookupStatus.NotFound && domain.Length > 0
            ? await maps.FindAsync($"@{domain}", partial: true, cancel).ConfigureAwait(false) : lookup;
    }

    private async ValueTask<uint?> FindIdAsync(Maps maps, string kind, string address, long minimum, CancellationToken cancel)
    {
        var lookup = await FindAsync(maps, address, cancel).ConfigureAwait(false);
        switch (lookup.Status)
        {
            case LookupStatus.Error:
                VirtualLog.LookupFailed(_log, maps.Parameter, address, lookup.Value);
                return null;
            case LookupStatus.NotFound:
                VirtualLog.NotFound(_log, address, maps.Parameter);
                return null;
        }
        if (NumberText.TryParseId(lookup.Value, out var id) && id >= minimum)
        {
            return id;
        }
        VirtualLog.BadNumber(_log, address, kind, lookup.Value, maps.Parameter);
        return null;
    }
}
