using Facteur.Unix;

namespace Facteur.Root.LocalParent;

/// <summary>A lock file: the delivery into its mailbox is not over.</summary>
/// <param name="Directory">The directory of mailboxes, open.</param>
/// <param name="User">Whose mailbox it is.</param>
/// <param name="Uid">The file identity that made the lock file.</param>
/// <param name="Gid">Its group.</param>
internal readonly record struct LocalLock(int Directory, string User, uint Uid, uint Gid)
{
    /// <summary>Takes it away.</summary>
    public void Release()
    {
        using var identity = FileIdentity.Take(Uid, Gid);
        LocalSpool.Unlock(Directory, User);
        _ = Libc.close(Directory);
    }
}

/// <summary>
/// Opens users' files with the users' file identity and gives the descriptors away, and finds the identities of sessions. A few threads do it, of which one user keeps two at
/// most, so that a file system that hangs stops the mail of those who have their files there, and a user database that hangs that of those who are looked up in it.
/// </summary>
/// <param name="identities">Who is who.</param>
/// <param name="socket">Answers go there.</param>
/// <param name="time">The clock.</param>
/// <param name="find">Finds the identity of a session.</param>
/// <param name="opening">For tests: called before a file is opened, or an identity found.</param>
internal sealed class LocalOpener(LocalIdentities identities, DescriptorSocket socket, TimeProvider time, Func<LocalRequest, int> find, Action<LocalRequest>? opening = null) : IDisposable
{
    private const int ThreadLimit = 8, AtOnce = 2, PerUser = 8, SessionsPerName = 64, WaitingLimit = 256, LockLimit = 256;
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(5);

    private readonly object _gate = new();
    private readonly List<Job> _waiting = [];
    private readonly List<Job> _working = [];
    private readonly Dictionary<uint, LocalLock> _locks = [];
    private int _threads;
    private bool _ended;

    /// <summary>A request, in whose name it counts, and the lock that it ends.</summary>
    private sealed record Job(LocalRequest Request, string User, LocalLock? Lock);

    /// <summary>Takes a request; its answer is sent when it is done.</summary>
    /// <returns>0, or the errno to be answered now.</returns>
    public int Add(LocalRequest request)
    {
        lock (_gate)
        {
            LocalLock? held = null;
            if (request.Work == LocalWork.Release)
            {
                if (!_locks.Remove(request.Uid, out var found))
                {
                    return Libc.ENOENT;
                }
                held = found;
            }
            else if (_waiting.Count >= WaitingLimit || _locks.Count >= LockLimit || _waiting.Count(w => w.User == request.Name) >= (request.Work == LocalWork.User ? SessionsPerName : PerUser))
            {
                return Libc.EAGAIN;
            }
            _waiting.Add(new Job(request, held?.User ?? request.Name, held));
            if (_threads < ThreadLimit && _working.Count + _waiting.Count > _threads)
            {
                _threads++;
                new Thread(Work, 256 * 1024) { IsBackground = true }.Start();
            }
            Monitor.Pulse(_gate);
            return 0;
        }
    }

    /// <summary>Takes the lock files away that are held.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _ended = true;
            Monitor.PulseAll(_gate);
            for (var start = time.GetTimestamp(); _working.Count > 0 && time.GetElapsedTime(start) < EndLimit;)
            {
                _ = Monitor.Wait(_gate, EndLimit);
            }
            foreach (var held in _locks.Values.Concat(_waiting.Where(w => w.Lock is not null).Select(w => w.Lock!.Value)))
            {
                held.Release();
            }
            _locks.Clear();
            _waiting.Clear();
        }
    }

    private void Work()
    {
        FileIdentity.DropGroups();
        FileIdentity.KeepFileRights();
        while (Next() is { } job)
        {
            LocalAnswer? answer;
            try
            {
                answer = Do(job);
            }
            catch (IdentityException)
            {
                answer = new LocalAnswer(Libc.EPERM);
            }
            // Where nobody takes an answer the parent ends, as at the socket's end.
            if (answer?.Send(socket, job.Request.Number) is not (null or 0))
            {
                _ = Libc.shutdown(socket.Fd, 2);
            }
            lock (_gate)
            {
                _working.Remove(job);
                Monitor.PulseAll(_gate);
            }
        }
    }

    private Job? Next()
    {
        lock (_gate)
        {
            while (!_ended)
            {
                // What ends a lock goes on: the user's next delivery waits for it.
                var job = _waiting.Find(w => w.Lock is not null || _working.Count(o => o.User == w.User) < AtOnce);
                if (job is not null)
                {
                    _waiting.Remove(job);
                    _working.Add(job);
                    return job;
                }
                _ = Monitor.Wait(_gate);
            }
            return null;
        }
    }

    private LocalAnswer? Do(Job job)
    {
        if (job.Lock is { } held)
        {
            held.Release();
            return new LocalAnswer(0);
        }
        opening?.Invoke(job.Request);
        if (job.Request.Work == LocalWork.User)
        {
            _ = find(job.Request);
            return null;
        }
        var errno = identities.Find(job.Request, out var uid, out var gid, out var user);
        return errno != 0 || user is null ? new LocalAnswer(errno != 0 ? errno : Libc.EPERM)
            : job.Request.Work == LocalWork.Mailbox ? OpenMailbox(job.Request, user)
            : identities.Allowed(uid) ? Read(job.Request, uid, gid) : new LocalAnswer(Libc.EPERM);
    }

    /// <summary>A regular file that the user may read; of any other its kind and owner.</summary>
    private static LocalAnswer Read(LocalRequest request, uint uid, uint gid)
    {
        using var identity = FileIdentity.Take(uid, gid);
        if (!request.Path.StartsWith('/'))
        {
            return new LocalAnswer(Libc.EINVAL);
        }
        var errno = UnixFile.OpenRegular(request.Path, request.Bits.HasFlag(LocalBits.FollowLinks), out var status, out var file);
        return new LocalAnswer(errno, LocalWhere.File, status.Mode, status.Uid, file?.Release() ?? -1);
    }

    /// <summary>Postfix, mailbox.c: whoever may write the directory makes mailbox and lock file; where that is root alone, or it is root's, root does.</summary>
    private LocalAnswer OpenMailbox(LocalRequest request, UserAccount user)
    {
        const uint othersWrite = 2, groupWrite = 16;
        var directory = identities.OpenSpool(request, user, out var mode, out var group, out var answer);
        if (directory < 0)
        {
            return answer;
        }
        var (uid, gid) = user.Uid == 0 ? (0, 0) : (mode & othersWrite) != 0 ? (user.Uid, user.Gid) : (mode & groupWrite) != 0 ? (user.Uid, group) : (0, 0);
        using var identity = FileIdentity.Take(uid, gid);
        var held = new LocalLock(directory, user.Name, uid, gid);
        var dotlock = request.Bits.HasFlag(LocalBits.Dotlock);
        if (dotlock && LocalSpool.Lock(directory, user.Name, request.StaleSeconds, time) is not 0 and var errno)
        {
            _ = Libc.close(directory);
            return new LocalAnswer(errno, LocalWhere.Dotlock);
        }
        answer = LocalSpool.Open(directory, user, uid == 0, request.Bits);
        if (!dotlock)
        {
            _ = Libc.close(directory);
            return answer;
        }
        lock (_gate)
        {
            if (answer.Errno == 0 && !_ended && _locks.TryAdd(request.Number, held))
            {
                return answer;
            }
        }
        held.Release();
        _ = Libc.close(answer.Descriptor);
        return answer.Errno != 0 ? answer : new LocalAnswer(Libc.EINVAL);
    }
}
