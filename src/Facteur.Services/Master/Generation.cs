using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Net.Connections;
using Facteur.Net.Dns;
using Facteur.Services.Check;
using Facteur.Services.Deliver;
using Facteur.Services.Deliver.Discard;
using Facteur.Services.Deliver.Error;
using Facteur.Services.Deliver.Local;
using Facteur.Services.Deliver.Pipe;
using Facteur.Services.Deliver.Smtp;
using Facteur.Services.Deliver.Virtual;
using Facteur.Services.Explain;
using Facteur.Services.Queue.Showq;
using Facteur.Services.Receive.Cleanup;
using Facteur.Services.Receive.Smtpd;
using Facteur.Services.Report.Bounce;
using Facteur.Services.Rewrite.TrivialRewrite;
using Facteur.Services.Server;
using Facteur.Spool;
using Facteur.Tables;

namespace Facteur.Services.Master;

/// <summary>The roles whose services are made here: one in a process of its own, all in a single process.</summary>
[Flags]
internal enum RoleSet
{
    /// <summary>smtpd, pickup, cleanup, anvil.</summary>
    Receive = 1,

    /// <summary>trivial-rewrite for the queue.</summary>
    Rewrite = 2,

    /// <summary>qmgr, bounce, showq.</summary>
    Queue = 4,

    /// <summary>smtp, lmtp, error, retry, discard.</summary>
    Deliver = 8,

    /// <summary>local, virtual, pipe.</summary>
    Local = 16,

    /// <summary>All of them.</summary>
    All = 31,
}

/// <summary>What a generation takes from the running system; it outlives reloads. Each role fills in what it has.</summary>
internal sealed class Surroundings
{
    public Surroundings(RoleSet roles, IMailLog log, TimeProvider time)
    {
        (Roles, Log, Time) = (roles, log, time);
        Hosts = new HostsFile("/etc/hosts", time);
        Dns = new DnsClientResolver("/etc/resolv.conf", time);
        Rewriting = new RewriteSwitch(Generation);
        Hands = UserHands.InProcess(Threads, HelperProgram.Beside(AppContext.BaseDirectory), time);
    }

    public RoleSet Roles { get; }

    public IMailLog Log { get; }

    public TimeProvider Time { get; }

    public HostsFile Hosts { get; init; }

    public IDnsResolver Dns { get; init; }

    public BlockingThreads Threads { get; } = new("deliver", 64);

    /// <summary>Local: who acts in users' names.</summary>
    public UserHands Hands { get; init; }

    /// <summary>The generation of the moment.</summary>
    public CurrentGeneration Generation { get; } = new();

    /// <summary>trivial-rewrite, of the generation of the moment.</summary>
    public IRewrite Rewriting { get; set; }

    /// <summary>Receive: the queue.</summary>
    public IIncoming Incoming { get; set; } = null!;

    /// <summary>Receive: counts what clients do.</summary>
    public IAnvil Anvil { get; set; } = null!;

    /// <summary>Is told what services do; null: nobody asks.</summary>
    public Explanation? Explanation { get; init; }

    /// <summary>Takes what is wrong with the configuration, all of it; null: the first mistake keeps the generation from being made.</summary>
    public Mistakes? Mistakes { get; init; }

    /// <summary>Receive: verify.</summary>
    public IAddressProbes? Probes { get; set; }

    /// <summary>Receive: ETRN.</summary>
    public Func<string, CancellationToken, ValueTask> FlushSite { get; set; } = null!;

    /// <summary>Receive: free bytes in the queue's file system.</summary>
    public Func<long> FreeBytes { get; set; } = null!;

    /// <summary>Receive and queue: reports go this way.</summary>
    public IResubmit ReportResubmit { get; set; } = null!;

    /// <summary>Receive and queue: contents that reports quote.</summary>
    public ISpoolReader ReportReader { get; set; } = null!;

    /// <summary>Queue: operators' commands.</summary>
    public Func<Generation, ControlService> Control { get; set; } = null!;

    /// <summary>Deliver and local: contents.</summary>
    public ISpoolReader Reader { get; set; } = null!;

    /// <summary>Deliver and local: notices and forwards go this way.</summary>
    public IResubmit ForwardResubmit { get; set; } = null!;
}

/// <summary>
/// All services made from one reading of the configuration. A reload makes a new one; sessions and deliveries under way keep theirs,
/// which is disposed when they are over.
/// </summary>
internal sealed class Generation : IAsyncDisposable
{
    private readonly Dictionary<string, IDeliveryAgent> _agents = new(StringComparer.Ordinal);
    private readonly Dictionary<string, TrivialRewriteService> _rewrites = new(StringComparer.Ordinal);
    private readonly Dictionary<string, CleanupService> _cleanups = new(StringComparer.Ordinal);
    private readonly List<TableSet> _tables = [];
    private readonly List<SmtpdService> _smtpds = [];
    private readonly Surroundings _around;
    private readonly MatchLists _lists;
    private readonly AddressMaps _maps;
    private readonly ServiceLog _log;
    private readonly TableSet _shared;

    private readonly TableSet _routes;

    // Lines of messages are bytes (Postfix: header_checks and the like know no UTF-8).
    private readonly TableSet _content;
    private readonly OwnAddresses _own;
    private readonly bool _starting;
    private BounceService? _reports;
    private int _users = 1;

    /// <summary>Makes them.</summary>
    /// <param name="load">The configuration.</param>
    /// <param name="around">The running system.</param>
    /// <param name="starting">There is no configuration before this one to go on with: an entry whose own options or arguments can't be used is logged and left out.</param>
    public Generation(ConfigLoad load, Surroundings around, bool starting = false)
    {
        (Config, Entries, _around, _starting) = (load.Config, load.Entries, around, starting);
        _log = ServiceLogOf(Config, "master");
        var events = new TableLog(_log, around.Time);
        var utf8 = Config.Get(CommonParameters.Smtputf8Enable);
        _shared = Tables(events, new TableOptions { Utf8 = utf8, Observer = around.Explanation });
        _routes = Tables(events, new TableOptions { Utf8 = utf8, FixedResults = true, Observer = around.Explanation });
        _content = Tables(events, new TableOptions { Utf8 = false, Observer = around.Explanation });
        try
        {
            _own = new OwnAddresses([.. ListSyntax.Split(Config.Get(CommonParameters.InetInterfaces)), .. ListSyntax.Split(Config.Get(CommonParameters.ProxyInterfaces))], around.Hosts);
            _lists = new MatchLists(Config, _shared, events, around.Explanation);
            _maps = new AddressMaps(Config, _lists, _own.Contains);
            if (Has(RoleSet.Receive | RoleSet.Rewrite | RoleSet.Local))
            {
                Rewrite = Make(Config, null, RewriteOf);
                QueueRewrite = Make(Roles.Entries.Qmgr(load), Entries.FirstOrDefault(e => e.Command is "qmgr" or "nqmgr" or "oqmgr"), RewriteOf);
            }
            if (Has(RoleSet.Receive))
            {
                foreach (var entry in Entries.Where(e => e.Command == "cleanup"))
                {
                    _cleanups[entry.Name] = Make(Config.With(entry.Overrides), entry, Cleanup);
                }
                _cleanups.TryAdd("cleanup", Make(Config, null, Cleanup));
                DefaultCleanup = Make(Config, null, CleanupOf);
                var pickup = Entries.FirstOrDefault(e => e.Command == "pickup");
                PickupCleanup = Make(pickup is null ? Config : Config.With(pickup.Overrides), pickup, CleanupOf);
            }
            if (Has(RoleSet.Receive | RoleSet.Queue))
            {
                Bounce = new BounceServices(
                    Reports(BounceParameters.BounceServiceName), Reports(BounceParameters.DeferServiceName), Reports(BounceParameters.TraceServiceName));
            }
            if (Has(RoleSet.Queue))
            {
                Control = around.Control(this);
            }
            var trusted = Tables(events, new TableOptions { Utf8 = utf8, SecuritySensitive = true });
            // local passes mail to other transports itself: mailbox_transport, fallback_transport.
            foreach (var entry in Entries.Where(e => e.Type == ServiceType.Unix && Has(IsLocal(e) ? RoleSet.Local : RoleSet.Deliver | RoleSet.Local)))
            {
                try
                {
                    if (AgentOrNone(entry, trusted) is { } agent)
                    {
                        _agents[entry.Name] = agent;
                    }
                }
                catch (ConfigException e) when (LeavesOut(entry, e, Has(IsLocal(entry) ? RoleSet.Local : RoleSet.Deliver)))
                {
                    // Mail for it waits.
                }
            }
        }
        catch
        {
            // Nobody will dispose what was never made: a reload with a mistake must leave no table open.
            DisposeTables();
            throw;
        }
    }

    /// <summary>Whether an entry's agent is of the local role.</summary>
    public static bool IsLocal(MasterEntry entry) => entry.Command is "local" or "virtual" or "pipe";

    public IConfig Config { get; }

    public IReadOnlyList<MasterEntry> Entries { get; }

    /// <summary>Where receive, rewrite or local is.</summary>
    public TrivialRewriteService Rewrite { get; } = null!;

    /// <summary>The same, for the queue.</summary>
    public TrivialRewriteService QueueRewrite { get; } = null!;

    /// <summary>Where receive or queue is.</summary>
    public IBounce Bounce { get; } = null!;

    /// <summary>Where queue is.</summary>
    public ControlService Control { get; } = null!;

    /// <summary>Nobody uses it any more: what it holds is disposed.</summary>
    public bool Over => Volatile.Read(ref _users) == 0;

    /// <summary>The cleanup of mail made inside.</summary>
    public ICleanup DefaultCleanup { get; } = null!;

    /// <summary>The cleanup of local mail.</summary>
    public ICleanup PickupCleanup { get; } = null!;

    public TableSet SharedTables => _shared;

    public IMatchLists Lists => _lists;

    /// <summary>The agent of a transport, or null.</summary>
    public IDeliveryAgent? AgentOf(string transport) => _agents.GetValueOrDefault(transport);

    /// <summary>The cleanup an entry names by cleanup_service_name.</summary>
    /// <exception cref="ConfigException">There is no such service.</exception>
    public ICleanup CleanupOf(IConfig entry) => _cleanups.TryGetValue(entry.Get(CleanupParameters.CleanupServiceName), out var cleanup) ? cleanup
        : throw new ConfigException($"cleanup_service_name = {entry.Get(CleanupParameters.CleanupServiceName)}: expected the name of a cleanup service in master.cf");

    /// <summary>The trivial-rewrite an entry names by rewrite_service_name.</summary>
    /// <exception cref="ConfigException">There is no such service.</exception>
    private TrivialRewriteService RewriteOf(IConfig entry)
    {
        var name = entry.Get(TrivialRewriteParameters.RewriteServiceName);
        if (!_rewrites.TryGetValue(name, out var rewrite))
        {
            var found = Named(entry, TrivialRewriteParameters.RewriteServiceName, "trivial-rewrite");
            _rewrites[name] = rewrite = Make(found is null ? Config : Config.With(found.Overrides), found,
                own => new TrivialRewriteService(own, _shared, _routes, _maps, _lists, _own.Contains, ServiceLogOf(own, "trivial-rewrite")));
        }
        return rewrite;
    }

    /// <summary>What an entry asks about addresses: trivial-rewrite of the generation of the moment, or the one it names itself.</summary>
    private IRewrite RewritingOf(IConfig entry) =>
        RewriteOf(entry) is var own && own == Rewrite ? _around.Rewriting : _around.Explanation is { } explanation ? new ExplainedRewrite(own, explanation) : own;

    private BounceService Reports(StringParameter name)
    {
        var entry = Make(Config, null, config => Named(config, name, "bounce"));
        BounceService Bounce() => Make(entry is null ? Config : Config.With(entry.Overrides), entry,
            own => new BounceService(own, _around.ReportResubmit, _around.ReportReader, ServiceLogOf(own, "bounce"), _around.Time));
        // Entries without -o share one, which warns once.
        return entry?.Options.Any() == true ? Bounce() : _reports ??= Bounce();
    }

    /// <summary>The entry that a parameter names, or null: without an entry of the default's name there is the service all the same.</summary>
    private MasterEntry? Named(IConfig config, StringParameter parameter, string command)
    {
        var name = config.Get(parameter);
        var entry = Entries.FirstOrDefault(e => e.Name == name && e.Type == ServiceType.Unix);
        return entry?.Command == command || (entry is null && name == parameter.Default) ? entry
            : throw new ConfigException($"{parameter.Name} = {name}: expected the name of a {command} service in master.cf");
    }

    /// <summary>The configuration of an entry, or of none.</summary>
    public IConfig Entry(string name, ServiceType type) => Entries.FirstOrDefault(e => e.Name == name && e.Type == type) is { } entry ? Config.With(entry.Overrides) : Config;

    /// <summary>The smtpd of an entry.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="stressed">As it is with stress=yes.</param>
    public SmtpdService Smtpd(MasterEntry entry, bool stressed = false)
    {
        var config = Config.With(stressed ? [.. entry.Overrides, new(CommonParameters.Stress.Name, "yes")] : entry.Overrides);
        var service = Make(config, entry, config => new SmtpdService(config, entry.Name, $"{entry.Name}/{entry.TypeName}", new SmtpdArrows
        {
            Cleanup = CleanupOf(config),
            Rewrite = RewritingOf(config),
            Dns = _around.Dns,
            Tables = _shared,
            MatchLists = _lists,
            AddressMaps = _maps,
            Anvil = _around.Anvil,
            Probes = _around.Probes,
            FlushSite = _around.FlushSite,
            FreeQueueBytes = _around.FreeBytes,
            Hosts = _around.Hosts,
            Sockets = SocketNames.Of(config, entry),
            Explanation = _around.Explanation,
        }, ServiceLogOf(config, "smtpd", entry), _around.Time));
        lock (_smtpds)
        {
            _smtpds.Add(service);
        }
        return service;
    }

    /// <summary>Whether an entry that can't be served is left out, which is logged; what main.cf says alone concerns all.</summary>
    public bool LeavesOut(MasterEntry entry, ConfigException wrong, bool says = true)
    {
        var leavesOut = _starting && (entry.Options.Any() || entry.Arguments.Count > 0 || entry.Command == "pipe");
        if (leavesOut && says)
        {
            _log.Error($"{wrong.Message} ({Config.ConfigDirectory}/master.cf, line {entry.Line}, service {entry.Name}/{entry.TypeName})");
        }
        return leavesOut;
    }

    /// <summary>The log of a service: $syslog_name/name.</summary>
    public ServiceLog ServiceLogOf(IConfig config, string name, MasterEntry? entry = null) => Roles.Entries.LogOf(_around.Log, config, name, entry?.Verbose > 0);

    /// <summary>A session, message, lookup or delivery uses this generation; not when it is over.</summary>
    public bool TryEnter()
    {
        for (var users = Volatile.Read(ref _users); users > 0;)
        {
            var seen = Interlocked.CompareExchange(ref _users, users + 1, users);
            if (seen == users)
            {
                return true;
            }
            users = seen;
        }
        return false;
    }

    /// <summary>It does no longer; the last one disposes it.</summary>
    public ValueTask LeaveAsync() => Interlocked.Decrement(ref _users) == 0 ? EndAsync() : default;

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => LeaveAsync();

    private async ValueTask EndAsync()
    {
        _smtpds.ForEach(smtpd => smtpd.Dispose());
        // Side by side: each may wait a moment for its peers.
        await Task.WhenAll(_agents.Values.OfType<IAsyncDisposable>().Select(EndAsync)).ConfigureAwait(false);
        DisposeTables();
    }

    private async Task EndAsync(IAsyncDisposable agent)
    {
        try
        {
            await agent.DisposeAsync().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // A fault of ours in one agent's end is not the end of who was the last to use it.
            _log.Error($"{e}");
        }
    }

    private void DisposeTables()
    {
        foreach (var tables in _tables)
        {
            tables.Dispose();
        }
    }

    private bool Has(RoleSet any) => (_around.Roles & any) != 0;

    private TableSet Tables(TableLog events, TableOptions options)
    {
        var tables = new TableSet(Config, events, _around.Time, options);
        _tables.Add(tables);
        return tables;
    }

    private CleanupService Cleanup(IConfig config) =>
        new(config, _around.Incoming, RewritingOf(config), _shared, _maps, _lists, ServiceLogOf(config, "cleanup"), _around.Time, _content) { Explanation = _around.Explanation };

    /// <summary>The bounce(8) by which local(8) tells owners of lists, beside the queue's.</summary>
    private BounceService OwnersBounce()
    {
        var bounce = Named(Config, BounceParameters.BounceServiceName, "bounce") is { } entry ? Config.With(entry.Overrides) : Config;
        return new BounceService(bounce, _around.ForwardResubmit, _around.Reader, ServiceLogOf(bounce, "bounce"), _around.Time);
    }

    // Of what can't be made of its entry there is none, where all mistakes are asked for.
    private IDeliveryAgent? AgentOrNone(MasterEntry entry, TableSet trusted)
    {
        try
        {
            return Make(Config.With(entry.Overrides), entry, config => Agent(entry, config, trusted));
        }
        catch (ConfigException) when (_around.Mistakes is not null)
        {
            return null;
        }
    }

    private T Make<T>(IConfig config, MasterEntry? entry, Func<IConfig, T> make) => _around.Mistakes is { } mistakes ? mistakes.Make(config, entry, make) : make(config);

    private IDeliveryAgent? Agent(MasterEntry entry, IConfig config, TableSet trusted)
    {
        var log = ServiceLogOf(config, entry.Command, entry);
        if (config.Get(QmgrParameters.BestMxTransport) != Config.Get(QmgrParameters.BestMxTransport))
        {
            log.Warning($"{entry.Name}: -o {QmgrParameters.BestMxTransport.Name}: the queue passes such mail on: the value of main.cf counts");
        }
        return entry.Command switch
        {
            "smtp" or "lmtp" => new SmtpAgent(config, entry.Command == "lmtp", entry.Arguments, SocketNames.Of(config, entry), _around.Dns, _around.Hosts, _lists, _around.Reader, _around.Threads, _around.ForwardResubmit, log, _around.Time, _content, _shared, _maps),
            "local" => new LocalAgent(config, trusted, RewritingOf(config), _around.Reader, _around.ForwardResubmit, AgentOf, _around.Hands, _around.Threads, log, _around.Time, OwnersBounce(), _shared),
            "virtual" => new VirtualAgent(config, trusted, _around.Reader, _around.Hands, log, _around.Time, _shared),
            "pipe" => new PipeAgent(config, entry.Name, entry.Arguments, _around.Reader, _around.Hands, _around.Threads, log, _around.Time, _shared),
            "error" => new ErrorAgent(config, entry.Name == "retry", log, _around.Time),
            "discard" => new DiscardAgent(log, _around.Time),
            _ => null,
        };
    }
}
