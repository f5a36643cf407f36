using System.Globalization;
using System.Text;
using Facteur.Config.Parameters;
using Facteur.Tables.Databases;
using Facteur.Tables.Text;

namespace Facteur.Tables.Types;

/// <summary>socketmap:inet:host:port:name and socketmap:unix:path:name (socketmap_table(5)): netstrings "name key", "OK value", "NOTFOUND", "TEMP why". Keys keep their case: the server decides.</summary>
internal sealed class SocketmapTable : ITable
{
    private static readonly ServerUse Use = new() { Retry = TimeSpan.FromSeconds(1), Limit = TimeSpan.FromSeconds(100) };

    private readonly TableRequest _request;
    private readonly string _name;
    private readonly long _maxReply;
    private readonly ServerHosts<ServerStream> _hosts;

    private SocketmapTable(TableRequest request, ServerAddress address, string name)
    {
        (_request, _name) = (request, name);
        _maxReply = request.Set.Config.Get(TablesParameters.SocketmapMaxReplySize);
        _hosts = new ServerHosts<ServerStream>([address], Use, request.Set.Time, ConnectAsync)
        {
            OnConnectFailed = (host, reason) => request.Events.Warning($"connect to {Shown(host)}: {reason}"),
            OnFailed = (_, reason) => request.Events.Warning($"table {request.FullName} lookup error: {reason}"),
        };
    }

    public string Name => _request.FullName;

    // Postfix: no partial keys are asked for.
    public bool IsPattern => true;

    public bool CanBlock => true;

    public static ITable Open(TableRequest request)
    {
        if (request.Options.SecuritySensitive)
        {
            throw new TableException($"{request.FullName} map is not allowed for security-sensitive data");
        }
        var colon = request.Argument.LastIndexOf(':');
        var server = colon > 0 ? request.Argument[..colon] : "";
        return colon < request.Argument.Length - 1 && server is ['i', 'n', 'e', 't', ':', ..] or ['u', 'n', 'i', 'x', ':', ..] && ServerAddress.Parse(server) is { } address
            ? new SocketmapTable(request, address, request.Argument[(colon + 1)..])
            : throw new TableException($"{request.Type} requires server:socketmap argument");
    }

    public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel) =>
        LookupAsync((_request.Options.Utf8 ? Encoding.UTF8 : Encoding.Latin1).GetBytes(key), cancel);

    public async ValueTask<Lookup> LookupAsync(ReadOnlyMemory<byte> key, CancellationToken cancel)
    {
        var name = Encoding.UTF8.GetBytes(_name + " ");
        byte[] request = [.. Encoding.Latin1.GetBytes($"{name.Length + key.Length}:"), .. name, .. key.Span, (byte)','];
        var reply = await _hosts.AskAsync((stream, token) => AskAsync(stream, key, request, token), cancel).ConfigureAwait(false);
        return reply.Kind == ReplyKind.Answered ? reply.Value : Lookup.Error($"{Name}: {reply.Reason}");
    }

    public void Dispose() => _hosts.Dispose();

    private static string Shown(ServerAddress host) => host.IsUnix ? host.Path : $"{host.Host}:{host.Port}";

    private async ValueTask<Reply<ServerStream>> ConnectAsync(ServerAddress address, CancellationToken cancel)
    {
        var made = await address.ConnectAsync(Use.Limit, _request.Set.Time, cancel).ConfigureAwait(false);
        return made.Connection is { } connection ? Reply<ServerStream>.Answered(new ServerStream(connection)) : Reply<ServerStream>.Broken(made.Error);
    }

    private async ValueTask<Reply<Lookup>> AskAsync(ServerStream stream, ReadOnlyMemory<byte> key, byte[] request, CancellationToken cancel)
    {
        // http://cr.yp.to/proto/netstrings.txt
        if (!await stream.SendAsync(request, cancel).ConfigureAwait(false) || await stream.ReadToAsync((byte)':', 10, cancel).ConfigureAwait(false) is not { } digits)
        {
            return Reply<Lookup>.Broken("unexpected EOF");
        }
        if (!int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var length) || length > _maxReply)
        {
            return Reply<Lookup>.Broken(digits.Length > 10 || length > _maxReply ? "unexpected netstring length" : "bad netstring length");
        }
        if (await stream.ReadAsync(length + 1, cancel).ConfigureAwait(false) is not { } data)
        {
            return Reply<Lookup>.Broken("unexpected EOF");
        }
        return data[^1] == ',' ? Answer(key.Span, data.AsSpan(0, length)) : Reply<Lookup>.Broken("missing netstring terminator");
    }

    private Reply<Lookup> Answer(ReadOnlySpan<byte> key, ReadOnlySpan<byte> data)
    {
        var space = data.IndexOf((byte)' ');
        var status = Encoding.Latin1.GetString(space < 0 ? data : data[..space]);
        var text = space < 0 ? "" : (_request.Options.Utf8 ? Encoding.UTF8 : Encoding.Latin1).GetString(data[(space + 1)..]);
        switch (status)
        {
            // Postfix: an answer without a text, not even an empty one, is none.
            case "OK" when space < 0:
                return Reply<Lookup>.Answered(Lookup.NotFound);
            case "OK":
                return Reply<Lookup>.Answered(
                    ByteText.Answer(Name, (_request.Options.Utf8 ? Encoding.UTF8 : Encoding.Latin1).GetString(key), Encoding.Latin1.GetString(data[(space + 1)..]), _request.Options.Utf8));
            case "NOTFOUND":
                return Reply<Lookup>.Answered(Lookup.NotFound);
            default:
                var kind = status switch { "TEMP" => "temporary", "TIMEOUT" => "timeout", "PERM" => "permanent", _ => "unknown" };
                var warning = $"{Name} socketmap server {kind} error{(text.Length > 0 ? ": " : "")}{(text.Length > 200 ? text[..200] : text)}";
                _request.Events.Warning(warning);
                return Reply<Lookup>.Answered(Lookup.Error(warning));
        }
    }
}
