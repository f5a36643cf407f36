using System.Globalization;
using System.Text;
using Facteur.Tables.Databases;

namespace Facteur.Tables.Types;

/// <summary>
/// memcache: (memcache_table(5)): a server's memory, and behind it a table that lasts. What that one has is put into memory when it is asked for;
/// what is written is written there first. While there is such a table, a server that is away costs time, not answers.
/// </summary>
internal sealed class MemcacheTable : DatabaseTable, IUpdatableTable, IListableTable
{
    /// <summary>memcached's protocol.txt: a key is at most 250 bytes.</summary>
    private const int MaxKey = 250;

    private static readonly byte[] LineEnd = "\r\n"u8.ToArray();

    private readonly string _keyFormat;
    private readonly int _flags, _ttl, _dataLimit, _lineLimit, _tries;
    private readonly TimeSpan _pause;
    private readonly TimeSpan _timeout;
    private readonly ServerHosts<ServerStream> _hosts;
    private readonly ITable? _backup;

    private MemcacheTable(TableRequest request, SourceSettings settings)
        : base(request, settings, "%s")
    {
        _keyFormat = settings.Text("key_format", "%s");
        if (!Templates.Add(_keyFormat, isQuery: true))
        {
            Events.Warning($"{Name}: key_format {_keyFormat} has no key in it");
        }
        (_flags, _ttl) = (settings.Number("flags", 0), settings.Number("ttl", 3600));
        (_dataLimit, _lineLimit) = (settings.Number("data_size_limit", 10240, 1), settings.Number("line_size_limit", 1024, 1));
        (_tries, _pause) = (settings.Number("max_try", 2, 1, 100), TimeSpan.FromSeconds(settings.Number("retry_pause", 1, 1, 3600)));
        _timeout = TimeSpan.FromSeconds(settings.Number("timeout", 2, 1, 3600));
        var server = settings.Text("memcache", "inet:localhost:11211");
        var colon = server.IndexOf(':', StringComparison.Ordinal);
        if (colon <= 0 || server[..colon] is not ("inet" or "unix"))
        {
            throw new TableException(colon <= 0 ? $"need service transport:endpoint instead of \"{server}\"" : $"invalid transport name: {server[..colon]} in service: {server}");
        }
        var address = ServerAddress.Parse(server) ?? throw new TableException($"{Name}: bad memcache server: {server}; expected inet:host:port or unix:/path");
        _backup = settings.Text("backup") is { Length: > 0 } backup ? request.Set.OpenOrThrow(backup) : null;
        _hosts = new ServerHosts<ServerStream>([address], new ServerUse { Retry = TimeSpan.FromSeconds(1), Limit = _timeout }, Time, ConnectAsync)
        {
            OnConnectFailed = (_, reason) => Events.Warning($"connect to {Shown(server)}: {reason}"),
            OnFailed = (_, reason) => Events.Warning($"{server}: {reason}"),
        };
    }

    public static ITable Open(TableRequest request) =>
        request.Options.SecuritySensitive ? throw new TableException($"{request.FullName} map is not allowed for security-sensitive data")
            : new MemcacheTable(request, SourceSettings.Read(request));

    public override void Dispose() => _hosts.Dispose();

    public async ValueTask<string?> UpdateAsync(string key, string value, CancellationToken cancel)
    {
        if (await KeyOfAsync(key, cancel).ConfigureAwait(false) is not { } name)
        {
            return Said($"database {Name}: key '{key}' is not one: update skipped");
        }
        string? wrong = null;
        if (_backup is not null)
        {
            wrong = _backup is IUpdatableTable backup ? await backup.UpdateAsync(key, value, cancel).ConfigureAwait(false) : Said($"database {_backup.Name} can't be updated");
        }
        var set = await SetAsync(name, value, cancel).ConfigureAwait(false);
        return _backup is null ? set : wrong;
    }

    public async ValueTask<Lookup> DeleteAsync(string key, CancellationToken cancel)
    {
        if (await KeyOfAsync(key, cancel).ConfigureAwait(false) is not { } name)
        {
            return Lookup.Error(Said($"database {Name}: key '{key}' is not one: delete skipped"));
        }
        var lookup = Lookup.NotFound;
        if (_backup is not null)
        {
            lookup = _backup is IUpdatableTable backup ? await backup.DeleteAsync(key, cancel).ConfigureAwait(false)
                : Lookup.Error(Said($"database {_backup.Name} can't be updated"));
        }
        var line = Encoding.UTF8.GetBytes($"delete {name}\r\n");
        var reply = await TryAsync((stream, token) => SendAsync(stream, line, token), cancel).ConfigureAwait(false);
        var (status, text) = reply.Value switch
        {
            "DELETED" => (LookupStatus.Found, ""),
            "NOT_FOUND" => (LookupStatus.NotFound, ""),
            { } other => (LookupStatus.Error, Said($"database {Name}: delete failed: {Short(other)}")),
            null => (LookupStatus.Error, reply.Reason),
        };
        return _backup is null ? new Lookup(status, text) : lookup;
    }

    public IEnumerable<KeyValuePair<string, string>> Entries() =>
        _backup is IListableTable backup ? backup.Entries() : throw new TableException($"database {Name}: first/next support requires backup database");

    protected override async ValueTask<Lookup> FindAsync(string key, CancellationToken cancel)
    {
        if (MemoryKey(key) is not { } name)
        {
            // Postfix: a key with white space is in neither; a server refuses one that is too long, and then what lasts is asked.
            return KeyTemplates.Query(_keyFormat, key, static text => text) is var shown && (shown.Length == 0 || shown.AsSpan().IndexOfAny(" \t\r\n\v\f") >= 0) ? Lookup.NotFound
                : _backup is null ? Lookup.Error($"{Name}: no key of memcache: \"{Short(shown)}\"")
                : await _backup.LookupAsync(key, cancel).ConfigureAwait(false);
        }
        var line = Encoding.UTF8.GetBytes($"get {name}\r\n");
        var reply = await TryAsync((stream, token) => GetAsync(stream, line, token), cancel).ConfigureAwait(false);
        if (reply is { Kind: ReplyKind.Answered, Value: { Status: LookupStatus.Found } found })
        {
            return found;
        }
        if (_backup is null)
        {
            return reply.Kind == ReplyKind.Answered ? reply.Value : Lookup.Error($"{Name}: {reply.Reason}");
        }
        var lookup = await _backup.LookupAsync(key, cancel).ConfigureAwait(false);
        if (lookup.Status == LookupStatus.Found)
        {
            _ = await SetAsync(name, lookup.Value, cancel).ConfigureAwait(false);
        }
        return lookup;
    }

    private async ValueTask<string?> KeyOfAsync(string key, CancellationToken cancel) =>
        Normal(key) is { } normal && await ServesAsync(normal, cancel).ConfigureAwait(false) == LookupStatus.Found && Templates.Suits(normal) ? MemoryKey(normal) : null;

    /// <summary>A key in memory; null when the protocol has none such: white space would end it, and begin another command.</summary>
    private string? MemoryKey(string key)
    {
        var name = KeyTemplates.Query(_keyFormat, key, static text => text);
        return name.Length > 0 && Encoding.UTF8.GetByteCount(name) <= MaxKey && !name.AsSpan().ContainsAnyInRange('\0', ' ') && !name.Contains('\x7f') ? name : null;
    }

    private async ValueTask<string?> SetAsync(string name, string value, CancellationToken cancel)
    {
        var data = Encoding.UTF8.GetBytes(value);
        if (data.Length > _dataLimit)
        {
            return Said($"database {Name}: update failed: value of more than {_dataLimit} bytes");
        }
        byte[] command = [.. Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"set {name} {_flags} {_ttl} {data.Length}\r\n")), .. data, .. LineEnd];
        var reply = await TryAsync((stream, token) => SendAsync(stream, command, token), cancel).ConfigureAwait(false);
        return reply.Value switch
        {
            "STORED" => null,
            { } other => Said($"database {Name}: update failed: {Short(other)}"),
            null => reply.Reason,
        };
    }

    /// <summary>A command that fails is tried again after a pause; not when there is no connection.</summary>
    private async ValueTask<Reply<TAnswer>> TryAsync<TAnswer>(Func<ServerStream, CancellationToken, ValueTask<Reply<TAnswer>>> ask, CancellationToken cancel)
    {
        for (var tried = 1; ; tried++)
        {
            var asked = false;
            var reply = await _hosts.AskAsync(
                (stream, token) =>
                {
                    asked = true;
                    return ask(stream, token);
                },
                cancel).ConfigureAwait(false);
            if (reply.Kind == ReplyKind.Answered || !asked || tried >= _tries)
            {
                return reply;
            }
            await Task.Delay(_pause, Time, cancel).ConfigureAwait(false);
        }
    }

    private async ValueTask<Reply<ServerStream>> ConnectAsync(ServerAddress address, CancellationToken cancel)
    {
        var made = await address.ConnectAsync(_timeout, Time, cancel).ConfigureAwait(false);
        return made.Connection is { } connection ? Reply<ServerStream>.Answered(new ServerStream(connection)) : Reply<ServerStream>.Broken(made.Error);
    }

    /// <summary>A command and its line of answer.</summary>
    private async ValueTask<Reply<string>> SendAsync(ServerStream stream, byte[] command, CancellationToken cancel) =>
        await stream.SendAsync(command, cancel).ConfigureAwait(false) && await LineAsync(stream, cancel).ConfigureAwait(false) is { } line
            ? Reply<string>.Answered(line) : Reply<string>.Broken("EOF receiving memcache server reply");

    private async ValueTask<Reply<Lookup>> GetAsync(ServerStream stream, byte[] command, CancellationToken cancel)
    {
        var first = await SendAsync(stream, command, cancel).ConfigureAwait(false);
        if (first.Value is not { } line)
        {
            return Reply<Lookup>.Broken(first.Reason);
        }
        if (line == "END")
        {
            return Reply<Lookup>.Answered(Lookup.NotFound);
        }
        var words = line.Split(' ');
        if (words is not ["VALUE", _, _, var length, ..] || !int.TryParse(length, NumberStyles.None, CultureInfo.InvariantCulture, out var count) || count > _dataLimit)
        {
            return Reply<Lookup>.Broken($"unexpected memcache server reply: {Short(line)}");
        }
        if (await stream.ReadAsync(count + 2, cancel).ConfigureAwait(false) is not { } data || await LineAsync(stream, cancel).ConfigureAwait(false) is not { } last)
        {
            return Reply<Lookup>.Broken("EOF receiving memcache server reply");
        }
        return last == "END" && data.AsSpan(count).SequenceEqual(LineEnd) ? Reply<Lookup>.Answered(Lookup.Found(Encoding.UTF8.GetString(data, 0, count)))
            : Reply<Lookup>.Broken($"unexpected memcache server reply: {Short(last)}");
    }

    private async ValueTask<string?> LineAsync(ServerStream stream, CancellationToken cancel) =>
        await stream.ReadToAsync((byte)'\n', _lineLimit, cancel).ConfigureAwait(false) is { } line && line.Length <= _lineLimit
            ? Encoding.UTF8.GetString(line).TrimEnd('\r') : null;

    /// <summary>Without the transport, as Postfix shows it.</summary>
    private static string Shown(string server) => server[(server.IndexOf(':', StringComparison.Ordinal) + 1)..];

    private static string Short(string text) => text.Length > 30 ? text[..30] : text;

    private string Said(string warning)
    {
        Events.Warning(warning);
        return warning;
    }
}
