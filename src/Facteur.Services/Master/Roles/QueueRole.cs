using System.IO.Pipelines;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Contracts.Wire;
using Facteur.Net.Connections;
using Facteur.Services.Queue.Qmgr;
using Facteur.Services.Queue.Showq;
using Facteur.Services.Server;
using Facteur.Spool;
using Facteur.Unix;

namespace Facteur.Services.Master.Roles;

/// <summary>The journal's only writer: qmgr, bounce, showq and what operators ask.</summary>
internal sealed class QueueRole : IQueueQuestions, IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Surroundings _around;
    private readonly ServiceLog _master;
    private readonly ISpool _spool;
    private readonly QmgrService _qmgr;
    private readonly QueueLookup _lookup;
    private readonly ResubmitSwitch _resubmit;
    private readonly Action _kick;
    private readonly List<Listener> _listeners = [];
    private long _freeBytes = long.MaxValue;
    private long _freeAsked;

    private QueueRole(ConfigLoad load, Surroundings around, ISpool spool, Bell bell, Action kick, ServiceLog master)
    {
        (_around, _spool, _kick, _master) = (around, spool, kick, master);
        var config = load.Config;
        around.ReportResubmit = _resubmit = new ResubmitSwitch(around.Time);
        around.ReportReader ??= spool.OpenReader();
        around.Control = Control;
        _qmgr = new QmgrService(
            Entries.Qmgr(load), spool, bell, Entries.SenderDependent(config), new BounceSwitch(around.Generation), _resubmit,
            name => Entries.Transport(load, name), Entries.LogOf(around.Log, config, "qmgr"), around.Time);
        _lookup = new QueueLookup(_qmgr, config.Get(CommonParameters.EnableLongQueueIds));
    }

    /// <summary>Opens the queues.</summary>
    /// <param name="load">The configuration.</param>
    /// <param name="around">What generations take; this fills in what is its own.</param>
    /// <param name="bell">What the engine waits with.</param>
    /// <param name="kick">Has maildrop looked into.</param>
    /// <param name="master">The log of master.</param>
    /// <exception cref="ConfigException">The queues can't be opened; the message says why.</exception>
    public static QueueRole Open(ConfigLoad load, Surroundings around, Bell bell, Action kick, ServiceLog master)
    {
        var longIds = load.Config.Get(CommonParameters.EnableLongQueueIds);
        var options = new SpoolOptions
        {
            Directory = Path.Combine(load.Config.Get(CommonParameters.QueueDirectory), "journal"),
            TimedIds = longIds,
            LockWait = TimeSpan.FromSeconds(10),
            AllowNfs = load.Config.Get(FacteurParameters.AllowQueueOnNfs),
        };
        try
        {
            var spool = Spool.Spool.Open(options, UnixDisk.OfOwner(options.Directory), around.Time, new SpoolLog(master, longIds));
            if (Spool.Spool.OnNfs(options) is { } remote)
            {
                master.Warning($"{remote}: the queue is on NFS (allow_queue_on_nfs = yes): what is acknowledged is as safe as that server and its network keep it");
            }
            PostfixMail.Import(spool, load.Config.Get(CommonParameters.QueueDirectory), master, longIds);
            return new QueueRole(load, around, spool, bell, kick, master);
        }
        catch (SpoolException e)
        {
            throw new ConfigException(e.Message);
        }
    }

    /// <summary>The queue's contents, for agents in the same process.</summary>
    public ISpoolReader OpenReader() => _spool.OpenReader();

    /// <summary>A receive role came.</summary>
    public void AttachIncoming(IDuplexPipe link) => _qmgr.Accept(link);

    /// <summary>Delivery agents came.</summary>
    public void AttachAgents(IDuplexPipe link, bool local) => _qmgr.AttachAgents(link, local);

    /// <summary>trivial-rewrite came.</summary>
    public void AttachRewrite(IDuplexPipe link) => _qmgr.AttachRewrite(link);

    /// <summary>A cleanup for reports came.</summary>
    public void AttachResubmit(IDuplexPipe link) => _resubmit.Attach(link);

    /// <summary>Starts the engine, and answers operators.</summary>
    /// <exception cref="ConfigException">The socket can't be had.</exception>
    public void Start(ConfigLoad load, ISockets sockets)
    {
        _qmgr.Start(Entries.LocalTransports(load));
        Serve("public/control", (control, connection, uid) => control.ServeAsync(connection, uid, _stop.Token));
        Serve("public/showq", (control, connection, uid) => control.Postfix.ShowqAsync(connection, uid, _stop.Token));
        Serve("public/flush", (control, connection, uid) => control.Postfix.FlushAsync(connection, uid, _stop.Token));
        Serve("public/qmgr", (control, connection, uid) => control.Postfix.QmgrAsync(connection, uid, _stop.Token));

        void Serve(string name, Func<ControlService, Connection, uint, Task> answer)
        {
            var listener = Entries.Listen(sockets, name, 0x1B6, _master);
            _listeners.Add(listener);
            _ = ServeAsync(listener, answer);
        }
    }

    /// <summary>postfix reload: reads another configuration now; what is returned puts it in place.</summary>
    /// <exception cref="ConfigException">A value makes no sense.</exception>
    public Action Prepare(ConfigLoad load) =>
        _qmgr.Prepare(Entries.Qmgr(load), Entries.SenderDependent(load.Config), name => Entries.Transport(load, name), Entries.LocalTransports(load));

    /// <summary>No further delivery is started.</summary>
    public async ValueTask CloseAsync()
    {
        foreach (var listener in _listeners)
        {
            await listener.DisposeAsync().ConfigureAwait(false);
        }
        await _stop.CancelAsync().ConfigureAwait(false);
        _qmgr.Stop();
    }

    /// <summary>Deliveries under way.</summary>
    public int UnderWay => _qmgr.UnderWay;

    /// <summary>What is staged is committed and synced.</summary>
    public ValueTask DisposeAsync()
    {
        _qmgr.Dispose();
        _resubmit.Dispose();
        _spool.Dispose();
        _stop.Dispose();
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask FlushSiteAsync(string domain, CancellationToken cancel) => _qmgr.Control.FlushSiteAsync(domain, cancel);

    /// <inheritdoc/>
    public ValueTask<QueuedMessage?> FindAsync(ulong id, CancellationToken cancel) => _lookup.FindAsync(id, cancel);

    /// <summary>Free bytes in the queue's file system, asked at most once a second: smtpd asks at every MAIL.</summary>
    public long FreeBytes()
    {
        var asked = Volatile.Read(ref _freeAsked);
        if (asked == 0 || _around.Time.GetElapsedTime(asked) > TimeSpan.FromSeconds(1))
        {
            Volatile.Write(ref _freeAsked, _around.Time.GetTimestamp());
            // What the reserve gave back is not for new mail.
            Volatile.Write(ref _freeBytes, _spool.OnReserve ? 0 : _spool.FreeBytes);
        }
        return Volatile.Read(ref _freeBytes);
    }

    private ControlService Control(Generation generation)
    {
        var config = generation.Config;
        var owner = UserAccount.Find(config.Get(CommonParameters.MailOwner), out var account) == 0 && account is not null ? account.Uid : Libc.geteuid();
        var access = new ControlAccess(config, generation.SharedTables, [owner, Libc.geteuid()], uid => UserAccount.Find(uid, out var user) == 0 ? user?.Name : null, _around.Threads);
        var fastFlush = generation.Lists.Domains(ShowqParameters.FastFlushDomains.Name, config.Get(ShowqParameters.FastFlushDomains));
        return new ControlService(
            new MaildropListing(_qmgr.Control, config.Get(CommonParameters.QueueDirectory)), _lookup, _spool.OpenReader,
            access, fastFlush, _kick, config.GetWait(ShowqParameters.IpcTimeout), _around.Time);
    }

    private async Task ServeAsync(Listener listener, Func<ControlService, Connection, uint, Task> answer)
    {
        var sessions = new UserSessions();
        while (await listener.AcceptAsync().ConfigureAwait(false) is { } connection)
        {
            _ = ServeAsync(connection, sessions, answer);
        }
    }

    private async Task ServeAsync(Connection connection, UserSessions sessions, Func<ControlService, Connection, uint, Task> answer)
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
                    await ServeAsync(connection, uid, answer).ConfigureAwait(false);
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

    private async Task ServeAsync(Connection connection, uint uid, Func<ControlService, Connection, uint, Task> answer)
    {
        var generation = _around.Generation.Enter();
        try
        {
            await answer(generation.Control, connection, uid).ConfigureAwait(false);
        }
        finally
        {
            await generation.LeaveAsync().ConfigureAwait(false);
        }
    }
}
