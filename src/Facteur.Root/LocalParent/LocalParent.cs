using System.Buffers.Binary;
using System.Collections;
using System.Runtime.InteropServices;
using System.Text;
using Facteur.Unix;

namespace Facteur.Root.LocalParent;

/// <summary>
/// The part of local deliveries that is root: it reads one fixed request at a time, finds the identity itself, and hands a socket of a helper
/// of that identity back. It reads no mail, no tables and no configuration; who runs pipe(8)'s commands it is told by master. A helper serves one session after the other, stays a while,
/// and there are so many at most; while all are busy, requests wait in their socket. One thread.
/// </summary>
public sealed unsafe class LocalParent : IDisposable
{
    /// <summary>The name it is called by.</summary>
    public const string Name = "local-parent";

    private const int Usage = 64;
    private const int AnswerLength = 8;
    private static readonly TimeSpan IdleLimit = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(5);

    /// <summary>Most busy helpers of one user: they may be made to hang by that user.</summary>
    private const int PerUser = 8;

    private readonly LocalParentOptions _options;
    private readonly TimeProvider _time;
    private readonly DescriptorSocket _requests;
    private readonly List<LocalHelperProcess> _helpers = [];
    private readonly List<(int Pid, long Since)> _ending = [];
    private readonly byte[] _message = new byte[DescriptorSocket.MessageLimit];
    private readonly DescriptorSocket _control;
    private HashSet<string> _pipes = [];

    internal LocalParent(LocalParentOptions options, TimeProvider time) =>
        (_options, _time, _requests, _control) = (options, time, new DescriptorSocket(options.Requests), new DescriptorSocket(options.Control));

    /// <summary>Environment of a helper: nothing but what its runtime needs.</summary>
    internal static IReadOnlyList<string> HelperEnvironment { get; } =
    [
        .. Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .Where(e => ((string)e.Key).StartsWith("DOTNET_", StringComparison.Ordinal)).Select(e => $"{e.Key}={e.Value}"), "PATH=/usr/bin:/bin",
    ];

    /// <summary>Runs until the control descriptor is at its end.</summary>
    /// <param name="arguments">--control FD --requests FD --refuse-user NAME... [--refuse-group N]... --virtual-minimum-uid N [--default-privs NAME] [--mail-spool DIRECTORY]... --helper PROGRAM [--helper ARGUMENT]...</param>
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
        _requests.Dispose();
        // Who does not end, stopped by its own user perhaps, is ended.
        for (var start = _time.GetTimestamp(); _ending.Count > 0; EndOld())
        {
            _ = Libc.poll(null, 0, _time.GetElapsedTime(start) > EndLimit ? 10 : 5);
        }
    }

    internal void Serve()
    {
        var fds = new Libc.PollFd[(2 * _options.HelperLimit) + 2];
        while (true)
        {
            var full = _helpers.Count == _options.HelperLimit && _helpers.TrueForAll(h => h.Busy);
            fds[0] = new Libc.PollFd { Fd = _options.Control, Events = Libc.POLLIN };
            fds[1] = new Libc.PollFd { Fd = full ? -1 : _requests.Fd, Events = Libc.POLLIN };
            for (var i = 0; i < _helpers.Count; i++)
            {
                fds[(2 * i) + 2] = new Libc.PollFd { Fd = _helpers[i].Socket.Fd, Events = Libc.POLLIN };
                // Nothing is read there: only its end is of interest, and once that is known, no more.
                fds[(2 * i) + 3] = new Libc.PollFd { Fd = _helpers[i].LeftSince == 0 ? _helpers[i].Session : -1 };
            }
            fixed (Libc.PollFd* all = fds)
            {
                _ = Libc.poll(all, (ulong)(2 * _helpers.Count) + 2, _ending.Count > 0 ? 100 : _helpers.Count > 0 ? 1000 : -1);
            }
            if (fds[0].Returned != 0 && !Obey())
            {
                return;
            }
            // From the last, for one that is gone leaves the list.
            for (var i = _helpers.Count - 1; i >= 0; i--)
            {
                if (fds[(2 * i) + 3].Returned != 0)
                {
                    _helpers[i].LeftSince = _time.GetTimestamp();
                }
                if (fds[(2 * i) + 2].Returned != 0)
                {
                    Hear(_helpers[i]);
                }
            }
            if (fds[1].Returned != 0 && !Answer())
            {
                return;
            }
            EndOld();
        }
    }

    /// <summary>Master says in whose names pipe(8) runs commands, in place of all it said before: 'U', lines "user[:group] TAB chroot".</summary>
    /// <returns>False when master is gone.</returns>
    private bool Obey()
    {
        var count = _control.Receive(_message, out var descriptor, wait: false, out var errno);
        if (descriptor >= 0)
        {
            _ = Libc.close(descriptor);
        }
        if (count > 0 && _message[0] == (byte)'U')
        {
            _pipes = [.. Encoding.UTF8.GetString(_message, 1, count - 1).Split('\n', StringSplitOptions.RemoveEmptyEntries)];
        }
        return count < 0 ? errno == Libc.EAGAIN : count > 0 && _message[0] != (byte)'Q';
    }

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

    /// <summary>Answers one request: errno and a socket.</summary>
    /// <returns>False when the expander is gone: another gets a parent of its own.</returns>
    private bool Answer()
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
        var session = -1;
        var ofMailbox = false;
        var errno = LocalRequest.Read(_message.AsSpan(0, count)) is { } request ? Grant(request, out session, out ofMailbox) : Libc.EINVAL;
        Span<byte> answer = stackalloc byte[AnswerLength];
        BinaryPrimitives.WriteInt32LittleEndian(answer, errno);
        BinaryPrimitives.WriteInt32LittleEndian(answer[4..], ofMailbox ? 1 : 0);
        var sent = _requests.Send(answer, session);
        if (session >= 0)
        {
            _ = Libc.close(session);
        }
        // An answer that is missing would be taken out of the next one.
        return sent == 0;
    }

    private int Grant(LocalRequest request, out int session, out bool ofMailbox)
    {
        (session, ofMailbox) = (-1, false);
        var errno = Find(request, out var uid, out var gid, out var user);
        return errno != 0 ? errno
            : request.Work == LocalWork.User ? Allowed(uid) ? Hand(uid, gid, request.Identity == LocalIdentity.Virtual ? LocalHelperKind.Virtual : request.Identity == LocalIdentity.Pipe ? LocalHelperKind.Pipe : LocalHelperKind.User, -1, out session, root: request.Directory) : Libc.EPERM
            : user is null || !_options.MailSpools.Contains(request.Directory) ? Libc.EPERM : GrantSpool(request, user, out session, out ofMailbox);
    }

    // Never root, never the mail system's own users.
    private bool Allowed(uint uid) => uid is not (0 or uint.MaxValue) && !_options.RefusedUids.Contains(uid);

    /// <summary>The identity, from the user database or a file's owner; only numbers of virtual mailboxes are taken as given, within their bounds.</summary>
    private int Find(LocalRequest request, out uint uid, out uint gid, out UserAccount? user)
    {
        (uid, gid, user) = (0, 0, null);
        var errno = 0;
        switch (request.Identity)
        {
            case LocalIdentity.User:
                errno = UserAccount.Find(request.Name, out user);
                break;
            case LocalIdentity.Owner:
                // The name may be another file's by now: whose it was when it was read is what was asked for.
                errno = !request.Name.StartsWith('/') ? Libc.EINVAL
                    : UnixFile.Status(request.Name, followLinks: true, out var status) is not 0 and var failed ? failed
                    : status.Uid != request.Uid ? Libc.EPERM : UserAccount.Find(status.Uid, out user);
                break;
            case LocalIdentity.Pipe:
                return request.Work == LocalWork.User && _pipes.Contains($"{request.Name}\t{request.Directory}") ? FindPipe(request.Name, out uid, out gid) : Libc.EPERM;
            default:
                (uid, gid) = (request.Uid, request.Gid);
                return uid >= _options.VirtualMinimumUid && gid is not (0 or uint.MaxValue) && !_options.RefusedGids.Contains(gid) && request.Name.Length == 0 ? 0 : Libc.EPERM;
        }
        (uid, gid) = (user?.Uid ?? 0, user?.Gid ?? 0);
        return errno != 0 ? errno : user is null ? Libc.ENOENT : 0;
    }

    /// <summary>"user" or "user:group"; pipe(8) refuses the groups of root and of the mail system, too.</summary>
    private int FindPipe(string name, out uint uid, out uint gid)
    {
        var colon = name.IndexOf(':', StringComparison.Ordinal);
        var errno = UserAccount.Find(colon < 0 ? name : name[..colon], out var user);
        var group = colon < 0 ? user?.Gid : GroupAccount.Find(name[(colon + 1)..]);
        (uid, gid) = (user?.Uid ?? 0, group ?? 0);
        return errno != 0 ? errno : user is null || group is null ? Libc.ENOENT : gid == 0 || _options.RefusedGids.Contains(gid) ? Libc.EPERM : 0;
    }

    /// <summary>Postfix, mailbox.c: whoever may write the directory makes mailbox and lock file; where that is root alone, root does.</summary>
    private int GrantSpool(LocalRequest request, UserAccount user, out int session, out bool ofMailbox)
    {
        const uint othersWrite = 2, groupWrite = 16;
        (session, ofMailbox) = (-1, false);
        if (user.Name.Contains('/') || user.Name is "." or ".." || _options.RefusedUids.Contains(user.Uid))
        {
            return Libc.EPERM;
        }
        var directory = Libc.open(request.Directory, Libc.O_RDONLY | Libc.O_DIRECTORY | Libc.O_CLOEXEC, 0);
        Stat status;
        if (directory < 0 || Libc.fstat(directory, &status) < 0)
        {
            ofMailbox = true;
            return Close(directory, Marshal.GetLastPInvokeError());
        }
        if (user.Uid != 0 && (status.Mode & othersWrite) != 0)
        {
            return Close(directory, Hand(user.Uid, user.Gid, LocalHelperKind.User, -1, out session));
        }
        if (user.Uid != 0 && (status.Mode & groupWrite) != 0)
        {
            return Close(directory, Hand(user.Uid, status.Gid, LocalHelperKind.Spool, -1, out session));
        }
        // Nobody becomes root: root's mailbox is written by default_privs, who can do no more with it than append and cut.
        var writer = user.Uid != 0 ? user : _options.DefaultPrivileges;
        if (writer is null || !Allowed(writer.Uid))
        {
            return Close(directory, Libc.EPERM);
        }
        var errno = request.Dotlock ? LocalSpool.Lock(directory, user.Name, request.StaleSeconds, _time) : 0;
        ofMailbox = errno != 0;
        if (errno != 0)
        {
            return Close(directory, errno);
        }
        var mailbox = LocalSpool.Open(directory, user, out errno);
        ofMailbox = errno != 0;
        errno = errno != 0 ? errno : Hand(writer.Uid, writer.Gid, LocalHelperKind.Spool, mailbox, out session, request.Dotlock ? (directory, user.Name) : (-1, ""));
        if (mailbox >= 0)
        {
            _ = Libc.close(mailbox);
        }
        if (errno != 0 && request.Dotlock)
        {
            LocalSpool.Unlock(directory, user.Name);
        }
        return errno == 0 && request.Dotlock ? 0 : Close(directory, errno);
    }

    private static int Close(int descriptor, int errno)
    {
        if (descriptor >= 0)
        {
            _ = Libc.close(descriptor);
        }
        return errno;
    }

    /// <summary>Gives a session to a helper of an identity: an idle one, or a new one.</summary>
    private int Hand(uint uid, uint gid, LocalHelperKind kind, int mailbox, out int session, (int Directory, string User)? locked = null, string root = "")
    {
        session = -1;
        if (kind == LocalHelperKind.User && uid != _options.DefaultPrivileges?.Uid && _helpers.Count(h => h.Busy && h.Uid == uid) >= PerUser)
        {
            return Libc.EAGAIN;
        }
        var helper = _helpers.Find(h => !h.Busy && h.Uid == uid && h.Gid == gid && h.Kind == kind && h.Root == root);
        if (helper is null)
        {
            if (_helpers.Count >= _options.HelperLimit && _helpers.Where(h => !h.Busy).MinBy(h => h.IdleSince) is { } oldest)
            {
                End(oldest);
            }
            helper = LocalHelperProcess.Start(_options.Program, uid, gid, kind, root, out var failed);
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
        var errno = mailbox >= 0 ? helper.Socket.Send("M"u8, mailbox) : 0;
        errno = errno != 0 ? errno : helper.Socket.Send("S"u8, pair[1]);
        if (errno != 0)
        {
            _ = Libc.close(pair[0]);
            _ = Libc.close(pair[1]);
            End(helper);
            return errno;
        }
        helper.Begin(pair[1], locked ?? (-1, ""));
        session = pair[0];
        return 0;
    }
}
