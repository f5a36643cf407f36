using Facteur.Contracts;
using Facteur.Mail.Addresses;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
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
    private const int NestingLimit = 24;

    /// <summary>Most destinations of one recipient: beyond it the rest is deferred.</summary>
    private const int TargetLimit = 100_000;

    private const uint OthersWrite = 2;

    private readonly LocalSettings _settings = rooms.Settings;
    private readonly Stack<LocalTarget> _targets = new();
    private readonly List<DeliveryStatus> _statuses = [];
    private readonly HashSet<string> _followed = new(StringComparer.Ordinal);
    private readonly List<string> _forwarded = [];
    private readonly LocalForwards _forwards = new(rooms, request, recipient.Recipient);
    private readonly LocalAliases _aliases = new(rooms);
    private readonly LocalForwardFile _forwardFile = new(rooms);
    private readonly LocalMailbox _mailbox = new(rooms, request, recipient, content);
    private readonly LocalTransports _transports = new(rooms, request, recipient);
    private readonly long _start = DeliveryTimes.Now(rooms.Time);
    private bool _expanded;
    private bool _tellsExpanded;
    private bool _isList;
    private int _taken;

    /// <summary>The content is damaged.</summary>
    public bool Damaged { get; private set; }

    private static DeliveryStatus TooMany => DeliveryStatus.Deferred(3, 5, "too many destinations in alias expansion");

    private string Original => recipient.Recipient.OriginalAddress.Length > 0 ? recipient.Recipient.OriginalAddress : recipient.Recipient.Address;

    /// <summary>Delivers.</summary>
    public async ValueTask<RecipientResult> RunAsync(CancellationToken cancel)
    {
        var address = recipient.Recipient.Address;
        _targets.Push(new LocalTarget { Token = new(AliasTokenKind.Address, address), Address = address, DeliveredTo = address, Notify = recipient.Recipient.Notify });
        while (_targets.TryPop(out var target))
        {
            if (++_taken > TargetLimit)
            {
                End(target, TooMany);
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
        sent.ForEach(status => Log(address, Original, status));
        return sent.TrueForAll(status => status.Outcome == DeliveryOutcome.Sent);
    }

    private ValueTask DeliverAsync(LocalTarget target, CancellationToken cancel) => target.Token.Kind switch
    {
        AliasTokenKind.Address => AddressAsync(target, cancel),
        AliasTokenKind.User => MailboxOfAsync(target, cancel),
        AliasTokenKind.File => FileAsync(target, cancel),
        AliasTokenKind.Include => IncludeAsync(target, cancel),
        AliasTokenKind.Home => HomeAsync(target, cancel),
        _ => CommandAsync(target, cancel),
    };

    private async ValueTask AddressAsync(LocalTarget target, CancellationToken cancel)
    {
        if (target.Level > 0)
        {
            if (await CompleteAsync(target, target.Unmatched, cancel).ConfigureAwait(false) is not (var complete, var isHere))
            {
                return;
            }
            target = complete;
            if (!isHere)
            {
                Forward(target);
                return;
            }
        }
        await LocalAsync(target, cancel).ConfigureAwait(false);
    }

    /// <summary>An address or name of an expansion as a full address, and whether this service delivers it; null when nobody can say, which is the target's end.</summary>
    private async ValueTask<(LocalTarget Target, bool IsHere)?> CompleteAsync(LocalTarget target, string unmatched, CancellationToken cancel)
    {
        var complete = await rooms.Rewrite.RewriteAsync(true, target.Token.Text, cancel).ConfigureAwait(false);
        if (complete is null)
        {
            End(target, DeliveryStatus.Deferred(3, 0, "address rewriting problem"));
            return null;
        }
        var address = Splice(complete, unmatched);
        target = target with { Address = address };
        var resolved = await rooms.Rewrite.ResolveAsync(_forwards.Sender(target), address, cancel).ConfigureAwait(false);
        if ((resolved.Flags & ResolveFlags.Fail) != 0)
        {
            End(target, DeliveryStatus.Deferred(3, 0, "address resolver failure"));
            return null;
        }
        if ((resolved.Flags & ResolveFlags.Error) != 0)
        {
            End(target, DeliveryStatus.Bounced(1, 3, $"bad recipient address syntax: {address}"));
            return null;
        }
        return (target, resolved.Transport == request.Transport);
    }

    private async ValueTask LocalAsync(LocalTarget target, CancellationToken cancel)
    {
        var address = target.Address;
        // Postfix 3.11 has these words also where two aliases name each other; 3.7 called that an alias database loop.
        if (target.Level > NestingLimit)
        {
            LocalLog.NestingLimit(rooms.Log, address);
            End(target, DeliveryStatus.Bounced(4, 6, "recipient nesting limit exceeded"));
            return;
        }
        if (loops.Contains(address))
        {
            await EndAsync(target, DeliveryStatus.Bounced(4, 6, $"mail forwarding loop for {address}"), cancel).ConfigureAwait(false);
            return;
        }
        var part = Part(address);
        if (part.User.Length == 0)
        {
            End(target, DeliveryStatus.Bounced(1, 3, $"null username in \"{address}\""));
            return;
        }
        if (await AliasAsync(target, part.Whole, "", cancel).ConfigureAwait(false)
            || (part.Extension is not null && await AliasAsync(target, part.User, _settings.PropagateAlias ? part.Unmatched : "", cancel).ConfigureAwait(false)))
        {
            return;
        }
        if (HasOwnRecord(target, part))
        {
            Forward(target);
            return;
        }
        await UserAsync(target, part, cancel).ConfigureAwait(false);
    }

    /// <summary>Postfix: below a list, an :include: file and another user's .forward each address gets its own record in the queue.</summary>
    private static bool HasOwnRecord(LocalTarget target, LocalPart part) =>
        target.Source == "include" || (target.Forwarder is { } forwarder && !forwarder.Equals(part.User, StringComparison.OrdinalIgnoreCase));

    /// <returns>Whether the name is settled: expanded, or its table can't answer.</returns>
    private async ValueTask<bool> AliasAsync(LocalTarget target, string name, string unmatched, CancellationToken cancel)
    {
        if (name.Equals(target.ExpandedFrom, StringComparison.OrdinalIgnoreCase) || await _aliases.FindAsync(name, expands: !IsProbe, cancel).ConfigureAwait(false) is not { } alias)
        {
            return false;
        }
        if (alias.Failure is { } failure)
        {
            End(target, failure);
            return true;
        }
        if (alias.Text is { } text)
        {
            End(target, DeliveryStatus.Sent($"aliased to {text}"));
            return true;
        }
        Push(alias.Tokens, target with
        {
            Notify = NotifyBelow(target, isList: alias.Owner is not null),
            Level = target.Level + 1,
            Source = "alias",
            ExpandedFrom = name,
            Owner = alias.Owner ?? (_settings.ResetOwner ? null : target.Owner),
            Forwarder = alias.Owner ?? (_settings.ResetOwner ? null : target.Forwarder),
            Unmatched = unmatched,
            Rights = alias.Rights,
            Account = alias.Account,
            DeliveredTo = Delivered(target),
        });
        return true;
    }

    private async ValueTask UserAsync(LocalTarget target, LocalPart part, CancellationToken cancel)
    {
        if (await AccountAsync(target, part, cancel).ConfigureAwait(false) is not { } found)
        {
            return;
        }
        if (found.Account is { } account)
        {
            if (_settings.RequireHome && UnixFile.Status(account.Home, followLinks: true, out _) is Libc.ENOENT or Libc.ENOTDIR)
            {
                End(target, DeliveryStatus.Deferred(3, 0, $"cannot access home directory {account.Home}: {Errno.Text(Libc.ENOENT)}"));
                return;
            }
            if (await ForwardFileAsync(target, part, account, cancel).ConfigureAwait(false))
            {
                return;
            }
        }
        await MailboxAsync(target, part, found.Account, cancel).ConfigureAwait(false);
    }

    /// <summary>\name: the mailbox of name, whatever aliases and .forward say.</summary>
    private async ValueTask MailboxOfAsync(LocalTarget target, CancellationToken cancel)
    {
        if (await CompleteAsync(target, unmatched: "", cancel).ConfigureAwait(false) is not (var complete, var isHere))
        {
            return;
        }
        target = complete;
        var part = Part(target.Address);
        if (!isHere || HasOwnRecord(target, part))
        {
            // Postfix: in the queue nothing tells it from the plain name.
            Forward(target);
            return;
        }
        if (await AccountAsync(target, part, cancel).ConfigureAwait(false) is { } found)
        {
            await MailboxAsync(target, part, found.Account, cancel).ConfigureAwait(false);
        }
    }

    /// <returns>The user, if there is one; null when the user database can't answer, which is the target's end.</returns>
    private async ValueTask<(UserAccount? Account, bool Known)?> AccountAsync(LocalTarget target, LocalPart part, CancellationToken cancel)
    {
        var (errno, account) = part.User.Contains('/') ? (0, null)
            : await rooms.Threads.RunAsync(() => (UserAccount.Find(part.User, out var row), row), cancel).ConfigureAwait(false);
        if (errno == 0)
        {
            return (account, true);
        }
        LocalLog.UserLookup(rooms.Log, part.User, errno);
        End(target, DeliveryStatus.Deferred(0, 0, "user lookup error"));
        return null;
    }

    /// <returns>Whether the target is settled by the user's .forward.</returns>
    private async ValueTask<bool> ForwardFileAsync(LocalTarget target, LocalPart part, UserAccount account, CancellationToken cancel)
    {
        var forward = await _forwardFile.FindAsync(account, part, target.Address, cancel).ConfigureAwait(false);
        if (forward.Failure is { } failure)
        {
            End(target, failure);
            return true;
        }
        if (IsProbe && forward.Path is { } found)
        {
            End(target, DeliveryStatus.Sent($"forward via file: {found}"));
            return true;
        }
        // A user who stands in the own .forward, however indirectly, gets the mail instead.
        if (forward is not { Tokens: { Count: > 0 } tokens, Path: { } path } || ForwardChain.Contains(target.Forwards, path))
        {
            return false;
        }
        _expanded = true;
        if (_followed.Add(path))
        {
            Push(tokens, target with
            {
                Notify = NotifyBelow(target, isList: false),
                Level = target.Level + 1,
                Source = "forward",
                ExpandedFrom = part.Whole,
                Forwarder = part.User,
                Forwards = new ForwardChain(path, target.Forwards),
                Unmatched = _settings.PropagateForward && !forward.UsesExtension ? part.Unmatched : "",
                Rights = new UserIdentity(IdentityKind.User, account.Name, account.Uid, account.Gid),
                Account = account,
                DeliveredTo = Delivered(target),
            });
        }
        return true;
    }

    private async ValueTask MailboxAsync(LocalTarget target, LocalPart part, UserAccount? account, CancellationToken cancel)
    {
        if (seen.Seen("mailbox", part.Whole))
        {
            _expanded = true;
            return;
        }
        if (!await PassAsync(target, part, _settings.MailboxTransports, _settings.MailboxTransport, cancel).ConfigureAwait(false))
        {
            if (account is null)
            {
                await UnknownAsync(target, part, cancel).ConfigureAwait(false);
            }
            else
            {
                await OwnMailboxAsync(target, part, account, cancel).ConfigureAwait(false);
            }
        }
    }

    private async ValueTask OwnMailboxAsync(LocalTarget target, LocalPart part, UserAccount account, CancellationToken cancel)
    {
        var command = await _settings.MailboxCommands.FindAsync(part.User, partial: false, cancel).ConfigureAwait(false);
        if (command.Status == LookupStatus.Error)
        {
            LocalLog.LookupFailed(rooms.Log, _settings.MailboxCommands.Parameter, part.User, command.Value);
            EndMailbox(target, part, DeliveryStatus.Deferred(3, 0, "table lookup failure"));
            return;
        }
        var text = command.Status == LookupStatus.Found ? command.Value : _settings.MailboxCommand;
        if (text.Length == 0)
        {
            var (status, damaged) = await _mailbox.DeliverAsync(account, target, _forwards.Sender(target), cancel).ConfigureAwait(false);
            Damaged |= damaged;
            EndMailbox(target, part, status);
            return;
        }
        // Postfix: a command for root has the rights of default_privs.
        var rights = account.Uid == 0 ? null : (UserIdentity?)new UserIdentity(IdentityKind.User, account.Name, account.Uid, account.Gid);
        target = target with { Rights = rights, Account = account };
        if (!await RunAsync(target, part, text, cancel).ConfigureAwait(false))
        {
            seen.Forget("mailbox", part.Whole);
        }
    }

    private async ValueTask FileAsync(LocalTarget target, CancellationToken cancel)
    {
        if (!_settings.FilesAllowed.Contains(target.Source))
        {
            End(target, DeliveryStatus.Bounced(7, 1, "mail to file is restricted"));
            return;
        }
        if (RightsOf(target) is not { } rights)
        {
            return;
        }
        var name = $"{rights} {target.Token.Text}";
        if (seen.Seen("file", name))
        {
            _expanded = true;
            return;
        }
        var (status, damaged) = await _mailbox.DeliverFileAsync(rights, target, _forwards.Sender(target), cancel).ConfigureAwait(false);
        if (status.Outcome != DeliveryOutcome.Sent)
        {
            seen.Forget("file", name);
        }
        Damaged |= damaged;
        await EndAsync(target, status, cancel).ConfigureAwait(false);
    }

    /// <summary>~/file: below the home directory of the user whose .forward, :include: file or alias file it is.</summary>
    private ValueTask HomeAsync(LocalTarget target, CancellationToken cancel)
    {
        var name = target.Token.Text;
        if (name is ['~', '/', ..] && target.Account is { Home: ['/', ..] home })
        {
            return FileAsync(target with { Token = new AliasToken(AliasTokenKind.File, home + name[1..]) }, cancel);
        }
        LocalLog.HomeUnknown(rooms.Log, name is ['~', '/', ..] ? "unknown" : "bad", name);
        End(target, DeliveryStatus.Bounced(3, 5, "mail system configuration error"));
        return ValueTask.CompletedTask;
    }

    private async ValueTask CommandAsync(LocalTarget target, CancellationToken cancel)
    {
        if (!_settings.CommandsAllowed.Contains(target.Source))
        {
            End(target, DeliveryStatus.Bounced(7, 1, "mail to command is restricted"));
            return;
        }
        await RunAsync(target, Part(target.Address), target.Token.Text, cancel).ConfigureAwait(false);
    }

    /// <returns>Whether the command took the mail, now or before.</returns>
    private async ValueTask<bool> RunAsync(LocalTarget target, LocalPart part, string command, CancellationToken cancel)
    {
        if (RightsOf(target) is not { } rights)
        {
            return false;
        }
        var name = $"{part.User}:{rights} {command}";
        if (seen.Seen("command", name))
        {
            _expanded = true;
            return true;
        }
        var (status, damaged) = await _mailbox.RunAsync(rights, command, target, part, _forwards.Sender(target), cancel).ConfigureAwait(false);
        if (status.Outcome != DeliveryOutcome.Sent)
        {
            seen.Forget("command", name);
        }
        Damaged |= damaged;
        await EndAsync(target, status, cancel).ConfigureAwait(false);
        return status.Outcome == DeliveryOutcome.Sent;
    }

    private async ValueTask IncludeAsync(LocalTarget target, CancellationToken cancel)
    {
        var path = target.Token.Text;
        if (path is not ['/', ..])
        {
            LocalLog.IncludeRelative(rooms.Log, path);
            End(target, DeliveryStatus.Bounced(3, 5, "mail system configuration error"));
            return;
        }
        if (target.Level > NestingLimit)
        {
            LocalLog.NestingLimit(rooms.Log, target.Address);
            End(target, DeliveryStatus.Bounced(4, 6, "recipient nesting limit exceeded"));
            return;
        }
        // Postfix: an :include: in a user's .forward is read in the user's name, one in an alias in the name of the alias's owner.
        if (RightsOf(target) is not { } rights)
        {
            return;
        }
        // Postfix: a file counts once, also where it includes itself.
        if (!_followed.Add($"include {rights} {path}"))
        {
            _expanded = true;
            return;
        }
        var file = await rooms.Hands.ReadAsync(rights, path, followLinks: true, cancel).ConfigureAwait(false);
        if (Unusable(path, file) is { } failure)
        {
            End(target, failure);
            return;
        }
        // local(8), "delivery rights": below an alias of root's, a file that is not root's counts in its owner's name.
        var (inside, account) = (target.Rights, target.Account);
        if (inside is null && file.Owner != 0)
        {
            var owner = await rooms.Threads.RunAsync(() => UserAccount.Find(file.Owner, out var row) == 0 ? row : null, cancel).ConfigureAwait(false);
            if (owner is null)
            {
                LocalLog.IncludeLookup(rooms.Log, path, $"cannot find username for uid {file.Owner}");
                End(target, DeliveryStatus.Bounced(3, 5, "mail system configuration error"));
                return;
            }
            (inside, account) = (new UserIdentity(IdentityKind.Owner, path, owner.Uid, owner.Gid), owner);
        }
        var tokens = AliasText.ParseFile(file.Text ?? "");
        // An empty one is a list without members.
        _expanded = true;
        Push(tokens, target with
        {
            Level = target.Level + 1,
            Source = "include",
            ExpandedFrom = Part(target.Address).Whole,
            Forwarder = target.Forwarder ?? target.Address,
            Unmatched = _settings.PropagateInclude ? target.Unmatched : "",
            Rights = inside,
            Account = account,
        });
    }

    /// <summary>Why a file of a list may not be used, or null.</summary>
    private DeliveryStatus? Unusable(string path, FileRead file)
    {
        if (file.Errno is Libc.EIO or Libc.ENOMEM or Libc.EMFILE or Libc.ENFILE or Libc.EAGAIN or Libc.ESTALE)
        {
            LocalLog.IncludeLookup(rooms.Log, path, Errno.Text(file.Errno));
            return DeliveryStatus.Deferred(3, 0, $"unable to open include file {path}: {Errno.Text(file.Errno)}");
        }
        if (file.Errno != 0)
        {
            LocalLog.IncludeLookup(rooms.Log, path, Errno.Text(file.Errno));
        }
        else if ((file.Mode & Libc.S_IFMT) != Libc.S_IFREG)
        {
            LocalLog.IncludeNotRegular(rooms.Log, path);
        }
        else if ((file.Mode & OthersWrite) != 0)
        {
            LocalLog.IncludeWorldWritable(rooms.Log, path);
        }
        else if (file.Text is null)
        {
            LocalLog.TooLong(rooms.Log, path, UserFile.Limit);
        }
        else
        {
            return null;
        }
        return DeliveryStatus.Bounced(3, 5, "mail system configuration error");
    }

    private async ValueTask UnknownAsync(LocalTarget target, LocalPart part, CancellationToken cancel)
    {
        if (await PassAsync(target, part, _settings.FallbackTransports, _settings.FallbackTransport, cancel).ConfigureAwait(false))
        {
            return;
        }
        if (_settings.LuserRelay.Length > 0 && target.Source != "luser" && await LuserRelayAsync(target, part, cancel).ConfigureAwait(false))
        {
            return;
        }
        if (part.User is "mailer-daemon" or "postmaster")
        {
            // Postfix: mail for a required name without alias is thrown away with a warning, so that bounces do not loop.
            LocalLog.RequiredAliasMissing(rooms.Log, part.User);
            End(target, DeliveryStatus.Sent("discarded"));
        }
        else
        {
            End(target, DeliveryStatus.Bounced(1, 1, $"unknown user: \"{part.User}\""));
        }
    }

    /// <summary>An address and nothing else: Postfix gives no meaning to "|" and "/" here.</summary>
    /// <returns>False when it leads to the unknown user again.</returns>
    private async ValueTask<bool> LuserRelayAsync(LocalTarget target, LocalPart part, CancellationToken cancel)
    {
        var relay = LocalExpansion.Expand(_settings.LuserRelay, name => LocalNames.Value(name, part, target.Address, null, _settings.Delimiters));
        if (string.IsNullOrEmpty(relay))
        {
            LocalLog.EmptyAlias(rooms.Log, $"luser_relay = {_settings.LuserRelay}");
            End(target, DeliveryStatus.Deferred(3, 5, "mail system configuration error"));
            return true;
        }
        // Postfix: an address that is the recipient's own (luser_relay = $user) is no relay.
        if (await rooms.Rewrite.RewriteAsync(true, relay, cancel).ConfigureAwait(false) == target.Address)
        {
            return false;
        }
        // The same user in another domain is unknown too, and is to be told of.
        seen.Forget("mailbox", part.Whole);
        Push([new AliasToken(AliasTokenKind.Address, relay)], target with { Level = target.Level + 1, Source = "luser", ExpandedFrom = "", Unmatched = "", Rights = null });
        return true;
    }

    /// <returns>Whether another transport is responsible, or the table that would say so can't answer.</returns>
    private async ValueTask<bool> PassAsync(LocalTarget target, LocalPart part, Maps maps, string transport, CancellationToken cancel)
    {
        var found = await maps.FindAsync(part.User, partial: false, cancel).ConfigureAwait(false);
        if (found.Status == LookupStatus.Error)
        {
            LocalLog.LookupFailed(rooms.Log, maps.Parameter, part.User, found.Value);
            EndMailbox(target, part, DeliveryStatus.Deferred(3, 0, "table lookup failure"));
            return true;
        }
        var service = found.Status == LookupStatus.Found ? found.Value : transport;
        if (service.Length == 0)
        {
            return false;
        }
        var original = target.Owner is null ? Original : "";
        var (status, damaged) = await _transports.DeliverAsync(service, target.Address, original, target.Notify, cancel).ConfigureAwait(false);
        Damaged |= damaged;
        if (status.Outcome is not (DeliveryOutcome.Sent or DeliveryOutcome.Deliverable))
        {
            seen.Forget("mailbox", part.Whole);
        }
        _statuses.Add(status);
        return true;
    }

    private void Forward(LocalTarget target)
    {
        if ((request.Flags & DeliveryFlags.VerifyOnly) != 0)
        {
            End(target, DeliveryStatus.Sent($"forwards to {target.Address}", DsnAction.Expanded));
        }
        else if (!seen.Seen("forward", ForwardName(target)))
        {
            _forwards.Add(target.Address, target);
            _forwarded.Add(ForwardName(target));
        }
        _expanded = true;
    }

    // Postfix: one copy, whichever list it is by.
    private static string ForwardName(LocalTarget target) => target.Address;

    /// <summary>In whose name a file or command counts; null when nobody can be: then the target has ended.</summary>
    private UserIdentity? RightsOf(LocalTarget target)
    {
        // Postfix: what is root's counts in the name of default_privs.
        var rights = target.Rights is { Uid: > 0 } given ? given : _settings.DefaultRights;
        if (rights is null)
        {
            End(target, DeliveryStatus.Deferred(3, 5, "mail system configuration error"));
        }
        return rights;
    }

    private string Delivered(LocalTarget target) => _settings.FrozenDeliveredTo ? target.DeliveredTo : target.Address;

    /// <summary>RFC 3461 5.2.7.2: an alias, and so a .forward, passes NOTIFY on without SUCCESS, which is answered here. 5.2.7.3: to a list mail is delivered.</summary>
    private DsnNotify NotifyBelow(LocalTarget target, bool isList)
    {
        if ((target.Notify & DsnNotify.Success) == 0)
        {
            return target.Notify;
        }
        _tellsExpanded = true;
        _isList |= isList;
        return target.Notify == DsnNotify.Success ? DsnNotify.Never : target.Notify & ~DsnNotify.Success;
    }

    private void Push(List<AliasToken> tokens, LocalTarget parent)
    {
        if (tokens.Count > TargetLimit - _targets.Count)
        {
            // Before the first of them: what it were given it would be given again at each attempt. And one user's file must not take the memory of all.
            End(parent, TooMany);
            return;
        }
        _expanded = true;
        for (var i = tokens.Count - 1; i >= 0; i--)
        {
            _targets.Push(parent with { Token = tokens[i] });
        }
    }

    private void EndMailbox(LocalTarget target, LocalPart part, DeliveryStatus status)
    {
        if (status.Outcome != DeliveryOutcome.Sent)
        {
            seen.Forget("mailbox", part.Whole);
        }
        End(target, status);
    }

    // RFC 3461 5.2.7.3: below a list nothing of the original recipient is told.
    private void End(LocalTarget target, DeliveryStatus status) => Log(target.Address, target.Owner is null ? Original : "", status);

    /// <summary>
    /// Postfix, bounce_workaround: members that have a queue record of their own fail to the list's owner by its sender; a command, a file or a loop of the
    /// list itself is told to the owner here, and not to who wrote to the list.
    /// </summary>
    private async ValueTask EndAsync(LocalTarget target, DeliveryStatus status, CancellationToken cancel)
    {
        End(target, status);
        if (target.Owner is not { } owner || rooms.Bounce is null || _statuses[^1] is not { Outcome: DeliveryOutcome.Bounced } failed)
        {
            return;
        }
        // Postfix: NOTIFY counts, ENVID and RET do not; also of mail that has no sender.
        var original = request.Envelope.With([new EnvelopeRecipient(target.Address, Notify: target.Notify)]);
        (original.EnvelopeId, original.Return) = ("", DsnReturn.None);
        var report = new ReportRequest(
            ReportKind.Failure, request.MessageId, request.QueueId, original, request.Layout, [new RecipientResult(0, failed)], Closes: false)
        {
            Owner = owner,
        };
        _statuses[^1] = await rooms.Bounce.ReportAsync(report, cancel).ConfigureAwait(false) == ReportResult.TryAgain
            ? DeliveryStatus.Deferred(3, 0, $"cannot tell {owner} of a failure: {failed.Reason}") : DeliveryStatus.Sent($"{owner} was told of a failure: {failed.Reason}", DsnAction.None);
    }

    private void Log(string to, string original, DeliveryStatus status)
    {
        var shown = new DeliveryRecipient(recipient.Index, recipient.Recipient with { Address = to, OriginalAddress = original });
        var times = new DeliveryTimes(_start, 0, DeliveryTimes.Now(rooms.Time));
        var result = DeliveryLog.Write(rooms.Log, request, shown, status, times, request.Transport, softBounce: _settings.SoftBounce, filter: rooms.Filter).Status;
        _statuses.Add((TellsAll || result.Outcome is DeliveryOutcome.Bounced or DeliveryOutcome.Deliverable or DeliveryOutcome.Undeliverable) && !to.Equals(recipient.Recipient.Address, StringComparison.OrdinalIgnoreCase) ? result with { Recipient = to } : result);
    }

    /// <summary>All that failed, for the report: each address of the expansion has its own reason.</summary>
    private DeliveryStatus? Failures() => Chain(_statuses.Where(s => s.Outcome == DeliveryOutcome.Bounced));

    private static DeliveryStatus? Chain(IEnumerable<DeliveryStatus> statuses)
    {
        var all = statuses.ToList();
        if (all.Count > DeliveryStatus.ChainLimit)
        {
            // What is left out is said of the recipient itself.
            const int named = DeliveryStatus.ChainLimit - 1;
            all[named] = all[named] with { Recipient = null, Reason = $"{all.Count - named} more addresses that this one expands to: the mail log of this system names them" };
            all.RemoveRange(named + 1, all.Count - named - 1);
        }
        return all.AsEnumerable().Reverse().Aggregate((DeliveryStatus?)null, (next, status) => status with { Next = next });
    }

    // Postfix: for address verification (not sendmail -bv) an alias or a .forward that is there is answer enough; whether all that it leads to takes mail is not asked.
    private bool IsProbe => (request.Envelope.Flags & MessageFlags.Probe) != 0;

    /// <summary>sendmail -v.</summary>
    private bool TellsAll => (request.Envelope.Flags & (MessageFlags.ReportDeliveries | MessageFlags.VerifyOnly)) == MessageFlags.ReportDeliveries;

    private DeliveryStatus Combine()
    {
        // sendmail -bv hears of all; what can't be delivered stands first, and is the recipient's outcome.
        if ((request.Flags & DeliveryFlags.VerifyOnly) != 0 && Chain(_statuses.OrderBy(s => s.Outcome == DeliveryOutcome.Undeliverable ? 0 : 1)) is { } chain)
        {
            return chain;
        }
        var worst = _statuses.Find(s => s.Outcome == DeliveryOutcome.Deferred)
            ?? Failures() ?? _statuses.Find(s => s.Outcome == DeliveryOutcome.Undeliverable);
        if (worst is not null)
        {
            // Beside the failure the sender hears of the expansion.
            return _tellsExpanded && worst.Outcome == DeliveryOutcome.Bounced ? worst with { Action = DsnAction.Expanded } : worst;
        }
        if (TellsAll && _statuses.Count > 0)
        {
            // Postfix: sendmail -v hears of each that the mail went to, and of the expansion only when NOTIFY asks for it.
            var expanded = DeliveryStatus.AliasExpanded with { Relay = request.Transport, Action = _isList ? DsnAction.Delivered : DsnAction.Expanded };
            var all = _statuses.Select(s => s.Action == DsnAction.Expanded ? s with { Action = DsnAction.Relayed } : s);
            return Chain(_tellsExpanded ? all.Prepend(expanded) : all)!;
        }
        if (_tellsExpanded && (request.Flags & DeliveryFlags.VerifyOnly) == 0)
        {
            return DeliveryStatus.AliasExpanded with { Relay = request.Transport, Action = _isList ? DsnAction.Delivered : DsnAction.Expanded };
        }
        var first = _statuses.Count > 0 ? _statuses[0] : DeliveryStatus.Sent("delivered with another recipient of the message", DsnAction.None);
        if ((recipient.Recipient.Notify & DsnNotify.Success) != 0)
        {
            // Postfix: what was sent on keeps SUCCESS, and is told of when it arrives.
            return first.Action == DsnAction.Expanded ? first with { Action = DsnAction.None } : first;
        }
        return _expanded ? first with { Action = DsnAction.Expanded } : first;
    }

    private LocalPart Part(string address)
    {
        // local(8): the bare local part, folded to lower case.
        var (raw, domain) = AddressParts.Split(address);
        var local = AddressParts.Unquote(raw).ToLowerInvariant();
        var (user, extension) = AddressParts.SplitExtension(local, _settings.Delimiters);
        if (extension is not null && extension.Contains('/'))
        {
            LocalLog.IllegalExtension(rooms.Log, request.QueueId, local);
            extension = null;
        }
        return new LocalPart(local, user, extension, domain);
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
