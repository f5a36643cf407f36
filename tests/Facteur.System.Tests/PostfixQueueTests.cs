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
        mail.Run("postqueue", "-f").Fine();
        after.Received("Subject: held");
        Poll.Until(() => mail.Queue().Count == 0, () => mail.Log);
        Assert.Equal(count + 1, after.Messages.Count);
        mail.Verify();
    }

    [Fact]
    public void Mail_goes_back_to_Postfix_which_delivers_it_to_those_who_have_not_got_it()
    {
        using var before = new Sink();
        using var after = new Sink { IsLater = true };
        using var postfix = new PostfixInstance(after.Relayhost + "\nsmtp_line_length_limit = 0");
        using var mail = new Instance(before.Relayhost + "\nsmtp_line_length_limit = 0\ndelay_warning_time = 1h");
        // Its queue directories are made by its first start.
        postfix.Start();
        mail.Start();
        foreach (var (name, content) in Shapes)
        {
            Assert.StartsWith("250", Client.Send(mail.Smtp, "s@x.test", $"good.{name}@y.test later.{name}@y.test bad.{name}@y.test", content, " BODY=8BITMIME RET=HDRS ENVID=e+2B1", " NOTIFY=FAILURE,DELAY ORCPT=rfc822;o@z.test"), StringComparison.Ordinal);
        }
        Client.Send(mail.Smtp, "", "\"later,quoted\"@y.test", "Subject: quoted\n\nx\n");
        var held = Client.Send(mail.Smtp, "s@x.test", "later.held@y.test", "Subject: held\n\nx\n").Split(" as ")[1];
        Poll.Until(() => mail.Log.Split("status=deferred").Length == Shapes.Length + 3 && mail.Queue().Count == Shapes.Length + 2, () => mail.Log);
        mail.Run("postsuper", "-h", held, "-e", held).Fine();
        Assert.Contains("a mail system runs on", Export(mail, postfix).Error, StringComparison.Ordinal);
        mail.Stop();
        Assert.Contains("a mail system runs on", Export(mail, postfix).Error, StringComparison.Ordinal);
        postfix.Stop();

        // hash_queue_names and hash_queue_depth are Postfix's.
        mail.Set("hash_queue_names = deferred, defer, hold\nhash_queue_depth = 2");
        File.AppendAllText($"{postfix.Etc}/main.cf", "hash_queue_names = deferred, defer, hold\nhash_queue_depth = 2\n");
        Parts.Program.Run("/bin/sed", ["-i", "s/^mail_owner = .*/mail_owner = postfix/", mail.MainCf]).Fine();
        var said = Export(mail, postfix).Fine();
        Assert.EndsWith($"{Shapes.Length + 2} messages exported, 0 left\n", said, StringComparison.Ordinal);
        Parts.Program.Run("/bin/sed", ["-i", $"s/^mail_owner = .*/mail_owner = {Environment.UserName}/", mail.MainCf]).Fine();
        mail.Verify();
        var heldNow = said.Split('\n').First(line => line.StartsWith(held + " -> hold/", StringComparison.Ordinal)).Split('/')[1];
        var files = Files(postfix.Spool);

        // Structure, names, owners: nothing is to be mended.
        var check = postfix.Run("postsuper");
        Assert.Equal((0, "", ""), (check.Exit, check.Output, check.Error));
        Assert.Equal(files, Files(postfix.Spool));
        postfix.Start();
        var listing = postfix.Run("postqueue", "-p").Fine();
        Assert.Contains($"{heldNow}!#", listing, StringComparison.Ordinal);
        Assert.Contains("(host 127.0.0.1[127.0.0.1] said: 450 4.2.0 come back later (in reply to RCPT TO command))\n                                         later.plain@y.test\n", listing, StringComparison.Ordinal);
        Assert.DoesNotContain("good.", listing, StringComparison.Ordinal);
        Assert.Contains($" in {Shapes.Length + 2} Requests.", listing, StringComparison.Ordinal);
        Assert.Contains("\nSubject: held\n", postfix.Run("postcat", "-q", heldNow).Fine(), StringComparison.Ordinal);
        postfix.Run("postqueue", "-f").Fine();
        foreach (var (name, _) in Shapes)
        {
            Assert.Equal(before.Received($"Subject: {name}\r\n"), after.Received($"Subject: {name}\r\n"));
        }
        after.Received("Subject: quoted");
        Assert.Equal([.. Shapes.Select(s => $"RCPT TO:<later.{s.Name}@y.test> ORCPT=rfc822;o@z.test NOTIFY=FAILURE,DELAY").Append("RCPT TO:<\"later,quoted\"@y.test> ORCPT=rfc822;\"later,quoted\"@y.test").Order(StringComparer.Ordinal)],
            after.Envelopes.Where(e => e.StartsWith("RCPT", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Poll.Until(() => postfix.Run("postqueue", "-p").Fine().Contains(" in 1 Request.", StringComparison.Ordinal), () => postfix.Log);
        Assert.DoesNotContain("warning", postfix.Log, StringComparison.Ordinal);
        postfix.Run("postsuper", "-H", heldNow);
        postfix.Run("postqueue", "-f").Fine();
        postfix.Logged($"{heldNow}: from=<s@x.test>, status=force-expired, returned to sender");
    }

    [Fact]
    public void Mail_of_a_dead_system_moves_into_another()
    {
        using var sink = new Sink();
        using var dead = new Instance(sink.Relayhost);
        using var alive = new Instance(sink.Relayhost);
        dead.Start();
        alive.Start();
        foreach (var (name, content) in Shapes)
        {
            Client.Send(dead.Smtp, "s@x.test", $"good.{name}@y.test later.{name}@y.test", content);
        }
        Client.Send(alive.Smtp, "s@x.test", "later.own@y.test", "Subject: own\n\n");
        Poll.Until(() => dead.Log.Split("status=deferred").Length == Shapes.Length + 1 && alive.Log.Contains("status=deferred", StringComparison.Ordinal), () => dead.Log + alive.Log);
        alive.Stop();
        dead.Kill();
        var said = Parts.Program.Run(Parts.Program.Facteur, ["spool", "import", "-c", $"{alive.Top}/etc", dead.Spool]).Fine();
        Assert.EndsWith($"\n{Shapes.Length} messages imported, 0 left\n", said, StringComparison.Ordinal);
        Assert.Empty(dead.Queue());
        Assert.Empty(Files(dead.Spool));
        dead.Verify();
        alive.Start();
        Assert.Equal(Shapes.Length + 1, alive.Queue().Count);
        Assert.All(alive.Queue(), message => Assert.Contains("come back later", message.GetProperty("recipients")[0].GetProperty("delay_reason").GetString(), StringComparison.Ordinal));
        var firsts = Shapes.Select(s => sink.Received($"Subject: {s.Name}\r\n")).ToList();
        sink.Messages.Clear();
        sink.IsLater = true;
        alive.Run("postqueue", "-f").Fine();
        Assert.Equal(firsts, Shapes.Select(s => sink.Received($"Subject: {s.Name}\r\n")));
        Poll.Until(() => alive.Queue().Count == 0, () => alive.Log);
        Assert.Equal(Shapes.Length, sink.Envelopes.Count(e => e.StartsWith("RCPT TO:<good.", StringComparison.Ordinal)));
        alive.Verify();
    }

    [Fact]
    public void What_cannot_be_imported_is_told_at_each_start_and_listed()
    {
        using var mail = new Instance();
        Directory.CreateDirectory($"{mail.Spool}/deferred/A");
        File.WriteAllText($"{mail.Spool}/deferred/A/ABCDEF1", "no queue file");
        Assert.Equal(0, Unix.Libc.chmod($"{mail.Spool}/deferred/A/ABCDEF1", 0x1C0));
        mail.Start();
        Assert.Contains($"spool: not imported: {mail.Spool}/deferred/A/ABCDEF1: ", mail.Log, StringComparison.Ordinal);
        Assert.Contains("warning: spool: 1 message of Postfix's queue could not be imported", mail.Log, StringComparison.Ordinal);
        Assert.Equal("ABCDEF1", Assert.Single(mail.Queue()).GetProperty("queue_id").GetString());
        Assert.Contains("not imported", mail.Run("postqueue", "-p").Fine(), StringComparison.Ordinal);
        mail.Stop();
        Assert.Equal("no queue file", File.ReadAllText($"{mail.Spool}/deferred/A/ABCDEF1"));
        File.Delete($"{mail.Spool}/deferred/A/ABCDEF1");
        mail.Start();
        Assert.Empty(mail.Queue());
    }

    private static Outcome Export(Instance mail, PostfixInstance postfix) => Parts.Program.Run(Parts.Program.Facteur, ["spool", "export", "-c", $"{mail.Top}/etc", postfix.Spool]);

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
