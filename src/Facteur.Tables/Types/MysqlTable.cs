using System.Data;
using System.Globalization;
using System.Text;
using Facteur.Tables.Databases;
using MySqlConnector;

namespace Facteur.Tables.Types;

/// <summary>A connection, and what its server makes of a backslash in quotes.</summary>
internal sealed class MysqlConnection(MySqlConnection connection, bool backslashes) : IAsyncDisposable
{
    public MySqlConnection Connection { get; } = connection;

    public bool Backslashes { get; } = backslashes;

    public ValueTask DisposeAsync() => Connection.DisposeAsync();
}

/// <summary>mysql: (mysql_table(5)): a query, or a call of a procedure, of a MySQL or MariaDB database, over MySqlConnector.</summary>
internal sealed class MysqlTable : SqlServerTable<MysqlConnection>
{
    private const int DefaultPort = 3306, ConnectSeconds = 10;
    private const string DefaultSocket = "/run/mysqld/mysqld.sock";

    /// <summary>The server is at its end or at its limits: ER_CON_COUNT_ERROR, ER_SERVER_SHUTDOWN, ER_USER_LIMIT_REACHED …</summary>
    private static readonly HashSet<int> ServerTroubles = [1040, 1041, 1053, 1077, 1203, 1226, 1290, 1836, 1927, 2006, 2013, 3159, 4031];

    private readonly string _connection;
    private readonly bool _requireResultSet;

    private MysqlTable(TableRequest request, SourceSettings settings, Dictionary<string, string> options)
        : base(request, settings, host => Address(host, options.GetValueOrDefault("socket", DefaultSocket)))
    {
        _requireResultSet = settings.Flag("require_result_set", true);
        string Tls(string name, string option) => settings.Text(name, options.GetValueOrDefault(option, ""));
        var authority = Tls("tls_CAfile", "ssl-ca");
        var (certificate, key) = (Tls("tls_cert_file", "ssl-cert"), Tls("tls_key_file", "ssl-key"));
        foreach (var name in (string[])["tls_CApath", "tls_ciphers", "charset"])
        {
            if (settings.Text(name) is { Length: > 0 } value && !(name == "charset" && value.StartsWith("utf8", StringComparison.Ordinal)))
            {
                Events.Warning($"{Name}: {name} = {value} has no effect");
            }
        }
        var verify = settings.Flag("tls_verify_cert", false);
        var builder = new MySqlConnectionStringBuilder
        {
            UserID = User.Length > 0 ? User : options.GetValueOrDefault("user", Environment.UserName),
            Password = Password.Length > 0 ? Password : options.GetValueOrDefault("password", ""),
            Database = Database.Length > 0 ? Database : options.GetValueOrDefault("database", ""),
            Pooling = false,
            ConnectionTimeout = ConnectSeconds,
            // The time limit is the pool's.
            DefaultCommandTimeout = 0,
            SslMode = verify ? MySqlSslMode.VerifyFull : authority.Length > 0 ? MySqlSslMode.VerifyCA : certificate.Length > 0 ? MySqlSslMode.Required : MySqlSslMode.Preferred,
            SslCa = authority,
            SslCert = certificate,
            SslKey = key,
            // Without TLS, caching_sha2_password asks the server for its key, as libmariadb does.
            AllowPublicKeyRetrieval = true,
            AllowUserVariables = true,
            TreatTinyAsBoolean = false,
            GuidFormat = MySqlGuidFormat.None,
            AllowZeroDateTime = true,
            IgnoreCommandTransaction = true,
        };
        _connection = builder.ConnectionString;
    }

    public static ITable Open(TableRequest request)
    {
        var settings = SourceSettings.Read(request);
        var group = settings.Text("option_group", "client");
        var file = settings.Text("option_file");
        return new MysqlTable(request, settings, group.Length > 0 || file.Length > 0 ? MysqlOptions.Read(file, ["client", group]) : []);
    }

    protected override async ValueTask<Reply<MysqlConnection>> ConnectAsync(ServerAddress host, CancellationToken cancel)
    {
        var settings = new MySqlConnectionStringBuilder(_connection);
        if (host.IsUnix)
        {
            (settings.Server, settings.ConnectionProtocol) = (host.Path, MySqlConnectionProtocol.UnixSocket);
        }
        else
        {
            (settings.Server, settings.Port) = (host.Host, (uint)host.Port);
        }
        var connection = new MySqlConnection(settings.ConnectionString);
        try
        {
            await connection.OpenAsync(cancel).ConfigureAwait(false);
            var command = new MySqlCommand("SELECT @@SESSION.sql_mode", connection);
            await using (command.ConfigureAwait(false))
            {
                var mode = await command.ExecuteScalarAsync(cancel).ConfigureAwait(false) as string ?? "";
                return Reply<MysqlConnection>.Answered(new MysqlConnection(connection, !mode.Contains("NO_BACKSLASH_ESCAPES", StringComparison.Ordinal)));
            }
        }
        catch (Exception e) when (e is MySqlException or InvalidOperationException or IOException or NotSupportedException or ArgumentException)
        {
            await connection.DisposeAsync().ConfigureAwait(false);
            return Reply<MysqlConnection>.Broken(await WordsAsync(e, host, cancel).ConfigureAwait(false));
        }
    }

    protected override async ValueTask<Reply<List<string?>>> AskAsync(MysqlConnection connection, string key, CancellationToken cancel)
    {
        try
        {
            var command = new MySqlCommand(Query(key, connection.Backslashes ? SqlQuoting.Mysql : Doubled), connection.Connection);
            await using (command.ConfigureAwait(false))
            {
                var reader = await command.ExecuteReaderAsync(cancel).ConfigureAwait(false);
                await using (reader.ConfigureAwait(false))
                {
                    return await ReadAsync(reader, cancel).ConfigureAwait(false);
                }
            }
        }
        catch (MySqlException e) when (connection.Connection.State == ConnectionState.Open && !ServerTroubles.Contains(e.Number))
        {
            return Reply<List<string?>>.Refused(e.Message);
        }
        catch (Exception e) when (e is OverflowException or InvalidCastException or FormatException)
        {
            return Reply<List<string?>>.Unusable(e.Message.ReplaceLineEndings(" "));
        }
        catch (Exception e) when (e is MySqlException or InvalidOperationException or IOException)
        {
            return Reply<List<string?>>.Broken(e.Message.ReplaceLineEndings(" "));
        }
    }

    protected override string Failure(string host, string reason) => $"{Name}: query failed: {reason}";

    private async ValueTask<Reply<List<string?>>> ReadAsync(MySqlDataReader reader, CancellationToken cancel)
    {
        var values = new List<string?>();
        var sets = 0;
        long size = 0;
        do
        {
            sets += reader.FieldCount > 0 ? 1 : 0;
            while (await reader.ReadAsync(cancel).ConfigureAwait(false))
            {
                for (var i = 0; i < reader.FieldCount; i++)
                {
                    // 65 digits are more than a decimal has here.
                    var type = reader.GetDataTypeName(i);
                    var value = type == "DECIMAL" && !reader.IsDBNull(i) ? reader.GetMySqlDecimal(i).ToString() : Text(reader.GetValue(i), type);
                    size += 16 + (value?.Length ?? 0);
                    if (size > MaxResult)
                    {
                        return Reply<List<string?>>.Unusable($"a result of more than {MaxResult} bytes");
                    }
                    values.Add(value);
                }
            }
        }
        while (await reader.NextResultAsync(cancel).ConfigureAwait(false));
        return sets > 1 ? Reply<List<string?>>.Refused("multiple result sets returning data are not supported")
            : sets == 0 && _requireResultSet ? Reply<List<string?>>.Refused("query returned no result set(require_result_set = yes)")
            : Reply<List<string?>>.Answered(values);
    }

    /// <summary>NO_BACKSLASH_ESCAPES: a quote is two; which one the query has is seen in it.</summary>
    private string Doubled(string text)
    {
        text = SqlQuoting.Standard(text);
        return QueryHas('"') ? text.Replace("\"", "\"\"", StringComparison.Ordinal) : text;
    }

    /// <summary>A value as the server writes it.</summary>
    private static string? Text(object value, string type) => value switch
    {
        DBNull => null,
        string text => text,
        byte[] bytes => Encoding.UTF8.GetString(bytes),
        MySqlDateTime { IsValidDateTime: false } => type == "DATE" ? "0000-00-00" : "0000-00-00 00:00:00",
        MySqlDateTime time => Date(time.GetDateTime(), type),
        DateTime time => Date(time, type),
        TimeSpan span => (span < TimeSpan.Zero ? "-" : "")
            + string.Create(CultureInfo.InvariantCulture, $"{(int)Math.Abs(span.TotalHours):00}:{Math.Abs(span.Minutes):00}:{Math.Abs(span.Seconds):00}"),
        bool flag => flag ? "1" : "0",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        _ => value.ToString(),
    };

    private static string Date(DateTime time, string type) =>
        time.ToString(type == "DATE" ? "yyyy-MM-dd" : time.Ticks % TimeSpan.TicksPerSecond == 0 ? "yyyy-MM-dd HH:mm:ss" : "yyyy-MM-dd HH:mm:ss.ffffff", CultureInfo.InvariantCulture);

    // The MySQL way: localhost is the socket.
    private static ServerAddress? Address(string host, string socket) =>
        ServerAddress.Parse(host, DefaultPort) is not { } address ? null
        : address.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase) ? new ServerAddress("", 0, socket) : address;

    /// <summary>libmariadb's words, with the system's: the client does not say why a server could not be reached.</summary>
    private async ValueTask<string> WordsAsync(Exception e, ServerAddress host, CancellationToken cancel)
    {
        if (e is not MySqlException { ErrorCode: MySqlErrorCode.UnableToConnectToHost })
        {
            return e.Message.ReplaceLineEndings(" ");
        }
        var again = await host.ConnectAsync(TimeSpan.FromSeconds(1), Time, cancel).ConfigureAwait(false);
        if (again.Connection is { } connection)
        {
            await connection.DisposeAsync().ConfigureAwait(false);
        }
        var why = again.Error.Length > 0 ? again.Error : "no answer";
        return host.IsUnix ? $"Can't connect to local server through socket '{host.Path}' ({why})" : $"Can't connect to server on '{host.Host}' ({why})";
    }
}
