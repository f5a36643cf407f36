using Facteur.System.Tests.Parts;

namespace Facteur.System.Tests;

/// <summary>Mail that waits in a Postfix's queue goes on from Facteur's, and back: with Debian's Postfix.</summary>
public sealed class PostfixQueueTests
{
    private static readonly string Long = string.Concat(Enumerable.Range(0, 20_000).Select(n => $"line {n} {(n % 100 == 0 ? new string('x', 900) : "")}\n"));

    private static readonly (string Name, string Content)[] Shapes =
    [
        ("plain", "Subject: plain\n\nhello\n"),
        ("dots", "Subject: dots\n\n..\n..hidden\nend.\n"),
        ("eight", "Subject: eight\nMessage-Id: <8@x.test>\n\ncaf\u00e9 \u00ff\u0080\u0001\n"),
        ("wide", $"Subject: wide\n\n{new string('y', 5000)}\nz\n"),
        ("empty", "Subject: empty\n\n"),
        ("long", "Subject: long\n\n" + Long),
    ];

    [Fact]
    public void Mail_of_a_stopped_Postfix_is_delivered_to_those_who_have_not_got_it()
    {
        using var before = new Sink();
        using var after = new Sink { IsLater = true };
        // Lines as they are in the queue.
        using var postfix = new PostfixInstance(before.Relayhost + "\nsmtp_line_length_limit = 0");
        using var mail = new Instance(after.Relayhost + "\nsmtp_line_length_limit = 0");
        postfix.Start();
        foreach (var (name, content) in Shapes)
        {
            Assert.StartsWith("250", Client.Send(postfix.Smtp, "s@x.test", $"good.{name}@y.test later.{name}@y.test bad.{name}@y.test", content, " BODY=8BITMIME RET=HDRS ENVID=e+2B1", " NOTIFY=FAILURE,DELAY ORCPT=rfc822;o@z.test"), StringComparison.Ordinal);
        }
        Client.Send(postfix.Smtp, "", "\"later,quoted\"@y.test", "Subject: quoted\n\nx\n");
        Client.Send(postfix.Smtp, "s@x.test", "later.held@y.test", "Subject: held\n\nx\n");
        Poll.Until(() => postfix.Log.Split("status=deferred").Length == Shapes.Length + 3, () => postfix.Log);
        var held = postfix.Run("postqueue", "-p").Fine().Split("\n\n").First(entry => entry.Contains("later.held@", StringComparison.Ordinal)).Split('\n')[^3].Split(' ')[0];
        postfix.Run("postsuper", "-h", held);
        postfix.Stop();
        Copy(postfix.Spool, mail.Spool);

        mail.Start();
        // Until then each waits for the time that Postfix set.
        Assert.Equal(Shapes.Length + 2, mail.Queue().Count);
        mail.Run("postqueue", "-f").Fine();
        foreach (var (name, _) in Shapes)
        {
            var got = after.Received($"Subject: {name}\r\n");
            Assert.Equal(before.Received($"Subject: {name}\r\n"), got);
        }
        after.Received("Subject: quoted");
        Assert.Equal([.. Shapes.Select(s => $"RCPT TO:<later.{s.Name}@y.test> ORCPT=rfc822;o@z.test NOTIFY=FAILURE,DELAY").Append("RCPT TO:<\"later,quoted\"@y.test> ORCPT=rfc822;\"later,quoted\"@y.test").Order(StringComparer.Ordinal)],
            after.Envelopes.Where(e => e.StartsWith("RCPT", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.Equal(Shapes.Length, after.Envelopes.Count(e => e == "MAIL FROM:<s@x.test> BODY=8BITMIME ENVID=e+2B1 RET=HDRS"));
        var waiting = Assert.Single(mail.Queue());
        Assert.Equal("hold", waiting.GetProperty("queue_name").GetString());
        Assert.Contains("come back later", waiting.GetProperty("recipients")[0].GetProperty("delay_reason").GetString(), StringComparison.Ordinal);
        Assert.Matches($"spool: imported hold/{held} -> {waiting.GetProperty("queue_id").GetString()}\n", mail.Log);
        Assert.Empty(Files(mail.Spool));

        // Nothing comes a second time.
        mail.Stop();
        var count = after.Messages.Count;
        mail.Start();
        mail.Run("postsuper", "-H", "ALL").Fine();
        after.Received("Subject: held");
        Poll.Until(() => mail.Queue().Count == 0, () => mail.Log);
        Assert.Equal(count + 1, after.Messages.Count);
        mail.Verify();
    }

    private static void Copy(string from, string to)
    {
        foreach (var name in (string[])["incoming", "active", "deferred", "hold", "defer", "bounce", "trace"])
        {
            if (Directory.Exists($"{from}/{name}"))
            {
                Parts.Program.Run("/bin/cp", ["-a", $"{from}/{name}", $"{to}/"]).Fine();
            }
        }
    }

    private static List<string> Files(string spool) =>
        [.. new[] { "incoming", "active", "deferred", "hold", "defer", "bounce", "trace" }.Select(name => $"{spool}/{name}").Where(Directory.Exists)
            .SelectMany(path => Directory.EnumerateFiles(path, "*", SearchOption.AllDirectories))];
}
