using System.Diagnostics;
using Facteur.System.Tests.Parts;
using Facteur.Unix;

namespace Facteur.System.Tests;

/// <summary>What hangs holds up nothing but itself, and is ended.</summary>
public sealed class HangTests
{
    [Fact]
    public void A_stop_ends_a_role_that_does_not_answer_and_leaves_nothing_behind()
    {
        Assert.SkipWhen(Instance.Single, "needs a process per role");
        using var instance = Instance.Started();
        Assert.StartsWith("250", Client.Send(instance.Smtp, "s@out.test", "plain@box.test", "Subject: x\n\nbefore\n"), StringComparison.Ordinal);
        instance.Delivered("plain", "before");
        const int stop = 19;
        var pid = instance.Role("deliver");
        Assert.Equal(0, Libc.kill(pid, stop));
        var clock = Stopwatch.StartNew();
        instance.Stop();
        // Ten seconds are given to it, and are not waited for twice.
        Assert.InRange(clock.Elapsed.TotalSeconds, 9, 18);
        Assert.Contains("warning: deliver did not end: killed", instance.Log, StringComparison.Ordinal);
        Assert.Single(instance.Log.Split('\n'), line => line.Contains("did not end", StringComparison.Ordinal));
        instance.Gone();
        Assert.Equal(0, instance.Pid);
        instance.Verify();
    }

    [Fact]
    public void A_reader_of_the_configuration_that_does_not_end_is_ended_and_what_runs_goes_on()
    {
        Assert.SkipWhen(Instance.Single, "needs a process per role");
        using var instance = new Instance();
        var facteur = Parts.Program.CopyTo($"{instance.Top}/programs");
        File.Copy(facteur, $"{facteur}.own");
        // It says more than any plan has, so that nobody waits a minute for it, and stays.
        var script = $"""
            #!/bin/sh
            [ "$1" = plan ] || exec {facteur}.own "$@"
            echo $$ > {instance.Top}/reader
            (head -c 5000000 /dev/zero | tr '\0' x) 2>/dev/null
            exec sleep 1000

            """;
        Replace(script);
        var start = Parts.Program.Run($"{facteur}-lean", ["master", "-c", $"{instance.Top}/etc"]);
        Assert.Equal((1, "master: fatal: the configuration's reader does not answer\n"), (start.Exit, start.Error));
        Ended();

        Replace(File.ReadAllBytes($"{facteur}.own"));
        Parts.Program.Run(facteur, ["postfix", "-c", $"{instance.Top}/etc", "start"]).Fine();
        string[] roles = ["receive", "rewrite", "queue", "deliver", "local", "postlogd"];
        var before = roles.Select(instance.Role).ToArray();
        Replace(script);
        instance.Set("smtpd_banner = $myhostname ESMTP changed");
        Assert.Equal(0, Libc.kill(instance.Pid, Libc.SIGHUP));
        instance.Logged("error: reload: the configuration's reader does not answer");
        Ended();
        using (var client = new Client(instance.Smtp))
        {
            Assert.DoesNotContain("changed", client.Greeting, StringComparison.Ordinal);
        }
        Assert.StartsWith("250", Client.Send(instance.Smtp, "s@out.test", "plain@box.test", "Subject: x\n\nas before\n"), StringComparison.Ordinal);
        instance.Delivered("plain", "as before");
        Assert.Equal(before, roles.Select(instance.Role));

        void Replace(object content)
        {
            File.WriteAllBytes($"{facteur}.new", content as byte[] ?? global::System.Text.Encoding.UTF8.GetBytes((string)content));
            Assert.Equal(0, Libc.chmod($"{facteur}.new", 0x1ED));
            File.Move($"{facteur}.new", facteur, overwrite: true);
        }

        void Ended()
        {
            var reader = $"{instance.Top}/reader";
            Assert.False(Directory.Exists($"/proc/{File.ReadAllText(reader).Trim()}"));
            File.Delete(reader);
        }
    }

    [Fact]
    public void A_role_that_shuts_the_socket_to_master_is_ended_and_master_does_not_spin()
    {
        Assert.SkipWhen(Instance.Single, "needs a process per role");
        using var instance = new Instance();
        var facteur = Parts.Program.CopyTo($"{instance.Top}/programs");
        File.Move(facteur, $"{facteur}.own");
        // Once it only says where it is, and goes on without a way to hear its end.
        File.WriteAllText(facteur, $"""
            #!/bin/sh
            if [ "$2" = deliver ] && [ ! -e {instance.Top}/etc/once ]; then
                echo $$ >{instance.Top}/data/deaf
                exec 3>&-
                exec sleep 1000
            fi
            exec {facteur}.own "$@"

            """);
        Assert.Equal(0, Libc.chmod(facteur, 0x1ED));
        File.WriteAllText($"{instance.Top}/etc/once", "");
        Parts.Program.Run($"{facteur}.own", ["postfix", "-c", $"{instance.Top}/etc", "start"]).Fine();
        File.Delete($"{instance.Top}/etc/once");
        Assert.Equal(0, Libc.kill(instance.Role("deliver"), Libc.SIGKILL));
        Poll.Until(() => File.Exists($"{instance.Top}/data/deaf") && File.ReadAllText($"{instance.Top}/data/deaf").Length > 1, () => instance.Log);
        File.WriteAllText($"{instance.Top}/etc/once", "");
        var deaf = File.ReadAllText($"{instance.Top}/data/deaf").Trim();
        Poll.Until(() => !Directory.Exists($"/proc/{deaf}"), () => $"the end of {deaf}: {instance.Log}");
        Assert.StartsWith("250", Client.Send(instance.Smtp, "s@out.test", "plain@box.test", "Subject: x\n\nby the next one\n"), StringComparison.Ordinal);
        instance.Delivered("plain", "by the next one");
        instance.Stop();
    }
}
