using Facteur.Config;

namespace Facteur.Tables.Databases;

/// <summary>A table that is a query of a database behind servers.</summary>
/// <typeparam name="T">A connection to one.</typeparam>
internal abstract class SqlServerTable<T> : SqlTable
    where T : class, IAsyncDisposable
{
    private readonly ServerHosts<T> _hosts;

    /// <summary>Reads the hosts.</summary>
    /// <param name="request">The table.</param>
    /// <param name="settings">Its parameters.</param>
    /// <param name="address">A host as it is written in the hosts parameter; null when it is none.</param>
    protected SqlServerTable(TableRequest request, SourceSettings settings, Func<string, ServerAddress?> address)
        : base(request, settings)
    {
        (User, Password, Database) = (settings.Text("user"), settings.Text("password"), settings.Text("dbname"));
        var hosts = ListSyntax.Split(settings.Text("hosts"));
        var use = new ServerUse
        {
            Retry = TimeSpan.FromSeconds(settings.Number("retry_interval", 60, 1)),
            Idle = TimeSpan.FromSeconds(settings.Number("idle_interval", 60, 1, 1 << 20)),
        };
        _hosts = new ServerHosts<T>((hosts.Count > 0 ? hosts : ["localhost"]).Select(h => address(h) ?? throw new TableException($"{Name}: bad host in hosts: {PgsqlUri.WithoutPassword(h)}")), use, Time, ConnectAsync)
        {
            OnConnectFailed = (host, reason) => Events.Warning($"connect to {Type} server {Shown(host)}: {reason}"),
            OnFailed = (host, reason) => Events.Warning(Failure(Shown(host), reason)),
        };
    }

    protected string User { get; }

    protected string Password { get; }

    protected string Database { get; }

    public override void Dispose() => _hosts.Dispose();

    protected override async ValueTask<Lookup> FindAsync(string key, CancellationToken cancel)
    {
        var reply = await _hosts.AskAsync((connection, token) => AskAsync(connection, key, token), cancel).ConfigureAwait(false);
        return reply.Value is { } values ? Joined(values, key) : Lookup.Error($"{Name}: {reply.Reason}");
    }

    protected abstract ValueTask<Reply<T>> ConnectAsync(ServerAddress host, CancellationToken cancel);

    /// <summary>Asks for a key: all fields of all rows.</summary>
    protected abstract ValueTask<Reply<List<string?>>> AskAsync(T connection, string key, CancellationToken cancel);

    /// <summary>The log's words for a query that failed.</summary>
    protected abstract string Failure(string host, string reason);

    /// <summary>A host in the log: without prefix and port (Postfix: host->hostname).</summary>
    private static string Shown(ServerAddress host) => host.IsUnix ? host.Path : host.Host;
}
