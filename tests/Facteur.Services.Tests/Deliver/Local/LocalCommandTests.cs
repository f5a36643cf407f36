using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Services.Deliver.Discard;
using Facteur.Services.Deliver.Error;
using Facteur.Services.Deliver.Local;
using Facteur.Testing;
using Facteur.Unix;

namespace Facteur.Services.Tests.Deliver.Local;

/// <summary>Commands of aliases and users, and other transports. The texts are Postfix's.</summary>
public sealed class LocalCommandTests : IDisposable
{
    private const string Content = "Received: by x\nSubject: hi\n\nFrom here\nx\n";
    private readonly DeliverRoom _room = new();

    public LocalCommandTests()
    {
        DeliverRoom.NeedsChildren();
        Assert.Equal(0, Libc.chmod(_room.Directory, 0x1FF));
    }

    public void Dispose() => _room.Dispose();

    private string User => FileIdentity.CanChange ? "daemon" : Environment.UserName;

    private LocalAgent Agent(params (string Name, string Value)[] more)
    {
        string[] commands =
        [
            "exit 0", "/nonexistent arg", "nonexistent", "echo hello; echo world; exit 1", "echo 4.7.9 custom text; exit 3", "kill -9 $$", "echo early; sleep 100", "exit 77",
            "echo 5.9.9; exit 9", "/etc/passwd", "echo 2.0.0 fine; exit 64", "exit 200", "yes abcdefghij | head -c 1000000; exit 65", $"cat > {_room.Path("cat.out")}",
            $"(env | sort; id -un; umask; ls /proc/self/fd | wc -l) > {_room.Path("env.out")}", "exec cat > /dev/null",
        ];
        _room.Table("aliases", [.. commands.Select((c, i) => ($"c{i}", $"\"|{c}\"")), ("twice", "c0, c0, \"|exit 0\""), ("boxes", $"{User}, {User}"), ("inc", $":include:{_room.Path("list.txt")}")]);
        _room.Table("commands", (User, $"echo of $USER > {_room.Path("box.out")}"));
        _room.Table("transports", (User, "error:5.1.9 says no"), ("ghost", "discard:silently"));
        _room.Table("broken");
        IDeliveryAgent? Find(string name) => name switch
        {
            "error" => new ErrorAgent(new TestConfig([]), false, _room.ServiceLog("postfix/error"), _room.Time),
            "discard" => new DiscardAgent(_room.ServiceLog("postfix/discard"), _room.Time),
            _ => null,
        };
        return new LocalAgent(
            new TestConfig([("alias_maps", "aliases"), ("mail_spool_directory", _room.Directory), ("recipient_delimiter", "+"), ("default_privs", FileIdentity.CanChange ? "nobody" : User),
                ("forward_path", $"{_room.Directory}/fwd-$user"), ("queue_directory", "/")]).With([.. more.Select(m => KeyValuePair.Create(m.Name, m.Value))]),
            _room, _room, _room, _room, Find, _room.Hands(), _room.Threads, _room.ServiceLog("postfix/local"), _room.Time);
    }

    private async Task<string> Deliver(string recipient, string content = Content, DeliveryFlags flags = 0, params (string, string)[] more)
    {
        await Agent(more).DeliverAsync(_room.Request(content, recipient.Split(", "), flags: flags), default);
        return string.Join('\n', _room.Lines.Select(l => l.Replace("postfix/local: ", "").Replace("relay=local, delay=N, delays=N, ", "").Replace(_room.Directory, "DIR")));
    }

    [Theory]
    [InlineData(0, "dsn=2.0.0, status=sent (delivered to command: exit 0)")]
    [InlineData(1, "dsn=4.3.0, status=deferred (temporary failure. Command output: local: fatal: execvp /nonexistent: No such file or directory )")]
    [InlineData(2, "dsn=5.3.0, status=bounced (Command died with status 127: \"nonexistent\". Command output: sh: 1: nonexistent: not found )")]
    [InlineData(3, "dsn=5.3.0, status=bounced (Command died with status 1: \"echo hello; echo world; exit 1\". Command output: hello world )")]
    [InlineData(4, "dsn=4.7.9, status=deferred (custom text )")]
    [InlineData(5, "dsn=4.3.0, status=deferred (Command died with signal 9: \"kill -9 $$\")")]
    [InlineData(6, "dsn=5.3.0, status=bounced (Command time limit exceeded: \"echo early; sleep 100\". Command output: early )")]
    [InlineData(7, "dsn=5.7.0, status=bounced (permission denied)")]
    [InlineData(8, "dsn=5.9.9, status=bounced ((description unavailable))")]
    [InlineData(9, "dsn=4.3.0, status=deferred (temporary failure. Command output: local: fatal: execvp /etc/passwd: Permission denied )")]
    [InlineData(10, "dsn=5.0.0, status=bounced (fine )")]
    [InlineData(11, "dsn=5.3.0, status=bounced (Command died with status 200: \"exit 200\")")]
    public async Task Ends_of_commands(int number, string expected)
    {
        var lines = await Deliver($"c{number}@dest.example", more: ("command_time_limit", number == 6 ? "1s" : "1000s"));
        Assert.Equal($"Q1: to=<c{number}@dest.example>, {expected}", lines.Split('\n')[^1]);
    }

    [Fact]
    public async Task Output_without_end_is_cut_and_holds_up_nothing()
    {
        var line = await Deliver("c12@dest.example");
        Assert.Contains("dsn=5.6.0, status=bounced (data format error. Command output: abcdefghij abcdefghij", line);
        Assert.InRange(line.Length, 1000, 2300);
    }

    [Fact]
    public async Task A_command_gets_the_message_as_it_is_with_a_From_line()
    {
        await Deliver("c13@dest.example");
        Assert.Equal(
            "From a@sender.example  Mon Nov  2 03:04:05 2026\nReturn-Path: <a@sender.example>\nX-Original-To: c13@dest.example\nDelivered-To: c13@dest.example\n" + Content, _room.Read("cat.out"));
    }

    [Fact]
    public async Task A_long_message_reaches_a_command_whole()
    {
        var content = "Subject: long\n\n" + string.Concat(Enumerable.Range(0, 60_000).Select(i => $"line {i}\n"));
        await Deliver("c13@dest.example", content);
        Assert.EndsWith(content, _room.Read("cat.out"));
        Assert.EndsWith("status=sent (delivered to command: exec cat > /dev/null)", await Deliver("c15@dest.example", content));
    }

    [Fact]
    public async Task A_command_has_Postfixs_environment_and_nothing_else_of_ours()
    {
        var lines = await Deliver("c14+ex;t@dest.example", more: [("export_environment", "FOO=bar NOSUCHNAME"), ("prepend_delivered_header", "")]);
        Assert.Contains("status=sent", lines);
        var expected = "DOMAIN=dest.example EXTENSION=ex_t FOO=bar LOCAL=c14+ex_t LOGNAME=c14 ORIGINAL_RECIPIENT=c14+ex_t@dest.example PATH=/usr/bin:/bin PWD=/ RECIPIENT=c14+ex_t@dest.example "
            + $"SENDER=a@sender.example USER=c14 {(FileIdentity.CanChange ? "nobody" : User)} 0077 4";
        Assert.Equal(expected, string.Join(' ', _room.Read("env.out").Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(l => !l.StartsWith("_=", StringComparison.Ordinal))));
    }

    [Fact]
    public async Task The_same_command_of_the_same_alias_runs_once()
    {
        var lines = await Deliver("twice@dest.example");
        Assert.Equal(2, lines.Split('\n').Length);
    }

    [Theory]
    [InlineData("exit 0", 1)]
    [InlineData("exit 75", 2)]
    public async Task A_mailbox_is_tried_again_after_a_failure(string command, int runs)
    {
        await Deliver("boxes@dest.example", more: ("mailbox_command", $"echo run >> {_room.Path("box.out")}; {command}"));
        Assert.Equal(string.Concat(Enumerable.Repeat("run\n", runs)), _room.Read("box.out"));
    }

    [Fact]
    public async Task Include_files_may_name_no_command_unless_allowed()
    {
        File.WriteAllText(_room.Path("list.txt"), "\"|exit 67\"\n");
        Assert.Equal(0, Libc.chmod(_room.Path("list.txt"), 0x1A4));
        Assert.EndsWith("dsn=5.7.1, status=bounced (mail to command is restricted)", await Deliver("inc@dest.example"));
        Assert.EndsWith("dsn=5.1.1, status=bounced (user unknown)", await Deliver("inc@dest.example", more: ("allow_mail_to_commands", "include")));
    }

    [Fact]
    public async Task Mailbox_command_runs_as_the_user_in_the_directory_given()
    {
        var command = $"(echo $USER $HOME; id -un; pwd; echo $0) > {_room.Path("box.out")}";
        var lines = await Deliver($"{User}@dest.example", more: [("mailbox_command", command), ("command_execution_directory", $"{_room.Directory}/."), ("local_command_shell", "/bin/sh -e -c")]);
        Assert.EndsWith($"status=sent (delivered to command: {command.Replace(_room.Directory, "DIR")})", lines);
        Assert.Equal($"{User} {Account().Home}\n{User}\n{_room.Directory}\n/bin/sh\n", _room.Read("box.out"));
        if (FileIdentity.CanChange)
        {
            Assert.Equal(0, UnixFile.Status(_room.Path("box.out"), false, out var status));
            Assert.Equal(Account().Uid, status.Uid);
        }
        lines = await Deliver($"{User}@dest.example", more: [("mailbox_command", command), ("command_execution_directory", "/nonexistent/$user")]);
        Assert.EndsWith("dsn=4.3.0, status=deferred (temporary failure)", lines);
    }

    [Fact]
    public async Task Mailbox_command_maps_come_before_mailbox_command()
    {
        await Deliver($"{User}+x@dest.example", more: [("mailbox_command_maps", "commands"), ("mailbox_command", "exit 67")]);
        Assert.Equal($"of {User}\n", _room.Read("box.out"));
        Assert.EndsWith("dsn=4.3.0, status=deferred (table lookup failure)", await Deliver($"{User}@dest.example", more: ("mailbox_command_maps", "nosuchtable")));
    }

    [Fact]
    public async Task Commands_for_root_have_the_rights_of_default_privs()
    {
        if (!FileIdentity.CanChange)
        {
            Assert.Skip("needs root: identities are taken");
        }
        await Deliver("root@dest.example", more: ("mailbox_command", $"id -un > {_room.Path("box.out")}"));
        Assert.Equal("nobody\n", _room.Read("box.out"));
    }

    [Fact]
    public async Task Other_transports_take_mailboxes_and_unknown_users()
    {
        Assert.Contains($"Q1: passing <{User}@dest.example> to transport=error\npostfix/error: Q1: to=<{User}@dest.example>, relay=none, delay=N, delays=N, dsn=5.1.9, status=bounced (says no)",
            await Deliver($"{User}@dest.example", more: [("mailbox_transport_maps", "transports"), ("mailbox_transport", "nosuch:")]));
        Assert.Contains("postfix/discard: Q1: to=<ghost@dest.example>, relay=none, delay=N, delays=N, dsn=2.0.0, status=sent (silently)",
            await Deliver("ghost@dest.example", more: ("mailbox_transport_maps", "transports")));
        Assert.EndsWith("status=sent (all)", await Deliver("whoever@dest.example", more: ("fallback_transport", "discard:all")));
        Assert.EndsWith("dsn=4.3.0, status=deferred (mail transport unavailable)", await Deliver("whoever@dest.example", more: ("fallback_transport", "nosuch:x")));
        Assert.EndsWith("dsn=4.3.0, status=deferred (mail transport unavailable)", await Deliver("whoever@dest.example", more: ("fallback_transport", "local")));
        Assert.EndsWith("dsn=4.3.0, status=deferred (table lookup failure)", await Deliver("whoever@dest.example", more: ("fallback_transport_maps", "nosuchtable")));
        Assert.EndsWith("status=sent (delivered to mailbox)", await Deliver($"{User}@dest.example", more: ("fallback_transport", "discard:all")));
    }

    [Fact]
    public async Task A_slow_command_holds_up_nobody_else()
    {
        var gate = _room.Path("gate");
        Assert.Equal(0, Libc.mkfifo(gate, 0x1B6));
        Assert.Equal(0, Libc.chmod(gate, 0x1B6));
        var agent = Agent(("mailbox_command_maps", "slow"));
        _room.Table("slow", ("x", "y"));
        agent = Agent(("mailbox_command", $"[ $USER = {User} ] && read line < {gate}; exit 0"));
        var slow = Enumerable.Range(0, 8).Select(_ => agent.DeliverAsync(_room.Request(Content, [$"{User}@dest.example"]), default).AsTask()).ToList();
        // More than the threads for files: the others go on.
        var (other, _) = (await agent.DeliverAsync(_room.Request(Content, ["c0@dest.example"]), default).AsTask().WaitAsync(TimeSpan.FromSeconds(60)), 0);
        Assert.Equal(DeliveryOutcome.Sent, Assert.Single(other.Recipients).Status.Outcome);
        Assert.All(slow, delivery => Assert.False(delivery.IsCompleted));
        while (slow.Exists(d => !d.IsCompleted))
        {
            await using (var writer = new FileStream(gate, FileMode.Open, FileAccess.ReadWrite))
            {
                writer.Write("go\n"u8);
                writer.Flush();
                await Task.Delay(50);
            }
        }
        Assert.All(slow, delivery => Assert.Equal(DeliveryOutcome.Sent, Assert.Single(delivery.Result.Recipients).Status.Outcome));
    }

    [Fact]
    public async Task Procmail_files_by_its_rules()
    {
        const string procmail = "/usr/bin/procmail";
        if (!File.Exists(procmail))
        {
            Assert.Skip("needs procmail");
        }
        // It reads no rules from a directory that others may write.
        var home = _room.Path("home");
        Directory.CreateDirectory(home);
        File.WriteAllText($"{home}/rc", $"MAILDIR={home}\nDEFAULT={home}/inbox\nARG=$1\n:0:\n* ^Subject: hi\n* ARG ?? tag\nfiltered\n");
        Assert.Equal(0, Libc.chmod(home, 0x1ED));
        foreach (var path in FileIdentity.CanChange ? new[] { home, $"{home}/rc" } : [])
        {
            Assert.Equal(0, Libc.chown(path, Account().Uid, Account().Gid));
        }
        var command = ("mailbox_command", $"{procmail} -a \"$EXTENSION\" {home}/rc");
        Assert.EndsWith("rc)", await Deliver($"{User}+tag@dest.example", more: command));
        Assert.Contains($"X-Original-To: {User}+tag@dest.example\nDelivered-To: {User}+tag@dest.example\n" + Content.Replace("\nFrom ", "\n>From "), _room.Read("home/filtered"));
        await Deliver($"{User}@dest.example", "Subject: other\n\nx\n", more: command);
        Assert.Contains("Subject: other", _room.Read("home/inbox"));
    }

    [Fact]
    public async Task Verify_only_runs_nothing() =>
        Assert.EndsWith("status=deliverable (delivers to command: exit 0)", await Deliver("c0@dest.example", flags: DeliveryFlags.VerifyOnly));

    private UserAccount Account()
    {
        Assert.Equal(0, UserAccount.Find(User, out var account));
        return account!;
    }
}
