using System.Diagnostics;
using System.Globalization;
using Facteur.System.Tests.Parts;
using Facteur.Unix;

namespace Facteur.System.Tests;

/// <summary>Processes come and go; the mail system stays, and ends whole.</summary>
public sealed class RoleTests
{
    [Theory]
    [InlineData("receive")]
    [InlineData("rewrite")]
    [InlineData("queue")]
    [InlineData("deliver")]
    [InlineData("local")]
    [InlineData("postlogd")]
    public void A_killed_role_is_started_again_and_mail_flows_as_before(string role)
    {
        Assert.SkipWhen(Instance.Single, "needs a process per role");
        using var sink = new Sink();
        using var instance = Instance.Started(sink.Relayhost);
        Send(instance, "before");
        var pid = instance.Role(role);
        Assert.Equal(0, Libc.kill(pid, Libc.SIGKILL));
        Poll.Until(() => instance.Role(role) is var now && now != 0 && now != pid, () => $"another {role}");
        Send(instance, "after");
        Assert.Equal(0, Libc.kill(instance.Pid, 0));
        if (role != "postlogd")
        {
            instance.Logged($"process {role} pid {pid} killed by signal 9");
        }

        // The doors are master's: who comes between two of receive waits for the next one.
        void Send(Instance to, string text)
        {
            string? answer = null;
            Poll.Until(() =>
            {
                try
                {
                    answer = Client.Send(to.Smtp, "s@out.test", "plain@box.test out@far.test", $"Subject: x\n\n{text}\n");
                }
                catch (Exception)
                {
                    // It ended in the middle of the session: the client comes again.
                }
                return answer?.StartsWith("250", StringComparison.Ordinal) == true;
            }, () => $"250 for {text}: {answer}\n{to.Log}");
            to.Delivered("plain", text);
            sink.Received(text);
        }
    }

    [Fact]
    public void As_process_1_of_a_container_it_minds_its_roles_and_ends_when_it_is_told_to()
    {
        Assert.SkipWhen(Libc.geteuid() != 0, "needs root: a process name space");
        Assert.SkipWhen(Instance.Single, "needs a process per role");
        using var mail = new Instance();
        // Killed with the test: nothing of it is to outlive it.
        using var container = Process.Start("/usr/bin/unshare", ["--pid", "--fork", "--kill-child=KILL", "--mount-proc", Program.Facteur, "postfix", "-c", $"{mail.Top}/etc", "start-fg"]);
        try
        {
            Minded(mail, container);
        }
        finally
        {
            container.Kill(entireProcessTree: true);
        }
    }

    private static void Minded(Instance mail, Process container)
    {
        mail.Logged("daemon started -- version");
        foreach (var role in (string[])["rewrite", "deliver", "receive"])
        {
            var pid = mail.Role(role);
            Assert.Equal(0, Libc.kill(pid, Libc.SIGKILL));
            Poll.Until(() => mail.Role(role) is var now && now != 0 && now != pid, () => $"another {role}\n{mail.Log}");
        }
        Poll.Until(() => Sent(mail), () => mail.Log);
        mail.Delivered("a", "Subject: in a container");
        var master = File.ReadAllText($"/proc/{container.Id}/task/{container.Id}/children").Trim();
        Assert.Equal(0, Libc.kill(int.Parse(master, CultureInfo.InvariantCulture), Libc.SIGTERM));
        Assert.True(container.WaitForExit(TimeSpan.FromSeconds(30)), mail.Log);
        mail.Gone();
        Assert.DoesNotContain("did not end", mail.Log, StringComparison.Ordinal);
    }

    [Fact]
    public void When_master_is_killed_nothing_of_it_is_left_and_the_next_start_takes_all_up()
    {
        using var instance = Instance.Started();
        instance.Run("postsuper", "-h", "ALL");
        Assert.StartsWith("250", Client.Send(instance.Smtp, "s@out.test", "plain@box.test", "Subject: x\n\nkept\n"), StringComparison.Ordinal);
        instance.Kill();
        instance.Start();
        instance.Delivered("plain", "kept");
        instance.Stop();
        instance.Gone();
    }

    [Fact]
    public void A_start_that_can_not_bind_says_so_and_leaves_nothing_behind()
    {
        using var first = Instance.Started();
        using var second = new Instance();
        File.WriteAllText(second.MasterCf, File.ReadAllText(second.MasterCf).Replace($"127.0.0.1:{second.Smtp} ", $"127.0.0.1:{first.Smtp} ", StringComparison.Ordinal));
        var start = second.Run("postfix", Instance.Single ? ["start", "--single-process"] : ["start"]);
        Assert.Equal(1, start.Exit);
        Assert.Contains($"bind 127.0.0.1 port {first.Smtp}: Address already in use (master.cf, line 1)", start.Error, StringComparison.Ordinal);
        second.Gone();
    }

    [Fact]
    public void A_reload_listens_where_it_is_told_and_no_longer_where_it_was()
    {
        using var instance = Instance.Started();
        using var port = new Port();
        File.WriteAllText(instance.MasterCf, File.ReadAllText(instance.MasterCf) + $"127.0.0.1:{port.Number} inet n - n - - smtpd\n");
        instance.Reload();
        Poll.Until(() => Answers(port.Number), () => "a greeting at the new address");
        File.WriteAllText(instance.MasterCf, File.ReadAllText(instance.MasterCf).Replace($"127.0.0.1:{port.Number} inet n - n - - smtpd\n", "", StringComparison.Ordinal));
        instance.Reload();
        Poll.Until(() => !Answers(port.Number), () => "the end of the new address");
        Assert.True(Answers(instance.Smtp));

        static bool Answers(int port)
        {
            try
            {
                using var client = new Client(port);
                return client.Greeting.StartsWith("220", StringComparison.Ordinal);
            }
            catch (Exception)
            {
                return false;
            }
        }
    }

    [Fact]
    public void A_role_that_a_reload_replaces_is_no_reason_for_a_warning()
    {
        Assert.SkipWhen(Instance.Single, "needs a process per role");
        using var instance = Instance.Started();
        string[] roles = ["receive", "rewrite", "deliver", "local"];
        var before = roles.ToDictionary(r => r, instance.Role);
        // A table in a directory that is new to the configuration: who reads tables must be allowed to read there.
        Directory.CreateDirectory($"{instance.Top}/new");
        File.WriteAllText($"{instance.Top}/new/aliases", "alias@box.test plain@box.test\n");
        instance.Set($"virtual_alias_maps = texthash:{instance.Top}/new/aliases");
        instance.Reload();
        foreach (var role in roles)
        {
            Poll.Until(() => instance.Role(role) is var now && now != 0 && now != before[role], () => $"another {role}");
        }
        instance.Takes("alias@box.test");
        Assert.StartsWith("250", Client.Send(instance.Smtp, "s@out.test", "alias@box.test", "Subject: x\n\nby the new table\n"), StringComparison.Ordinal);
        instance.Delivered("plain", "by the new table");
        Assert.DoesNotContain("warning: process", instance.Log, StringComparison.Ordinal);
        // A role that is told nothing and ends is.
        var pid = instance.Role("rewrite");
        Assert.Equal(0, Libc.kill(pid, Libc.SIGTERM));
        instance.Logged($"warning: process rewrite pid {pid} ");
    }

    /// <summary>Another process takes what is new; the one before it ends what it has begun, whatever becomes of the queue meanwhile.</summary>
    [Fact]
    public void A_reload_that_replaces_roles_does_not_cut_a_delivery()
    {
        Assert.SkipWhen(Instance.Single, "needs a process per role");
        using var sink = new Sink { Held = "held" };
        using var instance = new Instance($"{sink.Relayhost}\ntransport_maps = inline:{{ slow.test=slow: }}");
        var user = Environment.UserName == "root" ? "nobody" : Environment.UserName;
        File.AppendAllText(instance.MasterCf, $"slow unix - n n - - pipe user={user} argv=/bin/sh -c {{while test ! -e {instance.Top}/go; do sleep 0.05; done; echo done; true}}\n");
        instance.Start();
        Assert.StartsWith("250", Client.Send(instance.Smtp, "s@out.test", "a@far.test b@slow.test", "Subject: x\n\nheld\n"), StringComparison.Ordinal);
        sink.Received("held");
        Poll.Until(() => Program.Run("/usr/bin/pgrep", ["-f", $"test ! -e {instance.Top}/go"]).Exit == 0, () => $"the command\n{instance.Log}");
        string[] roles = ["deliver", "local"];
        var before = roles.ToDictionary(r => r, instance.Role);
        Directory.CreateDirectory($"{instance.Top}/new");
        File.WriteAllText($"{instance.Top}/new/aliases", "alias@box.test plain@box.test\n");
        instance.Set($"virtual_alias_maps = texthash:{instance.Top}/new/aliases");
        instance.Reload();
        instance.Takes("alias@box.test");
        // What is new is delivered by others, and they that go on are known to another queue.
        Assert.StartsWith("250", Client.Send(instance.Smtp, "s@out.test", "alias@box.test c@far.test", "Subject: x\n\nfirst\n"), StringComparison.Ordinal);
        instance.Delivered("plain", "first");
        sink.Received("first");
        var queue = instance.Role("queue");
        Assert.Equal(0, Libc.kill(queue, Libc.SIGKILL));
        Poll.Until(() => instance.Role("queue") is var now && now != 0 && now != queue, () => "another queue");
        Poll.Until(() => instance.Queue().Count == 1, () => "the message that is being delivered, alone in the queue");
        Assert.All(roles, r => Assert.Equal(0, Libc.kill(before[r], 0)));
        Assert.DoesNotContain("status=", string.Concat(instance.Log.Split('\n').Where(l => l.Contains("a@far.test", StringComparison.Ordinal) || l.Contains("b@slow.test", StringComparison.Ordinal))), StringComparison.Ordinal);
        sink.Held = null;
        File.WriteAllText($"{instance.Top}/go", "");
        Poll.Until(() => instance.Queue().Count == 0, () => $"an empty queue\n{instance.Log}");
        Poll.Until(() => roles.All(r => Libc.kill(before[r], 0) < 0), () => "the end of those that were replaced");
        Assert.Single(sink.Messages, m => m.Contains("held", StringComparison.Ordinal));
        Assert.Single(instance.Log.Split('\n'), l => l.Contains("to=<a@far.test>", StringComparison.Ordinal) && l.Contains("status=sent", StringComparison.Ordinal));
        Assert.Single(instance.Log.Split('\n'), l => l.Contains("to=<b@slow.test>", StringComparison.Ordinal) && l.Contains("status=sent (delivered via slow service (done))", StringComparison.Ordinal));
        Assert.DoesNotContain("warning: process deliver", instance.Log, StringComparison.Ordinal);
        instance.Stop();
        instance.Gone();
    }

    /// <summary>As in Postfix: a session ends as its client likes, and pickup's work is done once, whoever is at it.</summary>
    [Fact]
    public void A_reload_that_replaces_receive_does_not_cut_a_session()
    {
        Assert.SkipWhen(Instance.Single, "needs a process per role");
        using var instance = Instance.Started();
        var before = instance.Role("receive");
        using var idle = new Client(instance.Smtp);
        using var busy = new Client(instance.Smtp);
        busy.Expect("250", "EHLO client.test");
        busy.Expect("250", "MAIL FROM:<s@out.test>");
        Directory.CreateDirectory($"{instance.Top}/new");
        File.WriteAllText($"{instance.Top}/new/aliases", "alias@box.test plain@box.test\n");
        instance.Set($"virtual_alias_maps = texthash:{instance.Top}/new/aliases");
        instance.Reload();
        instance.Takes("alias@box.test");
        Assert.NotEqual(before, instance.Role("receive"));
        Assert.StartsWith("250", Client.Send(instance.Smtp, "s@out.test", "alias@box.test", "Subject: x\n\nby the new one\n"), StringComparison.Ordinal);
        instance.Delivered("plain", "by the new one");
        // What another did with the socket that both listen on is not felt: a connection ends in order, and no reply is lost.
        using (var fresh = new Client(instance.Smtp))
        {
            fresh.Expect("221", "QUIT");
            Assert.Equal("", fresh.Reply());
        }
        busy.Expect("250", "RCPT TO:<plain@box.test>");
        busy.Expect("354", "DATA");
        busy.Write("Subject: x\r\n\r\nby the old one\r\n");
        busy.Expect("250", ".");
        instance.Delivered("plain", "by the old one");
        // Mail of local users is the new one's, though the old one is still there.
        instance.Run("sendmail", "Subject: x\n\npicked up\n"u8.ToArray(), "-f", "s@out.test", "plain@box.test").Fine();
        instance.Delivered("plain", "picked up");
        Assert.Equal(0, Libc.kill(before, 0));
        busy.Expect("221", "QUIT");
        idle.Expect("250", "NOOP");
        idle.Expect("221", "QUIT");
        Poll.Until(() => Libc.kill(before, 0) < 0, () => "the end of the one that was replaced");
        Assert.DoesNotContain("warning: process", instance.Log, StringComparison.Ordinal);
        Assert.DoesNotContain(" 421 ", instance.Log, StringComparison.Ordinal);
    }

    [Fact]
    public void Programs_that_are_replaced_under_a_running_master_are_not_used_until_it_is_started_anew()
    {
        Assert.SkipWhen(Instance.Single, "needs a process per role");
        using var instance = new Instance();
        var facteur = Parts.Program.CopyTo($"{instance.Top}/programs");
        File.Copy(facteur, $"{facteur}.own");
        Parts.Program.Run(facteur, ["postfix", "-c", $"{instance.Top}/etc", "start"]).Fine();

        // To master's words it is as any other build: it finds that the id it is given is not its own.
        Replace($"""
            #!/bin/sh
            [ "$1" = plan ] && printf 'build\t0123456789abcdef\nend\n' && exit
            for word; do shift; [ "$word" = "{BuildId.Value}" ] && word=0123456789abcdef; set -- "$@" "$word"; done
            exec {facteur}.own "$@"

            """);
        var pid = instance.Role("receive");
        Assert.Equal(0, Libc.kill(pid, Libc.SIGKILL));
        instance.Logged("error: receive is built from other sources than this master, and is not used: after an upgrade run \"postfix stop\" and \"postfix start\"");
        // With any new directory roles would be replaced: what runs is better than what can't.
        Assert.Equal(0, Libc.kill(instance.Pid, Libc.SIGHUP));
        instance.Logged($"error: reload: {facteur} is built from other sources than this master");
        Thread.Sleep(1500);
        Assert.Equal(2, instance.Log.Split("error: receive is built from other sources").Length);
        Assert.DoesNotContain("exit status", instance.Log, StringComparison.Ordinal);

        File.Move($"{facteur}.own", facteur, overwrite: true);
        Poll.Until(() => instance.Role("receive") != 0, () => instance.Log);
        Assert.StartsWith("250", Client.Send(instance.Smtp, "s@out.test", "plain@box.test", "Subject: x\n\nas before\n"), StringComparison.Ordinal);
        instance.Delivered("plain", "as before");

        void Replace(string text)
        {
            File.WriteAllText($"{facteur}.new", text);
            Assert.Equal(0, Libc.chmod($"{facteur}.new", 0x1ED));
            File.Move($"{facteur}.new", facteur, overwrite: true);
        }
    }

    [Fact]
    public void A_link_that_comes_without_its_descriptor_is_the_end_of_the_role()
    {
        using var instance = new Instance();
        var (master, theirs) = DescriptorSocket.Pair(out _)!.Value;
        using (master)
        {
            var nothing = Libc.open("/dev/null", Libc.O_RDWR | Libc.O_CLOEXEC, 0);
            string[] environment = ["PATH=/usr/bin:/bin", $"DOTNET_ROOT={Environment.GetEnvironmentVariable("DOTNET_ROOT")}"];
            Assert.Equal(0, ChildProcess.Start(
                Program.Facteur, ["facteur", "role", "receive", "-c", Path.GetDirectoryName(instance.MainCf)!, "--build", BuildId.Value], environment, [nothing, nothing, nothing, theirs], out var pid));
            _ = Libc.close(nothing);
            _ = Libc.close(theirs);
            // As the kernel gives it to who has no descriptors left.
            Assert.Equal(0, master.Send("Lincoming"u8, -1));
            var status = 0;
            Poll.Until(() => ChildProcess.HasEnded(pid, out status), () => "the end of the role");
            Assert.Equal(1, status >> 8);
            var word = new byte[DescriptorSocket.MessageLimit];
            var length = master.Receive(word, out _, wait: true, out _);
            Assert.Equal("Ewhat master sent for \"incoming\" came without its descriptor: too many open files", global::System.Text.Encoding.UTF8.GetString(word, 0, Math.Max(0, length)));
        }
    }

    [Fact]
    public void Programs_of_two_builds_do_not_start()
    {
        Assert.SkipWhen(Instance.Single, "needs a process per role");
        using var instance = new Instance();
        var facteur = Parts.Program.CopyTo($"{instance.Top}/programs");
        File.WriteAllText(facteur, "#!/bin/sh\nprintf 'version\\t0\\nend\\n'\n");
        var start = Parts.Program.Run($"{facteur}-lean", ["master", "-c", $"{instance.Top}/etc"]);
        Assert.Equal(1, start.Exit);
        Assert.Contains($"fatal: {facteur} is built from other sources than this master", start.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_reload_with_a_mistake_changes_nothing()
    {
        using var instance = Instance.Started();
        instance.Set("message_size_limit = many");
        // The command would refuse; the signal is what it sends.
        Assert.Equal(0, Libc.kill(instance.Pid, Libc.SIGHUP));
        instance.Logged("error: reload:");
        Assert.StartsWith("250", Client.Send(instance.Smtp, "s@out.test", "plain@box.test", "Subject: x\n\nas before\n"), StringComparison.Ordinal);
        instance.Delivered("plain", "as before");
    }

    // The role that listens may have been killed a moment ago.
    private static bool Sent(Instance mail)
    {
        try
        {
            return Client.Send(mail.Smtp, "s@box.test", "a@box.test", "Subject: in a container\n\n").StartsWith("250", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }
}
