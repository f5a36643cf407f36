using System.IO.Pipelines;
using Facteur.Config;
using Facteur.Config.MainCf;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Net.Connections;
using Facteur.Net.Dns;
using Facteur.Services.Deliver;
using Facteur.Services.Queue.Qmgr;
using Facteur.Services.Queue.Showq;
using Facteur.Services.Receive.Pickup;
using Facteur.Services.Server;
using Facteur.Services.Support.Anvil;
using Facteur.Spool;
using Facteur.Unix;

namespace Facteur.Services.Master;

/// <summary>
/// A whole mail system in one process: the same services and the same links as between processes, over pairs of in-memory pipes.
/// Wiring and nothing else: who talks to whom can be read here from top to bottom.
/// </summary>
public sealed class MailSystem : IAsyncDisposable
{
    private const uint OwnerOnly = 0x1C0;
    private readonly List<Listener> _sockets = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly CurrentGeneration _generation = new();
    private readonly CleanupSwitch _cleanup;
    private readonly List<IDisposable> _links = [];
    private readonly TimeProvider _time;
    private readonly IMailLog _log;
    private readonly Action _failed;
    private readonly ServiceLog _master;
    private readonly MasterLock _lock;
    private readonly ISpool _spool;
    private readonly QmgrService _qmgr;
    private readonly DeliveryServer _deliver;
    private readonly Doors _doors;
    private readonly BlockingThreads _threads;
    private readonly UserHands _hands;
    private readonly Surroundings _around;
    private readonly Task[] _services;
    private readonly PickupService _pickup;
    private readonly AnvilService _anvil;
    private long _freeBytes = long.MaxValue;
    private long _freeAsked;

    private MailSystem(ConfigLoad load, MasterLock masterLock, ISpool spool, IMailLog log, ServiceLog master, TimeProvider time, Action failed)
    {
        (_lock, _spool, _log, _master, _time, _failed) = (masterLock, spool, log, master, time, failed);
        var config = load.Config;
        var hosts = new HostsFile("/etc/hosts", time);
        var dns = new DnsClientResolver("/etc/resolv.conf", time);
        _anvil = new AnvilService(config, time);
        _threads = new BlockingThreads("deliver", 64);
        _hands = UserHands.InProcess(_threads, HelperProgram.Beside(AppContext.BaseDirectory), time);
        _cleanup = new CleanupSwitch(_generation);
        var rewrite = new RewriteSwitch(_generation);

        // rewrite: receive holds its tables in process; queue asks over a link.
        var (queueAsks, rewriteAnswers) = Link("rewrite");
        _links.Add(new RewriteServer(rewriteAnswers, rewrite));

        // receive -> queue -> deliver.
        var (receiveEnd, queueEnd) = Link("incoming");
        var (queueDeliver, deliverEnd) = Link("deliver");
        // queue and deliver -> receive: mail made inside.
        var queueResubmit = ResubmitLink();
        var deliverResubmit = ResubmitLink();

        var queueConfig = EntryConfig(load, "qmgr");
        var bounce = new BounceSwitch(_generation);
        var refused = new RefusedMail(spool.OpenReader());
        _qmgr = new QmgrService(
            queueConfig, spool, queueAsks, SenderDependent(config), bounce, queueResubmit, name => ProcessLimit(load, name), LogOf(config, "qmgr"), time);
        _qmgr.Accept(queueEnd);
        var incoming = new IncomingClient(receiveEnd);
        _links.Add(incoming);

        var (pickupConfig, wakeup) = PickupEntry(load);
        var lookup = new QueueLookup(_qmgr, config.Get(CommonParameters.EnableLongQueueIds));
        _pickup = new PickupService(pickupConfig, _cleanup, bounce, refused, lookup, wakeup, LogOf(pickupConfig, "pickup"), time);
        _around = new Surroundings(
            incoming, rewrite, deliverResubmit, queueResubmit, spool.OpenReader(), refused, dns, hosts, _anvil, _threads, _hands, _qmgr.Control.FlushSiteAsync, FreeBytes, Control, log, time);
        _generation.Now = new Generation(load, _around);
        _deliver = new DeliveryServer(deliverEnd, new AgentSwitch(_generation).Of, LogOf(config, "master"));
        _doors = new Doors(hosts, master, time);
        _services = Sockets(config);
        _qmgr.Start(queueDeliver);
    }

    /// <summary>Starts a mail system.</summary>
    /// <param name="load">Its configuration, without errors.</param>
    /// <param name="log">Where lines go.</param>
    /// <param name="time">The clock.</param>
    /// <param name="failed">Called when it can't go on, which is logged: it is to be stopped, and started anew by a new process. From any thread.</param>
    /// <exception cref="ConfigException">It can't start; the message says why.</exception>
    public static async Task<MailSystem> StartAsync(ConfigLoad load, IMailLog log, TimeProvider time, Action failed)
    {
        var config = load.Config;
        var master = new ServiceLog(log, $"{config.Get(CommonParameters.SyslogName)}/master");
        var queue = config.Get(CommonParameters.QueueDirectory);
        MakeDirectories(queue);
        var masterLock = MasterLock.TryTake(queue, out var holder, out var error)
            ?? throw new ConfigException(error ?? $"the mail system is already running: process {holder} holds {queue}/pid/master.pid");
        try
        {
            var longIds = config.Get(CommonParameters.EnableLongQueueIds);
            var options = new SpoolOptions { Directory = Path.Combine(queue, "journal"), TimedIds = longIds, LockWait = TimeSpan.FromSeconds(10) };
            var spool = Spool.Spool.Open(options, new UnixDisk(), time, new SpoolLog(master, longIds));
            var system = new MailSystem(load, masterLock, spool, log, master, time, failed);
            await system._doors.ApplyAsync(system._generation.Now, DefaultLimit(config)).ConfigureAwait(false);
            foreach (var warning in load.Warnings)
            {
                master.Warning(warning);
            }
            system.WarnOfMissing(load);
            master.Info($"daemon started -- version {config.Get(CommonParameters.MailVersion)}, configuration {config.ConfigDirectory}");
            return system;
        }
        catch (SpoolException e)
        {
            masterLock.Dispose();
            throw new ConfigException(e.Message);
        }
        catch
        {
            masterLock.Dispose();
            throw;
        }
    }

    /// <summary>postfix reload: new sessions and deliveries use the new configuration. A configuration with errors changes nothing.</summary>
    public async Task ReloadAsync(ConfigLoad load)
    {
        if (load.Errors.Count > 0)
        {
            foreach (var error in load.Errors)
            {
                _master.Error($"reload: {error}");
            }
            return;
        }
        Generation? next = null;
        Action reconfigure;
        var (pickup, wakeup) = PickupEntry(load);
        try
        {
            // All that can fail comes first, the sockets last of it; from there on it is only put in place.
            reconfigure = _qmgr.Prepare(EntryConfig(load, "qmgr"), SenderDependent(load.Config), name => ProcessLimit(load, name));
            next = new Generation(load, _around);
            await _doors.ApplyAsync(next, DefaultLimit(load.Config)).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // Whatever is wrong with a new configuration, the system goes on with the old one.
            _master.Error($"reload: {(e is ConfigException ? e.Message : e)}");
            if (next is not null)
            {
                await next.DisposeAsync().ConfigureAwait(false);
            }
            return;
        }
        var old = _generation.Now;
        _generation.Now = next;
        reconfigure();
        _pickup.Reconfigure(pickup, wakeup, LogOf(pickup, "pickup"));
        _anvil.Reconfigure(load.Config);
        await old.DisposeAsync().ConfigureAwait(false);
        _master.Info($"reload -- version {load.Config.Get(CommonParameters.MailVersion)}, configuration {load.Config.ConfigDirectory}");
    }

    /// <summary>Stops: no new sessions, no new deliveries, what is under way may end for a moment, the queue is synced.</summary>
    public async ValueTask DisposeAsync()
    {
        _master.Info("terminating on signal 15");
        await _doors.DisposeAsync().ConfigureAwait(false);
        foreach (var socket in _sockets)
        {
            await socket.DisposeAsync().ConfigureAwait(false);
        }
        await _stop.CancelAsync().ConfigureAwait(false);
        _qmgr.Stop();
        await Task.WhenAny(Task.WhenAll(_services), Task.Delay(TimeSpan.FromSeconds(2), _time)).ConfigureAwait(false);
        for (var i = 0; i < 250 && _deliver.UnderWay > 0; i++)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(20), _time).ConfigureAwait(false);
        }
        // Results of the last deliveries reach the journal before it is closed.
        await Task.Delay(TimeSpan.FromMilliseconds(50), _time).ConfigureAwait(false);
        _qmgr.Dispose();
        _deliver.Dispose();
        foreach (var link in _links)
        {
            link.Dispose();
        }
        _pickup.Dispose();
        await _generation.Now.DisposeAsync().ConfigureAwait(false);
        _spool.Dispose();
        _hands.Dispose();
        _threads.Dispose();
        _stop.Dispose();
        _lock.Dispose();
    }

    private static void MakeDirectories(string queue)
    {
        foreach (var (name, mode) in new (string, uint)[]
        {
            ("", 0x1ED), ("pid", 0x1ED), ("maildrop", 0x1D8), ("public", 0x1ED), ("private", OwnerOnly), ("corrupt", OwnerOnly), ("journal", OwnerOnly),
        })
        {
            var path = Path.Combine(queue, name);
            // mkdir's mode goes through the umask of whoever starts us, which may leave ordinary users no way to the sockets.
            if ((Libc.mkdir(path, mode) < 0 || Libc.chmod(path, mode) < 0) && System.Runtime.InteropServices.Marshal.GetLastPInvokeError() is var errno && errno != Libc.EEXIST)
            {
                throw new ConfigException($"create directory {path}: {Errno.Text(errno)}");
            }
        }
    }

    private static int DefaultLimit(IConfig config)
    {
        var path = Path.Combine(config.ConfigDirectory, "main.cf");
        return File.Exists(path) && MainCfFile.Parse(path, File.ReadAllText(path)).Entries.ContainsKey("default_process_limit")
            && int.TryParse(config.Find("default_process_limit"), out var limit) ? limit : 0;
    }

    private static bool SenderDependent(IConfig config) =>
        config.Find("sender_dependent_relayhost_maps") is { Length: > 0 } || config.Find("sender_dependent_default_transport_maps") is { Length: > 0 };

    private static (IConfig Config, TimeSpan Wakeup) PickupEntry(ConfigLoad load)
    {
        var entry = load.Entries.FirstOrDefault(e => e.Command == "pickup");
        return (entry is null ? load.Config : load.Config.With(entry.Overrides), TimeSpan.FromSeconds(Math.Max(entry?.WakeupSeconds ?? 60, 1)));
    }

    private static IConfig EntryConfig(ConfigLoad load, string name) =>
        load.Entries.FirstOrDefault(e => e.Name == name) is { } entry ? load.Config.With(entry.Overrides) : load.Config;

    private static int ProcessLimit(ConfigLoad load, string transport) =>
        load.Entries.FirstOrDefault(e => e.Name == transport && e.Type == ServiceType.Unix)?.MaxProcesses ?? 0;

    private static ServiceLog LogOf(IMailLog log, IConfig config, string service) => new(log, $"{config.Get(CommonParameters.SyslogName)}/{service}");

    private ServiceLog LogOf(IConfig config, string service) => LogOf(_log, config, service);

    private (IDuplexPipe A, IDuplexPipe B) Link(string name) => WatchedLink.Create(() =>
    {
        // Only a fault of ours ends a link, and without it mail stands still: it is safe on disk, and a new process takes it up.
        if (!_stop.IsCancellationRequested)
        {
            _master.Fatal($"the link \"{name}\" between roles has ended");
            _failed();
        }
    });

    private ResubmitClient ResubmitLink()
    {
        var (asks, answers) = Link("resubmit");
        _links.Add(new ResubmitServer(answers, _cleanup, _master));
        var client = new ResubmitClient(asks);
        _links.Add(client);
        return client;
    }

    private Task[] Sockets(IConfig config)
    {
        var queue = config.Get(CommonParameters.QueueDirectory);
        Listener Open(string name, uint mode)
        {
            var path = Path.Combine(queue, name);
            // unix(7), sun_path: 108 bytes with the NUL.
            if (System.Text.Encoding.UTF8.GetByteCount(path) > 107)
            {
                throw new ConfigException($"listen on {path}: the path is too long for a socket: at most 107 bytes; queue_directory must be shorter");
            }
            try
            {
                var listener = Listener.Unix(path, mode, 128, _time, text => _master.Warning($"{name}: {text}"));
                _sockets.Add(listener);
                return listener;
            }
            catch (System.Net.Sockets.SocketException e)
            {
                throw new ConfigException($"listen on {path}: {e.Message}");
            }
        }
        var submit = new SubmitService(config, _threads, _pickup.Trigger, LogOf(config, "pickup"), _time);
        return
        [
            _pickup.RunAsync(_stop.Token),
            submit.RunAsync(Open("submit", SubmitService.SocketMode), _stop.Token),
            PickupTrigger.RunAsync(Open("public/pickup", 0x1B6), _pickup, _time),
            ControlAsync(Open("public/control", 0x1B6)),
        ];
    }

    private ControlService Control(Generation generation)
    {
        var config = generation.Config;
        var owner = UserAccount.Find(config.Get(CommonParameters.MailOwner), out var account) == 0 && account is not null ? account.Uid : Libc.geteuid();
        var access = new ControlAccess(config, generation.SharedTables, [owner, Libc.geteuid()], uid => UserAccount.Find(uid, out var user) == 0 ? user?.Name : null, _threads);
        var fastFlush = generation.Lists.Domains(ShowqParameters.FastFlushDomains.Name, config.Get(ShowqParameters.FastFlushDomains));
        return new ControlService(
            new MaildropListing(_qmgr.Control, config.Get(CommonParameters.QueueDirectory)), new QueueLookup(_qmgr, config.Get(CommonParameters.EnableLongQueueIds)), _spool.OpenReader,
            access, fastFlush, _pickup.Trigger, config.GetWait(ShowqParameters.IpcTimeout), _time);
    }

    private async Task ControlAsync(Connection connection, uint uid)
    {
        var generation = _generation.Enter();
        try
        {
            await generation.Control.ServeAsync(connection, uid, _stop.Token).ConfigureAwait(false);
        }
        finally
        {
            await generation.LeaveAsync().ConfigureAwait(false);
        }
    }

    private async Task ControlAsync(Listener listener)
    {
        var sessions = new UserSessions();
        while (await listener.AcceptAsync().ConfigureAwait(false) is { } connection)
        {
            _ = ServeAsync(connection);
        }

        async Task ServeAsync(Connection connection)
        {
            await using (connection.ConfigureAwait(false))
            {
                try
                {
                    if ((connection as SocketConnection)?.PeerUser() is not { } uid || !sessions.TryEnter(uid))
                    {
                        return;
                    }
                    try
                    {
                        await ControlAsync(connection, uid).ConfigureAwait(false);
                    }
                    finally
                    {
                        sessions.Leave(uid);
                    }
                }
                catch (Exception e) when (e is OperationCanceledException or IOException or System.Net.Sockets.SocketException)
                {
                    // The asker went away, or we stop.
                }
            }
        }
    }

    /// <summary>Free bytes in the queue's file system, asked at most once a second: smtpd asks at every MAIL.</summary>
    private long FreeBytes()
    {
        var asked = Volatile.Read(ref _freeAsked);
        if (asked == 0 || _time.GetElapsedTime(asked) > TimeSpan.FromSeconds(1))
        {
            Volatile.Write(ref _freeAsked, _time.GetTimestamp());
            // What the reserve gave back is not for new mail.
            Volatile.Write(ref _freeBytes, _spool.OnReserve ? 0 : _spool.FreeBytes);
        }
        return Volatile.Read(ref _freeBytes);
    }

    private void WarnOfMissing(ConfigLoad load)
    {
        foreach (var entry in load.Entries.Where(e => e.Command is "postscreen" or "pipe" or "spawn" or "qmqpd" or "dnsblog" || (e.Type == ServiceType.Inet && e.Command is not "smtpd")))
        {
            _master.Warning($"master.cf, line {entry.Line}: service {entry.Name} ({entry.Command}) is not acted on yet{(entry.Command == "pipe" ? ": its mail is deferred" : "")}");
        }
    }
}
