using Facteur.System.Tests.Parts;
using Facteur.Unix;

namespace Facteur.System.Tests;

/// <summary>What each role may do, seen from outside: in /proc, for every one of its threads. Needs root, and a process per role.</summary>
public sealed class PrivilegeTests
{
    private const string Owners = """
        mail_owner = games
        queue_owner = news
        setgid_group = news
        """;

    [Theory]
    [InlineData("receive", "games")]
    [InlineData("rewrite", "games")]
    [InlineData("queue", "news")]
    [InlineData("deliver", "games")]
    [InlineData("postlogd", "games")]
    [InlineData("local", "games")]
    public void A_role_has_its_identity_for_good_and_no_right_beyond_it_in_every_thread(string role, string user)
    {
        NeedsRoot();
        using var instance = Owned("");
        Assert.Equal(0, UserAccount.Find(user, out var account));
        var pid = instance.Role(role);
        Assert.NotEqual(0, pid);
        foreach (var thread in Directory.EnumerateDirectories($"/proc/{pid}/task"))
        {
            var status = File.ReadAllLines($"{thread}/status").Select(l => l.Split('\t', ' ').Where(w => w.Length > 0).ToArray()).Where(w => w.Length > 0).ToDictionary(w => w[0], w => w[1..]);
            Assert.Equal(Enumerable.Repeat($"{account!.Uid}", 4), status["Uid:"]);
            Assert.Equal(Enumerable.Repeat($"{account.Gid}", 4), status["Gid:"]);
            Assert.DoesNotContain("0", status["Groups:"]);
            Assert.All((string[])["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"], set => Assert.Equal("0000000000000000", status[set][0]));
            Assert.Equal("1", status["NoNewPrivs:"][0]);
            // 2: a filter.
            Assert.Equal("2", status["Seccomp:"][0]);
        }
        // Whose process may be looked into by others of its user (ptrace, /proc) owns its files there; of another they are root's.
        Assert.Equal(0, UnixFile.Status($"/proc/{pid}/environ", followLinks: false, out var environment));
        Assert.Equal(0u, environment.Uid);
        // Every role looks itself whether what any user may do is denied to it; only what is wrong is said.
        Assert.DoesNotContain("is not confined", instance.Log, StringComparison.Ordinal);
    }

    [Fact]
    public void A_role_that_could_write_what_it_should_not_is_told()
    {
        NeedsRoot();
        // The same look, where Landlock lets it: the directory of the look is one of its own.
        using var instance = Owned("data_directory = /tmp");
        instance.Logged("warning: receive is not confined");
        Assert.DoesNotContain("queue is not confined", instance.Log, StringComparison.Ordinal);
    }

    [Fact]
    public void The_queue_belongs_to_its_own_user_and_the_agents_only_read_it()
    {
        NeedsRoot();
        using var instance = Owned("");
        Assert.Equal(0, UserAccount.Find("news", out var queue));
        Assert.Equal(0, UserAccount.Find("games", out var mail));
        foreach (var path in (string[])[$"{instance.Spool}/journal", .. Directory.EnumerateFileSystemEntries($"{instance.Spool}/journal", "*", SearchOption.AllDirectories)])
        {
            Assert.Equal(0, UnixFile.Status(path, followLinks: false, out var status));
            Assert.Equal((queue!.Uid, mail!.Gid), (status.Uid, status.Gid));
            // Nobody else, and the group changes nothing.
            Assert.Equal(0u, status.Mode & 0x17);
        }
        Client.Send(instance.Smtp, "s@out.test", "plain@box.test", "Subject: x\n\nread by the agents\n");
        instance.Delivered("plain", "read by the agents");
    }

    [Fact]
    public void A_table_that_only_root_may_read_is_served_by_roles_that_may_not_open_it()
    {
        NeedsRoot();
        using var instance = Owned("""
            virtual_alias_domains = secret.test
            virtual_alias_maps = texthash:$config_directory/secret
            """, top =>
        {
            File.WriteAllText($"{top}/etc/secret", "one@secret.test plain@box.test\n");
            Assert.Equal(0, Libc.chmod($"{top}/etc/secret", 0x180));
        });
        Client.Send(instance.Smtp, "s@out.test", "one@secret.test", "Subject: x\n\nby a secret way\n");
        instance.Delivered("plain", "by a secret way");
    }

    [Fact]
    public void What_was_roots_alone_is_served_as_it_is_now_and_never_again_as_it_was()
    {
        NeedsRoot();
        string[] names = ["renewed", "opened", "removed"];
        using var instance = Owned($"""
            virtual_alias_domains = secret.test
            virtual_alias_maps = {string.Join(", ", names.Select(n => $"texthash:$config_directory/{n}"))}
            """, top =>
        {
            foreach (var name in names)
            {
                Write(top, name, "plain", 0x180);
            }
        });
        Client.Send(instance.Smtp, "s@out.test", "renewed@secret.test opened@secret.test removed@secret.test", "Subject: x\n\nbefore\n");
        instance.Delivered("plain", "before");
        Write(instance.Top, "renewed", "two", 0x180);
        // Whoever may read it by its name gets no copy any more.
        Write(instance.Top, "opened", "two", 0x1A4);
        File.Delete($"{instance.Top}/etc/removed");
        // No reload: master looks, and the tables do, which are asked all the time.
        Poll.Until(() =>
        {
            Thread.Sleep(300);
            Assert.StartsWith("250", Client.Send(instance.Smtp, "s@out.test", "renewed@secret.test opened@secret.test removed@secret.test", "Subject: x\n\nmeanwhile\n"), StringComparison.Ordinal);
            return instance.Log.Contains("to=<two@box.test>, orig_to=<renewed@secret.test>", StringComparison.Ordinal)
                && instance.Log.Contains("to=<two@box.test>, orig_to=<opened@secret.test>", StringComparison.Ordinal);
        }, () => instance.Log);
        instance.Reload();
        // Reload is told to the roles, not waited for; by then what was sealed is forgotten, and a table that is not there answers nothing.
        var reply = "";
        Poll.Until(() => (reply = Client.Send(instance.Smtp, "s@out.test", "removed@secret.test", "Subject: x\n\nafter\n")).StartsWith("451 4.3.0", StringComparison.Ordinal), () => $"{reply}\n{instance.Log}");

        static void Write(string top, string name, string box, uint mode)
        {
            // By a rename: at no moment it is another's, or half of it.
            var path = $"{top}/etc/{name}";
            File.WriteAllText($"{path}.new", $"{name}@secret.test {box}@box.test\n");
            Assert.Equal(0, Libc.chmod($"{path}.new", mode));
            File.Move($"{path}.new", path, overwrite: true);
        }
    }

    [Fact]
    public void A_queue_of_its_own_user_lists_maildrop_too()
    {
        NeedsRoot();
        using var instance = Owned("");
        var receive = instance.Role("receive");
        const int stop = 19, goOn = 18;
        Assert.Equal(0, Libc.kill(receive, stop));
        instance.Run("sendmail", "Subject: x\n\nwaits in maildrop\n"u8.ToArray(), "-f", "me@out.test", "plain@box.test").Fine();
        // Twice: the place in the directory is kept by who reads it.
        for (var i = 0; i < 2; i++)
        {
            var waiting = Assert.Single(instance.Queue());
            Assert.Equal(("maildrop", "me@out.test"), (waiting.GetProperty("queue_name").GetString(), waiting.GetProperty("sender").GetString()));
        }
        Assert.Equal(0, Libc.kill(receive, goOn));
        instance.Run("postkick", "public", "pickup", "W").Fine();
        instance.Delivered("plain", "waits in maildrop");
        Assert.Empty(instance.Queue());
    }

    [Fact]
    public void A_queue_of_its_own_user_takes_over_the_mail_of_a_Postfix_that_was_mail_owners()
    {
        NeedsRoot();
        using var port = new Port();
        using var instance = Owned($"relayhost = [127.0.0.1]:{port.Number}");
        Client.Send(instance.Smtp, "s@out.test", "far@far.test", "Subject: x\n\nfrom before\n");
        Poll.Until(() => instance.Log.Contains("status=deferred", StringComparison.Ordinal), () => instance.Log);
        instance.Stop();
        var postfix = $"{instance.Top}/postfix";
        Directory.CreateDirectory(postfix);
        Program.Run(Program.Facteur, ["spool", "export", "-c", $"{instance.Top}/etc", postfix]).Fine();
        Assert.Equal(0, UserAccount.Find("games", out var mail));
        foreach (var queue in (string[])["active", "deferred", "defer", "incoming", "hold"])
        {
            if (Directory.Exists($"{postfix}/{queue}"))
            {
                Directory.Move($"{postfix}/{queue}", $"{instance.Spool}/{queue}");
                Program.Run("/bin/chown", ["-R", $"{mail!.Uid}:{mail.Gid}", $"{instance.Spool}/{queue}"]).Fine();
                Program.Run("/bin/chmod", ["-R", "u=rwX,go=", $"{instance.Spool}/{queue}"]).Fine();
                Program.Run("/usr/bin/find", [$"{instance.Spool}/{queue}", "-type", "f", "-exec", "chmod", "700", "{}", "+"]).Fine();
            }
        }
        instance.Start();
        instance.Logged("spool: 1 message imported from Postfix's queue");
        Assert.Equal("deferred", Assert.Single(instance.Queue()).GetProperty("queue_name").GetString());
    }

    [Fact]
    public void What_mail_owner_could_have_put_there_is_not_opened_as_root()
    {
        NeedsRoot();
        using var instance = Owned("""
            virtual_alias_domains = secret.test
            virtual_alias_maps = texthash:$data_directory/secret
            """, top =>
        {
            File.WriteAllText($"{top}/roots", "one@secret.test plain@box.test\n");
            Assert.Equal(0, Libc.chmod($"{top}/roots", 0x180));
            File.CreateSymbolicLink($"{top}/data/secret", $"{top}/roots");
        });
        instance.Logged("/data/secret: games may change a directory on the way to it: not opened for a role");
        Assert.StartsWith("451 4.3.0", Client.Send(instance.Smtp, "s@out.test", "one@secret.test", "Subject: x\n\n"), StringComparison.Ordinal);
        // Sockets are made in the name of the directory's owner.
        Assert.Equal(0, UserAccount.Find("games", out var mail));
        foreach (var name in (string[])["pickup", "showq", "flush", "qmgr", "control"])
        {
            Assert.Equal(0, UnixFile.Status($"{instance.Spool}/public/{name}", followLinks: false, out var status));
            Assert.Equal((mail!.Uid, GroupAccount.Find("news"), 0x1B6u), (status.Uid, status.Gid, status.Mode & 0x1FF));
        }
        instance.Stop();
        var log = $"{instance.Top}/log/maillog";
        File.Delete(log);
        File.CreateSymbolicLink(log, $"{instance.Top}/roots");
        Assert.Contains($"fatal: open {log}: Too many levels of symbolic links", instance.Run("postfix", "start").Error, StringComparison.Ordinal);
        File.Delete(log);
        Assert.Equal(0, UnixPath.Link($"{instance.Top}/roots", log));
        Assert.Contains($"fatal: open {log}: file has more than one name", instance.Run("postfix", "start").Error, StringComparison.Ordinal);
        Assert.Equal("one@secret.test plain@box.test\n", File.ReadAllText($"{instance.Top}/roots"));
    }

    private static Instance Owned(string lines, Action<string>? prepare = null)
    {
        var instance = new Instance($"{Owners}\n{lines}\n");
        Directory.CreateDirectory($"{instance.Top}/log");
        Assert.Equal(0, UserAccount.Find("games", out var mail));
        foreach (var directory in (string[])["log", "data"])
        {
            Assert.Equal(0, Libc.chown($"{instance.Top}/{directory}", mail!.Uid, mail.Gid));
        }
        instance.LogTo($"{instance.Top}/log/maillog");
        prepare?.Invoke(instance.Top);
        instance.Start();
        return instance;
    }

    private static void NeedsRoot()
    {
        Assert.SkipWhen(Instance.Single, "needs a process per role");
        Assert.SkipUnless(Libc.geteuid() == 0, "needs root, to have identities to give up");
    }
}
