using System.Collections.Concurrent;
using System.Data;
using System.Text;
using Facteur.Tables.Databases;
using Npgsql;

namespace Facteur.Tables.Types;

/// <summary>pgsql: (pgsql_table(5)): a query of a PostgreSQL database, over Npgsql. Values are the server's own texts.</summary>
internal sealed class PgsqlTable : SqlServerTable<NpgsqlConnection>
{
    private const int DefaultPort = 5432;
    private static readonly TimeSpan ConnectLimit = TimeSpan.FromSeconds(10);

    /// <summary>What a host begins with that is a whole URI; its address has that as host, and no port.</summary>
    private static readonly string[] Uris = ["postgresql://", "postgres://"];

    private readonly ConcurrentDictionary<ServerAddress, NpgsqlDataSource> _sources = new();

    private PgsqlTable(TableRequest request, SourceSettings settings)
        : base(request, settings, Address)
    {
        if (settings.Text("encoding", "UTF8") is var encoding && !encoding.Replace("-", "", StringComparison.Ordinal).Equals("UTF8", StringComparison.OrdinalIgnoreCase))
        {
            Events.Warning($"{Name}: encoding = {encoding} has no effect: text is UTF-8 on the way to the server, which converts it");
        }
    }

    public static ITable Open(TableRequest request)
    {
        // Queries come as the administrator wrote them: a colon or @ in them is no parameter, and ";" is the server's to judge.
        AppContext.SetSwitch("Npgsql.EnableSqlRewriting", false);
        return new PgsqlTable(request, SourceSettings.Read(request));
    }

    protected override async ValueTask<Reply<NpgsqlConnection>> ConnectAsync(ServerAddress host, CancellationToken cancel)
    {
        NpgsqlConnection? connection = null;
        try
        {
            connection = _sources.GetOrAdd(host, static (host, self) => self.MakeSource(host), this).CreateConnection();
            await connection.OpenAsync(cancel).ConfigureAwait(false);
            return Reply<NpgsqlConnection>.Answered(connection);
        }
        catch (Exception e) when (e is NpgsqlException or InvalidOperationException or IOException or NotSupportedException or ArgumentException or TimeoutException)
        {
            var place = Settings(host);
            var where = place.Host is ['/', ..] ? $"on socket \"{place.Host}/.s.PGSQL.{place.Port}\"" : $"at \"{place.Host}\", port {place.Port}";
            if (connection is not null)
            {
                await connection.DisposeAsync().ConfigureAwait(false);
            }
            return Reply<NpgsqlConnection>.Broken($"connection to server {where} failed: {Words(e)}");
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        foreach (var source in _sources.Values)
        {
            source.Dispose();
        }
    }

    protected override async ValueTask<Reply<List<string?>>> AskAsync(NpgsqlConnection connection, string key, CancellationToken cancel)
    {
        try
        {
            var conforming = connection.PostgresParameters.GetValueOrDefault("standard_conforming_strings") == "on";
            var command = new NpgsqlCommand(Query(key, conforming ? SqlQuoting.Standard : SqlQuoting.Backslashes), connection) { AllResultTypesAreUnknown = true };
            await using (command.ConfigureAwait(false))
            {
                var reader = await command.ExecuteReaderAsync(CommandBehavior.SequentialAccess, cancel).ConfigureAwait(false);
                await using (reader.ConfigureAwait(false))
                {
                    var values = new List<string?>();
                    for (long size = 0; await reader.ReadAsync(cancel).ConfigureAwait(false);)
                    {
                        for (var i = 0; i < reader.FieldCount; i++)
                        {
                            var value = reader.IsDBNull(i) ? null : reader.GetString(i);
                            size += 16 + (value?.Length ?? 0);
                            if (size > MaxResult)
                            {
                                // Reading to its end would take what it takes: the connection ends.
                                return Reply<List<string?>>.Unusable($"a result of more than {MaxResult} bytes");
                            }
                            values.Add(value);
                        }
                    }
                    return Reply<List<string?>>.Answered(values);
                }
            }
        }
        catch (PostgresException e) when (connection.State == ConnectionState.Open && e.SqlState is not (['5', '3', ..] or ['5', '7', ..]))
        {
            return Reply<List<string?>>.Refused(Words(e));
        }
        catch (Exception e) when (e is NpgsqlException or InvalidOperationException or IOException or DecoderFallbackException)
        {
            return Reply<List<string?>>.Broken(Words(e));
        }
    }

    private static ServerAddress? Address(string host)
    {
        if (Uris.Any(u => host.StartsWith(u, StringComparison.Ordinal)))
        {
            return PgsqlUri.Parse(host) is null ? null : new ServerAddress(host, 0, "");
        }
        host = host.StartsWith("unix:", StringComparison.Ordinal) ? host[5..] : host;
        return host is ['/', ..] ? new ServerAddress("", 0, host) : ServerAddress.Parse(host, DefaultPort);
    }

    private static NpgsqlConnectionStringBuilder Settings(ServerAddress host) =>
        host.IsUnix ? new NpgsqlConnectionStringBuilder { Host = host.Path, Port = DefaultPort }
        : host.Port == 0 ? PgsqlUri.Parse(host.Host)! : new NpgsqlConnectionStringBuilder { Host = host.Host, Port = host.Port };

    private NpgsqlDataSource MakeSource(ServerAddress host)
    {
        var settings = Settings(host);
        settings.Username ??= User.Length > 0 ? User : Environment.UserName;
        settings.Password ??= Password.Length > 0 ? Password : null;
        settings.Database ??= Database.Length > 0 ? Database : null;
        settings.Pooling = false;
        settings.Timeout = (int)ConnectLimit.TotalSeconds;
        // The time limit is the pool's; values come as text, for which no types of the server's catalogue are needed.
        settings.CommandTimeout = 0;
        settings.GssEncryptionMode = GssEncryptionMode.Disable;
        var builder = new NpgsqlSlimDataSourceBuilder(settings.ConnectionString);
        builder.EnableTransportSecurity();
        builder.ConfigureTypeLoading(static types => types.EnableTypeLoading(false));
        return builder.Build();
    }

    protected override string Failure(string host, string reason) => $"pgsql query failed: fatal error from host {PgsqlUri.WithoutPassword(host)}: {reason}";

    /// <summary>The server's words, or the system's.</summary>
    private static string Words(Exception e) => e is PostgresException server ? $"{server.Severity}:  {server.MessageText}"
        : (e.InnerException is { } inner and not TimeoutException ? inner.Message : e is TimeoutException or { InnerException: TimeoutException } ? "timeout expired" : e.Message).ReplaceLineEndings(" ");
}
