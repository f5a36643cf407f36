using Facteur.Mail.Dsn;
using Facteur.Services.Server;
using Facteur.Unix;

namespace Facteur.Services.Deliver;

/// <summary>
/// In processes: local's parent, which is root, hands out descriptors of what a user may open, and sockets of helpers that are the user. All that
/// goes to it is a short request that names where an identity is found (docs/formats/local.md). While there is no parent, mail waits.
/// </summary>
internal sealed class ParentHands : IUserHands, IDisposable
{
    /// <summary>Most sessions at once: the parent's helpers. As many files are read and written at once.</summary>
    private const int SessionLimit = 64;

    /// <summary>Most files that are being opened, and of one name; most mailboxes that are open and locked. The parent takes more, with what ends a lock.</summary>
    private const int OpenLimit = 128, OpenLimitOfName = 8, MailboxLimit = 96;

    private static readonly TimeSpan KeptLimit = TimeSpan.FromMilliseconds(100);

    /// <summary>How long a delivery waits where the parent takes no more, in all or of one user, and how often it asks.</summary>
    private static readonly TimeSpan BusyLimit = TimeSpan.FromMinutes(10), BusyDelay = TimeSpan.FromMilliseconds(20), LongestBusyDelay = TimeSpan.FromSeconds(1);

    // Each has a thread: what a helper does takes its time; and what a file system does.
    private readonly BlockingThreads _threads = new("helper", SessionLimit);
    private readonly BlockingThreads _files = new("mailbox", SessionLimit);
    private readonly KeptSessions _kept = new(TimeProvider.System);
    private readonly SemaphoreSlim _opens = new(OpenLimit);
    private readonly NamedTurns _openers = new(OpenLimitOfName);
    private readonly SemaphoreSlim _mailboxes = new(MailboxLimit);
    private readonly Lock _gate = new();
    private ParentLink? _parent;

    /// <summary>Makes them.</summary>
    public ParentHands() => _ = Libc.signal(Libc.SIGXFSZ, 1); // SIG_IGN: a mailbox that grows too big is EFBIG.

    /// <inheritdoc/>
    public bool CanChange => true;

    /// <summary>A parent came; the one before is gone.</summary>
    public void Attach(DescriptorSocket parent)
    {
        lock (_gate)
        {
            _parent?.Dispose();
            _parent = new ParentLink(parent);
            // Their helpers ended with the parent before.
            _kept.Clear();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<FileRead> ReadAsync(UserIdentity who, string path, bool followLinks, CancellationToken cancel)
    {
        if (path.Contains('\0'))
        {
            return new FileRead(Libc.EINVAL, false, 0, 0, null);
        }
        var request = Request(LocalWork.Read, who) with { Path = path, Bits = followLinks ? LocalBits.FollowLinks : 0 };
        var (answer, _) = await OpenAsync(request, cancel).ConfigureAwait(false);
        if (answer.Descriptor < 0)
        {
            // That the parent is gone says nothing about the file: who took it for missing would pass over a user's .forward.
            return new FileRead(IsGone(answer.Errno) ? Libc.EAGAIN : answer.Errno, answer.Mode != 0, answer.Mode, answer.Owner, null);
        }
        using var file = UnixFile.Own(answer.Descriptor);
        return await _files.RunAsync(() => UserFile.Read(file), CancellationToken.None).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<MailboxEnd> DeliverAsync(UserIdentity who, MailboxJob job, IContentSource content, CancellationToken cancel)
    {
        if (job.SpoolDirectory.Length > 0)
        {
            await _mailboxes.WaitAsync(cancel).ConfigureAwait(false);
            try
            {
                return new MailboxEnd(await AppendAsync(who, job, content, cancel).ConfigureAwait(false), []);
            }
            finally
            {
                _mailboxes.Release();
            }
        }
        return await InSessionAsync(() =>
        {
            var errno = 0;
            var session = who.Kind == IdentityKind.Virtual ? _kept.Take(who.Uid, who.Gid) : null;
            session ??= Ask(Request(LocalWork.User, who), out errno);
            if (session is null)
            {
                return (new MailboxEnd(new MailboxResult(NotGranted(who, errno)), []), errno);
            }
            var end = session.Deliver(job, content);
            if (who.Kind == IdentityKind.Virtual && session.Usable)
            {
                _kept.Keep(who.Uid, who.Gid, session);
            }
            else
            {
                session.Dispose();
            }
            return (end, 0);
        }, cancel).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async ValueTask<CommandEnd> RunAsync(UserIdentity who, CommandJob job, IContentSource content, CancellationToken cancel) => await InSessionAsync(() =>
    {
        using var session = Ask(Request(LocalWork.User, who), out var errno);
        return (session?.Run(job, content) ?? new CommandEnd(CommandEndKind.NotStarted, errno, ""), errno);
    }, cancel).ConfigureAwait(false);

    /// <inheritdoc/>
    public void Dispose()
    {
        _threads.Dispose();
        _files.Dispose();
        _kept.Dispose();
        lock (_gate)
        {
            _parent?.Dispose();
            _parent = null;
        }
    }

    /// <summary>With a helper. One user has so many at most: then it is tried again, and no thread waits meanwhile.</summary>
    /// <param name="work">Gives what came of it, and EAGAIN when there was no helper to be had.</param>
    /// <param name="cancel">Ends the waiting.</param>
    private async ValueTask<T> InSessionAsync<T>(Func<(T End, int Errno)> work, CancellationToken cancel)
    {
        var start = TimeProvider.System.GetTimestamp();
        for (var delay = BusyDelay; ; delay = Longer(delay))
        {
            var (end, errno) = await _threads.RunAsync(work, cancel).ConfigureAwait(false);
            if (errno != Libc.EAGAIN || TimeProvider.System.GetElapsedTime(start) > BusyLimit)
            {
                return end;
            }
            await Task.Delay(delay, TimeProvider.System, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (cancel.IsCancellationRequested)
            {
                return end;
            }
        }
    }

    private static bool IsGone(int errno) => errno is Libc.ECONNRESET or Libc.EPIPE or Libc.ENOTCONN or Libc.EPROTO;

    private static DeliveryStatus NotGranted(UserIdentity who, int errno) => errno == Libc.EPERM
        ? DeliveryStatus.Deferred(3, 5, $"mail system configuration error: nothing is delivered in the name of {who}")
        : DeliveryStatus.Deferred(3, 0, $"no delivery process for {who}: {Errno.Text(errno)}");

    /// <summary>The parent made, or would have made, mailbox and lock file; the texts are those of <see cref="Mbox"/>.</summary>
    private static MailboxResult Refused(UserIdentity who, MailboxJob job, in LocalAnswer answer) => (answer.Where, answer.Errno) switch
    {
        (LocalWhere.Request, _) => new MailboxResult(NotGranted(who, answer.Errno)),
        (LocalWhere.Dotlock, _) => MailboxResult.Failed(answer.Errno, answer.Errno == Libc.EEXIST ? (byte)4 : job.ErrorClass, $"unable to create lock file {job.Path}.lock") with { Locked = answer.Errno == Libc.EEXIST },
        (LocalWhere.Locks, _) => MailboxResult.Failed(answer.Errno, 4, "unable to lock for exclusive access") with { Locked = answer.Errno == Libc.EAGAIN },
        (LocalWhere.NewFile, _) => MailboxResult.Failed(answer.Errno, job.ErrorClass, "cannot create file exclusively"),
        (_, Libc.EMLINK) => Mbox.SeveralNames(answer.Mode),
        (_, Libc.EPERM) => Mbox.NotOwned(job.Path),
        (_, Libc.EINVAL) => Mbox.NotRegular,
        (_, Libc.ELOOP) => Mbox.SymbolicLink(job.ErrorClass),
        _ => MailboxResult.Failed(answer.Errno, job.ErrorClass, "cannot open file"),
    };

    private static LocalRequest Request(LocalWork work, UserIdentity who) => new(
        0, work, (LocalIdentity)who.Kind, 0, who.Kind == IdentityKind.User ? 0 : who.Uid, who.Kind == IdentityKind.Virtual ? who.Gid : 0, 0, who.Name, who.Root);

    /// <summary>Into a mailbox that the parent opens, locks and hands over.</summary>
    private async ValueTask<MailboxResult> AppendAsync(UserIdentity who, MailboxJob job, IContentSource content, CancellationToken cancel)
    {
        var request = Request(LocalWork.Mailbox, who) with
        {
            Path = job.SpoolDirectory,
            Bits = (job.Locks.Dotlock ? LocalBits.Dotlock : 0) | (job.Locks.Fcntl ? LocalBits.Fcntl : 0) | (job.Locks.Flock ? LocalBits.Flock : 0),
            StaleSeconds = (uint)Math.Clamp(job.Locks.StaleAfter.TotalSeconds, 0, uint.MaxValue),
        };
        var (answer, number) = await OpenAsync(request, cancel).ConfigureAwait(false);
        if (answer.Errno != 0)
        {
            return Refused(who, job, answer);
        }
        try
        {
            // Whoever may write the directory may have put a file there that is not the recipient's.
            return await _files.RunAsync(() => Append(answer.Descriptor, job.StrictOwner ? who.Uid : null, job, content), CancellationToken.None).ConfigureAwait(false);
        }
        finally
        {
            if (job.Locks.Dotlock)
            {
                // The next delivery is not to find the lock file.
                _ = await AskAsync(Request(LocalWork.Release, who) with { Uid = number }, out _).ConfigureAwait(false);
            }
        }
    }

    private static MailboxResult Append(int descriptor, uint? owner, MailboxJob job, IContentSource content)
    {
        using var file = UnixFile.Own(descriptor);
        var result = Mbox.DeliverOpened(job.Path, file, new MailboxCopy(job, content, TimeProvider.System), job.Locks, owner);
        // The parent may not have closed its own yet.
        file.Unlock();
        return result;
    }

    private ValueTask<(LocalAnswer Answer, uint Number)> OpenAsync(LocalRequest request, CancellationToken cancel) => _openers.RunAsync(request.Name, async () =>
    {
        var start = TimeProvider.System.GetTimestamp();
        for (var delay = BusyDelay; ; delay = Longer(delay))
        {
            await _opens.WaitAsync(cancel).ConfigureAwait(false);
            LocalAnswer answer;
            uint number;
            try
            {
                answer = await AskAsync(request, out number).ConfigureAwait(false);
            }
            finally
            {
                _opens.Release();
            }
            // That the parent takes no more says nothing about the file: later.
            if (answer is not { Errno: Libc.EAGAIN, Where: LocalWhere.Request } || TimeProvider.System.GetElapsedTime(start) > BusyLimit)
            {
                return (answer, number);
            }
            await Task.Delay(delay, TimeProvider.System, cancel).ConfigureAwait(false);
        }
    }, cancel);

    private static TimeSpan Longer(TimeSpan delay) => delay * 2 < LongestBusyDelay ? delay * 2 : LongestBusyDelay;

    private HelperSession? Ask(LocalRequest request, out int errno)
    {
        // While all helpers are busy the answer waits for one of them: then none is kept that has nothing to do.
        var asked = AskAsync(request, out _);
        if (!asked.Wait(KeptLimit))
        {
            _kept.Clear();
        }
        var answer = asked.GetAwaiter().GetResult();
        errno = answer.Errno == 0 && answer.Descriptor < 0 ? Libc.EPROTO : answer.Errno;
        return answer.Descriptor >= 0 ? new HelperSession(new HelperLink(UnixFile.Own(answer.Descriptor))) : null;
    }

    private Task<LocalAnswer> AskAsync(LocalRequest request, out uint number)
    {
        ParentLink? parent;
        lock (_gate)
        {
            parent = _parent;
        }
        number = 0;
        return parent?.AskAsync(request, out number) ?? Task.FromResult(new LocalAnswer(Libc.ECONNRESET));
    }
}
