using System.Net.Sockets;
using System.Text;

namespace Facteur.System.Tests.Parts;

/// <summary>An SMTP client that says exactly what it is told, in Latin-1.</summary>
internal sealed class Client : IDisposable
{
    private readonly TcpClient _socket = new();
    private readonly NetworkStream _stream;
    private readonly StreamReader _reader;

    public Client(int port)
    {
        _socket.Connect("127.0.0.1", port);
        _stream = _socket.GetStream();
        _stream.ReadTimeout = _stream.WriteTimeout = (int)Poll.Limit.TotalMilliseconds;
        _reader = new StreamReader(_stream, Encoding.Latin1);
        Greeting = Reply();
    }

    public string Greeting { get; }

    /// <summary>Sends a message in a session of its own; the reply to its end, or the first refusal.</summary>
    public static string Send(int port, string sender, string recipients, string content, string mail = "", string rcpt = "")
    {
        using var client = new Client(port);
        client.Expect("250", "EHLO client.test");
        return client.Mail(sender, recipients, content, mail, rcpt);
    }

    /// <summary>Sends a message; recipients are separated by blanks.</summary>
    public string Mail(string sender, string recipients, string content, string mail = "", string rcpt = "")
    {
        foreach (var command in (string[])[$"MAIL FROM:<{sender}>{mail}", .. recipients.Split(' ').Select(r => $"RCPT TO:<{r}>{rcpt}"), "DATA"])
        {
            var reply = Say(command);
            if (reply[0] is not ('2' or '3'))
            {
                return reply;
            }
        }
        Write(content.ReplaceLineEndings("\r\n"));
        return Say((content.EndsWith('\n') ? "" : "\r\n") + ".");
    }

    public string Say(string command)
    {
        Write(command + "\r\n");
        return Reply();
    }

    public string Expect(string code, string command)
    {
        var reply = Say(command);
        Assert.StartsWith(code, reply, StringComparison.Ordinal);
        return reply;
    }

    public void Write(string text) => _stream.Write(Encoding.Latin1.GetBytes(text));

    /// <summary>All lines of the next reply, with line feeds between them; "" at the end of the connection.</summary>
    public string Reply()
    {
        var lines = new List<string>();
        do
        {
            if (_reader.ReadLine() is not { } line)
            {
                break;
            }
            lines.Add(line);
        }
        while (lines[^1].Length > 3 && lines[^1][3] == '-');
        return string.Join('\n', lines);
    }

    public void Dispose()
    {
        _reader.Dispose();
        _socket.Dispose();
    }
}
