using System.IO.Pipelines;
using Facteur.Config;
using Facteur.Contracts;
using Facteur.Services.Receive.Pickup;
using Facteur.Services.Report.Verify;
using Facteur.Services.Support.Anvil;
using Facteur.Spool;

namespace Facteur.Services.Master.Roles;

/// <summary>What receive asks of the queue beside its mail.</summary>
internal interface IQueueQuestions : IQueueLookup
{
    /// <summary>ETRN: mail for a site is tried now.</summary>
    ValueTask FlushSiteAsync(string domain, CancellationToken cancel);

    /// <summary>Free bytes for new mail.</summary>
    long FreeBytes();
}

/// <summary>smtpd, pickup, cleanup, anvil: all that takes mail in.</summary>
internal sealed class ReceiveRole : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Net.Connections.Listener> _sockets = [];
    private readonly List<IDisposable> _inside = [];
    /// <summary>Most links of those who make mail inside.</summary>
    private const int ResubmitLimit = 16;

    private readonly List<ResubmitServer> _resubmit = [];
    private readonly Surroundings _around;
    private readonly IncomingSwitch _incoming = new();
    private readonly CleanupSwitch _cleanup;
    private readonly RequeuedMail _requeued;
    private readonly AnvilService _anvil;
    private readonly VerifyService _verify;
    private readonly PickupService _pickup;
    private readonly ServiceLog _master;
    private readonly Doors _doors;
    private readonly CancellationTokenSource _leave = new();
    private SubmitService? _submit;
    private Task[] _services = [];

    /// <summary>Makes the role; nothing runs before <see cref="StartAsync"/>.</summary>
    /// <param name="load">The configuration.</param>
    /// <param name="around">What generations take; this fills in what is its own.</param>
    /// <param name="queue">The queue, beside its mail.</param>
    /// <param name="queueReader">The queue's contents where they can be read, else null: reports of mail refused in maildrop quote only that.</param>
    /// <param name="sockets">Where sockets come from.</param>
    /// <param name="master">The log of master.</param>
    public ReceiveRole(ConfigLoad load, Surroundings around, IQueueQuestions queue, ISpoolReader? queueReader, ISockets sockets, ServiceLog master)
    {
        (_around, _master) = (around, master);
        _cleanup = new CleanupSwitch(around.Generation);
        _requeued = new RequeuedMail(_cleanup, PickupConfig, () => Entries.LogOf(around.Log, PickupConfig(), "pickup"), around.Time);
        _anvil = new AnvilService(load.Config, Entries.LogOf(around.Log, load.Config, "anvil"), around.Time);
        _doors = new Doors(around.Hosts, sockets, master, around.Time);
        around.Incoming = _incoming;
        around.Anvil = _anvil;
        var verify = Entries.ConfigOf(load, "verify");
        around.Probes = _verify = new VerifyService(verify, _cleanup, Entries.LogOf(around.Log, verify, "verify"), around.Time);
        around.FlushSite = queue.FlushSiteAsync;
        around.FreeBytes = queue.FreeBytes;
        var refused = new RefusedMail(queueReader ?? new NoSpool());
        around.ReportReader = refused;
        if (!around.Roles.HasFlag(RoleSet.Queue))
        {
            // Reports of refused mail are made here, and go into cleanup without leaving the process.
            var (asks, answers) = Contracts.Wire.PipePair.Create();
            _inside.Add(new ResubmitServer(answers, _cleanup, master));
            var client = new ResubmitClient(asks);
            _inside.Add(client);
            around.ReportResubmit = client;
        }
        var (config, wakeup) = Entries.Pickup(load);
        _pickup = new PickupService(config, _cleanup, new BounceSwitch(around.Generation), refused, queue, wakeup, Entries.LogOf(around.Log, config, "pickup"), around.Time);
    }

    /// <summary>Sessions being served.</summary>
    public int Sessions => _doors.Sessions;

    /// <summary>Has maildrop looked into.</summary>
    public void Trigger() => _pickup.Trigger();

    /// <summary>A queue came.</summary>
    public void AttachIncoming(IDuplexPipe link) => _incoming.Attach(link);

    /// <summary>Somebody came who makes mail inside: the queue's reports, local's forwards.</summary>
    public void AttachResubmit(string who, IDuplexPipe link)
    {
        var server = new ResubmitServer(link, _requeued, _master, who is "local" or "forwards" ? null : _verify);
        lock (_resubmit)
        {
            // Agents that others took the place of may still have mail to hand in.
            foreach (var old in _resubmit.Where((s, i) => s.IsClosed || i <= _resubmit.Count - ResubmitLimit).ToArray())
            {
                old.Dispose();
                _resubmit.Remove(old);
            }
            _resubmit.Add(server);
        }
    }

    /// <summary>Opens the doors.</summary>
    /// <exception cref="ConfigException">An address can't be bound.</exception>
    public async ValueTask StartAsync(ConfigLoad load, ISockets sockets)
    {
        _submit = new SubmitService(load.Config, _around.Threads, _pickup.Trigger, Entries.LogOf(_around.Log, load.Config, "pickup"), _around.Time);
        _services =
        [
            _pickup.RunAsync(_leave.Token),
            _submit.RunAsync(Open("submit", SubmitService.SocketMode), _stop.Token),
            PickupTrigger.RunAsync(Open("public/pickup", 0x1B6), _pickup, _around.Time),
        ];
        await _doors.ApplyAsync(_around.Generation.Now, Entries.DefaultLimit(load.Config)).ConfigureAwait(false);

        Net.Connections.Listener Open(string name, uint mode)
        {
            var listener = Entries.Listen(sockets, name, mode, _master);
            _sockets.Add(listener);
            return listener;
        }
    }

    /// <summary>postfix reload: new sockets are opened, all or none; what is returned puts the rest in place.</summary>
    /// <exception cref="ConfigException">An address can't be bound.</exception>
    public async ValueTask<Action> PrepareAsync(ConfigLoad load, Generation next)
    {
        var (pickup, wakeup) = Entries.Pickup(load);
        await _doors.ApplyAsync(next, Entries.DefaultLimit(load.Config)).ConfigureAwait(false);
        return () =>
        {
            _pickup.Reconfigure(pickup, wakeup, Entries.LogOf(_around.Log, pickup, "pickup"));
            _anvil.Reconfigure(load.Config);
            var verify = Entries.ConfigOf(load, "verify");
            _verify.Reconfigure(verify, Entries.LogOf(_around.Log, verify, "verify"));
        };
    }

    /// <summary>Another process takes this one's place: it has all that is new, and the sessions under way end as their clients like.</summary>
    public async ValueTask LeaveAsync(TimeSpan limit)
    {
        _verify.Leave();
        await EndTakingAsync().ConfigureAwait(false);
        await _doors.CloseAsync().ConfigureAwait(false);
        var pickup = Task.WhenAll(_services);
        for (var since = _around.Time.GetTimestamp(); (Sessions > 0 || _submit is { Sessions: > 0 } || !pickup.IsCompleted || MakesMail()) && _around.Time.GetElapsedTime(since) < limit;)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), _around.Time).ConfigureAwait(false);
        }
    }

    /// <summary>Reports and forwards that were begun here.</summary>
    private bool MakesMail()
    {
        lock (_resubmit)
        {
            return _resubmit.Any(s => s.IsBusy);
        }
    }

    private async ValueTask EndTakingAsync()
    {
        foreach (var socket in _sockets)
        {
            await socket.DisposeAsync().ConfigureAwait(false);
        }
        await _leave.CancelAsync().ConfigureAwait(false);
    }

    /// <summary>No new sessions; those under way end at their next command, and mail being made durable gets its answer.</summary>
    public async ValueTask CloseAsync()
    {
        await _doors.DisposeAsync().ConfigureAwait(false);
        await EndTakingAsync().ConfigureAwait(false);
        await _stop.CancelAsync().ConfigureAwait(false);
        await Task.WhenAny(Task.WhenAll(_services), Task.Delay(TimeSpan.FromSeconds(2), _around.Time)).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        lock (_resubmit)
        {
            foreach (var server in _resubmit)
            {
                server.Dispose();
            }
        }
        foreach (var link in _inside)
        {
            link.Dispose();
        }
        _incoming.Dispose();
        _anvil.Dispose();
        _pickup.Dispose();
        _verify.Dispose();
        _stop.Dispose();
        _leave.Dispose();
        return ValueTask.CompletedTask;
    }

    private IConfig PickupConfig()
    {
        var generation = _around.Generation.Now;
        return generation.Entries.FirstOrDefault(e => e.Command == "pickup") is { } entry ? generation.Config.With(entry.Overrides) : generation.Config;
    }

    /// <summary>The queue's contents are out of receive's reach.</summary>
    private sealed class NoSpool : ISpoolReader
    {
        public ContentRead Read(ulong id, Mail.Envelopes.ContentLayout layout, int extent, long offset, Memory<byte> buffer, out ReadOnlyMemory<byte> content)
        {
            content = default;
            return ContentRead.Failed;
        }

        public void Dispose()
        {
        }
    }
}
