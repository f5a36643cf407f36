using System.Text;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Services.Deliver;
using Facteur.Services.Master.Links;
using Facteur.Services.Server;
using Facteur.Spool;
using Facteur.Unix;

namespace Facteur.Services.Master.Roles;

/// <summary>
/// A role as a process of its own: told by master over its control socket what it is given and when to end. When that socket ends, master is
/// gone, and this process with it, at once: what is durable is on disk, and nobody is left to speak for the rest.
/// </summary>
#pragma warning disable CA1001 // What it owns ends with the process, in the order of EndAsync.
public sealed class RoleProcess
#pragma warning restore CA1001
{
    private const int OtherBuild = 70;

    /// <summary>With 'Q': the role is not stopped but replaced, and ends its sessions or deliveries first (receive, deliver and local).</summary>
    public const string Leave = "leave";

    private readonly string _name;
    private readonly string _directory;
    private readonly DescriptorSocket _control;
    private readonly TimeProvider _time;
    private readonly InheritedSockets _sockets;
    private readonly List<(string Name, int Descriptor)> _early = [];
    private int _logSocket = -1;
    private bool _byParent;
    private MailLog _log = null!;
    private LogOrder? _order;
    private ServiceLog _master = null!;
    private Surroundings _around = null!;
    private ReceiveRole? _receive;
    private QueueRole? _queue;
    private RewriteRole? _rewrite;
    private AgentRole? _agents;
    private PollBell? _queueBell;
    private readonly Lock _ending = new();
    private bool _ended;
    private Task? _leaving;

    private RoleProcess(string name, string directory, int control, TimeProvider time)
    {
        (_name, _directory, _control, _time) = (name, directory, new DescriptorSocket(control), time);
        _sockets = new InheritedSockets(time);
    }

    /// <summary>Runs a role until master ends it.</summary>
    /// <param name="name">The role.</param>
    /// <param name="directory">config_directory.</param>
    /// <param name="build">The build of master. To another one nothing is said but that.</param>
    /// <param name="control">The control socket's descriptor.</param>
    /// <param name="byParent">local: what only users may do is asked of the parent, who is root.</param>
    /// <param name="time">The clock.</param>
    /// <returns>The exit status.</returns>
    public static int Run(string name, string directory, string build, int control, bool byParent, TimeProvider time)
    {
        if (build != BuildId.Value)
        {
            using var master = new DescriptorSocket(control);
            _ = master.Send(Encoding.UTF8.GetBytes($"B{BuildId.Value}"), -1);
            return OtherBuild;
        }
        // Whoever breaks in here runs no program.
        if (name != "local" || byParent)
        {
            _ = Seccomp.DenyPrograms();
        }
        // Nobody of the same user reads its memory, by ptrace or /proc; where the kernel confines, it could not anyway.
        _ = Libc.prctl(Libc.PR_SET_DUMPABLE, 0, 0, 0, 0);
        var role = new RoleProcess(name, directory, control, time) { _byParent = byParent };
        try
        {
            role.Equip();
            role.Start();
        }
        catch (Exception e)
        {
            role.Say('E', e is ConfigException or IOException ? e.Message : $"{e}");
            role._log?.Dispose();
            return 1;
        }
        role.Say('R', Confined() ? "confined" : "");
        ProgramPages.Forget();
        role.Serve();
        return 0;
    }

    /// <summary>Whether Landlock holds: what every user may do, this process may not.</summary>
    private static bool Confined()
    {
        const int temporary = 0x410000;
        var fd = Libc.open("/tmp", temporary | Libc.O_WRONLY | Libc.O_CLOEXEC, 0x180);
        var denied = fd < 0 && System.Runtime.InteropServices.Marshal.GetLastPInvokeError() == Libc.EACCES;
        _ = fd < 0 ? 0 : Libc.close(fd);
        return denied;
    }

    private void Say(char what, string text = "") =>
        _control.Send(Encoding.UTF8.GetBytes(what + (text.Length > 4000 ? text[..4000] : text)), -1);

    private bool Hear(out char what, out string text, out int descriptor)
    {
        var buffer = new byte[DescriptorSocket.MessageLimit];
        var length = _control.Receive(buffer, out descriptor, wait: true, out _);
        (what, text) = length > 0 ? ((char)buffer[0], Encoding.UTF8.GetString(buffer, 1, length - 1)) : ('\0', "");
        if (length > 0 && what is 'L' or 'S' or 'F' && descriptor < 0)
        {
            // No descriptors left for the moment. Taken for a link or a door it would be an outage that lasts: master begins this role anew.
            Say('E', $"what master sent for \"{text}\" came without its descriptor: too many open files");
            Libc._exit(1);
        }
        return length > 0;
    }

    private void Equip()
    {
        while (Hear(out var what, out var text, out var descriptor))
        {
            switch (what)
            {
                case 'L' when text == "log":
                    _logSocket = descriptor;
                    break;
                case 'L':
                    _early.Add((text, descriptor));
                    break;
                case 'G':
                    return;
                default:
                    Keep(what, text, descriptor);
                    break;
            }
        }
        Libc._exit(0);
    }

    /// <summary>Sockets and sealed files may come at any time.</summary>
    private void Keep(char what, string text, int descriptor)
    {
        switch (what)
        {
            case 'S':
                _sockets.Add(text, descriptor);
                break;
            case 'F':
                SealedFiles.Add(text, descriptor);
                break;
            case 'N':
                SealedFiles.Forget(text);
                break;
        }
    }

    private void Start()
    {
        // Where a reload would go on with the configuration before, a start does with what is right.
        var load = Load(leaveOut: true);
        var config = load.Config;
        if (_name == "postlogd")
        {
            _log = MailLog.Open(config, _time);
            _order = new LogOrder(_log, _time);
            return;
        }
        _log = MailLog.OfRole(config, _logSocket, _time);
        _master = Entries.LogOf(_log, config, "master");
        _around = _byParent ? new Surroundings(Roles(_name), _log, _time) { Hands = UserHands.ByParent() } : new Surroundings(Roles(_name), _log, _time);
        var queue = config.Get(CommonParameters.QueueDirectory);
        switch (_name)
        {
            case "receive":
                _receive = new ReceiveRole(load, _around, new QueueOverSocket(queue, _around.Threads, _time), null, _sockets, _master);
                break;
            case "queue":
                _queue = QueueRole.Open(load, _around, _queueBell = new PollBell(), () => Kick(queue), _master);
                break;
            case "rewrite":
                _rewrite = new RewriteRole(_around);
                break;
            case "deliver" or "local":
                _agents = new AgentRole(_around, SpoolReader.Open(Path.Combine(queue, "journal"), new UnixDisk()), outlives: true, _master);
                break;
        }
        _around.Generation.Now = new Generation(load, _around, starting: true);
        foreach (var (_, error) in _name == "receive" ? load.Broken : [])
        {
            _master.Error(error);
        }
        _early.ForEach(link => Attach(link.Name, link.Descriptor));
        _queue?.Start(load, _sockets);
        _receive?.StartAsync(load, _sockets).AsTask().GetAwaiter().GetResult();
    }

    private ConfigLoad Load(bool leaveOut = false)
    {
        var load = ConfigLoader.Load(_directory, new LoadOptions { ProcessName = "master", Generation = _time.GetTimestamp() });
        load = leaveOut ? load.WithoutBroken() : load;
        return load.Errors.Count == 0 ? load : throw new ConfigException(load.Errors[0]);
    }

    private static RoleSet Roles(string name) => name switch
    {
        "receive" => RoleSet.Receive,
        "rewrite" => RoleSet.Rewrite,
        "queue" => RoleSet.Queue,
        "deliver" => RoleSet.Deliver,
        "local" => RoleSet.Local,
        _ => throw new ConfigException($"unknown role {name}: expected receive, rewrite, queue, deliver, local or postlogd"),
    };

    private void Serve()
    {
        if (_name == "postlogd")
        {
            new Thread(TakeOwnLines) { IsBackground = true, Name = "lines" }.Start();
            new Thread(TakeLines) { IsBackground = true, Name = "public lines" }.Start();
        }
        while (Hear(out var what, out var text, out var descriptor))
        {
            switch (what)
            {
                case 'L':
                    Attach(text, descriptor);
                    break;
                case 'C':
                    Reload();
                    // It serves, by what it was told to read or, when that has errors, as before.
                    Say('R', "as before");
                    break;
                case 'D':
                    _queue?.CloseAsync().AsTask().GetAwaiter().GetResult();
                    _receive?.CloseAsync().AsTask().GetAwaiter().GetResult();
                    break;
                case 'Q' when text == Leave && (_agents is not null || _receive is not null):
                    // Beside this: a stop that comes meanwhile cuts it short, and master's end ends it at once.
                    _leaving ??= Task.Run(LeaveAsync);
                    break;
                case 'Q':
                    End();
                    return;
                default:
                    Keep(what, text, descriptor);
                    break;
            }
        }
        Libc._exit(0);
    }

    private void Attach(string name, int descriptor)
    {
        switch (_name, name)
        {
            case ("queue", "incoming"):
                _queue!.AttachIncoming(QueueLink(descriptor));
                break;
            case ("queue", "reports"):
                _queue!.AttachResubmit(OwnLink(descriptor));
                break;
            case ("queue", "rewrite"):
                _queue!.AttachRewrite(QueueLink(descriptor));
                break;
            case ("queue", "deliver" or "local"):
                _queue!.AttachAgents(QueueLink(descriptor), name == "local");
                break;
            case ("receive", "incoming"):
                _receive!.AttachIncoming(OwnLink(descriptor));
                break;
            case ("receive", "reports" or "forwards" or "notices"):
                _receive!.AttachResubmit(name, OwnLink(descriptor));
                break;
            case ("rewrite", "rewrite"):
                _rewrite!.Attach(OwnLink(descriptor));
                break;
            case ("deliver", "deliver") or ("local", "local"):
                _agents!.Attach(OwnLink(descriptor));
                break;
            case ("local", "hands") when _byParent:
                _around.Hands.Attach(new DescriptorSocket(descriptor));
                break;
            case ("local", "forwards") or ("deliver", "notices"):
                _agents!.AttachForward(OwnLink(descriptor));
                break;
            default:
                _ = Libc.close(descriptor);
                break;
        }
    }

    /// <summary>A link that the engine's thread reads, with all its others.</summary>
    private StreamLink QueueLink(int descriptor) => new(descriptor, _queueBell!);

    /// <summary>A link with a thread of its own.</summary>
    private static StreamLink OwnLink(int descriptor) => new(descriptor, new PollBell());

    /// <summary>Has pickup look into maildrop: connecting says it all.</summary>
    private static void Kick(string queue) => Net.Connections.ControlSocket.Connect(Path.Combine(queue, "public/pickup"), out _)?.Dispose();

    private void Reload()
    {
        if (_name == "postlogd")
        {
            _order!.Flush();
            _log.Reopen();
            return;
        }
        Generation? next = null;
        try
        {
            var load = Load();
            var queue = _queue?.Prepare(load);
            next = new Generation(load, _around);
            var receive = _receive?.PrepareAsync(load, next).AsTask().GetAwaiter().GetResult();
            var old = _around.Generation.Now;
            _around.Generation.Now = next;
            queue?.Invoke();
            receive?.Invoke();
            _ = old.DisposeAsync().AsTask();
        }
        catch (Exception e)
        {
            // Whatever is wrong with a new configuration, the role goes on with the old one.
            _master.Error($"{_name}: reload: {(e is ConfigException or IOException ? e.Message : e)}");
            _ = next?.DisposeAsync().AsTask();
        }
    }

    /// <summary>Another process has taken this one's place: it ends what it has begun, and then itself.</summary>
    private async Task LeaveAsync()
    {
        try
        {
            if (_receive is not null)
            {
                await _receive.LeaveAsync(AgentRole.LeaveLimit).ConfigureAwait(false);
                // What users handed in here last is another's to take.
                Kick(_around.Generation.Now.Config.Get(CommonParameters.QueueDirectory));
            }
            else
            {
                await _agents!.LeaveAsync().ConfigureAwait(false);
            }
            End();
        }
        catch (Exception e)
        {
            // Its place is taken: to stay would only keep from the other what it holds.
            _master.Error($"{_name}: {e}");
        }
        Libc._exit(0);
    }

    private void End()
    {
        // Once; who comes second waits for it.
        lock (_ending)
        {
            if (!_ended)
            {
                _ended = true;
                EndAsync().AsTask().GetAwaiter().GetResult();
                _order?.Flush();
                _log.Dispose();
            }
        }
    }

    private async ValueTask EndAsync()
    {
        if (_receive is not null)
        {
            await _receive.CloseAsync().ConfigureAwait(false);
            await _receive.DisposeAsync().ConfigureAwait(false);
        }
        if (_agents is not null)
        {
            await _agents.StopAsync().ConfigureAwait(false);
            await _agents.DisposeAsync().ConfigureAwait(false);
        }
        if (_queue is not null)
        {
            await _queue.CloseAsync().ConfigureAwait(false);
            await _queue.DisposeAsync().ConfigureAwait(false);
        }
        _rewrite?.Dispose();
        if (_around is not null)
        {
            await _around.Generation.Now.DisposeAsync().ConfigureAwait(false);
            _around.Threads.Dispose();
        }
    }

    /// <summary>postlogd(8): lines of all roles, whole, into the file; and of commands, which are made whole.</summary>
    private unsafe void TakeLines()
    {
        var socket = _sockets.Take("public/postlog");
        var buffer = new byte[LinkLogSink.DatagramLimit + 4096];
        fixed (byte* bytes = buffer)
        {
            while (Took(Libc.recv(socket, bytes, buffer.Length - 1, 0), out var count))
            {
                _log.WriteLines(LogLine.Printable(buffer, count));
            }
        }
    }

    // What the other roles and master say, in the order in which they said it.
    private unsafe void TakeOwnLines()
    {
        var buffer = new byte[LinkLogSink.DatagramLimit + 4096];
        fixed (byte* bytes = buffer)
        {
            do
            {
                var polled = new Libc.PollFd { Fd = _logSocket, Events = Libc.POLLIN };
                if (Libc.poll(&polled, 1, _order!.Turn() ? LogOrder.Step : -1) <= 0)
                {
                    continue;
                }
                if (!Took(Libc.recv(_logSocket, bytes, buffer.Length, 0), out var count))
                {
                    return;
                }
                _order.Add(buffer.AsSpan(0, count));
            }
            while (true);
        }
    }

    private static bool Took(nint received, out int count)
    {
        count = (int)Math.Max(received, 0);
        return received >= 0 || System.Runtime.InteropServices.Marshal.GetLastPInvokeError() == Libc.EINTR;
    }
}
