using Facteur.Tables.Databases;
using Facteur.Tables.Ldap;

namespace Facteur.Tables.Types;

/// <summary>
/// ldap: (ldap_table(5)): a search of a directory. Servers are tried in the order they are written. Attributes that hold names or URLs of other entries are
/// followed: groups and their members. Law: RFC 4511, 4515, 4516.
/// </summary>
internal sealed class LdapTable : DatabaseTable
{
    private readonly LdapSettings _settings;
    private readonly ServerHosts<LdapConnection> _hosts;
    private readonly Dictionary<ServerAddress, LdapUrl> _urls = [];
    private readonly bool _dynamicBase;

    private LdapTable(TableRequest request, SourceSettings source, LdapSettings settings)
        : base(request, source, settings.ResultFormat)
    {
        _settings = settings;
        _dynamicBase = Templates.Add(settings.SearchBase, isQuery: true);
        if (!Templates.Add(settings.Filter, isQuery: true))
        {
            Events.Warning($"dict_ldap_open: {Source}: Fixed query_filter {settings.Filter} is probably useless");
        }
        foreach (var url in settings.Servers)
        {
            _urls.TryAdd(Address(url), url);
        }
        _hosts = new ServerHosts<LdapConnection>(_urls.Keys, new ServerUse { InOrder = true, Retry = TimeSpan.FromSeconds(1), Limit = settings.Timeout * 2 }, Time, ConnectAsync)
        {
            OnConnectFailed = (host, reason) => Events.Warning($"dict_ldap_connect: {reason}"),
            OnFailed = (_, reason) => Events.Warning($"dict_ldap_lookup: {reason}"),
        };
    }

    public static ITable Open(TableRequest request)
    {
        var source = SourceSettings.Read(request);
        return new LdapTable(request, source, LdapSettings.Read(request, source));
    }

    public override void Dispose() => _hosts.Dispose();

    protected override async ValueTask<Lookup> FindAsync(string key, CancellationToken cancel)
    {
        var search = Search(
            KeyTemplates.Query(_settings.SearchBase, key, LdapQuoting.Name), _settings.Scope, KeyTemplates.Query(_settings.Filter, key, LdapQuoting.Filter), _settings.Attributes);
        var reply = await _hosts.AskAsync((connection, token) => FindAsync(connection, search, key, token), cancel).ConfigureAwait(false);
        return reply.Kind == ReplyKind.Answered ? reply.Value : Lookup.Error($"{Name}: {reply.Reason}");
    }

    private static ServerAddress Address(LdapUrl url) => url.IsUnix ? new ServerAddress("", 0, url.Host) : new ServerAddress(url.Host, url.Port, "");

    private LdapSearch Search(string name, LdapScope scope, string filter, IReadOnlyList<string> attributes) => new(name, scope, filter, attributes)
    {
        SizeLimit = _settings.SizeLimit,
        TimeLimit = (int)_settings.Timeout.TotalSeconds,
        Dereference = _settings.Dereference,
    };

    private async ValueTask<Reply<LdapConnection>> ConnectAsync(ServerAddress address, CancellationToken cancel)
    {
        var url = _urls[address];
        var shown = url.IsUnix ? $"ldapi://{Uri.EscapeDataString(url.Host)}" : $"{url.Scheme}://{url.Host}:{url.Port}";
        var made = await address.ConnectAsync(_settings.Timeout, Time, cancel).ConfigureAwait(false);
        if (made.Connection is null)
        {
            return Reply<LdapConnection>.Broken(CantBind(shown, $"{LdapResult.ServerDown} ({LdapResult.Text(LdapResult.ServerDown)})"));
        }
        var stream = new ServerStream(made.Connection);
        var connection = new LdapConnection(stream, _settings.Version);
        var ready = false;
        try
        {
            var wrong = url.IsTls ? await stream.StartTlsAsync(_settings.Tls(Time), url.Host, _settings.RequireCertificate, cancel).ConfigureAwait(false)
                : _settings.StartTls ? await connection.StartTlsAsync(_settings.Tls(Time), url.Host, _settings.RequireCertificate, cancel).ConfigureAwait(false) : null;
            if (wrong is not null)
            {
                return Reply<LdapConnection>.Broken(url.IsTls ? CantBind(shown, $"{LdapResult.ServerDown} (TLS: {wrong})") : $"Unable to set STARTTLS: {wrong}");
            }
            var code = _settings.Bind switch
            {
                LdapBind.None => LdapResult.Success,
                LdapBind.Simple => await connection.BindAsync(_settings.BindName, _settings.BindPassword, cancel).ConfigureAwait(false),
                _ => await connection.BindSaslAsync(_settings.Mechanism, _settings.Credentials, cancel).ConfigureAwait(false),
            };
            ready = code == LdapResult.Success;
            return ready ? Reply<LdapConnection>.Answered(connection) : Reply<LdapConnection>.Broken(CantBind(shown, $"{code} ({LdapResult.Text(code)})"));
        }
        finally
        {
            if (!ready)
            {
                await connection.DisposeAsync().ConfigureAwait(false);
            }
        }
    }

    private string CantBind(string server, string why) => $"Unable to bind to server {server} with dn {(_settings.BindName.Length > 0 ? _settings.BindName : "empty or implicit")}: {why}";

    private async ValueTask<Reply<Lookup>> FindAsync(LdapConnection connection, LdapSearch search, string key, CancellationToken cancel)
    {
        var found = await connection.SearchAsync(search, cancel).ConfigureAwait(false);
        switch (found.Code)
        {
            case LdapResult.Success:
                return await new LdapExpansion(_settings, Search, Events, Source).RunAsync(connection, found, new Results(this, key), key, cancel).ConfigureAwait(false);
            case LdapResult.NoSuchObject when _dynamicBase:
                // A base that depends on the key and is not there is a key that is not there.
                return Reply<Lookup>.Answered(Lookup.NotFound);
            case LdapResult.NoSuchObject:
                return Reply<Lookup>.Refused($"{Source}: Search base '{search.Base}' not found: {found.Code}: {LdapResult.Text(found.Code)}");
            case LdapResult.ServerDown or LdapResult.DecodingError or LdapResult.Busy or LdapResult.Unavailable:
                return Reply<Lookup>.Broken($"Search error {found.Code}: {LdapResult.Text(found.Code)} ");
            default:
                return Reply<Lookup>.Refused($"Search error {found.Code}: {LdapResult.Text(found.Code)} ");
        }
    }

    /// <summary>Follows what entries found name, and adds their values: an own stack in place of recursion, as deep as recursion_limit.</summary>
    private sealed class LdapExpansion(LdapSettings settings, Func<string, LdapScope, string, IReadOnlyList<string>, LdapSearch> search, ITableEvents events, string source)
    {
        /// <summary>Searches that one lookup may cause: groups may name each other in a circle.</summary>
        private const int MaxSearches = 10_000;

        public async ValueTask<Reply<Lookup>> RunAsync(LdapConnection connection, LdapFound first, Results results, string key, CancellationToken cancel)
        {
            var waiting = new Stack<(Queue<object> Work, int Depth)>();
            if (!Push(waiting, first.Entries, 1, key))
            {
                return Reply<Lookup>.Answered(Failed());
            }
            for (var searches = 0; waiting.TryPeek(out var top);)
            {
                if (!top.Work.TryDequeue(out var next))
                {
                    waiting.Pop();
                    continue;
                }
                if (next is string value)
                {
                    if (!results.Add(value))
                    {
                        return Reply<Lookup>.Answered(results.Lookup);
                    }
                    continue;
                }
                var (deeper, shown) = ((LdapSearch, string))next;
                if (top.Depth >= settings.RecursionLimit || ++searches > MaxSearches)
                {
                    events.Warning($"dict_ldap_get_values[{top.Depth}]: {source}: Recursion limit exceeded for special attribute {shown}");
                    return Reply<Lookup>.Answered(Failed());
                }
                var found = await connection.SearchAsync(deeper, cancel).ConfigureAwait(false);
                if (found.Code == LdapResult.NoSuchObject)
                {
                    events.Warning($"dict_ldap_get_values[{top.Depth}]: DN {deeper.Base} not found, skipping ");
                }
                else if (found.Code is LdapResult.ServerDown or LdapResult.DecodingError)
                {
                    return Reply<Lookup>.Broken($"Search error {found.Code}: {LdapResult.Text(found.Code)} ");
                }
                else if (found.Code != LdapResult.Success)
                {
                    events.Warning($"dict_ldap_get_values[{top.Depth}]: search error {found.Code}: {LdapResult.Text(found.Code)} ");
                    return Reply<Lookup>.Answered(Failed());
                }
                else if (!Push(waiting, found.Entries, top.Depth + 1, key))
                {
                    return Reply<Lookup>.Answered(Failed());
                }
            }
            return Reply<Lookup>.Answered(results.Lookup);

            Lookup Failed() => Lookup.Error($"ldap:{source}: lookup of {key} failed");
        }

        /// <summary>What entries hold, in order: values, and searches for what they name.</summary>
        private bool Push(Stack<(Queue<object> Work, int Depth)> waiting, List<LdapEntry> entries, int depth, string key)
        {
            if (settings.SizeLimit > 0 && entries.Count > settings.SizeLimit)
            {
                events.Warning($"dict_ldap_get_values[{depth}]: {source}: Query size limit ({settings.SizeLimit}) exceeded");
                return false;
            }
            var work = new Queue<object>();
            foreach (var entry in entries)
            {
                bool Has(IReadOnlyList<string> names) => entry.Attributes.Exists(a => a.Values.Count > 0 && names.Any(n => LdapSettings.IsOf(n, a.Name)));
                var terminal = Has(settings.Terminal);
                var leaf = !Has(settings.Special);
                foreach (var (name, values) in entry.Attributes)
                {
                    bool Is(IReadOnlyList<string> names) => names.Any(n => LdapSettings.IsOf(n, name));
                    var take = terminal ? Is(settings.Terminal) : Is(settings.Terminal) || Is(settings.Ordinary) || (Is(settings.Leaf) && leaf);
                    if (take)
                    {
                        values.ForEach(work.Enqueue);
                    }
                    else if (!terminal && !Is(settings.Leaf) && Is(settings.Special) && !values.TrueForAll(v => Follow(work, v, name, depth)))
                    {
                        return false;
                    }
                }
            }
            waiting.Push((work, depth));
            return true;
        }

        private bool Follow(Queue<object> work, string value, string attribute, int depth)
        {
            if (!LdapUrl.Looks(value))
            {
                work.Enqueue((search(value, LdapScope.Base, "(objectclass=*)", settings.Attributes), $"{attribute}={value}"));
                return true;
            }
            if (LdapUrl.Parse(value) is not { } url)
            {
                events.Warning($"dict_ldap_get_values[{depth}]: malformed URL {value}");
                return false;
            }
            // A URL is searched on the server at hand, for those attributes that it names and the table wants.
            var wanted = url.Attributes.Count == 0 || url.Attributes.Contains("*") ? settings.Attributes : settings.Attributes.Where(a => url.Attributes.Any(u => LdapSettings.IsOf(u, a) || LdapSettings.IsOf(a, u))).ToArray();
            if (wanted.Count > 0)
            {
                work.Enqueue((search(url.Name, url.Scope, url.Filter, wanted), $"{attribute}={value}"));
            }
            return true;
        }
    }
}

/// <summary>How an ldap: table makes itself known.</summary>
internal enum LdapBind : byte
{
    None,
    Simple,
    Sasl,
}
