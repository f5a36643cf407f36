using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Services.Deliver.Pipe;
using Facteur.Services.Tests.Deliver.Local;
using Facteur.Testing;
using Facteur.Unix;

namespace Facteur.Services.Tests.Deliver.Pipe;

/// <summary>Commands of pipe services, really run. The texts are Postfix's.</summary>
public sealed class PipeAgentTests : IDisposable
{
    private const string Content = "Received: by x\nSubject: hi\n\nFrom here\nx\n";
    private readonly DeliverRoom _room = new();
    private ParentProcess? _parent;

    public PipeAgentTests()
    {
        DeliverRoom.NeedsChildren();
        Assert.Equal(0, Libc.chmod(_room.Directory, 0x1FF));
    }

    public void Dispose()
    {
        _parent?.Dispose();
        _room.Dispose();
    }

    private static string User => FileIdentity.CanChange ? "daemon" : Environment.UserName;

    private PipeAgent Agent(string[] arguments, bool byParent = false, params (string Name, string Value)[] more)
    {
        _parent ??= byParent ? new ParentProcess(FileIdentity.CanChange ? "games" : "root", 64) : null;
        return new PipeAgent(
            new TestConfig([("queue_directory", "/"), ("mail_owner", "games"), ("setgid_group", "tty"), ("recipient_delimiter", "+"), .. more]), "p", arguments, _room,
            byParent ? _parent!.Hands : _room.Hands(), _room.Threads, _room.ServiceLog("postfix/pipe"), _room.Time, _room);
    }

    private async Task<string> Deliver(string[] arguments, string recipients = "x@dest.example", bool byParent = false, DeliveryFlags flags = 0, string nexthop = "hop", params (string, string)[] more)
    {
        var result = await Agent([$"user={User}", .. arguments], byParent, more).DeliverAsync(_room.Request(Content, recipients.Split(", "), transport: "p", nexthop: nexthop, flags: flags), default);
        return string.Join('\n', _room.Lines.Select(l => l.Replace("postfix/pipe: ", "").Replace("relay=p, delay=N, delays=N, ", "").Replace(_room.Directory, "DIR")))
            + (result.DestinationFailed is { } failed ? $"\n{failed.Reason}" : "");
    }

    [Theory]
    [InlineData("exit 0", "dsn=2.0.0, status=sent (delivered via p service)")]
    [InlineData("echo 2.2.9 said so", "dsn=2.0.0, status=sent (delivered via p service (2.2.9 said so))")]
    [InlineData("exit 67", "dsn=5.1.1, status=bounced (user unknown)")]
    [InlineData("exit 75", "dsn=4.3.0, status=deferred (temporary failure)")]
    [InlineData("exit 79", "dsn=5.3.0, status=bounced (Command died with status 79: \"/bin/sh\")")]
    [InlineData("echo hello; echo '  world'; exit 75", "dsn=4.3.0, status=deferred (temporary failure. Command output: hello   world )")]
    [InlineData("printf '4.2.2\\tsaid \\351 \\303\\251\\r'; exit 1", "dsn=4.2.2, status=deferred (said _ é_)")]
    [InlineData("echo 4.2.2 said so; exit 1", "dsn=4.2.2, status=deferred (said so )")]
    [InlineData("kill -TERM $$$$", "dsn=4.3.0, status=deferred (Command died with signal 15: \"/bin/sh\")")]
    public async Task Ends_of_commands(string command, string expected) => Assert.Equal($"Q1: to=<x@dest.example>, {expected}", await Deliver(["argv=/bin/sh", "-c", command]));

    [Fact]
    public async Task The_end_of_the_outputs_last_line_is_in_the_log_alone()
    {
        var result = await Agent([$"user={User}", "argv=/bin/sh", "-c", "echo 4.2.2 said so; exit 1"]).DeliverAsync(_room.Request(Content, ["x@dest.example"], transport: "p"), default);
        var status = Assert.Single(result.Recipients).Status;
        Assert.Equal(("said so", "said so"), (status.Reason, status.DiagnosticText));
        Assert.EndsWith("status=deferred (said so )", _room.Lines[^1]);
    }

    [Fact]
    public async Task A_code_of_success_does_not_turn_a_failure_into_one() => Assert.Equal(
        "warning: bounce_append: ignoring dsn code \"2.0.0\"\nQ1: to=<x@dest.example>, dsn=5.0.0, status=bounced (fake )", await Deliver(["argv=/bin/sh", "-c", "echo 2.0.0 fake; exit 70"]));

    [Fact]
    public async Task A_command_that_takes_too_long_is_killed_with_all_it_started()
    {
        var line = await Deliver(["argv=/bin/sh", "-c", $"(sleep 100; touch {_room.Path("late")}) & echo waiting $$!; wait"], more: ("p_time_limit", "1s"));
        var child = int.Parse(line.Split("waiting ")[1].Split(' ')[0]);
        Assert.EndsWith($"dsn=5.3.0, status=bounced (Command time limit exceeded: \"/bin/sh\". Command output: waiting {child} )", line);
        Assert.StartsWith("warning: pipe_command_read: read time limit exceeded\n", line);
        ParentProcess.Until(() => ParentProcess.Status(child, "PPid") < 0);
    }

    [Fact]
    public async Task Its_status_passes_the_filter()
    {
        _room.Table("filter", ("5.1.1 user unknown", "4.1.1 not yet"));
        Assert.EndsWith("dsn=4.1.1, status=deferred (not yet)", await Deliver(["argv=/bin/sh", "-c", "exit 67"], more: ("pipe_delivery_status_filter", "filter")));
    }

    [Fact]
    public async Task A_program_that_is_not_there_is_looked_for_again_later() => Assert.Equal(
        "fatal: pipe_command: execvp /no/such/program: No such file or directory\n"
            + "Q1: to=<x@dest.example>, dsn=4.3.0, status=deferred (temporary failure. Command output: pipe: fatal: pipe_command: execvp /no/such/program: No such file or directory )",
        await Deliver(["argv=/no/such/program", "a"]));

    [Fact]
    public async Task A_directory_that_is_not_there_defers()
    {
        var lines = await Deliver(["directory=/nonexistent", "argv=/bin/true"]);
        Assert.StartsWith("fatal: cannot change directory to \"/nonexistent\" for uid=", lines);
        Assert.EndsWith("dsn=4.3.0, status=deferred (temporary failure)", lines);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task No_shell_sees_what_is_in_an_address(bool byParent)
    {
        if (byParent)
        {
            _parent = new ParentProcess(FileIdentity.CanChange ? "games" : "root", 64, [], [$"{User}\t"]);
        }
        File.WriteAllText(_room.Path("dump"), "(for a in \"$@\"; do echo \"[$a]\"; done; env | sort | grep -v ^_ | grep -v ^PWD; pwd; id -un; cat) > \"$0.out\"\n");
        var line = await Deliver(
            ["flags=DRhu>", $"directory={_room.Directory}", "null_sender=", "argv=/bin/sh", _room.Path("dump"), "$(sender)", "${recipient}", "${user};id"], "\"$(id)`id`;X\"@Dest.example", byParent,
            more: ("export_environment", "A=b"));
        Assert.EndsWith("dsn=2.0.0, status=sent (delivered via p service)", line);
        Assert.Equal(
            $"[a@sender.example]\n[$(id)`id`;x@dest.example]\n[$(id)`id`;x;id]\nA=b\nPATH=/usr/bin:/bin\n{_room.Directory}\n{User}\n"
                + "Return-Path: <a@sender.example>\nDelivered-To: \"$(id)`id`;X\"@Dest.example\n" + Content.Replace("\nFrom ", "\n>From "),
            _room.Read("dump.out"));
    }

    [Theory]
    [InlineData('D')]
    [InlineData('O')]
    public async Task Flags_of_one_recipient_take_no_more(char flag) => Assert.Equal(
        $"warning: pipe flag `{flag}' requires p_destination_recipient_limit = 1\n"
            + "Q1: to=<a@x>, dsn=4.3.5, status=deferred (mail system configuration error)\nQ1: to=<b@x>, dsn=4.3.5, status=deferred (mail system configuration error)",
        await Deliver([$"flags={flag}", "argv=/bin/true"], "a@x, b@x"));

    [Fact]
    public async Task Unknown_macros_defer() => Assert.EndsWith(
        "master.cf: service p: unknown macro name: \"space\"\nQ1: to=<x@dest.example>, dsn=4.3.5, status=deferred (mail system configuration error)", await Deliver(["argv=/bin/sh", "-c", "exit${space}75"]));

    [Fact]
    public async Task Mail_that_was_here_before_loops_and_what_is_too_large_bounces()
    {
        Assert.EndsWith("dsn=2.0.0, status=sent (delivered via p service)", await Deliver(["flags=D", "argv=/bin/true"]));
        var request = _room.Request("Delivered-To: X@Dest.example\n\nx\n", ["x@dest.example"], transport: "p");
        await Agent([$"user={User}", "flags=D", "argv=/bin/true"]).DeliverAsync(request, default);
        Assert.EndsWith("dsn=5.4.6, status=bounced (mail forwarding loop for x@dest.example)", _room.Lines[^1]);
        request.Envelope.ContentSize = 11;
        await Agent([$"user={User}", "size=10", "argv=/bin/true"]).DeliverAsync(request, default);
        Assert.EndsWith("dsn=5.2.3, status=bounced (message too large)", _room.Lines[^1]);
    }

    [Fact]
    public async Task Verify_only_runs_nothing() => Assert.EndsWith(
        "status=deliverable (delivers to command: /bin/false)", await Deliver(["argv=/bin/false"], flags: DeliveryFlags.VerifyOnly));

    [Fact]
    public async Task The_flag_X_makes_it_delivered_instead_of_relayed()
    {
        foreach (var (flags, action) in new[] { ("flags=", DsnAction.Relayed), ("flags=X", DsnAction.Delivered) })
        {
            var result = await Agent([$"user={User}", flags, "argv=/bin/true"]).DeliverAsync(_room.Request(Content, ["x@x"], transport: "p"), default);
            Assert.Equal(action, Assert.Single(result.Recipients).Status.Action);
        }
    }

    [Theory]
    [InlineData("user=nosuchuser", "get_service_attr: unknown username: nosuchuser", false)]
    [InlineData("user=daemon:nosuchgroup", "get_service_attr: unknown group: nosuchgroup", false)]
    [InlineData("foo=bar", "unknown attribute name: foo=bar", false)]
    [InlineData("user=root", "user= command-line attribute specifies root privileges", true)]
    [InlineData("user=games", "user= command-line attribute specifies mail system owner games", true)]
    [InlineData("user=daemon:root", "user= command-line attribute specifies privileged group id 0", true)]
    [InlineData("user=daemon:tty", "user= command-line attribute specifies mail system tty group id 5", true)]
    public async Task A_bad_service_makes_its_mail_wait(string attribute, string reason, bool needsRoot)
    {
        if (needsRoot && !FileIdentity.CanChange)
        {
            Assert.Skip("needs root: identities are taken");
        }
        Assert.Equal($"fatal: service p: {reason}\nunknown mail transport error", await Deliver([attribute, "argv=/bin/true"]));
    }

    [Fact]
    public async Task The_parent_gives_only_whom_master_named()
    {
        if (!FileIdentity.CanChange)
        {
            Assert.Skip("needs root: identities are taken");
        }
        const string refused = "fatal: no process for daemon:mail: Operation not permitted\nQ1: to=<x@dest.example>, dsn=4.3.0, status=deferred (temporary failure)";
        string[] service = ["user=daemon:mail", "argv=/bin/sh", "-c", $"id -u; id -g; id -G"];
        _parent = new ParentProcess("games", 64);
        Assert.Equal(refused, await Deliver(service, byParent: true));
        Another("daemon\t", "games:mail\t", "daemon:games\t");
        Assert.EndsWith(refused, await Deliver(service, byParent: true));
        Assert.EndsWith("fatal: no process for daemon:mail in /tmp: Operation not permitted\nQ1: to=<x@dest.example>, dsn=4.3.0, status=deferred (temporary failure)", await Deliver([.. service[..1], "chroot=/tmp", .. service[1..]], byParent: true));
        Another("daemon\t", "daemon:mail\t");
        Assert.EndsWith("status=sent (delivered via p service (1 8 8))", await Deliver(service, byParent: true));
        // Who it never may be is refused whatever master names.
        Another("daemon:root\t", "root\t", "games\t", "daemon:games\t");
        foreach (var never in new[] { "daemon:root", "root", "games", "daemon:games" })
        {
            var end = await _parent!.Hands.Hands.RunAsync(
                new(Services.Deliver.IdentityKind.Pipe, never, 0, 0),
                new() { Command = "", Arguments = ["/bin/true"], Shell = [], Environment = [], Directory = "/", NeedsDirectory = true, TimeLimit = TimeSpan.FromSeconds(9), Head = [] }, null!, default);
            Assert.Equal((Services.Deliver.CommandEndKind.NotStarted, Libc.EPERM), (end.Kind, end.Number));
        }

        void Another(params string[] pipes)
        {
            _parent!.Dispose();
            _parent = new ParentProcess("games", 64, [], pipes);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Another_root_directory(bool byParent)
    {
        const string busybox = "/bin/busybox";
        if (!FileIdentity.CanChange || !File.Exists(busybox))
        {
            Assert.Skip("needs root and a static busybox");
        }
        var jail = _room.Path("jail");
        Directory.CreateDirectory(jail + "/tmp");
        File.Copy(busybox, jail + "/sh");
        Assert.Equal(0, Libc.chmod(jail, 0x1ED) | Libc.chmod(jail + "/sh", 0x1ED) | Libc.chmod(jail + "/tmp", 0x1FF));
        _parent = byParent ? new ParentProcess("games", 64, [], [$"daemon\t{jail}"]) : null;
        var line = await Deliver([$"chroot={jail}", "directory=/tmp", "argv=/sh", "-c", "pwd; while read x; do echo $$x; done > got; echo /*"], byParent: byParent);
        Assert.EndsWith("dsn=2.0.0, status=sent (delivered via p service (/tmp /sh /tmp))", line);
        Assert.Equal(Content, _room.Read("jail/tmp/got"));
    }

    private string Owned(string name, string text)
    {
        File.WriteAllText(_room.Path(name), text);
        Assert.Equal(0, UserAccount.Find(User, out var account));
        Assert.Equal(0, Libc.chmod(_room.Path(name), 0x180));
        Assert.Equal(0, FileIdentity.CanChange ? Libc.chown(_room.Path(name), account!.Uid, account.Gid) : 0);
        return _room.Path(name);
    }

    private static string Needs(string program)
    {
        if (!File.Exists(program))
        {
            Assert.Skip($"needs {program}");
        }
        return program;
    }

    [Fact]
    public async Task Maildrop_files_by_its_rules()
    {
        var maildrop = Needs("/usr/bin/maildrop");
        var rules = Owned("rules", $"if (/^Subject: hi/)\n{{\n  to \"{_room.Path("filtered")}\"\n}}\nto \"{_room.Path("inbox")}\"\n");
        Assert.EndsWith("status=sent (delivered via p service)", await Deliver(["flags=DRhu", $"argv={maildrop}", rules], "User+Ext@Dest.example"));
        Assert.Contains("Return-Path: <a@sender.example>\nDelivered-To: User+Ext@Dest.example\n" + Content.Replace("\nFrom ", "\n>From "), _room.Read("filtered"));
        Owned("rules", "EXITCODE=77\nexit\n");
        Assert.EndsWith("dsn=5.7.0, status=bounced (permission denied)", await Deliver([$"argv={maildrop}", rules]));
    }

    [Fact]
    public async Task Procmail_files_by_its_rules()
    {
        var procmail = Needs("/usr/bin/procmail");
        // It reads no rules from a directory that others may write.
        Directory.CreateDirectory(_room.Path("home"));
        Assert.Equal(0, UserAccount.Find(User, out var account));
        Assert.Equal(0, FileIdentity.CanChange ? Libc.chown(_room.Path("home"), account!.Uid, account.Gid) : 0);
        var rules = Owned("home/rules", $"MAILDIR={_room.Path("home")}\nDEFAULT={_room.Path("inbox")}\n:0:\n* ^Subject: hi\n* ^Delivered-To: User\nfiltered\n");
        Assert.EndsWith(
            "status=sent (delivered via p service)", await Deliver(["flags=DRFu", $"argv={procmail}", "-t", "-m", "USER=$user", rules], "User@dest.example"));
        Assert.StartsWith("From a@sender.example  ", _room.Read("home/filtered"));
        Assert.Contains("Delivered-To: User@dest.example\n", _room.Read("home/filtered"));
    }

    [Fact]
    public async Task The_stock_uucp_service_leaves_a_job_for_rmail()
    {
        const string uux = "/usr/bin/uux";
        _ = UserAccount.Find("uucp", out var uucp);
        if (!FileIdentity.CanChange || !File.Exists(uux) || uucp is null)
        {
            Assert.Skip($"needs root and {uux}");
        }
        Directory.CreateDirectory(_room.Path("uucp/spool"));
        File.WriteAllText(_room.Path("uucp/config"), $"nodename here\nspool {_room.Path("uucp/spool")}\nsysfile {_room.Path("uucp/sys")}\nlogfile {_room.Path("uucp/log")}\nstatfile {_room.Path("uucp/stat")}\nlockdir {_room.Path("uucp")}\n");
        File.WriteAllText(_room.Path("uucp/sys"), "system hosta\n");
        foreach (var path in new[] { "uucp", "uucp/spool", "uucp/config", "uucp/sys" })
        {
            Assert.Equal(0, Libc.chown(_room.Path(path), uucp.Uid, uucp.Gid));
        }
        // master.cf as shipped, with a configuration of our own for uux.
        var line = await Deliver(
            ["flags=Fqhu", "user=uucp", $"argv={uux}", "-I", _room.Path("uucp/config"), "-r", "-n", "-z", "-a$sender", "-", "$nexthop!rmail", "($recipient)"], "User@HostA, b!c@hosta", nexthop: "HostA");
        Assert.Equal("Q1: to=<User@HostA>, dsn=2.0.0, status=sent (delivered via p service)\nQ1: to=<b!c@hosta>, dsn=2.0.0, status=sent (delivered via p service)", line);
        var job = File.ReadAllText(Assert.Single(Directory.GetFiles(_room.Path("uucp/spool/hosta/C."))));
        Assert.EndsWith(" a@sender.example 0 rmail user@hosta b!c@hosta\n", job);
        Assert.Equal($"From a@sender.example  Mon Nov  2 03:04:05 2026\n{Content}", File.ReadAllText(Assert.Single(Directory.GetFiles(_room.Path("uucp/spool/hosta/D.")))));
    }

    [Fact]
    public async Task Dovecots_delivery_agent_files()
    {
        var lda = Needs("/usr/lib/dovecot/dovecot-lda");
        File.WriteAllText(
            _room.Path("dovecot.conf"), $"mail_location = maildir:{_room.Path("Maildir")}\nlog_path = {_room.Path("lda.log")}\npostmaster_address = p@dest.example\nhostname = mx.dest.example\nssl = no\n");
        Assert.EndsWith(
            "status=sent (delivered via p service)", await Deliver(["flags=DRhu", $"argv={lda}", "-c", _room.Path("dovecot.conf"), "-f", "${sender}", "-a", "${original_recipient}"], "User@Dest.example"));
        Assert.Equal("Return-Path: <a@sender.example>\nDelivered-To: User@Dest.example\n" + Content, File.ReadAllText(Assert.Single(Directory.GetFiles(_room.Path("Maildir/new")))));
    }
}
