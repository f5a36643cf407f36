using System.Collections;
using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using Facteur.Unix;

namespace Facteur.Root.LocalParent;

/// <summary>
/// The part of local deliveries that is root: it reads one short request at a time, finds the identity itself, and hands back a socket of a helper
/// of that identity, or a file opened with it (<see cref="LocalOpener"/>). It reads no mail, no tables and no configuration. A helper serves one
/// session after the other, stays a while, and there are so many at most; while all are busy, requests for one wait. One thread but the opener's.
/// </summary>
public sealed unsafe class LocalParent : IDisposable
{
    /// <summary>The name it is called by.</summary>
    public const string Name = "local-parent";

    private const int Usage = 64;
    private static readonly TimeSpan IdleLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(5);

    /// <summary>Most busy helpers of one user: they may be made to hang by that user.</summary>
    private const int PerUser = 8;

    /// <summary>Most requests that wait for a helper.</summary>
    private const int WaitingLimit = 256;

    private readonly LocalParentOptions _options;
    private readonly TimeProvider _time;
    private readonly DescriptorSocket _requests;
    private readonly List<LocalHelperProcess> _helpers = [];
    private readonly List<(int Pid, long Since)> _ending = [];
    private readonly byte[] _message = new byte[DescriptorSocket.MessageLimit];
    private readonly ConcurrentQueue<(LocalRequest Request, int Errno, uint Uid, uint Gid)> _waiting = [];
    private readonly int _bell = Libc.eventfd(0, Libc.EFD_NONBLOCK | Libc.EFD_CLOEXEC);
    private readonly LocalIdentities _identities;
    private readonly LocalOpener _opener;

    internal LocalParent(LocalParentOptions options, TimeProvider time, Action<LocalRequest>? opening = null)
    {
        (_options, _time, _requests, _identities) = (options, time, new DescriptorSocket(options.Requests), new LocalIdentities(options));
        _opener = new LocalOpener(_identities, _requests, time, Find, opening);
    }

    /// <summary>Environment of a helper: nothing but what its runtime needs.</summary>
    internal static IReadOnlyList<string> HelperEnvironment { get; } =
    [
        .. Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .Where(e => ((string)e.Key).StartsWith("DOTNET_", StringComparison.Ordinal)).Select(e => $"{e.Key}={e.Value}"), "PATH=/usr/bin:/bin",
    ];

    /// <summary>Runs until the control descriptor is at its end.</summary>
    /// <param name="arguments">--control FD --requests FD --refuse-user NAME... [--refuse-group N]... --virtual-minimum-uid N [--default-privs NAME]... [--mail-spool DIRECTORY]... [--pipe USER[:GROUP] TAB CHROOT]... --helper PROGRAM [--helper ARGUMENT]...</param>
    public static int Run(IReadOnlyList<string> arguments)
    {
        if (LocalParentOptions.Read(arguments) is not { } options)
        {
            return Usage;
        }
        using var parent = new LocalParent(options, TimeProvider.System);
        parent.Serve();
        return 0;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        while (_helpers.Count > 0)
        {
            End(_helpers[^1]);
        }
        _opener.Dispose();
        _requests.Dispose();
        _ = Libc.close(_bell);
        // Who does not end, stopped by its own user perhaps, is ended.
        for (var start = _time.GetTimestamp(); _ending.Count > 0; EndOld())
        {
            _ = Libc.poll(null, 0, _time.GetElapsedTime(start) > EndLimit ? 10 : 5);
        }
    }

    internal void Serve()
    {
        var fds = new Libc.PollFd[(2 * _options.HelperLimit) + 3];
        while (true)
        {
            fds[0] = new Libc.PollFd { Fd = _options.Control, Events = Libc.POLLIN };
            fds[1] = new Libc.PollFd { Fd = _requests.Fd, Events = Libc.POLLIN };
            fds[2] = new Libc.PollFd { Fd = _bell, Events = Libc.POLLIN };
            for (var i = 0; i < _helpers.Count; i++)
            {
                fds[(2 * i) + 3] = new Libc.PollFd { Fd = _helpers[i].Socket.Fd, Events = Libc.POLLIN };
                // Nothing is read there: only its end is of interest, and once that is known, no more.
                fds[(2 * i) + 4] = new Libc.PollFd { Fd = _helpers[i].LeftSince == 0 ? _helpers[i].Session : -1 };
            }
            fixed (Libc.PollFd* all = fds)
            {
                _ = Libc.poll(all, (ulong)(2 * _helpers.Count) + 3, _ending.Count > 0 ? 100 : _helpers.Count > 0 ? 1000 : -1);
            }
            // Master writes nothing here: whatever it is, it is the end.
            if (fds[0].Returned != 0)
            {
                return;
            }
            // From the last, for one that is gone leaves the list.
            for (var i = _helpers.Count - 1; i >= 0; i--)
            {
                if (fds[(2 * i) + 4].Returned != 0)
                {
                    _helpers[i].LeftSince = _time.GetTimestamp();
                }
                if (fds[(2 * i) + 3].Returned != 0)
                {
                    Hear(_helpers[i]);
                }
            }
            if (fds[1].Returned != 0 && !Hear())
            {
                return;
            }
            EndOld();
            ulong count;
            _ = Libc.read(_bell, (byte*)&count, sizeof(ulong));
            while (!IsFull && _waiting.TryDequeue(out var next))
            {
                if (!Answer(next.Request.Number, next.Errno != 0 ? new LocalAnswer(next.Errno) : Grant(next.Request, next.Uid, next.Gid)))
                {
                    return;
                }
            }
        }
    }

    private bool IsFull => _helpers.Count == _options.HelperLimit && _helpers.TrueForAll(h => h.Busy);

    /// <summary>A helper is idle, or gone.</summary>
    private void Hear(LocalHelperProcess helper)
    {
        var count = helper.Socket.Receive(_message, out var descriptor, wait: false, out _);
        if (descriptor >= 0)
        {
            _ = Libc.close(descriptor);
        }
        if (count < 0)
        {
            return;
        }
        if (count == 0)
        {
            End(helper);
            return;
        }
        helper.Rest(_time.GetTimestamp());
    }

    private void End(LocalHelperProcess helper)
    {
        _helpers.Remove(helper);
        helper.Dispose();
        _ending.Add((helper.Pid, _time.GetTimestamp()));
    }

    private void EndOld()
    {
        for (var i = _helpers.Count - 1; i >= 0; i--)
        {
            var helper = _helpers[i];
            if (!helper.Busy ? _time.GetElapsedTime(helper.IdleSince) > IdleLimit : helper.LeftSince != 0 && _time.GetElapsedTime(helper.LeftSince) > EndLimit)
            {
                // Nobody waits for what a busy one does: it was given up, and its user may have stopped it.
                End(helper);
            }
        }
        for (var i = _ending.Count - 1; i >= 0; i--)
        {
            var (pid, since) = _ending[i];
            if (ChildProcess.HasEnded(pid, out _))
            {
                _ending.RemoveAt(i);
            }
            else if (_time.GetElapsedTime(since) > EndLimit)
            {
                _ = Libc.kill(pid, Libc.SIGKILL);
            }
        }
    }

    /// <summary>Reads one request.</summary>
    /// <returns>False when the expander is gone: another gets a parent of its own.</returns>
    private bool Hear()
    {
        var count = _requests.Receive(_message, out var unwanted, wait: false, out _);
        if (unwanted >= 0)
        {
            _ = Libc.close(unwanted);
        }
        if (count <= 0)
        {
            return count < 0;
        }
        var message = _message.AsSpan(0, count);
        var request = LocalRequest.Read(message);
        var errno = request is null ? Libc.EINVAL
            : request.Work == LocalWork.User && _waiting.Count >= WaitingLimit ? Libc.EAGAIN
            : request is { Work: LocalWork.User, Identity: LocalIdentity.Virtual } ? Find(request)
            : _opener.Add(request);
        return errno == 0 || Answer(LocalRequest.NumberOf(message), new LocalAnswer(errno));
    }

    // An answer that can't be sent would be waited for: the end is better.
    private bool Answer(uint number, LocalAnswer answer) => answer.Send(_requests, number) == 0;

    // On a thread of the opener, for the user database and file systems may hang; where it is numbers only, on ours.
    private int Find(LocalRequest request)
    {
        _waiting.Enqueue((request, _identities.Find(request, out var uid, out var gid, out _), uid, gid));
        ulong one = 1;
        _ = Libc.write(_bell, (byte*)&one, sizeof(ulong));
        return 0;
    }

    private LocalAnswer Grant(LocalRequest request, uint uid, uint gid)
    {
        var session = -1;
        var errno = !_identities.Allowed(uid) ? Libc.EPERM : Hand(uid, gid, request, out session);
        return new LocalAnswer(errno, Descriptor: session);
    }

    /// <summary>Gives a session to a helper of an identity: an idle one, or a new one.</summary>
    private int Hand(uint uid, uint gid, LocalRequest request, out int session)
    {
        session = -1;
        var (only, root) = (request.Identity == LocalIdentity.Owner ? LocalIdentity.User : request.Identity, request.Identity == LocalIdentity.Pipe ? request.Path : "");
        if (only == LocalIdentity.User && !_options.DefaultUids.Contains(uid) && _helpers.Count(h => h.Busy && h.Uid == uid) >= PerUser)
        {
            return Libc.EAGAIN;
        }
        var helper = _helpers.Find(h => !h.Busy && h.Uid == uid && h.Gid == gid && h.Only == only && h.Root == root);
        if (helper is null)
        {
            if (_helpers.Count >= _options.HelperLimit && _helpers.Where(h => !h.Busy).MinBy(h => h.IdleSince) is { } oldest)
            {
                End(oldest);
            }
            helper = LocalHelperProcess.Start(_options.Program, uid, gid, only, root, out var failed);
            if (helper is null)
            {
                return failed;
            }
            helper.IdleSince = _time.GetTimestamp();
            _helpers.Add(helper);
        }
        int* pair = stackalloc int[2];
        if (Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0, pair) < 0)
        {
            return Marshal.GetLastPInvokeError();
        }
        var errno = helper.Socket.Send("S"u8, pair[1]);
        if (errno != 0)
        {
            _ = Libc.close(pair[0]);
            _ = Libc.close(pair[1]);
            End(helper);
            return errno;
        }
        helper.Begin(pair[1]);
        session = pair[0];
        return 0;
    }
}
