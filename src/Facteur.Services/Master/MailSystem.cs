using System.IO.Pipelines;
using Facteur.Config;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Contracts.Wire;
using Facteur.Services.Master.Roles;
using Facteur.Unix;

namespace Facteur.Services.Master;

/// <summary>
/// A whole mail system in one process: the same roles and the same links as between processes, over pairs of in-memory pipes.
/// Wiring and nothing else: who talks to whom can be read here from top to bottom.
/// </summary>
public sealed class MailSystem : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly TimeProvider _time;
    private readonly Action _failed;
    private readonly ServiceLog _master;
    private readonly MasterLock _lock;
    private readonly Surroundings _around;
    private readonly QueueRole _queue;
    private readonly ReceiveRole _receive;
    private readonly RewriteRole _rewrite;
    private readonly AgentRole _deliver;
    private readonly AgentRole _local;

    private MailSystem(ConfigLoad load, MasterLock masterLock, ISockets sockets, IMailLog log, ServiceLog master, TimeProvider time, Action failed)
    {
        (_lock, _master, _time, _failed) = (masterLock, master, time, failed);
        _around = new Surroundings(RoleSet.All, log, time);
        _queue = QueueRole.Open(load, _around, new Bell(), () => _receive!.Trigger(), master);
        _receive = new ReceiveRole(load, _around, _queue, _queue.OpenReader(), sockets, master);
        _rewrite = new RewriteRole(_around);
        _deliver = new AgentRole(_around, _queue.OpenReader(), outlives: false, master);
        _local = new AgentRole(_around, _around.Reader, outlives: false, master);
        _around.Generation.Now = new Generation(load, _around, starting: true);
        foreach (var (name, here, there) in new (string, Action<IDuplexPipe>, Action<IDuplexPipe>)[]
        {
            ("rewrite", _rewrite.Attach, _queue.AttachRewrite),
            ("incoming", _queue.AttachIncoming, _receive.AttachIncoming),
            ("reports", link => _receive.AttachResubmit("queue", link), _queue.AttachResubmit),
            ("forwards", link => _receive.AttachResubmit("local", link), _local.AttachForward),
            ("deliver", _deliver.Attach, link => _queue.AttachAgents(link, local: false)),
            ("local", _local.Attach, link => _queue.AttachAgents(link, local: true)),
        })
        {
            var (a, b) = WatchedLink.Create(() => Ended(name));
            here(a);
            there(b);
        }
        _queue.Start(load, sockets);
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
        var (mail, queueOwner, group) = Accounts(config);
        if (QueueDirectories.Make(queue, mail, queueOwner, group, QueueDirectories.HasSetGid()) is { } wrong)
        {
            throw new ConfigException(wrong);
        }
        var masterLock = MasterLock.TryTake(queue, out var holder, out var error)
            ?? throw new ConfigException(error ?? $"the mail system is already running: process {holder} holds {queue}/pid/master.pid");
        try
        {
            var sockets = new OwnSockets(queue, time);
            var system = new MailSystem(load, masterLock, sockets, log, master, time, failed);
            await system._receive.StartAsync(load, sockets).ConfigureAwait(false);
            foreach (var (_, why) in load.Broken)
            {
                master.Error(why);
            }
            foreach (var warning in load.Warnings)
            {
                master.Warning(warning);
            }
            master.Info($"daemon started -- version {config.Get(CommonParameters.MailVersion)}, configuration {config.ConfigDirectory}");
            ProgramPages.Forget();
            return system;
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
        Action queue;
        Action receive;
        try
        {
            // All that can fail comes first, the sockets last of it; from there on it is only put in place.
            queue = _queue.Prepare(load);
            next = new Generation(load, _around);
            receive = await _receive.PrepareAsync(load, next).ConfigureAwait(false);
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
        var old = _around.Generation.Now;
        _around.Generation.Now = next;
        queue();
        receive();
        await old.DisposeAsync().ConfigureAwait(false);
        _master.Info($"reload -- version {load.Config.Get(CommonParameters.MailVersion)}, configuration {load.Config.ConfigDirectory}");
    }

    /// <summary>Stops: no new sessions, no new deliveries, what is under way may end for a moment, the queue is synced.</summary>
    public async ValueTask DisposeAsync()
    {
        _master.Info("terminating on signal 15");
        await _stop.CancelAsync().ConfigureAwait(false);
        await _receive.CloseAsync().ConfigureAwait(false);
        await _queue.CloseAsync().ConfigureAwait(false);
        await _deliver.StopAsync().ConfigureAwait(false);
        await _local.StopAsync().ConfigureAwait(false);
        await _queue.DisposeAsync().ConfigureAwait(false);
        await _deliver.DisposeAsync().ConfigureAwait(false);
        await _local.DisposeAsync().ConfigureAwait(false);
        await _receive.DisposeAsync().ConfigureAwait(false);
        _rewrite.Dispose();
        await _around.Generation.Now.DisposeAsync().ConfigureAwait(false);
        _around.Hands.Dispose();
        _around.Threads.Dispose();
        _stop.Dispose();
        _lock.Dispose();
    }

    /// <summary>Whose directories and files are what root makes: another start may be a process per role.</summary>
    private static (UserAccount? Mail, UserAccount? Queue, uint Group) Accounts(IConfig config) =>
        Libc.geteuid() == 0 && UserAccount.Find(config.Get(CommonParameters.MailOwner), out var mail) == 0 && mail is { Uid: not 0 }
        && UserAccount.Find(config.Get(FacteurParameters.QueueOwner), out var queue) == 0 && queue is { Uid: not 0 } && GroupAccount.Find(config.Get(CommonParameters.SetgidGroup)) is { } group
            ? (mail, queue, group) : (null, null, 0);

    private void Ended(string link)
    {
        // Only a fault of ours ends a link, and without it mail stands still: it is safe on disk, and a new process takes it up.
        if (!_stop.IsCancellationRequested)
        {
            _master.Fatal($"the link \"{link}\" between roles has ended");
            _failed();
        }
    }
}
