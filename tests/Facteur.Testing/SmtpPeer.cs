using System.Net;
using System.Net.Sockets;
using System.Text;
using Facteur.Net.Connections;
using Facteur.Net.Tls;

namespace Facteur.Testing;

/// <summary>
/// A scripted SMTP or LMTP server on a loopback socket. Rules answer commands by their beginning; the keys "CONNECT" and ".EOM RCPT TO:&lt;...&gt;" stand for the greeting
/// and the end of a message, ".BODY" for its first line; "TLS MAIL" is MAIL under TLS. A reply "close" closes, one that ends with "|close" is sent first, "hang" never answers, one that begins with "late " comes after 1.2 seconds. Lines of a reply are separated by "\n".
/// </summary>
public sealed class SmtpPeer : IAsyncDisposable
{
    // The peer's own thread writes them while tests look.
    private readonly List<string> _commands = [];
    private readonly List<string> _messages = [];
    private readonly Listener _listener;
    private readonly List<(string Start, string Reply)> _rules = [];
    private readonly List<Connection> _connections = [];
    private readonly CancellationTokenSource _end = new();

    public SmtpPeer(string address = "127.0.0.1", string? unix = null, int port = 0)
    {
        _listener = unix is null
            ? Listener.Tcp(new IPEndPoint(IPAddress.Parse(address), port), 50, TimeProvider.System, _ => { })
            : Listener.Unix(unix, 0x1B6, 50, TimeProvider.System, _ => { });
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndPoint).Port;

    public bool Lmtp { get; init; }

    public string Name { get; init; } = "sink";

    public string[] Extensions { get; set; } = ["PIPELINING", "SIZE 10240000", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8"];

    /// <summary>Answers STARTTLS.</summary>
    public ITlsHandshake? Tls { get; init; }

    /// <summary>Everything said, in order: commands as they came, "== connect", "== eof".</summary>
    public IReadOnlyList<string> Commands => Copy(_commands);

    /// <summary>Contents received, as they were on the wire (dots stuffed).</summary>
    public IReadOnlyList<string> Messages => Copy(_messages);

    public int Connections { get; private set; }

    public SmtpPeer On(string start, string reply)
    {
        _rules.Add((start, reply));
        return this;
    }

    public async ValueTask DisposeAsync()
    {
        await _listener.DisposeAsync();
        await _end.CancelAsync();
        lock (_connections)
        {
            _connections.ForEach(c => c.Abort());
        }
    }

    private async Task AcceptAsync()
    {
        while (await _listener.AcceptAsync() is { } connection)
        {
            lock (_connections)
            {
                _connections.Add(connection);
                Connections++;
            }
            _ = Task.Run(() => ServeAsync(connection));
        }
    }

    private string? Rule(string line) => _rules.FirstOrDefault(r => line.StartsWith(r.Start, StringComparison.OrdinalIgnoreCase)).Reply;

    private async Task ServeAsync(Connection connection)
    {
        Note("== connect");
        var session = new Session(connection);
        try
        {
            await ConverseAsync(session);
        }
        catch (Exception e) when (e is IOException or InvalidOperationException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            Note("== eof");
        }
        await session.Connection.DisposeAsync();
    }

    private async Task ConverseAsync(Session session)
    {
        if (!await SayAsync(session, Rule("CONNECT") ?? $"220 {Name} ESMTP"))
        {
            return;
        }
        var recipients = new List<string>();
        while (await session.LineAsync() is { } line)
        {
            Note(line);
            var verb = line.Split(' ')[0].ToUpperInvariant();
            var rule = (session.IsTls ? Rule("TLS " + line) : null) ?? Rule(line);
            if (verb == "MAIL")
            {
                recipients.Clear();
            }
            if (verb == "STARTTLS" && Tls is not null && rule is null)
            {
                await SayAsync(session, "220 ready");
                var result = await Tls.HandshakeAsync(session.Connection, null, _end.Token);
                session.Connection = result.Connection ?? throw new IOException(result.Error);
                session.IsTls = true;
                Note("== tls " + result.Facts!.Protocol);
                continue;
            }
            var reply = rule ?? Default(verb, recipients);
            if (!await SayAsync(session, reply) || verb == "QUIT")
            {
                return;
            }
            if (verb == "RCPT" && reply[0] == '2')
            {
                recipients.Add(line);
            }
            if (verb == "DATA" && reply[0] == '3' && !await MessageAsync(session, recipients))
            {
                return;
            }
        }
        Note("== eof");
    }

    private string Default(string verb, List<string> recipients) => verb switch
    {
        "EHLO" or "LHLO" => string.Join('\n', new[] { Name }.Concat(Extensions).Select((x, i) => $"250{(i < Extensions.Length ? '-' : ' ')}{x}")),
        "HELO" => "250 " + Name,
        "MAIL" => "250 2.1.0 Ok",
        "RCPT" => "250 2.1.5 Ok",
        "DATA" => recipients.Count > 0 ? "354 go" : "503 5.5.1 no valid recipients",
        "RSET" => "250 2.0.0 Ok",
        "QUIT" => "221 2.0.0 Bye",
        _ => "502 5.5.2 what",
    };

    private async Task<bool> MessageAsync(Session session, List<string> recipients)
    {
        var text = new StringBuilder();
        while (true)
        {
            if (await session.LineAsync() is not { } line)
            {
                Note("== eof in data");
                return false;
            }
            if (text.Length == 0 && Rule(".BODY") is { } premature)
            {
                await SayAsync(session, premature);
                return false;
            }
            if (line == ".")
            {
                break;
            }
            text.Append(line).Append("\r\n");
        }
        lock (_messages)
        {
            _messages.Add(text.ToString());
        }
        foreach (var recipient in Lmtp ? recipients : recipients.Take(1).DefaultIfEmpty("none").ToList())
        {
            if (!await SayAsync(session, (session.IsTls ? Rule("TLS .EOM " + recipient) : null) ?? Rule(".EOM " + recipient) ?? "250 2.0.0 Ok: stored"))
            {
                return false;
            }
        }
        return true;
    }

    private async Task<bool> SayAsync(Session session, string reply)
    {
        if (reply == "close")
        {
            return false;
        }
        if (reply == "hang")
        {
            await Task.Delay(Timeout.Infinite, _end.Token);
        }
        if (reply.StartsWith("late ", StringComparison.Ordinal))
        {
            await Task.Delay(1200, _end.Token);
            reply = reply["late ".Length..];
        }
        var closes = reply.EndsWith("|close", StringComparison.Ordinal);
        reply = closes ? reply[..^"|close".Length] : reply;
        await session.Connection.Output.WriteAsync(Encoding.UTF8.GetBytes(reply.Replace("\n", "\r\n", StringComparison.Ordinal) + "\r\n"), CancellationToken.None);
        return !closes && !reply.StartsWith("421", StringComparison.Ordinal);
    }

    private void Note(string line)
    {
        lock (_commands)
        {
            _commands.Add(line);
        }
    }

    private sealed class Session(Connection connection)
    {
        internal Connection Connection { get; set; } = connection;

        internal bool IsTls { get; set; }

        internal async Task<string?> LineAsync()
        {
            while (true)
            {
                var result = await Connection.Input.ReadAsync();
                var reader = new System.Buffers.SequenceReader<byte>(result.Buffer);
                if (reader.TryReadTo(out System.Buffers.ReadOnlySequence<byte> line, "\r\n"u8))
                {
                    var text = Encoding.UTF8.GetString(line);
                    Connection.Input.AdvanceTo(reader.Position);
                    return text;
                }
                Connection.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
                if (result.IsCompleted)
                {
                    return null;
                }
            }
        }
    }

    private static string[] Copy(List<string> list)
    {
        lock (list)
        {
            return [.. list];
        }
    }
}
