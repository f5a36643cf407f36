using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Facteur.Config;
using Facteur.Net.Tls;
using Facteur.Tables.Databases;
using Facteur.Tables.Mongo;
using Facteur.Tables.Text;

namespace Facteur.Tables.Types;

/// <summary>mongodb: (mongodb_table(5)): documents of a collection.</summary>
internal sealed class MongodbTable : DatabaseTable
{
    private const int MaxDocuments = 1000;
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(10);

    private readonly MongoUri _uri;
    private readonly string _database, _collection, _filter;
    private readonly byte[]? _projection;
    private readonly List<string> _fields;
    private readonly Lazy<TlsClient> _tls;
    private readonly ServerHosts<MongoConnection> _hosts;

    private MongodbTable(TableRequest request, SourceSettings settings)
        : base(request, settings)
    {
        string Needed(string name) => settings.Text(name) is { Length: > 0 } text ? text : throw new TableException($"{Name}: '{name}' parameter not defined");
        _uri = MongoUri.Parse(Needed("uri"), out var ignored) ?? throw new TableException($"{Name}: bad uri; expected mongodb://user:password@host:port/?name=value");
        ignored.ForEach(option => Events.Warning($"{Name}: {option} in uri has no effect"));
        (_database, _collection, _filter) = (Needed("dbname"), Needed("collection"), Needed("query_filter"));
        Templates.Add(_filter, isQuery: true);
        if (BsonWriter.FromJson(_filter) is null)
        {
            throw new TableException($"{Name}: query_filter is no JSON object: {_filter}");
        }
        var projection = settings.Text("projection");
        _fields = ListSyntax.Split(settings.Text("result_attribute"));
        if (projection.Length > 0 == _fields.Count > 0)
        {
            throw new TableException($"{Name}: either 'result_attribute' or 'projection' must be defined");
        }
        _projection = projection.Length == 0 ? null : BsonWriter.FromJson(projection) ?? throw new TableException($"{Name}: projection is no JSON object: {projection}");
        _tls = new Lazy<TlsClient>(() => new TlsClient(SslProtocols.None, TlsCiphers.Select([]), Authorities(), Time));
        _hosts = new ServerHosts<MongoConnection>(_uri.Hosts, new ServerUse(), Time, ConnectAsync)
        {
            OnConnectFailed = (host, reason) => Events.Warning($"connect to mongodb server {host}: {reason}"),
            OnFailed = (host, reason) => Events.Warning($"{Name}: query to {host} failed: {reason}"),
        };
    }

    public static ITable Open(TableRequest request) => new MongodbTable(request, SourceSettings.Read(request));

    public override void Dispose() => _hosts.Dispose();

    protected override async ValueTask<Lookup> FindAsync(string key, CancellationToken cancel)
    {
        if (BsonWriter.FromJson(KeyTemplates.Query(_filter, key, Quoted)) is not { } filter)
        {
            return Lookup.Error($"{Name}: query_filter is no JSON with the key '{key}': its %-templates stand outside of texts");
        }
        var command = new BsonWriter().Text("find", _collection).Document("filter", filter);
        if (_projection is not null)
        {
            command.Document("projection", _projection);
        }
        var find = command.Number("limit", MaxDocuments).Number("batchSize", MaxDocuments).Flag("singleBatch", true).Text("$db", _database).Done();
        var reply = await _hosts.AskAsync((connection, token) => connection.RunAsync(find, token), cancel).ConfigureAwait(false);
        if (reply.Value is not { } answer)
        {
            return Lookup.Error($"{Name}: {reply.Reason}");
        }
        var documents = answer.Get<List<BsonField>>("cursor").Get<List<BsonField>>("firstBatch");
        return documents is null ? Lookup.Error($"{Name}: an answer without documents")
            : documents.Count == MaxDocuments ? Lookup.Error($"{Name}: {MaxDocuments} documents or more for key '{key}'")
            : Joined(documents.SelectMany(d => Values(d.Value as List<BsonField> ?? [])), key);
    }

    /// <summary>A key within a JSON text.</summary>
    internal static string Quoted(string text) => JsonEncodedText.Encode(text).ToString();

    private IEnumerable<string?> Values(List<BsonField> document) =>
        _projection is null ? _fields.SelectMany(name => Flat(document.Where(f => f.Name == name))) : Flat(document);

    /// <summary>Values, and those of arrays and documents among them, in order.</summary>
    private static IEnumerable<string?> Flat(IEnumerable<BsonField> fields) =>
        fields.SelectMany(f => f.Value is List<BsonField> inner ? Flat(inner) : [BsonDocument.Text(f.Value)]);

    private async ValueTask<Reply<MongoConnection>> ConnectAsync(ServerAddress host, CancellationToken cancel)
    {
        var made = await host.ConnectAsync(ConnectLimit, Time, cancel).ConfigureAwait(false);
        if (made.Connection is null)
        {
            return Reply<MongoConnection>.Broken(made.Error);
        }
        var stream = new ServerStream(made.Connection);
        var connection = new MongoConnection(stream);
        var ready = false;
        try
        {
            var wrong = _uri.Tls ? await stream.StartTlsAsync(_tls.Value, host.Host, !_uri.AnyCertificate, cancel).ConfigureAwait(false) : null;
            wrong ??= _uri.User.Length > 0 ? await connection.AuthenticateAsync(_uri, cancel).ConfigureAwait(false) : null;
            ready = wrong is null;
            return wrong is null ? Reply<MongoConnection>.Answered(connection) : Reply<MongoConnection>.Broken(wrong);
        }
        finally
        {
            if (!ready)
            {
                await connection.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private X509Certificate2Collection Authorities()
    {
        var authorities = new X509Certificate2Collection();
        var file = _uri.AuthorityFile.Length > 0 ? _uri.AuthorityFile : "/etc/ssl/certs/ca-certificates.crt";
        try
        {
            authorities.ImportFromPem(Encoding.UTF8.GetString(TableSource.Read(file)));
        }
        catch (Exception e) when (e is TableException or System.Security.Cryptography.CryptographicException)
        {
            Events.Warning($"{Name}: {file}: {e.Message}");
        }
        return authorities;
    }
}
