using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Services.Server;
using Facteur.Tables;
using Facteur.Unix;

namespace Facteur.Services.Deliver.Local;

/// <summary>
/// One recipient's way through local(8): destinations wait on a stack, so that aliases are followed in order, in depth and without recursion.
/// Each end is logged; the recipient's own outcome is the worst of them, so that nothing that failed is forgotten.
/// </summary>
internal sealed class LocalDelivery(
    LocalRooms rooms, DeliveryRequest request, DeliveryRecipient recipient, MessageContent content, IReadOnlySet<string> loops, Duplicates seen)
{
    /// <summary>Expansions deeper than this are a loop (Postfix's value).</summary>
    private const int NestingLimit = 100;

    /// <summary>Most destinations of one recipient: beyond it the rest is deferred.</summary>
    private const int TargetLimit = 100_000;

    private readonly LocalSettings _settings = rooms.Settings;
    private readonly Stack<LocalTarget> _targets = new();
    private readonly List<DeliveryStatus> _statuses = [];
    private readonly HashSet<string> _forwardFiles = new(StringComparer.Ordinal);
    private readonly List<string> _forwarded = [];
    private readonly LocalForwards _forwards = new(rooms, request, recipient.Recipient);
    private readonly LocalMailbox _mailbox = new(rooms, request, recipient, content);
    private readonly LocalTransports _transports = new(rooms, request, recipient);
    private readonly long _start = DeliveryTimes.Now(rooms.Time);
    private bool _expanded;
    private int _taken;

    /// <summary>The content is damaged.</summary>
    public bool Damaged { get; private set; }

    private string Original => recipient.Recipient.OriginalAddress.Length > 0 ? recipient.Recipient.OriginalAddress : recipient.Recipient.Address;

    /// <summary>Delivers.</summary>
    public async ValueTask<RecipientResult> RunAsync(CancellationToken cancel)
    {
        var address = recipient.Recipient.Address;
        _targets.Push(new LocalTarget { Token = new(AliasTokenKind.Address, address), Address = address, DeliveredTo = address });
        while (_targets.TryPop(out var target))
        {
            if (++_taken > TargetLimit)
            {
                End(target, DeliveryStatus.Deferred(3, 5, "too many destinations in alias expansion"));
                break;
            }
            try
            {
                await DeliverAsync(target, cancel).ConfigureAwait(false);
            }
            catch (IdentityException e)
            {
                rooms.Log.Warning(e.Message);
                End(target, DeliveryStatus.Deferred(3, 0, e.Message));
            }
        }
        // Postfix, forward_finish: while another branch is deferred nothing is sent on, or every attempt would send one more copy.
        if (!_forwards.IsEmpty && (_statuses.Exists(s => s.Outcome == DeliveryOutcome.Deferred) || !await SendForwardsAsync(address, cancel).ConfigureAwait(false)))
        {
            // Another recipient of this message that leads there must not count as done.
            _forwarded.ForEach(name => seen.Forget("forward", name));
        }
        return new RecipientResult(recipient.Index, Combine());
    }

    /// <returns>Whether all were sent.</returns>
    private async ValueTask<bool> SendForwardsAsync(string address, CancellationToken cancel)
    {
        var (sent, damaged) = await _forwards.SendAsync(content, cancel).ConfigureAwait(false);
        Damaged |= damaged;
        sent.ForEach(status => Log(address, status));
        return sent.TrueForAll(status => status.Outcome == DeliveryOutcome.Sent);
    }

    private async ValueTask DeliverAsync(LocalTarget target, CancellationToken cancel)
    {
        switch (target.Token.Kind)
        {
            case AliasTokenKind.Address:
                await AddressAsync(target, cancel).ConfigureAwait(false);
                break;
            case AliasTokenKind.User:
                // Postfix: \name is the mailbox of name, whatever aliases and .forward say.
                await UserAsync(target with { Address = await CompleteAsync(target.Token.Text, cancel).ConfigureAwait(false) ?? target.Token.Text }, target.Token.Text, followForward: false, cancel)
                    .ConfigureAwait(false);
                break;
            case AliasTokenKind.File:
                await FileAsync(target, cancel).ConfigureAwait(false);
                break;
            case AliasTokenKind.Include:
                await IncludeAsync(target, cancel).ConfigureAwait(false);
                break;
            default:
                Command(target);
                break;
        }
    }

    private async ValueTask AddressAsync(LocalTarget target, CancellationToken cancel)
    {
        var address = target.Token.Text;
        if (target.Level > 0)
        {
            var complete = await CompleteAsync(address, cancel).ConfigureAwait(false);
            if (complete is null)
            {
                End(target, DeliveryStatus.Deferred(3, 0, "address rewriting problem"));
                return;
            }
            address = Splice(complete, target.Unmatched);
            var resolved = await rooms.Rewrite.ResolveAsync(_forwards.Sender(target), address, cancel).ConfigureAwait(false);
            if ((resolved.Flags & ResolveFlags.Fail) != 0)
            {
                End(target with { Address = address }, DeliveryStatus.Deferred(3, 0, "address resolver failure"));
                return;
            }
            if (resolved.Transport != request.Transport || MustForward(target, address))
            {
                Forward(target, address);
                return;
            }
            target = target with { Address = address, DeliveredTo = _settings.FrozenDeliveredTo ? target.DeliveredTo : address };
        }
        await LocalAsync(target, address, cancel).ConfigureAwait(false);
    }

    /// <summary>Lists, :include: files and .forward to another user go through the queue even to local addresses, so that each address has its own record there.</summary>
    private bool MustForward(LocalTarget target, string address) =>
        target.Owner is not null || target.Source == "include" || (target.Source == "forward" && !User(address).User.Equals(target.ForwardUser, StringComparison.Ordinal));

    private async ValueTask LocalAsync(LocalTarget target, string address, CancellationToken cancel)
    {
        if (target.Level > NestingLimit)
        {
            LocalLog.NestingLimit(rooms.Log, address);
            End(target, DeliveryStatus.Bounced(4, 6, "recipient nesting limit exceeded"));
            return;
        }
        if (loops.Contains(address))
        {
            End(target, DeliveryStatus.Bounced(4, 6, $"mail forwarding loop for {address}"));
            return;
        }
        var (user, extension, local) = User(address);
        if (await AliasAsync(target, local, "", cancel).ConfigureAwait(false)
            || (extension is not null && await AliasAsync(target, user, _settings.PropagateAlias ? local[user.Length..] : "", cancel).ConfigureAwait(false)))
        {
            return;
        }
        await UserAsync(target, local, followForward: true, cancel).ConfigureAwait(false);
    }

    /// <returns>Whether the name is settled: expanded, or its table can't answer.</returns>
    private async ValueTask<bool> AliasAsync(LocalTarget target, string name, string unmatched, CancellationToken cancel)
    {
        if (name.Equals(target.AliasName, StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }
        foreach (var table in _settings.Aliases.Tables)
        {
            var found = await table.LookupAsync(name, cancel).ConfigureAwait(false);
            if (found.Status == LookupStatus.Error)
            {
                LocalLog.AliasLookup(rooms.Log, table.Name, name, found.Value);
                End(target, DeliveryStatus.Deferred(3, 0, "alias database unavailable"));
                return true;
            }
            if (found.Status == LookupStatus.Found)
            {
                await ExpandAliasAsync(target, table, name, unmatched, found.Value, cancel).ConfigureAwait(false);
                return true;
            }
        }
        return false;
    }

    private async ValueTask ExpandAliasAsync(LocalTarget target, ITable table, string name, string unmatched, string value, CancellationToken cancel)
    {
        var tokens = AliasText.Parse(value);
        if (tokens.Count == 0)
        {
            LocalLog.EmptyAlias(rooms.Log, name);
            End(target, DeliveryStatus.Deferred(3, 5, "mail system configuration error"));
            return;
        }
        var (owner, failed) = await OwnerAsync(target, name, cancel).ConfigureAwait(false);
        if (failed)
        {
            End(target, DeliveryStatus.Deferred(3, 0, "alias database unavailable"));
            return;
        }
        var needsRights = tokens.Exists(t => t.Kind is AliasTokenKind.File or AliasTokenKind.Include);
        var rights = needsRights ? await rooms.Threads.RunAsync(() => LocalMailbox.AliasRights(table.Name, _settings.DefaultRights), cancel).ConfigureAwait(false) : null;
        Push(tokens, target with
        {
            Level = target.Level + 1,
            Source = "alias",
            AliasName = name,
            Owner = owner,
            Unmatched = unmatched,
            Rights = rights,
            ForwardUser = "",
        });
    }

    private async ValueTask<(string? Owner, bool Failed)> OwnerAsync(LocalTarget target, string name, CancellationToken cancel)
    {
        var inherited = _settings.ResetOwner ? null : target.Owner;
        if (!_settings.OwnerSpecial || name.StartsWith("owner-", StringComparison.OrdinalIgnoreCase) || name.EndsWith("-request", StringComparison.OrdinalIgnoreCase))
        {
            return (inherited, false);
        }
        var ownerName = "owner-" + name;
        var found = await _settings.Aliases.FindAsync(ownerName, partial: false, cancel).ConfigureAwait(false);
        if (found.Status != LookupStatus.Found)
        {
            return (inherited, found.Status == LookupStatus.Error);
        }
        var owner = _settings.ExpandOwner ? AliasText.Parse(found.Value).FirstOrDefault(t => t.Kind == AliasTokenKind.Address).Text ?? ownerName : ownerName;
        var complete = await CompleteAsync(owner, cancel).ConfigureAwait(false);
        return (complete, complete is null);
    }

    private async ValueTask UserAsync(LocalTarget target, string local, bool followForward, CancellationToken cancel)
    {
        var (user, extension, _) = User(local);
        var known = await rooms.Threads.RunAsync(() => Find(target, user, extension, local, followForward), cancel).ConfigureAwait(false);
        if (known.Errno != 0)
        {
            End(target, DeliveryStatus.Deferred(3, 0, $"user lookup error: {Errno.Text(known.Errno)}"));
        }
        else if (known.ForwardFailed is { } reason)
        {
            End(target, DeliveryStatus.Deferred(2, 0, reason));
        }
        else if (known.Forward is { } tokens && known.Account is { } owner)
        {
            Push(tokens, target with
            {
                Level = target.Level + 1,
                Source = "forward",
                AliasName = "",
                ForwardUser = user,
                Unmatched = "",
                Rights = owner.Uid == 0 ? _settings.DefaultRights : new Rights(owner.Uid, owner.Gid),
            });
        }
        else if (await PassedAsync(target, user, local, _settings.MailboxTransportMaps, _settings.MailboxTransport, cancel).ConfigureAwait(false))
        {
            // Postfix: mailbox_transport has all recipients, whether or not they have an account.
        }
        else if (known.Account is { } account)
        {
            await MailboxAsync(target, account, cancel).ConfigureAwait(false);
        }
        else if (!await PassedAsync(target, user, local, _settings.FallbackTransportMaps, _settings.FallbackTransport, cancel).ConfigureAwait(false))
        {
            Unknown(target, user, extension, local);
        }
    }

    /// <returns>Whether the recipient is settled: another transport has it, or had it, or its table can't answer.</returns>
    private async ValueTask<bool> PassedAsync(LocalTarget target, string user, string local, Maps maps, string otherwise, CancellationToken cancel)
    {
        var found = await maps.FindAsync(user, partial: false, cancel).ConfigureAwait(false);
        if (found.Status == LookupStatus.Error)
        {
            LocalLog.TransportLookup(rooms.Log, maps.Parameter, user, found.Value);
            End(target, DeliveryStatus.Deferred(3, 0, "table lookup failure"));
            return true;
        }
        var transport = found.Status == LookupStatus.Found ? found.Value : otherwise;
        if (transport.Length == 0)
        {
            return false;
        }
        if (seen.Seen("transport", local))
        {
            _expanded = true;
            return true;
        }
        var (status, damaged) = await _transports.DeliverAsync(transport, target.Address, Original, cancel).ConfigureAwait(false);
        if (status.Outcome != DeliveryOutcome.Sent)
        {
            seen.Forget("transport", local);
        }
        Damaged |= damaged;
        _statuses.Add(status);
        return true;
    }

    private async ValueTask MailboxAsync(LocalTarget target, UserAccount account, CancellationToken cancel)
    {
        if (_settings.CommandNotBuilt is { } parameter)
        {
            NotBuilt(target, parameter);
            return;
        }
        if (seen.Seen("mailbox", account.Name))
        {
            _expanded = true;
            return;
        }
        var (status, damaged) = await _mailbox.DeliverAsync(account, _forwards.Sender(target), target.DeliveredTo, cancel).ConfigureAwait(false);
        if (status.Outcome != DeliveryOutcome.Sent)
        {
            seen.Forget("mailbox", account.Name);
        }
        Damaged |= damaged;
        End(target, status);
    }

    private async ValueTask FileAsync(LocalTarget target, CancellationToken cancel)
    {
        var path = target.Token.Text;
        if (!_settings.FilesAllowed.Contains(target.Source))
        {
            End(target, DeliveryStatus.Bounced(7, 1, "mail to file is restricted"));
            return;
        }
        if (target.Rights is not { } rights)
        {
            End(target, DeliveryStatus.Deferred(3, 5, "mail system configuration error"));
            return;
        }
        if (seen.Seen("file", path))
        {
            _expanded = true;
            return;
        }
        var (status, damaged) = await _mailbox.DeliverFileAsync(path, rights, _forwards.Sender(target), target.DeliveredTo, cancel).ConfigureAwait(false);
        if (status.Outcome != DeliveryOutcome.Sent)
        {
            seen.Forget("file", path);
        }
        Damaged |= damaged;
        End(target, status);
    }

    private async ValueTask IncludeAsync(LocalTarget target, CancellationToken cancel)
    {
        var path = target.Token.Text;
        // Postfix: an :include: in a user's .forward is read in the user's name, one in an alias in the name of the alias's owner.
        if (path.Length == 0 || path[0] != '/' || target.Rights is not { } rights)
        {
            LocalLog.IncludeLookup(rooms.Log, path, "not an absolute path name, or nobody to read it as");
            End(target, DeliveryStatus.Bounced(3, 5, "mail system configuration error"));
            return;
        }
        if (target.Level > NestingLimit)
        {
            LocalLog.NestingLimit(rooms.Log, target.Address);
            End(target, DeliveryStatus.Bounced(4, 6, "recipient nesting limit exceeded"));
            return;
        }
        var (read, text, owner, errno) = await rooms.Threads.RunAsync(
            () => (TargetFile.Read(path, rights, rooms.Log, out var t, out var o, out var e), t, o, e), cancel).ConfigureAwait(false);
        if (read != TargetRead.Read)
        {
            if (errno != 0)
            {
                LocalLog.IncludeLookup(rooms.Log, path, Errno.Text(errno));
            }
            End(target, read == TargetRead.Failed
                ? DeliveryStatus.Deferred(3, 0, $"unable to open include file {path}: {Errno.Text(errno)}")
                : DeliveryStatus.Bounced(3, 5, "mail system configuration error"));
            return;
        }
        // local(8), "delivery rights": a file that is not root's counts in its owner's name.
        var inside = owner == 0 ? rights : await rooms.Threads.RunAsync(() => Rights.Of(owner), cancel).ConfigureAwait(false);
        var tokens = TargetFile.Parse(text);
        if (tokens.Count == 0)
        {
            End(target, DeliveryStatus.Bounced(3, 5, "mail system configuration error"));
            return;
        }
        Push(tokens, target with { Level = target.Level + 1, Source = "include", Rights = inside });
    }

    private void Command(LocalTarget target)
    {
        if (!_settings.CommandsAllowed.Contains(target.Source))
        {
            End(target, DeliveryStatus.Bounced(7, 1, "mail to command is restricted"));
            return;
        }
        NotBuilt(target, "delivery to a command");
    }

    private void NotBuilt(LocalTarget target, string what)
    {
        LocalLog.NotBuilt(rooms.Log, target.Address, what);
        End(target, DeliveryStatus.Deferred(3, 5, $"mail system configuration error: {what} is not available in this release"));
    }

    private void Unknown(LocalTarget target, string user, string? extension, string local)
    {
        if (_settings.LuserRelay.Length > 0 && target.Source != "luser")
        {
            LuserRelay(target, user, extension, local);
        }
        else if (user is "mailer-daemon" or "postmaster")
        {
            // Postfix: mail for a required name without alias is thrown away with a warning, so that bounces do not loop.
            LocalLog.RequiredAliasMissing(rooms.Log, user);
            End(target, DeliveryStatus.Sent("discarded"));
        }
        else
        {
            End(target, DeliveryStatus.Bounced(1, 1, $"unknown user: \"{user}\""));
        }
    }

    private void LuserRelay(LocalTarget target, string user, string? extension, string local)
    {
        var (_, domain) = AddressParts.Split(target.Address);
        var relay = LocalExpansion.Expand(
            _settings.LuserRelay, name => LocalNames.Value(name, user, extension, local, domain, target.Address, null, _settings.Delimiters));
        var tokens = AliasText.Parse(relay ?? "");
        if (tokens.Count == 0)
        {
            LocalLog.EmptyAlias(rooms.Log, $"luser_relay = {_settings.LuserRelay}");
            End(target, DeliveryStatus.Deferred(3, 5, "mail system configuration error"));
            return;
        }
        Push(tokens, target with { Level = target.Level + 1, Source = "luser", AliasName = "", ForwardUser = "", Rights = null });
    }

    /// <summary>Runs on an own thread: the user database and the user's .forward.</summary>
    private LocalUser Find(LocalTarget target, string user, string? extension, string local, bool followForward)
    {
        var errno = UserAccount.Find(user, out var account);
        if (account is null || user.Contains('/'))
        {
            return new LocalUser(null, errno, null, null);
        }
        if (_settings.RequireHome && !UnixPath.IsDirectory(account.Home))
        {
            return new LocalUser(account, 0, null, $"cannot open home directory {account.Home}");
        }
        var (_, domain) = AddressParts.Split(target.Address);
        foreach (var template in followForward && _settings.ForwardPath.Length > 0 ? _settings.ForwardPath.Split([',', ' ', '\t'], StringSplitOptions.RemoveEmptyEntries) : [])
        {
            var path = LocalExpansion.Expand(template, name => LocalNames.Filter(
                LocalNames.Value(name, user, extension, local, domain, target.Address, account, _settings.Delimiters), name == "home" ? null : _settings.ForwardFilter));
            if (path is not ['/', ..] || path.Contains("/../", StringComparison.Ordinal) || !_forwardFiles.Add(path))
            {
                continue;
            }
            var read = TargetFile.Read(path, new Rights(account.Uid, account.Gid), rooms.Log, out var text, out _, out errno);
            if (read == TargetRead.Failed)
            {
                LocalLog.ForwardRead(rooms.Log, path, Errno.Text(errno));
                return new LocalUser(account, 0, null, $"unable to read {path}: {Errno.Text(errno)}");
            }
            if (read == TargetRead.Read)
            {
                var tokens = TargetFile.Parse(text);
                return new LocalUser(account, 0, tokens.Count > 0 ? tokens : null, null);
            }
        }
        return new LocalUser(account, 0, null, null);
    }

    private void Forward(LocalTarget target, string address)
    {
        if ((request.Flags & DeliveryFlags.VerifyOnly) != 0)
        {
            Log(target.Address, DeliveryStatus.Sent($"forwards to <{address}>", DsnAction.Expanded));
        }
        else if (!seen.Seen("forward", ForwardName(target, address)))
        {
            _forwards.Add(address, target);
            _forwarded.Add(ForwardName(target, address));
        }
        _expanded = true;
    }

    private string ForwardName(LocalTarget target, string address) => $"{_forwards.Sender(target)} {address}";

    private void Push(List<AliasToken> tokens, LocalTarget parent)
    {
        _expanded = true;
        for (var i = tokens.Count - 1; i >= 0; i--)
        {
            _targets.Push(parent with { Token = tokens[i] });
        }
    }

    private void End(LocalTarget target, DeliveryStatus status) => Log(target.Address, status);

    private void Log(string to, DeliveryStatus status)
    {
        var shown = new DeliveryRecipient(recipient.Index, recipient.Recipient with { Address = to, OriginalAddress = Original });
        var times = new DeliveryTimes(_start, 0, DeliveryTimes.Now(rooms.Time));
        _statuses.Add(DeliveryLog.Write(rooms.Log, request, shown, status, times, "local", softBounce: _settings.SoftBounce).Status);
    }

    private DeliveryStatus Combine()
    {
        var worst = _statuses.Find(s => s.Outcome == DeliveryOutcome.Deferred)
            ?? _statuses.Find(s => s.Outcome is DeliveryOutcome.Bounced or DeliveryOutcome.Undeliverable);
        if (worst is not null)
        {
            return worst;
        }
        var first = _statuses.Count > 0 ? _statuses[0] : DeliveryStatus.Sent("delivered with another recipient of the message");
        return _expanded ? first with { Action = DsnAction.Expanded } : first;
    }

    private ValueTask<string?> CompleteAsync(string address, CancellationToken cancel) => rooms.Rewrite.RewriteAsync(true, address, cancel);

    private (string User, string? Extension, string Local) User(string address)
    {
        // local(8): the bare local part, folded to lower case.
        var local = AddressParts.Unquote(AddressParts.Split(address).Local).ToLowerInvariant();
        var (user, extension) = AddressParts.SplitExtension(local, _settings.Delimiters);
        return (user, extension, local);
    }

    private static string Splice(string address, string extension)
    {
        if (extension.Length == 0)
        {
            return address;
        }
        var (local, domain) = AddressParts.Split(address);
        var spliced = AddressParts.Quote(AddressParts.Unquote(local) + extension);
        return domain.Length > 0 ? $"{spliced}@{domain}" : spliced;
    }
}
