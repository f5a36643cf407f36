using System.Text;
using Facteur.System.Tests.Parts;

namespace Facteur.System.Tests;

/// <summary>Mail comes in by SMTP and is in a Maildir, byte for byte.</summary>
public sealed class ReceiveTests : IDisposable
{
    private readonly Instance _mail = Instance.Started();

    public void Dispose() => _mail.Dispose();

    // One instance for all: a start costs more than what is tested.
    [Fact]
    public void Mail_of_every_shape_arrives_as_it_was_sent()
    {
        using (var client = new Client(_mail.Smtp))
        {
            Assert.StartsWith("220 mail.test ESMTP", client.Greeting, StringComparison.Ordinal);
            var keywords = client.Expect("250", "EHLO client.test").Split('\n').Select(line => line[4..]).ToList();
            Assert.Equal("mail.test", keywords[0]);
            Assert.Superset(
                new HashSet<string> { "PIPELINING", "SIZE 10240000", "VRFY", "ETRN", "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING" },
                keywords[1..].ToHashSet());
        }

        var shapes = new (string Name, string Body)[]
        {
            ("dots", ".\n..\n.hidden\nend.\n.\n"),
            ("eight", "caf\u00e9 \u00ff\u0080\u0001\n"),
            ("long", new string('x', 6000) + "\n"),
            ("kilo300", Lines(300 << 10)),
            ("mega3", Lines(3 << 20)),
            ("empty", ""),
        };
        foreach (var (name, body) in shapes)
        {
            var content = $"From: <s@box.test>\nMessage-Id: <{name}@x>\nSubject: {name}\n\n{body}";
            Assert.StartsWith("250 2.0.0 Ok: queued as ", Client.Send(_mail.Smtp, "s@box.test", $"{name}@box.test also.{name}@box.test",
                string.Concat(content.Split('\n').Select((line, i) => (i == 0 ? "" : "\n") + (line.StartsWith('.') ? "." + line : line)))), StringComparison.Ordinal);
            foreach (var box in (string[])[name, $"also.{name}"])
            {
                var message = _mail.Delivered(box, $"Subject: {name}\n");
                Assert.Equal(body, message[(message.IndexOf("\n\n", StringComparison.Ordinal) + 2)..]);
                Assert.Contains("Return-Path: <s@box.test>\n", message, StringComparison.Ordinal);
                Assert.Contains($"Delivered-To: {box}@box.test\n", message, StringComparison.Ordinal);
                Assert.Single(_mail.Box(box));
            }
        }

        // RFC 3030: lines without end, dots that are no dots, a chunk that ends inside of CR LF.
        using (var client = new Client(_mail.Smtp))
        {
            client.Expect("250", "EHLO client.test");
            client.Expect("250", "MAIL FROM:<s@box.test> BODY=8BITMIME");
            client.Expect("250", "RCPT TO:<bdat@box.test>");
            foreach (var (chunk, last) in new[] { ("From: <s@box.test>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\nSubject: bdat\r\n\r", ""), ("\n.\r\n..\r\n\u00e9\r\n", ""), ("end\r\n", " LAST") })
            {
                client.Write($"BDAT {chunk.Length}{last}\r\n{chunk}");
                Assert.StartsWith("250", client.Reply(), StringComparison.Ordinal);
            }
            client.Expect("221", "QUIT");
        }
        Assert.EndsWith("\n\n.\n..\n\u00e9\nend\n", _mail.Delivered("bdat", "Subject: bdat"), StringComparison.Ordinal);

        // A session that ends inside of a message leaves nothing.
        using (var client = new Client(_mail.Smtp))
        {
            client.Expect("250", "HELO client.test");
            client.Expect("250", "MAIL FROM:<s@box.test>");
            client.Expect("250", "RCPT TO:<cut@box.test>");
            client.Expect("354", "DATA");
            client.Write("Subject: cut\r\n\r\nhalf");
        }
        _mail.Logged("lost connection after DATA");
        Assert.Empty(_mail.Queue());
        Assert.Empty(_mail.Box("cut"));
        _mail.Verify();
    }

    [Fact]
    public void Swaks_sends()
    {
        var swaks = Parts.Program.Need("swaks");
        var file = $"{_mail.Top}/message";
        File.WriteAllText(file, "From: <s@box.test>\nSubject: by swaks\n\n.one dot\n..\ncaf\u00e9\n", Encoding.Latin1);
        Parts.Program.Run(swaks, ["--server", $"127.0.0.1:{_mail.Smtp}", "--from", "s@box.test", "--to", "one@box.test,two@box.test", "--data", "@" + file, "--pipeline"]).Fine();
        foreach (var box in (string[])["one", "two"])
        {
            Assert.Contains("\n\n.one dot\n..\ncaf\u00e9\n", _mail.Delivered(box, "Subject: by swaks"), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Python_sends()
    {
        var python = Parts.Program.Need("python3");
        Parts.Program.Run(python, ["-c", """
            import smtplib, sys
            with smtplib.SMTP('127.0.0.1', int(sys.argv[1])) as s:
                s.ehlo('client.test')
                assert s.has_extn('chunking') and s.has_extn('8bitmime') and s.esmtp_features['size'] == '10240000', s.esmtp_features
                body = b'.\r\n..\r\n' + bytes(range(128, 256)) + b'\r\n' + b'z' * 900 + b'\r\n'
                for n in range(3):
                    refused = s.sendmail('s@box.test', ['one@box.test', 'nobody.here@box.test', 'two@box.test'],
                        b'From: <s@box.test>\r\nSubject: python %d\r\n\r\n' % n + body, mail_options=['BODY=8BITMIME'])
                    assert list(refused) == ['nobody.here@box.test'] and refused['nobody.here@box.test'][0] == 550, refused
            """, $"{_mail.Smtp}"]).Fine();
        var bytes = string.Concat(Enumerable.Range(128, 128).Select(b => (char)b));
        for (var n = 0; n < 3; n++)
        {
            Assert.EndsWith($"\n\n.\n..\n{bytes}\n{new string('z', 900)}\n", _mail.Delivered("one", $"Subject: python {n}"), StringComparison.Ordinal);
            _mail.Delivered("two", $"Subject: python {n}");
        }
    }

    private static string Lines(int length)
    {
        var text = new StringBuilder(length + 100);
        for (var n = 0; text.Length < length; n++)
        {
            text.Append($"{n} {new string((char)('a' + n % 26), n % 71)}\n");
        }
        return text.ToString();
    }
}
