using System.Text;
using Facteur.Tables.Databases;
using Facteur.Tables.Text;

namespace Facteur.Tables.Types;

/// <summary>tcp:host:port (tcp_table(5)): "get key" answered by "200 value", "500 no such key" or "400 later"; what is not printable ASCII is %XX. Keys keep their case: the server decides.</summary>
internal sealed class TcpTable : ITable
{
    private const int MaxReply = 4096;
    private static readonly ServerUse Use = new() { Retry = TimeSpan.FromSeconds(1), Limit = TimeSpan.FromSeconds(100) };

    private readonly TableRequest _request;
    private readonly ServerHosts<ServerStream> _hosts;

    private TcpTable(TableRequest request, ServerAddress address)
    {
        _request = request;
        _hosts = new ServerHosts<ServerStream>([address], Use, request.Set.Time, ConnectAsync)
        {
            OnConnectFailed = (_, reason) => request.Events.Warning($"connect to TCP map {request.Argument}: {reason}"),
            OnFailed = (_, reason) => request.Events.Warning($"read TCP map reply from {request.Argument}: {reason}"),
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
            throw new TableException($"{request.FullName} map is not allowed for security sensitive data");
        }
        return ServerAddress.Parse("inet:" + request.Argument) is { } address ? new TcpTable(request, address)
            : throw new TableException($"{request.FullName}: bad address; expected tcp:host:port");
    }

    public ValueTask<Lookup> LookupAsync(string key, CancellationToken cancel) =>
        LookupAsync((_request.Options.Utf8 ? Encoding.UTF8 : Encoding.Latin1).GetBytes(key), cancel);

    public async ValueTask<Lookup> LookupAsync(ReadOnlyMemory<byte> key, CancellationToken cancel)
    {
        var request = Encoding.Latin1.GetBytes($"get {Encode(key.Span)}\n");
        var reply = await _hosts.AskAsync((stream, token) => AskAsync(stream, key, request, token), cancel).ConfigureAwait(false);
        return reply.Kind == ReplyKind.Answered ? reply.Value : Lookup.Error($"{Name}: {reply.Reason}");
    }

    public void Dispose() => _hosts.Dispose();

    /// <summary>A key as it is sent.</summary>
    internal static string Encode(ReadOnlySpan<byte> key)
    {
        var text = new StringBuilder(key.Length);
        foreach (var b in key)
        {
            // Postfix: isspace(), unprintable, %.
            _ = b is <= 0x20 or >= 0x7f or (byte)'%' ? text.Append('%').Append($"{b:x2}") : text.Append((char)b);
        }
        return text.ToString();
    }

    /// <summary>The bytes of a reply's text; null when a % has no two digits.</summary>
    internal static byte[]? Decode(ReadOnlySpan<byte> text)
    {
        var bytes = new byte[text.Length];
        var length = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != '%')
            {
                bytes[length++] = text[i];
                continue;
            }
            if (i + 2 >= text.Length || !char.IsAsciiHexDigit((char)text[i + 1]) || !char.IsAsciiHexDigit((char)text[i + 2]))
            {
                return null;
            }
            bytes[length++] = (byte)((Digit(text[i + 1]) << 4) | Digit(text[i + 2]));
            i += 2;
        }
        return bytes[..length];
    }

    private static int Digit(byte hex) => hex <= '9' ? hex - '0' : (hex | 0x20) - 'a' + 10;

    private async ValueTask<Reply<ServerStream>> ConnectAsync(ServerAddress address, CancellationToken cancel)
    {
        var made = await address.ConnectAsync(Use.Limit, _request.Set.Time, cancel).ConfigureAwait(false);
        return made.Connection is { } connection ? Reply<ServerStream>.Answered(new ServerStream(connection)) : Reply<ServerStream>.Broken(made.Error);
    }

    private async ValueTask<Reply<Lookup>> AskAsync(ServerStream stream, ReadOnlyMemory<byte> key, byte[] request, CancellationToken cancel)
    {
        if (!await stream.SendAsync(request, cancel).ConfigureAwait(false) || await stream.ReadToAsync((byte)'\n', MaxReply, cancel).ConfigureAwait(false) is not { } line)
        {
            return Reply<Lookup>.Broken("unexpected EOF (Connection reset by peer)");
        }
        if (line.Length > MaxReply)
        {
            return Reply<Lookup>.Broken($"text longer than {MaxReply}");
        }
        var shown = Encoding.Latin1.GetString(line.AsSpan(0, Math.Min(line.Length, 100)));
        if (line.Length < 4 || line[3] is not ((byte)' ' or (byte)'\t') || Decode(line.AsSpan(4)) is not { } text)
        {
            return Reply<Lookup>.Broken($"malformed reply: {shown}");
        }
        return line.AsSpan(0, 3) switch
        {
            [(byte)'5', _, _] => Reply<Lookup>.Answered(Lookup.NotFound),
            [(byte)'4', _, _] => Reply<Lookup>.Answered(Lookup.Error($"{Name}: {Value(text)}")),
            [(byte)'2', _, _] => Reply<Lookup>.Answered(ByteText.Answer(Name, Value(key.Span), Encoding.Latin1.GetString(text), _request.Options.Utf8)),
            _ => Reply<Lookup>.Broken($"bad status code: {shown}"),
        };
    }

    private string Value(ReadOnlySpan<byte> text) => (_request.Options.Utf8 ? Encoding.UTF8 : Encoding.Latin1).GetString(text);
}
