using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Config.Parameters;
using Facteur.Contracts;
using Facteur.Net.Connections;
using Facteur.Net.Dns;
using Facteur.Services.Deliver;
using Facteur.Services.Deliver.Discard;
using Facteur.Services.Deliver.Error;
using Facteur.Services.Deliver.Local;
using Facteur.Services.Deliver.Smtp;
using Facteur.Services.Deliver.Virtual;
using Facteur.Services.Queue.Showq;
using Facteur.Services.Receive.Cleanup;
using Facteur.Services.Receive.Smtpd;
using Facteur.Services.Report.Bounce;
using Facteur.Services.Rewrite.TrivialRewrite;
using Facteur.Services.Server;
using Facteur.Spool;
using Facteur.Tables;

namespace Facteur.Services.Master;

/// <summary>What a generation takes from the running system; it outlives reloads.</summary>
internal sealed record Surroundings(
    IIncoming Incoming, IRewrite ReceiveRewrite, IResubmit DeliverResubmit, IResubmit QueueResubmit, ISpoolReader Reader, ISpoolReader ReportReader, IDnsResolver Dns, HostsFile Hosts, IAnvil Anvil,
    BlockingThreads Threads, UserHands Hands, Func<string, CancellationToken, ValueTask> FlushSite, Func<long> FreeBytes, Func<Generation, ControlService> Control, IMailLog Log, TimeProvider Time);

/// <summary>
/// All services made from one reading of the configuration. A reload makes a new one; sessions and deliveries under way keep theirs,
/// which is disposed when they are over.
/// </summary>
internal sealed class Generation : IAsyncDisposable
{
    private readonly Dictionary<string, IDeliveryAgent> _agents = new(StringComparer.Ordinal);
    private readonly Dictionary<string, CleanupService> _cleanups = new(StringComparer.Ordinal);
    private readonly List<TableSet> _tables = [];
    private readonly Surroundings _around;
    private readonly MatchLists _lists;
    private readonly AddressMaps _maps;
    private readonly ServiceLog _log;
    private readonly TableSet _shared;
    private readonly OwnAddresses _own;
    private int _users = 1;

    public Generation(ConfigLoad load, Surroundings around)
    {
        (Config, Entries, _around) = (load.Config, load.Entries, around);
        _log = ServiceLogOf(Config, "master");
        var events = new TableLog(_log, around.Time);
        var utf8 = Config.Get(CommonParameters.Smtputf8Enable);
        _shared = Tables(events, new TableOptions { Utf8 = utf8 });
        var trusted = Tables(events, new TableOptions { Utf8 = utf8, SecuritySensitive = true });
        _own = new OwnAddresses([.. ListSyntax.Split(Config.Get(CommonParameters.InetInterfaces)), .. ListSyntax.Split(Config.Get(CommonParameters.ProxyInterfaces))], around.Hosts);
        _lists = new MatchLists(Config, _shared, events);
        _maps = new AddressMaps(Config, _lists, _own.Contains);
        var rewrite = Entry("rewrite", ServiceType.Unix);
        Rewrite = new TrivialRewriteService(rewrite, _shared, _maps, _lists, _own.Contains, ServiceLogOf(rewrite, "trivial-rewrite"));
        foreach (var entry in Entries.Where(e => e.Command == "cleanup"))
        {
            _cleanups[entry.Name] = Cleanup(Config.With(entry.Overrides));
        }
        _cleanups.TryAdd("cleanup", Cleanup(Config));
        var bounce = Entry("bounce", ServiceType.Unix);
        Bounce = new BounceService(bounce, around.QueueResubmit, around.ReportReader, ServiceLogOf(bounce, "bounce"), around.Time);
        Control = around.Control(this);
        foreach (var entry in Entries.Where(e => e.Type == ServiceType.Unix))
        {
            if (Agent(entry, trusted) is { } agent)
            {
                _agents[entry.Name] = agent;
            }
        }
    }

    public IConfig Config { get; }

    public IReadOnlyList<MasterEntry> Entries { get; }

    public TrivialRewriteService Rewrite { get; }

    public BounceService Bounce { get; }

    public ControlService Control { get; }

    /// <summary>Nobody uses it any more: what it holds is disposed.</summary>
    public bool Over => Volatile.Read(ref _users) == 0;

    /// <summary>The cleanup of mail made inside.</summary>
    public ICleanup DefaultCleanup => _cleanups["cleanup"];

    public TableSet SharedTables => _shared;

    public IMatchLists Lists => _lists;

    /// <summary>The agent of a transport, or null.</summary>
    public IDeliveryAgent? AgentOf(string transport) => _agents.GetValueOrDefault(transport);

    /// <summary>The cleanup an entry names by cleanup_service_name.</summary>
    public ICleanup CleanupOf(IConfig entry) => _cleanups.GetValueOrDefault(entry.Find("cleanup_service_name") ?? "cleanup", _cleanups["cleanup"]);

    /// <summary>The configuration of an entry, or of none.</summary>
    public IConfig Entry(string name, ServiceType type) => Entries.FirstOrDefault(e => e.Name == name && e.Type == type) is { } entry ? Config.With(entry.Overrides) : Config;

    /// <summary>The smtpd of an entry.</summary>
    public SmtpdService Smtpd(MasterEntry entry)
    {
        var config = Config.With(entry.Overrides);
        var colon = entry.Name.LastIndexOf(':');
        return new SmtpdService(config, entry.Name[(colon + 1)..], $"{entry.Name}/{entry.TypeName}", new SmtpdArrows
        {
            Cleanup = CleanupOf(config),
            Rewrite = _around.ReceiveRewrite,
            Dns = _around.Dns,
            Tables = _shared,
            MatchLists = _lists,
            AddressMaps = _maps,
            Anvil = _around.Anvil,
            FlushSite = _around.FlushSite,
            FreeQueueBytes = _around.FreeBytes,
            Hosts = _around.Hosts,
        }, ServiceLogOf(config, "smtpd"), _around.Time);
    }

    /// <summary>The log of a service: $syslog_name/name.</summary>
    public ServiceLog ServiceLogOf(IConfig config, string name) => new(_around.Log, $"{config.Get(CommonParameters.SyslogName)}/{name}");

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
        foreach (var agent in _agents.Values)
        {
            try
            {
                if (agent is IAsyncDisposable disposable)
                {
                    await disposable.DisposeAsync().ConfigureAwait(false);
                }
            }
            catch (Exception e)
            {
                // A fault of ours in one agent's end is not the end of who was the last to use it.
                _log.Error($"{e}");
            }
        }
        foreach (var tables in _tables)
        {
            tables.Dispose();
        }
    }

    private TableSet Tables(TableLog events, TableOptions options)
    {
        var tables = new TableSet(Config, events, _around.Time, options);
        _tables.Add(tables);
        return tables;
    }

    private CleanupService Cleanup(IConfig config) =>
        new(config, _around.Incoming, _around.ReceiveRewrite, _shared, _maps, _lists, ServiceLogOf(config, "cleanup"), _around.Time);

    private IDeliveryAgent? Agent(MasterEntry entry, TableSet trusted)
    {
        var config = Config.With(entry.Overrides);
        var log = ServiceLogOf(config, entry.Command);
        return entry.Command switch
        {
            "smtp" or "lmtp" => new SmtpAgent(config, entry.Command == "lmtp", entry.Arguments, _around.Dns, _around.Hosts, _lists, _around.Reader, _around.Threads, log, _around.Time),
            "local" => new LocalAgent(config, trusted, _around.ReceiveRewrite, _around.Reader, _around.DeliverResubmit, AgentOf, _around.Hands, _around.Threads, log, _around.Time),
            "virtual" => new VirtualAgent(config, trusted, _around.Reader, _around.Hands, log, _around.Time),
            "error" => new ErrorAgent(config, entry.Name == "retry", log, _around.Time),
            "discard" => new DiscardAgent(log, _around.Time),
            _ => null,
        };
    }
}
