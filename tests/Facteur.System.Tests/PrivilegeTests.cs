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
            var status = Status(thread);
            Assert.Equal(Enumerable.Repeat($"{account!.Uid}", 4), status["Uid:"]);
            Assert.Equal(Enumerable.Repeat($"{account.Gid}", 4), status["Gid:"]);
            Assert.DoesNotContain("0", status["Groups:"]);
            Assert.All((string[])["CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"], set => Assert.Equal("0000000000000000", status[set][0]));
            Assert.Equal("1", status["NoNewPrivs:"][0]);
            // 2: a filter.
            Assert.Equal("2", status["Seccomp:"][0]);
        }
        Assert.DoesNotContain(File.ReadLines($"/proc/{pid}/maps"), mapping => mapping.Split(' ')[1].Contains("wx", StringComparison.Ordinal));
        // Whose process may be looked into by others of its user (ptrace, /proc) owns its files there; of another they are root's.
        Assert.Equal(0, UnixFile.Status($"/proc/{pid}/environ", followLinks: false, out var environment));
        Assert.Equal(0u, environment.Uid);
        // Every role looks itself whether what any user may do is denied to it; only what is wrong is said.
        Assert.DoesNotContain("is not confined", instance.Log, StringComparison.Ordinal);
    }

    /// <summary>The kernel keeps that for good (PR_SET_MDWE) of what is natively compiled; a program that is compiled when it runs could not do with it.</summary>
    [Fact]
    public void The_launcher_takes_the_right_to_memory_that_is_writable_and_executable()
    {
        const string python = "/usr/bin/python3", map = "import mmap; mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC); print('made')";
        Assert.SkipUnless(File.Exists(python), $"{python} is not installed");
        var launcher = SetGidHouse.Native("facteur-lean");
        Assert.SkipWhen(launcher is null, "needs artifacts/bin/facteur-lean: ./build facteur-lean");
        Assert.Equal("made\n", Program.Run(launcher!, ["launcher", "--filter", python, "-c", map]).Fine());
        var refused = Program.Run(launcher!, ["launcher", "--filter", "--wx", python, "-c", map]);
        Assert.SkipWhen(refused.Error.Contains("the kernel refuses memory that is never writable and executable", StringComparison.Ordinal), "the kernel has no PR_SET_MDWE");
        Assert.Equal(("", 1), (refused.Output, refused.Exit));
        Assert.Contains("PermissionError", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_role_and_the_reader_of_the_configuration_are_started_by_a_launcher_that_is_told_to_take_all_rights()
    {
        NeedsRoot();
        Program.Need("bash");
        using var instance = Owned("");
        instance.Stop();
        var facteur = Program.CopyTo($"{instance.Top}/programs");
        var lean = $"{facteur}-lean";
        Program.Run(facteur, ["postfix", "-c", $"{instance.Top}/etc", "start"]).Fine();
        // From now on each start of a process is written down.
        File.Copy(lean, $"{lean}.own");
        File.WriteAllText($"{lean}.new", $"""
            #!/bin/bash
            echo "$*" >>{instance.Top}/started
            exec -a {lean} {lean}.own "$@"

            """);
        Assert.Equal(0, Libc.chmod($"{lean}.new", 0x1ED));
        File.Move($"{lean}.new", lean, overwrite: true);
        string[] roles = ["role receive", "role rewrite", "role queue", "role deliver", "role local", "role postlogd"];
        foreach (var role in roles)
        {
            Assert.Equal(0, Libc.kill(instance.Role(role.Split(' ')[1]), Libc.SIGKILL));
        }
        instance.Reload();
        string[] lines = [];
        Poll.Until(() => Array.TrueForAll(roles, role => (lines = File.ReadAllLines($"{instance.Top}/started")).Any(l => l.Contains($" {role} ", StringComparison.Ordinal))), () => string.Join('\n', lines));
        foreach (var process in roles.Append("plan"))
        {
            var line = lines.First(l => l.Contains($"facteur {process} ", StringComparison.Ordinal));
            Assert.StartsWith("launcher ", line, StringComparison.Ordinal);
            Assert.All((string[])[" --user ", " --filter ", " --wx "], right => Assert.Contains(right, line, StringComparison.Ordinal));
            Assert.Equal((process, process != "plan"), (process, line.Contains(" --landlock ", StringComparison.Ordinal)));
        }
        instance.Stop();
    }

    [Fact]
    public void A_helper_is_its_user_and_nothing_more_in_every_thread_and_the_parents_other_threads_have_rights_over_files_alone()
    {
        NeedsRoot();
        using var instance = Owned("mydestination = local.test\nlocal_recipient_maps =\nmailbox_command = sleep 1000");
        Client.Send(instance.Smtp, "s@out.test", "daemon@local.test", "Subject: x\n\nsleeps\n");
        Assert.Equal(0, UserAccount.Find("daemon", out var daemon));
        int[] parents = [], helpers = [];
        Poll.Until(() =>
        {
            parents = Children(instance.Pid, "local-parent");
            helpers = [.. parents.SelectMany(p => Children(p, "local-helper"))];
            return helpers.Any(h => Children(h, "sleep").Length > 0);
        }, () => instance.Log);
        foreach (var helper in helpers)
        {
            foreach (var thread in Directory.EnumerateDirectories($"/proc/{helper}/task"))
            {
                var status = Status(thread);
                Assert.Equal(Enumerable.Repeat($"{daemon!.Uid}", 4), status["Uid:"]);
                Assert.Equal(Enumerable.Repeat($"{daemon.Gid}", 4), status["Gid:"]);
                Assert.Equal([$"{daemon.Gid}"], status["Groups:"]);
                Assert.All((string[])["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"], set => Assert.Equal("0000000000000000", status[set][0]));
            }
            Assert.Equal(0, UnixFile.Status($"/proc/{helper}/environ", followLinks: false, out var environment));
            Assert.Equal(0u, environment.Uid);
            // The message comes through its session's socket: nothing of the queue's is open, in it or in the command.
            foreach (var process in Children(helper, "").Append(helper))
            {
                Assert.DoesNotContain(Directory.EnumerateFileSystemEntries($"/proc/{process}/fd"), fd => new FileInfo(fd).LinkTarget?.StartsWith(instance.Spool, StringComparison.Ordinal) == true);
            }
        }
        // The parent is root; its threads that open users' files have lost all of root's capabilities but those over files, and its groups. The runtime's own threads open nothing.
        var openers = Directory.EnumerateDirectories($"/proc/{Assert.Single(parents)}/task").Select(Status).Where(s => s["CapPrm:"][0] == "00000000000000cf").ToList();
        Assert.NotEmpty(openers);
        Assert.All(openers, status => Assert.Equal(("00000000000000cf", 0), (status["CapEff:"][0], status["Groups:"].Length)));
        Array.ForEach([.. helpers.SelectMany(h => Children(h, "sleep"))], sleep => Libc.kill(sleep, Libc.SIGKILL));
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

    private static Dictionary<string, string[]> Status(string process) =>
        File.ReadAllLines($"{process}/status").Select(l => l.Split('\t', ' ').Where(w => w.Length > 0).ToArray()).Where(w => w.Length > 0).ToDictionary(w => w[0], w => w[1..]);

    /// <summary>The children of a process whose command lines hold a word.</summary>
    private static int[] Children(int parent, string word)
    {
        return [.. Directory.EnumerateDirectories("/proc").Where(p => char.IsAsciiDigit(Path.GetFileName(p)[0]) && Is(p)).Select(p => int.Parse(Path.GetFileName(p), global::System.Globalization.CultureInfo.InvariantCulture))];

        bool Is(string process)
        {
            try
            {
                return Status(process)["PPid:"][0] == $"{parent}" && File.ReadAllText($"{process}/cmdline").Contains(word, StringComparison.Ordinal);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return false;
            }
        }
    }

    /// <summary>docs/compatibility.md: names, owners and modes are Postfix's, where the commands are set-gid as in Postfix.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Sockets_have_the_names_and_modes_of_Postfix(bool setGid)
    {
        NeedsRoot();
        using var instance = Owned("");
        instance.Stop();
        var facteur = Program.CopyTo($"{instance.Top}/programs");
        Assert.Equal(0, Libc.chmod($"{facteur}-postdrop", setGid ? 0x5EDu : 0x1EDu));
        Program.Run(facteur, ["postfix", "-c", $"{instance.Top}/etc", "start"]).Fine();
        Assert.Equal(["control", "flush", "pickup", "postlog", "qmgr", "showq"], Directory.EnumerateFileSystemEntries($"{instance.Spool}/public").Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(0, UserAccount.Find("games", out var mail));
        foreach (var (path, group, mode) in new[]
        {
            ("public", "news", setGid ? 0x1C8u : 0x1EDu), ("private", "games", 0x1C0u), ("public/pickup", "news", 0x1B6u), ("public/qmgr", "news", 0x1B6u), ("public/flush", "news", 0x1B6u), ("public/showq", "news", 0x1B6u),
            ("public/postlog", "news", setGid ? 0x1B6u : 0x1B0u),
        })
        {
            Assert.Equal(0, UnixFile.Status($"{instance.Spool}/{path}", followLinks: false, out var status));
            Assert.Equal((path, mail!.Uid, GroupAccount.Find(group), mode), (path, status.Uid, status.Gid, status.Mode & 0x1FF));
        }
        Assert.Empty(Directory.EnumerateFileSystemEntries($"{instance.Spool}/private"));
        instance.Stop();
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
