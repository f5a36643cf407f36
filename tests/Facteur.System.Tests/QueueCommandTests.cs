using System.Text;
using Facteur.System.Tests.Parts;
using Facteur.Unix;

namespace Facteur.System.Tests;

/// <summary>postsuper and postcat on a running and on a stopped system.</summary>
public sealed class QueueCommandTests
{
    [Fact]
    public void A_list_of_users_is_a_table_where_the_queue_may_read_it_and_one_elsewhere_is_warned_of()
    {
        Assert.SkipWhen(Instance.Single || Libc.geteuid() != 0, "needs root, and a process per role");
        using var mail = new Instance();
        var facteur = Program.CopyTo($"{mail.Top}/programs");
        foreach (var (directory, exit) in ((string, int)[])[("etc", 0), ("elsewhere", 69)])
        {
            Directory.CreateDirectory($"{mail.Top}/{directory}");
            File.WriteAllText($"{mail.Top}/{directory}/users", "nobody yes\n");
            mail.Set($"authorized_mailq_users = texthash:{mail.Top}/{directory}/users");
            mail.Start();
            var asked = Program.Run(Program.Need("setpriv"), ["--reuid=nobody", "--clear-groups", facteur, "postqueue", "-c", $"{mail.Top}/etc", "-p"]);
            Assert.True(exit == asked.Exit, $"{directory}: {asked} {mail.Log}");
            mail.Stop();
        }
        mail.Logged($"warning: authorized_mailq_users: {mail.Top}/elsewhere/users: the queue reads such files in config_directory and /etc only");
        Assert.DoesNotContain($"{mail.Top}/etc/users: the queue", mail.Log, StringComparison.Ordinal);
    }

    /// <summary>The runtime's own streams put a terminal into another mode, and read its lines in their own way.</summary>
    [Theory]
    [InlineData("postconf -d -h soft_bounce", "", "no\n")]
    [InlineData("postmap -q - inline:{a=b}", "a\n\u0004", "a\na\tb\n")]
    [InlineData("postmap -q x fail:y", "", "postmap: fatal: table fail:y: query error: Application error\n")]
    public void A_terminal_stays_as_it_is(string command, string typed, string expected)
    {
        using var mail = new Instance();
        var words = command.Split(' ', 2);
        var shown = Program.Run(Program.Need("script"), ["-qec", $"TERM=xterm {Program.Facteur} {words[0]} -c {mail.Top}/etc {words[1]}", "/dev/null"], Encoding.UTF8.GetBytes(typed));
        Assert.Equal(expected, shown.Output.Replace("\r", "", StringComparison.Ordinal).Replace("^D\b\b", "", StringComparison.Ordinal));
    }

    [Fact]
    public void Postsuper_and_postcat_do_what_they_say()
    {
        using var sink = new Sink();
        using var mail = Instance.Started(sink.Relayhost + "\ndefer_transports = smtp");
        string Send(string subject, string to = "far@else.test") => Client.Send(mail.Smtp, "s@box.test", to, $"Subject: {subject}\n\n.text of {subject}\u00e9\n".Replace("\n.", "\n..", StringComparison.Ordinal)).Split(" as ")[1];
        string Where(string id) => mail.Queue().Where(m => m.GetProperty("queue_id").GetString() == id).Select(m => m.GetProperty("queue_name").GetString()!).FirstOrDefault("gone");
        void Is(string id, string queue) => Poll.Until(() => Where(id) == queue, () => $"{id} is in {Where(id)}, not in {queue}\n{mail.Log}");
        string[] ids = [Send("zero"), Send("one"), Send("two"), Send("three"), Send("four", "later@else.test")];
        foreach (var id in ids)
        {
            Is(id, "deferred");
        }

        var cat = mail.Run("postcat", "-q", ids[0]).Fine();
        Assert.Contains("sender: s@box.test\n", cat, StringComparison.Ordinal);
        Assert.Contains("recipient: far@else.test\n", cat, StringComparison.Ordinal);
        Assert.Contains("Subject: zero\n", cat, StringComparison.Ordinal);
        Assert.Contains("\n.text of zero\u00e9\n", cat, StringComparison.Ordinal);
        Assert.Equal(".text of zero\u00e9\n", mail.Run("postcat", "-bq", ids[0]).Fine().Split("\n\n")[^1].TrimStart('\n'));
        Assert.Equal(1, mail.Run("postcat", "-q", "ABCDEF").Exit);

        var hold = mail.Run("postsuper", "-h", ids[0]);
        Assert.Equal($"postsuper: {ids[0]}: placed on hold\npostsuper: Placed on hold: 1 message\n", hold.Error);
        Assert.Equal("hold", Where(ids[0]));
        Assert.Contains($"{ids[0]}!", mail.Run("mailq").Fine(), StringComparison.Ordinal);
        Assert.Contains("Deleted: 2 messages", mail.Run("postsuper", Encoding.Latin1.GetBytes($"{ids[1]}\n{ids[2]}\n"), "-d", "-").Error, StringComparison.Ordinal);
        Assert.Equal("gone", Where(ids[1]));

        // A new id; the rest is the same.
        Assert.Contains("Requeued: 1 message", mail.Run("postsuper", "-r", ids[3]).Error, StringComparison.Ordinal);
        Is(ids[3], "gone");
        Poll.Until(() => mail.Queue().Count == 3, () => mail.Log);

        // Expired mail goes back at the next attempt.
        Assert.Contains("Marked: 1 message", mail.Run("postsuper", "-e", ids[4]).Error.Replace("Force-expired", "Marked"), StringComparison.Ordinal);
        Assert.True(mail.Queue().Single(m => m.GetProperty("queue_id").GetString() == ids[4]).GetProperty("forced_expire").GetBoolean());
        mail.Run("postqueue", "-i", ids[4]).Fine();
        mail.Delivered("s", "Subject: four");

        // Held mail stays over a restart and a flush; a stopped system's spool can be worked on.
        mail.Stop();
        mail.Verify();
        Assert.Contains("Subject: zero\n", mail.Run("postcat", "-q", ids[0]).Fine(), StringComparison.Ordinal);
        Assert.Equal("hold", Where(ids[0]));
        mail.Set("defer_transports =");
        mail.Start();
        mail.Run("postqueue", "-f").Fine();
        sink.Received("Subject: three");
        Assert.Equal("hold", Where(ids[0]));
        Assert.Contains("Released from hold: 1 message", mail.Run("postsuper", "-H", "ALL").Error, StringComparison.Ordinal);
        mail.Run("postqueue", "-f").Fine();
        sink.Received("Subject: zero");
        Poll.Until(() => mail.Queue().Count == 0, () => mail.Log);
        Assert.Equal(2, sink.Messages.Count);
        Assert.Equal(0, mail.Run("postsuper", "-d", "ALL").Exit);
        mail.Verify();
    }

    [Fact]
    public void Postsuper_logs_what_it_did()
    {
        using var mail = new Instance();
        mail.Start();
        mail.Stop();
        Assert.EndsWith("postsuper: Released from hold: 0 messages\n", mail.Run("postsuper", "-d", "ABCDEF", "-h", "ABCDEF", "-H", "ABCDEF").Error, StringComparison.Ordinal);
        Assert.EndsWith(": Released from hold: 0 messages\n", mail.Log, StringComparison.Ordinal);
        Assert.Contains("]: Deleted: 0 messages\n", mail.Log, StringComparison.Ordinal);
    }

    [Fact]
    public void What_root_asks_of_a_users_instance_leaves_it_the_users()
    {
        Assert.SkipUnless(Libc.geteuid() == 0, "needs root to be another user");
        using var mail = new Instance();
        Assert.Equal(0, UserAccount.Find("nobody", out var nobody));
        mail.Start();
        mail.Stop();
        Parts.Program.Run("/bin/chown", ["-R", $"{nobody!.Uid}:{nobody.Gid}", mail.Spool]).Fine();
        Assert.Empty(mail.Queue());
        Assert.Equal(0, mail.Run("postsuper", "-d", "ALL").Exit);
        Assert.All(Directory.EnumerateFileSystemEntries($"{mail.Spool}/journal", "*", SearchOption.AllDirectories), path =>
        {
            Assert.Equal(0, UnixFile.Status(path, followLinks: false, out var status));
            Assert.True(status.Uid == nobody.Uid, $"{path} is of user {status.Uid}");
        });
    }

    [Fact]
    public void Postqueue_of_Postfix_lists_and_flushes_this_queue()
    {
        var postqueue = "/usr/sbin/postqueue";
        Assert.SkipUnless(File.Exists(postqueue) && File.Exists("/etc/postfix/dynamicmaps.cf"), "Postfix is not installed");
        Assert.SkipWhen(Unix.Libc.geteuid() != 0, "needs root, whom Postfix's commands trust with -c");
        using var mail = Instance.Started("defer_transports = smtp, virtual");
        // Its own configuration: ours names accounts that Postfix refuses.
        Directory.CreateDirectory($"{mail.Top}/theirs");
        File.WriteAllText($"{mail.Top}/theirs/main.cf", $"compatibility_level = 3.6\nqueue_directory = {mail.Spool}\nmyhostname = mail.test\n");
        Outcome Ask(params string[] arguments) => Program.Run(postqueue, ["-c", $"{mail.Top}/theirs", .. arguments]);

        Assert.Equal("Mail queue is empty\n", Ask("-p").Fine());
        mail.Run("sendmail", "Subject: x\n\nx\n"u8.ToArray(), "-f", "from@box.test", "one@box.test").Fine();
        Poll.Until(() => Ask("-p").Fine().Contains("one@box.test", StringComparison.Ordinal), () => mail.Log);
        Assert.Contains("from@box.test\n", Ask("-p").Fine(), StringComparison.Ordinal);
        Ask("-f").Fine();
        Assert.Equal(69, Ask("-s", "not.served.example").Exit);
    }

    [Fact]
    public void A_local_senders_name_is_kept()
    {
        using var sink = new Sink();
        using var mail = Instance.Started(sink.Relayhost + "\ndefer_transports = smtp");
        Assert.Equal(0, mail.Run("sendmail", Encoding.Latin1.GetBytes("Subject: named\n\n"), "-f", "s@box.test", "-F", "Joe Full", "far@else.test").Exit);
        string[] Ids() => [.. mail.Queue().Where(m => m.GetProperty("queue_name").GetString() == "deferred").Select(m => m.GetProperty("queue_id").GetString()!)];
        Poll.Until(() => Ids().Length == 1, () => mail.Log);
        var id = Ids()[0];
        Assert.Contains("\nsender_fullname: Joe Full\nsender: s@box.test\n", mail.Run("postcat", "-eq", id).Fine(), StringComparison.Ordinal);
        Assert.Contains("Requeued: 1 message", mail.Run("postsuper", "-r", id).Error, StringComparison.Ordinal);
        Poll.Until(() => Ids() is [var next] && next != id, () => mail.Log);
        Assert.Contains("\nsender_fullname: Joe Full\nsender: s@box.test\n", mail.Run("postcat", "-eq", Ids()[0]).Fine(), StringComparison.Ordinal);
        mail.Stop();
        Assert.Contains("\nFrom: Joe Full <s@box.test>\n", mail.Run("postcat", "-hq", Postqueue()).Fine(), StringComparison.Ordinal);

        string Postqueue() => mail.Queue()[0].GetProperty("queue_id").GetString()!;
    }
}
