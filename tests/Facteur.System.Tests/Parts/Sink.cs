using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Facteur.System.Tests.Parts;

/// <summary>A next hop: takes all mail, refuses recipients whose name begins with "bad" (550) or "later" (450). It can be stopped and comes back on the same port.</summary>
internal sealed class Sink : IDisposable
{
    private readonly Port _port = new();
    private TcpListener? _listener;

    public Sink(bool started = true, bool dsn = true)
    {
        Dsn = dsn;
        if (started)
        {
            Start();
        }
    }

    public bool Dsn { get; }

    /// <summary>Recipients whose name begins with "later" are taken now.</summary>
    public bool IsLater { get; set; }

    /// <summary>Messages that contain this text are answered when it is changed.</summary>
    public string? Held { get; set; }

    public int Number => _port.Number;

    /// <summary>What main.cf says of it.</summary>
    public string Relayhost => $"relayhost = [127.0.0.1]:{Number}";

    /// <summary>Messages taken, in Latin-1 with CRLF, dots as on the wire.</summary>
    public ConcurrentQueue<string> Messages { get; } = new();

    /// <summary>MAIL and RCPT commands.</summary>
    public ConcurrentQueue<string> Envelopes { get; } = new();

    /// <summary>Lines "X-Number: N" of all messages.</summary>
    public ConcurrentDictionary<int, int> Numbers { get; } = new();

    public void Start()
    {
        _listener = new TcpListener(IPAddress.Loopback, Number);
        _listener.Start(100);
        _ = AcceptAsync(_listener);
    }

    public void Stop()
    {
        _listener?.Dispose();
        _listener = null;
    }

    public string Received(string text) => Poll.Until(() => Messages.FirstOrDefault(m => m.Contains(text, StringComparison.Ordinal)), () => $"a message with {text} at the next hop");

    public void Dispose()
    {
        Stop();
        _port.Dispose();
    }

    private async Task AcceptAsync(TcpListener listener)
    {
        try
        {
            while (true)
            {
                _ = ServeAsync(await listener.AcceptTcpClientAsync());
            }
        }
        catch (Exception e) when (e is ObjectDisposedException or SocketException)
        {
            // Stopped.
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using var _ = client;
        try
        {
            var stream = client.GetStream();
            using var reader = new StreamReader(stream, Encoding.Latin1);
            async Task Say(string reply) => await stream.WriteAsync(Encoding.Latin1.GetBytes(reply + "\r\n"));
            await Say("220 sink.test ESMTP");
            while (await reader.ReadLineAsync() is { } line)
            {
                var verb = line.Split(' ', ':')[0].ToUpperInvariant();
                if (verb is "MAIL" or "RCPT")
                {
                    Envelopes.Enqueue(line);
                }
                await Say(verb switch
                {
                    "EHLO" => $"250-sink.test\r\n250-8BITMIME\r\n{(Dsn ? "250-DSN\r\n" : "")}250 PIPELINING",
                    "DATA" => "354 go on",
                    "QUIT" => "221 bye",
                    "RCPT" when line.Contains("<bad", StringComparison.Ordinal) => "550 5.1.1 nobody of that name lives here",
                    "RCPT" when !IsLater && (line.Contains("<later", StringComparison.Ordinal) || line.Contains("<\"later", StringComparison.Ordinal)) => "450 4.2.0 come back later",
                    _ => "250 ok",
                });
                if (verb == "QUIT")
                {
                    return;
                }
                if (verb == "DATA")
                {
                    var content = new StringBuilder();
                    while (await reader.ReadLineAsync() is { } text && text != ".")
                    {
                        content.Append(text).Append("\r\n");
                        if (text.StartsWith("X-Number: ", StringComparison.Ordinal))
                        {
                            Numbers.AddOrUpdate(int.Parse(text[10..]), 1, (_, n) => n + 1);
                        }
                    }
                    Messages.Enqueue(content.ToString());
                    while (Held is { } held && content.ToString().Contains(held, StringComparison.Ordinal))
                    {
                        await Task.Delay(10);
                    }
                    await Say("250 2.0.0 taken");
                }
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The client left.
        }
    }
}
