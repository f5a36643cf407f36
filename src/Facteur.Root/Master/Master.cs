using System.Globalization;
using System.Net;
using System.Runtime.InteropServices;
using System.Text;
using Facteur.Unix;

namespace Facteur.Root.Master;

/// <summary>
/// master(8): binds the sockets, starts a process for each role under its identity, links them to each other, and starts again what ends.
/// It parses nothing from outside: names and paths of main.cf, and the plan of a process that has no rights.
/// One thread does it all; signals only ring. A role ends when its control socket does: whatever becomes of master, nothing of it is left.
/// </summary>
public sealed unsafe class Master : IDisposable
{
    /// <summary>Who runs: rewrite before queue asks it, receive last, so that the doors open when all else is there.</summary>
    private static readonly string[] RoleNames = ["postlogd", "rewrite", "queue", "deliver", "local", "receive"];

    /// <summary>The arrows between them: made anew whenever one of the two is.</summary>
    private static readonly (string Name, string A, string B)[] Links =
    [
        ("incoming", "queue", "receive"), ("reports", "receive", "queue"), ("forwards", "receive", "local"), ("notices", "receive", "deliver"),
        ("rewrite", "rewrite", "queue"), ("deliver", "deliver", "queue"), ("local", "local", "queue"),
    ];

    /// <summary>Sockets in the queue directory: name, mode, type, who serves it.</summary>
    private static readonly (string Name, uint Mode, int Type, string Role)[] Sockets =
        [
            ("submit", 0x1B6, Libc.SOCK_STREAM, "receive"), ("public/pickup", 0x1B6, Libc.SOCK_STREAM, "receive"), ("public/control", 0x1B6, Libc.SOCK_STREAM, "queue"), ("public/showq", 0x1B6, Libc.SOCK_STREAM, "queue"),
            ("public/flush", 0x1B6, Libc.SOCK_STREAM, "queue"), ("public/qmgr", 0x1B6, Libc.SOCK_STREAM, "queue"), ("public/postlog", 0x1B6, Libc.SOCK_DGRAM, "postlogd"),
        ];

    private static readonly string[] SystemRead =
        ["/usr", "/lib", "/lib64", "/bin", "/sbin", "/etc", "/proc", "/sys/fs/cgroup", "/sys/devices/system", "/dev/urandom", "/dev/random", "/dev/zero", "/run/systemd/resolve", "/var/run"];

    private static readonly TimeSpan StartLimit = TimeSpan.FromMinutes(30), ReloadLimit = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan SecretsLook = TimeSpan.FromSeconds(10);
    private const int WordsAtOnce = 64;
    private const int LeavingLimit = 4;
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(10);
    private readonly Dictionary<string, RoleSlot> _roles = RoleNames.ToDictionary(n => n, n => new RoleSlot(n), StringComparer.Ordinal);
    private readonly Dictionary<string, int> _listen = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _sockets = new(StringComparer.Ordinal);
    private readonly Dictionary<string, (int Descriptor, ulong Version)> _secrets = new(StringComparer.Ordinal);
    private readonly HashSet<string> _secretProblems = new(StringComparer.Ordinal);
    /// <summary>Processes that were replaced and end what they have begun.</summary>
    private readonly List<RoleSlot> _leaving = [];
    private readonly string _directory;
    private readonly TimeProvider _time;
    private readonly MasterLog _log;
    private readonly MasterNames _names;
    private readonly MasterLock _lock;
    private readonly UserAccount? _mail;
    private readonly UserAccount? _queueOwner;
    private readonly uint _group;
    private readonly bool _root;
    private readonly int _bell;
    private readonly int[] _logPair = [-1, -1];
    private readonly byte[] _message = new byte[DescriptorSocket.MessageLimit];
    private int _logFile = -1;
    private int _hands = -1;
    private Plan _plan;
    private IReadOnlyList<string> _localRights;
    private int _signals;
    private long _secretsSeen;
    private bool _started, _foreignSaid;
    private long _reloading;

    private Master(string directory, TextWriter error, TimeProvider time)
    {
        (_directory, _time, _log) = (directory, time, new MasterLog(error));
        // As Postfix: whoever starts us may have another, and the modes of what roles make are theirs to choose.
        _ = Libc.umask(0x12);
        _names = MasterNames.Read(directory);
        _localRights = _names.LocalRights();
        var queue = _names["queue_directory"];
        // A private instance may be root's own; then no role has another identity, and that is said.
        _root = Libc.geteuid() == 0 && Account("mail_owner") is { Uid: not 0 };
        if (_root)
        {
            (_mail, _queueOwner, _group) = (Account("mail_owner"), Account("queue_owner"), Group("setgid_group"));
            if (_queueOwner.Uid == 0)
            {
                throw new MasterException($"queue_owner = {_queueOwner.Name}: this user is root");
            }
        }
        if (QueueDirectories.Make(queue, _mail, _queueOwner, _group, QueueDirectories.HasSetGid()) is { } wrong)
        {
            throw new MasterException(wrong);
        }
        if (Libc.chdir(queue) < 0)
        {
            throw new MasterException($"queue_directory {queue}: {Errno.Text(Marshal.GetLastPInvokeError())}");
        }
        _lock = MasterLock.TryTake(queue, out var holder, out var failed)
            ?? throw new MasterException(failed ?? $"the mail system is already running: process {holder} holds {queue}/pid/master.pid");
        _bell = Libc.eventfd(0, Libc.EFD_NONBLOCK | Libc.EFD_CLOEXEC);
        _plan = ReadPlan();
    }

    [Flags]
    private enum Signal
    {
        Stop = 1,
        Reload = 2,
        Child = 4,
    }

    /// <summary>Runs the mail system until it is told to stop.</summary>
    /// <param name="directory">config_directory.</param>
    /// <param name="ready">Called when all roles serve.</param>
    /// <param name="error">Errors before there is a log.</param>
    /// <param name="time">The clock.</param>
    /// <returns>The exit status.</returns>
    public static int Run(string directory, Action ready, TextWriter error, TimeProvider time)
    {
        try
        {
            using var master = new Master(directory, error, time);
            // Kept in variables: a registration that is collected no longer catches its signal.
            using var term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, s => master.Ring(s, Signal.Stop));
            using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, s => master.Ring(s, Signal.Stop));
            using var hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, s => master.Ring(s, Signal.Reload));
            using var child = PosixSignalRegistration.Create((PosixSignal)Libc.SIGCHLD, s => master.Ring(s, Signal.Child));
            return master.Run(ready, error);
        }
        catch (MasterException e)
        {
            error.WriteLine($"master: fatal: {e.Message}");
            return 1;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        All.ToList().ForEach(r => r.Dispose());
        // Of those that are not there close(2) says EBADF.
        foreach (var fd in _listen.Values.Concat(_sockets.Values).Concat(_secrets.Values.Select(s => s.Descriptor)).Concat(_logPair).Append(_bell).Append(_logFile).Append(_hands))
        {
            _ = Libc.close(fd);
        }
        _lock.Dispose();
    }

    private IEnumerable<RoleSlot> All => _roles.Values.Concat(_leaving);

    private int Run(Action ready, TextWriter error)
    {
        OpenLog();
        OpenSockets();
        OpenSecrets();
        if (_root)
        {
            _roles.Add(LocalParent.LocalParent.Name, new RoleSlot(LocalParent.LocalParent.Name));
        }
        var started = _time.GetTimestamp();
        while (true)
        {
            StartRoles();
            Poll();
            LookAtSecrets();
            var signals = (Signal)Interlocked.Exchange(ref _signals, 0);
            Collect();
            if (!_started && Broken(started) is { } broken)
            {
                error.WriteLine($"master: fatal: {broken}");
                Stop();
                return 1;
            }
            if ((signals & Signal.Stop) != 0)
            {
                ServiceNotice.Send("STOPPING=1");
                _log.Info("terminating on signal 15");
                Stop();
                return 0;
            }
            if ((signals & Signal.Reload) != 0)
            {
                Reload();
            }
            if (_reloading != 0 && (_roles.Values.All(r => r.Ready) || _time.GetElapsedTime(_reloading) > ReloadLimit))
            {
                _reloading = 0;
                _roles.Values.Where(r => !r.Ready).ToList().ForEach(r => _log.Warning($"reload: {r.Name} does not answer: it may go on by the configuration before"));
                _log.Info($"reload -- version {_plan.Version}, configuration {_directory}");
                ServiceNotice.Send("READY=1");
            }
            if (!_started && _roles.Values.All(r => r.Ready))
            {
                _started = true;
                _plan.Warnings.ForEach(_log.Warning);
                if (!_root && Libc.geteuid() == 0)
                {
                    _log.Warning("mail_owner is root: every role has root's rights, which is for private instances only");
                }
                _log.Info($"daemon started -- version {_plan.Version}, configuration {_directory}");
                ServiceNotice.Send("READY=1");
                ready();
            }
        }
    }

    private string? Broken(long started) =>
        _roles.Values.FirstOrDefault(r => r.Failure is not null) is { } failed ? failed.Failure
        : _time.GetElapsedTime(started) > StartLimit ? "the roles did not become ready" : null;

    private void Ring(PosixSignalContext context, Signal signal)
    {
        context.Cancel = signal != Signal.Child;
        Interlocked.Or(ref _signals, (int)signal);
        ulong one = 1;
        _ = Libc.write(_bell, (byte*)&one, sizeof(ulong));
    }

    // Sleeps until a role says something or ends, a signal comes, or a role may be started again.
    private void Poll(double limit = 60_000)
    {
        var talking = All.Where(r => r.Control is not null).ToArray();
        var polled = stackalloc Libc.PollFd[talking.Length + 1];
        polled[0] = new Libc.PollFd { Fd = _bell, Events = Libc.POLLIN };
        for (var i = 0; i < talking.Length; i++)
        {
            polled[i + 1] = new Libc.PollFd { Fd = talking[i].Control!.Fd, Events = Libc.POLLIN };
        }
        var waiting = _roles.Values.Where(r => r.Pid < 0 && !r.Ending).Select(r => _time.GetElapsedTime(_time.GetTimestamp(), r.NotBefore).TotalMilliseconds).DefaultIfEmpty(limit).Min();
        _ = Libc.poll(polled, (ulong)(talking.Length + 1), (int)Math.Clamp(Math.Ceiling(waiting), 0, Math.Min(limit, _plan.Secrets.Count > 0 ? SecretsLook.TotalMilliseconds : 60_000)));
        ulong count;
        _ = Libc.read(_bell, (byte*)&count, sizeof(ulong));
        foreach (var role in talking)
        {
            Hear(role);
        }
    }

    private void Hear(RoleSlot role)
    {
        // So many at a time: one that does not stop talking must not keep master from the others.
        for (var words = 0; words < WordsAtOnce && role.Control is { } control && control.Receive(_message, out var descriptor, wait: false, out _) is >= 0 and var length; words++)
        {
            if (length == 0)
            {
                // It ends, or has shut the socket and goes on: nothing reaches it any more, and its end would be waited for without a pause. What it said last is read when it has ended.
                _ = role.Pid > 0 ? Libc.kill(role.Pid, Libc.SIGKILL) : 0;
                return;
            }
            if (descriptor >= 0)
            {
                _ = Libc.close(descriptor);
            }
            var text = Encoding.UTF8.GetString(_message, 1, length - 1);
            switch ((char)_message[0])
            {
                case 'R':
                    // postlogd also says it when a reload has come to nothing.
                    (_foreignSaid, role.Ready) = (_foreignSaid && role.Ready, true);
                    if ((role.Name != "local" || _root) && text.Length == 0)
                    {
                        _log.Warning($"{role.Name} is not confined: it may write /tmp, as every user; Landlock is {(Landlock.Version == 0 ? "not in this kernel" : "wider than it should be")}");
                    }
                    break;
                case 'E':
                    role.Failure = text;
                    break;
                case 'B':
                    (role.Foreign, role.Failure) = (true, Foreign(role.Name));
                    break;
                default:
                    _log.Warning($"{role.Name}: a word that makes no sense");
                    break;
            }
        }
    }

    // As process 1 of a container master is everybody's parent in the end.
    private void Collect()
    {
        int status;
        while (Libc.waitpid(-1, &status, Libc.WNOHANG) is > 0 and var pid)
        {
            if (All.FirstOrDefault(r => r.Pid == pid) is not { } role)
            {
                continue;
            }
            Hear(role);
            // The parent of local deliveries ends with its expander; another is started with the next one.
            var asked = role.Ending || (status == 0 && (role.Replaced || role.Name == LocalParent.LocalParent.Name));
            if (role.Foreign && _started)
            {
                // It is tried again and again: the right files may come back. That is said once.
                if (!_foreignSaid)
                {
                    _log.Error(role.Failure!);
                }
                _foreignSaid = true;
            }
            else if (!asked)
            {
                _log.Warning($"process {role.Name} pid {pid.ToString(CultureInfo.InvariantCulture)} {ChildProcess.Exit(status)}{(role.Failure is null ? "" : $": {role.Failure}")}");
                if (!_started && role.Name != LocalParent.LocalParent.Name)
                {
                    role.Failure ??= $"{role.Name}: {ChildProcess.Exit(status)}";
                }
            }
            role.Ended(_time);
            _leaving.Remove(role);
        }
    }

    private void StartRoles()
    {
        foreach (var role in _roles.Values.Where(r => r.Pid < 0 && !r.Ending && _time.GetTimestamp() >= r.NotBefore))
        {
            if (role.Name == LocalParent.LocalParent.Name)
            {
                StartParent(role);
            }
            else if (Start(role))
            {
                Equip(role);
            }
        }
    }

    private static string Foreign(string what) =>
        $"{what} is built from other sources than this master, and is not used: after an upgrade run \"postfix stop\" and \"postfix start\"";

    private bool Start(RoleSlot role)
    {
        if (DescriptorSocket.Pair(out var errno) is not { } pair)
        {
            _log.Error($"{role.Name}: {Errno.Text(errno)}");
            role.Failed(_time);
            return false;
        }
        var none = Libc.open("/dev/null", Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        errno = Spawn(Confined(role.Name), none, role.Name == "postlogd" ? 1 : none, pair.Theirs, out var pid);
        _ = Libc.close(pair.Theirs);
        _ = Libc.close(none);
        if (errno != 0)
        {
            pair.Ours.Dispose();
            _log.Error($"{role.Name}: {Errno.Text(errno)}");
            role.Failed(_time);
            return false;
        }
        role.Started(pid, pair.Ours, _time);
        return true;
    }

    private static int Spawn(List<string> arguments, int input, int output, int control, out int pid) =>
        ChildProcess.Start(Environment.ProcessPath!, arguments, RoleEnvironment(), [input, output, 2, control], out pid);

    /// <summary>The command line of a role: our own launcher gives up its rights and becomes it.</summary>
    private List<string> Confined(string role)
    {
        var line = new List<string> { Environment.ProcessPath!, "launcher" };
        if (role == "local" && !_root)
        {
            // It is every user that it can be: its own.
            return [.. line, Program(), "role", role, "-c", _directory, "--build", BuildId.Value];
        }
        if (_root)
        {
            // The queue reaches public/, which is setgid_group's.
            line.AddRange(["--user", role == "queue" ? $"{Identity(_queueOwner!)},{_group.ToString(CultureInfo.InvariantCulture)}" : Identity(_mail!)]);
        }
        var queue = _names["queue_directory"];
        line.AddRange(["--filter", "--wx", "--landlock", role is "deliver" or "receive" or "rewrite" or "local" ? "connect" : "alone"]);
        foreach (var path in SystemRead.Append(_directory).Append(Path.GetDirectoryName(Program())!).Append(_names["data_directory"]).Concat(role is "queue" or "postlogd" ? [] : _plan.Read))
        {
            line.AddRange(["--read", path]);
        }
        foreach (var path in role switch
        {
            "queue" => [queue],
            "receive" => [Path.Combine(queue, "maildrop"), Path.Combine(queue, "corrupt"), _names["data_directory"]],
            "rewrite" => [_names["data_directory"]],
            "deliver" or "local" => [_names["data_directory"]],
            _ => Array.Empty<string>(),
        })
        {
            line.AddRange(["--write", path]);
        }
        if (role is not "queue" and not "postlogd")
        {
            line.AddRange(["--read", queue]);
        }
        line.AddRange(["--write", "/dev/null", Program(), "role", role, "-c", _directory, "--build", BuildId.Value]);
        if (role == "local")
        {
            line.Add("--parent");
        }
        return line;
    }

    /// <summary>
    /// The parent of local deliveries: root, of whom the local role asks for what only a user may do. It is started with one end of a socket;
    /// the other is the local role's. All that gives rights is taken from main.cf, not from the plan.
    /// </summary>
    private bool StartParent(RoleSlot parent)
    {
        var first = DescriptorSocket.Pair(out _);
        if (first is not { } control || DescriptorSocket.Pair(out _) is not { } requests)
        {
            first?.Ours.Dispose();
            _ = Libc.close(first?.Theirs ?? -1);
            parent.Failed(_time);
            return false;
        }
        var none = Libc.open("/dev/null", Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        var helper = Program() is var daemons && Environment.ProcessPath!.EndsWith("-lean", StringComparison.Ordinal) ? Environment.ProcessPath! : daemons;
        List<string> line =
        [
            Environment.ProcessPath!, LocalParent.LocalParent.Name, "--control", "3", "--requests", "4", .. RefusedToHelpers(),
            .. _localRights, "--helper", helper, "--helper", "local-helper", "--helper", "--build", "--helper", BuildId.Value,
        ];
        var errno = ChildProcess.Start(Environment.ProcessPath!, line, RoleEnvironment(), [none, none, 2, control.Theirs, requests.Theirs], out var pid);
        _ = Libc.close(none);
        _ = Libc.close(control.Theirs);
        _ = Libc.close(requests.Theirs);
        if (errno != 0)
        {
            control.Ours.Dispose();
            requests.Ours.Dispose();
            _log.Error($"{parent.Name}: {Errno.Text(errno)}");
            parent.Failed(_time);
            return false;
        }
        parent.Started(pid, control.Ours, _time);
        parent.Ready = true;
        _ = Libc.close(_hands);
        _hands = Libc.fcntl(requests.Ours.Fd, Libc.F_DUPFD_CLOEXEC, 3);
        requests.Ours.Dispose();
        GiveHands();
        return true;
    }

    // No helper becomes one of the mail system's own users.
    private IEnumerable<string> RefusedToHelpers() =>
    [
        "--refuse-user", _mail!.Name, "--refuse-user", _names["queue_owner"],
        .. GroupAccount.Find(_names["setgid_group"]) is { } group ? ["--refuse-group", $"{group}"] : Array.Empty<string>(),
    ];

    // Ours is closed then: when the local role ends, its parent sees it, ends too, and both begin anew.
    private void GiveHands()
    {
        if (_hands >= 0 && _roles["local"].Control is not null)
        {
            _roles["local"].Say('L', "hands", _hands);
            _ = Libc.close(_hands);
            _hands = -1;
        }
    }

    private static string Identity(UserAccount account) =>
        $"{account.Uid.ToString(CultureInfo.InvariantCulture)}:{account.Gid.ToString(CultureInfo.InvariantCulture)}:{string.Join(',', ProcessIdentity.GroupsOf(account))}";

    /// <summary>The daemons' program: beside ours, or ours where one program is all.</summary>
    private static string Program()
    {
        var beside = Path.Combine(Path.GetDirectoryName(Environment.ProcessPath)!, "facteur");
        return File.Exists(beside) ? beside : Environment.ProcessPath!;
    }

    private static List<string> RoleEnvironment()
    {
        // Postfix: import_environment. What steers the runtime is ours to say.
        var kept = ((string[])["TZ", "LANG", "MAIL_CONFIG", "MAIL_DEBUG", "MAIL_LOGTAG", "DOTNET_ROOT"])
            .Select(n => (Name: n, Value: Environment.GetEnvironmentVariable(n))).Where(v => v.Value is not null).Select(v => $"{v.Name}={v.Value}");
        var threads = Math.Max(1, (Environment.ProcessorCount + 2) / 4).ToString(CultureInfo.InvariantCulture);
        return [.. kept, "PATH=/usr/bin:/bin", "DOTNET_EnableDiagnostics=0", "DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS=1", $"DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT={threads}"];
    }

    /// <summary>Gives a new process all it needs, and its peers their ends of new links.</summary>
    private void Equip(RoleSlot role)
    {
        if (_logPair[0] >= 0)
        {
            role.Say('L', "log", role.Name == "postlogd" ? _logPair[1] : _logPair[0]);
        }
        if (role.Name == "postlogd" && _logFile >= 0)
        {
            role.Say('F', _names["maillog_file"], _logFile);
        }
        if (role.Name == "queue" && _root && _queueOwner!.Uid != _mail!.Uid)
        {
            GiveMaildrop(role);
        }
        GiveSecrets(role);
        foreach (var (name, _, _, _) in Sockets.Where(s => s.Role == role.Name))
        {
            role.Say('S', name, _sockets[name]);
        }
        foreach (var (address, socket) in role.Name == "receive" ? _listen : [])
        {
            role.Say('S', address, socket);
        }
        foreach (var (name, a, b) in Links.Where(l => l.A == role.Name || l.B == role.Name))
        {
            var first = a == role.Name;
            // Those that leave come first: what they were given is still theirs.
            foreach (var peer in _leaving.Append(_roles[first ? b : a]).Where(p => p.Name == (first ? b : a) && p.Control is not null))
            {
                Link(name, first ? role : peer, first ? peer : role);
            }
        }
        if (role.Name == "local")
        {
            GiveHands();
        }
        role.Say('G');
    }

    // mailq shows what waits in maildrop, which only its owner may list.
    private void GiveMaildrop(RoleSlot queue)
    {
        var path = Path.Combine(_names["queue_directory"], "maildrop");
        var fd = Libc.open(path, Libc.O_RDONLY | Libc.O_DIRECTORY | Libc.O_NOFOLLOW | Libc.O_CLOEXEC, 0);
        if (fd >= 0)
        {
            queue.Say('F', path, fd);
            _ = Libc.close(fd);
        }
    }

    private void Link(string name, RoleSlot a, RoleSlot b)
    {
        int* pair = stackalloc int[2];
        if (Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_STREAM | Libc.SOCK_CLOEXEC, 0, pair) < 0)
        {
            _log.Error($"link {name}: {Errno.Text(Marshal.GetLastPInvokeError())}");
            // Without it both would wait for ever: one begins anew, and with it its links.
            _ = a.Pid > 0 ? Libc.kill(a.Pid, Libc.SIGKILL) : 0;
            return;
        }
        for (var i = 0; i < 2; i++)
        {
            // Beyond net.core.wmem_max only root may go; without it the kernel's default holds.
            var size = 1 << 20;
            _ = Libc.setsockopt(pair[i], Libc.SOL_SOCKET, _root ? Libc.SO_SNDBUFFORCE : Libc.SO_SNDBUF, &size, sizeof(int));
        }
        a.Say('L', name, pair[0]);
        b.Say('L', name, pair[1]);
        _ = Libc.close(pair[0]);
        _ = Libc.close(pair[1]);
    }

    private void OpenLog()
    {
        if (_names["maillog_file"].Length > 0)
        {
            OpenLogFile();
            int* pair = stackalloc int[2];
            if (Libc.socketpair(Libc.AF_UNIX, Libc.SOCK_DGRAM | Libc.SOCK_CLOEXEC, 0, pair) < 0)
            {
                throw new MasterException($"the log's socket: {Errno.Text(Marshal.GetLastPInvokeError())}");
            }
            (_logPair[0], _logPair[1]) = (pair[0], pair[1]);
            var size = 1 << 20;
            _ = Libc.setsockopt(pair[0], Libc.SOL_SOCKET, _root ? Libc.SO_SNDBUFFORCE : Libc.SO_SNDBUF, &size, sizeof(int));
        }
        else
        {
            // Every role writes to syslog itself.
            _roles.Remove("postlogd");
        }
        _log.Open(_logPair[0], _plan.Log);
    }

    /// <summary>postlogd writes where only root may make files: it is given the file. Which one is taken from main.cf, not from the plan.</summary>
    /// <exception cref="MasterException">It can't be opened.</exception>
    private void OpenLogFile()
    {
        var path = _names["maillog_file"];
        var prefixes = _names["maillog_file_prefixes"];
        if (path == "/dev/stdout")
        {
            return;
        }
        if (path.Contains("/../", StringComparison.Ordinal)
            || !prefixes.Split([' ', ',', '\t'], StringSplitOptions.RemoveEmptyEntries).Any(p => path == p || path.StartsWith(p.TrimEnd('/') + "/", StringComparison.Ordinal)))
        {
            throw new MasterException($"maillog_file value '{path}' does not match any prefix in maillog_file_prefixes = {prefixes}");
        }
        var mode = _names["maillog_file_permissions"].TrimStart('0') switch
        {
            "600" => 0x180u,
            "640" => 0x1A0u,
            "644" => 0x1A4u,
            var other => throw new MasterException($"maillog_file_permissions = {other}: expected 0600, 0640 or 0644"),
        };
        const int noReader = 6;
        // Where mail_owner has a say, it must not choose the file that root opens: no link, and nothing with a second name (Postfix: safe_open).
        var others = _mail is not null && PathControl.MayChange(_mail, path);
        var fd = Libc.open(path, Libc.O_WRONLY | Libc.O_APPEND | Libc.O_CREAT | Libc.O_NONBLOCK | Libc.O_CLOEXEC | (others ? Libc.O_NOFOLLOW : 0), mode);
        if (fd < 0 && Marshal.GetLastPInvokeError() == noReader)
        {
            // A named pipe: what nobody reads fills it, and is lost then.
            fd = Libc.open(path, Libc.O_RDWR | Libc.O_NONBLOCK | Libc.O_CLOEXEC, 0);
        }
        if (fd < 0 && Marshal.GetLastPInvokeError() is var errno)
        {
            throw new MasterException($"open {path}: {Errno.Text(errno)}");
        }
        Stat status;
        if (others && (Libc.fstat(fd, &status) < 0 || status.Links > 1))
        {
            _ = Libc.close(fd);
            throw new MasterException($"open {path}: file has more than one name");
        }
        _ = Libc.close(_logFile);
        _logFile = fd;
    }

    private void OpenSockets()
    {
        foreach (var (name, mode, type, _) in Sockets.Where(s => _roles.ContainsKey(s.Role)))
        {
            // Where public/ lets everybody in, this socket has nobody who would ask the kernel who comes.
            var fd = ListenSocket.Unix(Path.Combine(_names["queue_directory"], name), name == "public/postlog" && !QueueDirectories.HasSetGid() ? 0x1B0 : mode, _group, type, out var errno);
            _sockets[name] = fd >= 0 ? fd : throw new MasterException($"listen on {Path.Combine(_names["queue_directory"], name)}: {Errno.Text(errno)}");
        }
        foreach (var (address, line) in _plan.Listen)
        {
            _listen[address.ToString()] = Bind(address, line);
        }
    }

    private static int Bind(IPEndPoint address, string line)
    {
        var fd = ListenSocket.Tcp(address, out var errno);
        return fd >= 0 ? fd : throw new MasterException(
            $"bind {address.Address} port {address.Port.ToString(CultureInfo.InvariantCulture)}: {Errno.Text(errno)} (master.cf, line {line})");
    }

    /// <summary>Files that only root may read go to the roles as sealed copies. Opened anew on reload, when they have changed.</summary>
    private void OpenSecrets()
    {
        if (!_root)
        {
            return;
        }
        var gone = _secrets.Keys.Except(_plan.Secrets).ToArray();
        foreach (var path in _plan.Secrets)
        {
            if (SecretFile.Open(path, _directory, _mail!, _secrets.GetValueOrDefault(path).Version, out var version, out var problem) is >= 0 and var fd)
            {
                if (_secrets.Remove(path, out var old))
                {
                    _ = Libc.close(old.Descriptor);
                }
                _secrets[path] = (fd, version);
            }
            else if (problem is not null && _secretProblems.Add(path))
            {
                _log.Warning($"{path}: {problem}");
            }
            else if (version == 0)
            {
                ForgetSecret(path);
            }
        }
        foreach (var path in gone)
        {
            ForgetSecret(path);
            _secretProblems.Remove(path);
        }
    }

    private static bool ReadsTables(RoleSlot role) => role.Name is "receive" or "rewrite" or "deliver" or "local";

    private void GiveSecrets(RoleSlot role)
    {
        foreach (var (path, secret) in ReadsTables(role) ? _secrets : [])
        {
            role.Say('F', path, secret.Descriptor);
        }
    }

    // Who may read the file itself shall not be served what it once was.
    private void ForgetSecret(string path)
    {
        if (!_secrets.Remove(path, out var old))
        {
            return;
        }
        _ = Libc.close(old.Descriptor);
        foreach (var role in _roles.Values.Where(ReadsTables))
        {
            role.Say('N', path);
        }
    }

    // A renewed key or table is handed over without a reload, as it would be read by whoever may open it.
    private void LookAtSecrets()
    {
        if (_plan.Secrets.Count == 0 || _time.GetElapsedTime(_secretsSeen) < SecretsLook)
        {
            return;
        }
        _secretsSeen = _time.GetTimestamp();
        var before = _secrets.ToDictionary();
        OpenSecrets();
        foreach (var (path, secret) in _secrets.Where(s => before.GetValueOrDefault(s.Key).Descriptor != s.Value.Descriptor))
        {
            foreach (var role in _roles.Values.Where(ReadsTables))
            {
                role.Say('F', path, secret.Descriptor);
            }
        }
    }

    /// <summary>postfix reload: with any error nothing changes.</summary>
    private void Reload()
    {
        ServiceNotice.Send("RELOADING=1");
        ReopenLog();
        try
        {
            var plan = ReadPlan();
            var rights = MasterNames.Read(_directory).LocalRights();
            var wanted = plan.Listen.ToDictionary(l => l.Address.ToString(), StringComparer.Ordinal);
            var leaving = _listen.Keys.Where(k => !wanted.ContainsKey(k)).ToArray();
            var bound = new Dictionary<string, int>(StringComparer.Ordinal);
            try
            {
                foreach (var (name, (address, line)) in wanted.Where(w => !_listen.ContainsKey(w.Key)))
                {
                    // A port on all addresses and on one of them don't go together: the old one makes room.
                    foreach (var old in leaving.Where(l => IPEndPoint.Parse(l).Port == address.Port))
                    {
                        _ = Libc.shutdown(_listen[old], Libc.SHUT_RDWR);
                    }
                    bound[name] = Bind(address, line);
                }
            }
            catch
            {
                bound.Values.ToList().ForEach(fd => Libc.close(fd));
                Reopen(leaving);
                throw;
            }
            var wider = plan.Read.Except(_plan.Read).Any();
            // The parent of local deliveries begins anew with its expander.
            var moved = !rights.SequenceEqual(_localRights, StringComparer.Ordinal);
            (_plan, _localRights) = (plan, rights);
            _secretProblems.Clear();
            OpenSecrets();
            foreach (var (name, fd) in bound)
            {
                _listen[name] = fd;
                // The next one is given all of them.
                (wider ? null : _roles["receive"])?.Say('S', name, fd);
            }
            foreach (var role in _roles.Values)
            {
                GiveSecrets(role);
                // A Landlock domain can't be widened: who reads tables gets a new process, which finds the old one's sockets and links.
                if ((wider && ReadsTables(role)) || (moved && role.Name == "local"))
                {
                    role.Replaced = true;
                    role.Say('Q', "leave");
                }
                else if (role.Name != LocalParent.LocalParent.Name)
                {
                    role.Ready = false;
                    role.Say('C');
                }
            }
            // A session or delivery under way is not cut: others take what is new meanwhile.
            foreach (var role in _roles.Values.Where(r => r is { Name: "receive" or "deliver" or "local", Replaced: true, Pid: >= 0 }).ToArray())
            {
                Replace(role);
                if (role.Name == "local" && _roles.TryGetValue(LocalParent.LocalParent.Name, out var parent))
                {
                    Replace(parent);
                }
            }
            foreach (var name in leaving)
            {
                _listen.Remove(name, out var fd);
                _ = Libc.close(fd);
            }
            _plan.Warnings.ForEach(_log.Warning);
            _reloading = _time.GetTimestamp();
        }
        catch (MasterException e)
        {
            _log.Error($"reload: {e.Message}");
            ServiceNotice.Send("READY=1");
        }
    }

    private void Replace(RoleSlot role)
    {
        _roles[role.Name] = new RoleSlot(role.Name);
        _leaving.Add(role);
        // A parent ends with its expander, which ends what it is at.
        foreach (var old in _leaving.Where(r => r.Name == role.Name && r.Name != LocalParent.LocalParent.Name).SkipLast(LeavingLimit))
        {
            old.Say('Q');
        }
    }

    // It may have been renamed. A configuration with mistakes is no reason to go on with the old file: it is compressed in a second.
    private void ReopenLog()
    {
        if (!_roles.TryGetValue("postlogd", out var postlogd) || _names["maillog_file"].Length == 0)
        {
            return;
        }
        try
        {
            OpenLogFile();
            if (_logFile >= 0)
            {
                postlogd.Say('F', _names["maillog_file"], _logFile);
            }
            postlogd.Say('C');
        }
        catch (MasterException e)
        {
            _log.Error($"reload: {e.Message}");
        }
    }

    private void Reopen(string[] names)
    {
        foreach (var name in names)
        {
            if (ListenSocket.Tcp(IPEndPoint.Parse(name), out _) is >= 0 and var again)
            {
                _ = Libc.close(_listen[name]);
                _listen[name] = again;
                _roles["receive"].Say('S', name, again);
                _roles["receive"].Say('C');
            }
        }
    }

    /// <summary>No new mail, no new deliveries, what is under way ends, the queue is synced, and then the others.</summary>
    private void Stop()
    {
        All.ToList().ForEach(r => r.Ending = true);
        // No more comes in and nothing more is sent; what is under way ends, and its forwards are taken till then.
        All.Where(r => r.Name is "receive" or "queue").ToList().ForEach(r => r.Say('D'));
        End("deliver", "local");
        End("receive");
        End("queue");
        // It knows no word, only the end.
        All.Where(r => r.Name == LocalParent.LocalParent.Name).ToList().ForEach(r => r.Control?.Dispose());
        End("rewrite", LocalParent.LocalParent.Name, "postlogd");
    }

    private void End(params string[] names)
    {
        var ending = All.Where(r => names.Contains(r.Name)).ToArray();
        foreach (var role in ending)
        {
            role.Say('Q');
        }
        var started = _time.GetTimestamp();
        while (ending.Any(r => r.Pid >= 0))
        {
            Poll(1_000);
            Collect();
            if (_time.GetElapsedTime(started) > EndLimit)
            {
                foreach (var role in ending.Where(r => r.Pid >= 0))
                {
                    _log.Warning($"{role.Name} did not end: killed");
                    _ = Libc.kill(role.Pid, Libc.SIGKILL);
                }
                started = _time.GetTimestamp();
            }
        }
    }

    /// <summary>Has the configuration read by a process that has no rights.</summary>
    /// <exception cref="MasterException">It has errors.</exception>
    private Plan ReadPlan()
    {
        var (patience, late) = (TimeSpan.FromSeconds(60), false);
        var file = Libc.memfd_create("plan", Libc.MFD_CLOEXEC);
        var none = Libc.open("/dev/null", Libc.O_RDWR | Libc.O_CLOEXEC, 0);
        string[] user = _root ? ["--user", Identity(_mail!)] : [];
        var errno = Spawn([Environment.ProcessPath!, "launcher", "--filter", "--wx", .. user, Program(), "plan", "-c", _directory, .. user.Take(1), .. (string[])(_started ? [] : ["--start"])], none, file, none, out var pid);
        _ = Libc.close(none);
        for (var start = _time.GetTimestamp(); errno == 0 && !ChildProcess.HasEnded(pid, out _); _ = Libc.poll(null, 0, 2))
        {
            late |= _time.GetElapsedTime(start) > patience || Libc.lseek(file, 0, 2) > Plan.Limit;
            _ = late ? Libc.kill(pid, Libc.SIGKILL) : 0;
        }
        var text = Text(file);
        _ = Libc.close(file);
        if (errno != 0 || late)
        {
            throw new MasterException(late ? "the configuration's reader does not answer" : $"{Program()}: {Errno.Text(errno)}");
        }
        var plan = Plan.Parse(text);
        if (plan.Build != BuildId.Value && (plan.Build.Length > 0 || plan.Errors.Count == 0))
        {
            throw new MasterException(Foreign(Program()));
        }
        return plan.Errors.Count == 0 ? plan : throw new MasterException(string.Join("; ", plan.Errors));
    }

    private static string Text(int file)
    {
        var bytes = new byte[Math.Clamp(Libc.lseek(file, 0, 2), 0, Plan.Limit)];
        fixed (byte* all = bytes)
        {
            _ = Libc.lseek(file, 0, 0);
            return Encoding.UTF8.GetString(bytes, 0, (int)Math.Max(0, Libc.read(file, all, bytes.Length)));
        }
    }

    private UserAccount Account(string parameter)
    {
        var errno = UserAccount.Find(_names[parameter], out var account);
        return account ?? throw new MasterException($"{parameter} = {_names[parameter]}: {(errno != 0 ? Errno.Text(errno) : "unknown user")}");
    }

    private uint Group(string parameter) => GroupAccount.Find(_names[parameter]) ?? throw new MasterException($"{parameter} = {_names[parameter]}: unknown group");
}
