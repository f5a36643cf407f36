using CsCheck;
using Facteur.Mail.Dsn;
using Facteur.Services.Deliver;
using Facteur.Services.Deliver.Local;
using Facteur.Services.Deliver.Virtual;
using Facteur.Testing;
using Facteur.Unix;

namespace Facteur.Services.Tests.Deliver.Local;

/// <summary>The process form: parent, helpers, and the hands that ask for them. Without root there is one identity, one's own.</summary>
public sealed class LocalParentTests : IDisposable
{
    private const string Content = "Received: by x\nSubject: hi\n\nFrom here\nx\n";
    private readonly DeliverRoom _room = new();
    private readonly string _spool;
    private readonly List<ParentProcess> _parents = [];

    public LocalParentTests()
    {
        DeliverRoom.NeedsChildren();
        Assert.Equal(0, Libc.chmod(_room.Directory, 0x1FF));
        _spool = _room.Path("spool");
        Directory.CreateDirectory(_spool);
        Assert.Equal(0, Libc.chmod(_spool, 0x3FF));
    }

    public void Dispose()
    {
        _parents.ForEach(p => p.Dispose());
        _room.Dispose();
    }

    private static string User => FileIdentity.CanChange ? "daemon" : Environment.UserName;

    private static UserAccount Account(string name)
    {
        Assert.Equal(0, UserAccount.Find(name, out var account));
        return account!;
    }

    private static UserIdentity Identity(string name) => new(IdentityKind.User, name, Account(name).Uid, Account(name).Gid);

    private static void NeedsRoot()
    {
        if (!FileIdentity.CanChange)
        {
            Assert.Skip("needs root: identities are taken");
        }
    }

    private static byte[] Helper(string user) => new LocalRequest(7, LocalWork.User, LocalIdentity.User, 0, 0, 0, 0, user, "").Write()!;

    private ParentProcess Parent(int limit = 64)
    {
        var parent = new ParentProcess(FileIdentity.CanChange ? "games" : "root", limit, _spool);
        _parents.Add(parent);
        return parent;
    }

    private MailboxJob Job(string path, string spool = "") => new()
    {
        Path = path,
        SpoolDirectory = spool,
        Sender = "a@sender.example",
        OriginalTo = "",
        DeliveredTo = "x@dest.example",
        Host = "mx.dest.example",
        SizeLimit = 0,
        ErrorClass = 5,
        Locks = new MailboxLocks(true, true, true, 1, default, TimeSpan.FromSeconds(500)),
        StrictOwner = true,
    };

    private async Task<MailboxResult> Deliver(ParentProcess parent, UserIdentity who, MailboxJob job, string content = Content)
    {
        using var message = new MessageContent(_room, 1, _room.Request(content, ["x"]).Layout);
        return (await parent.Hands.Hands.DeliverAsync(who, job, message, default)).Result;
    }

    private async Task<CommandEnd> Run(ParentProcess parent, UserIdentity who, string command)
    {
        using var message = new MessageContent(_room, 1, _room.Request(Content, ["x"]).Layout);
        return await parent.Hands.Hands.RunAsync(who, new CommandJob
        {
            Command = command,
            Shell = [],
            Environment = ["PATH=/usr/bin:/bin"],
            Directory = "/",
            NeedsDirectory = false,
            TimeLimit = TimeSpan.FromSeconds(100),
            Head = [],
        }, message, default);
    }

    [Fact]
    public async Task A_helper_is_its_user_and_serves_one_delivery_after_the_other()
    {
        var parent = Parent();
        var first = await Run(parent, Identity(User), "id -un; echo $PPID");
        Assert.Equal(CommandEndKind.Exited, first.Kind);
        Assert.StartsWith(User + " ", first.Output);
        ParentProcess.Until(() => Run(parent, Identity(User), "id -un; echo $PPID").GetAwaiter().GetResult() == first);
        var helper = Assert.Single(parent.Helpers);
        Assert.Equal($"{User} {helper} ", first.Output);
        // Nobody of its user looks into it (ptrace, pidfd_getfd): the kernel gives its files in /proc to root then.
        Assert.Equal(0, UnixFile.Status($"/proc/{helper}/environ", false, out var environment));
        Assert.Equal(0u, environment.Uid);
        if (FileIdentity.CanChange)
        {
            foreach (var line in File.ReadLines($"/proc/{helper}/status").Where(l => l.StartsWith("Uid:", StringComparison.Ordinal) || l.StartsWith("Gid:", StringComparison.Ordinal)))
            {
                Assert.Equal([$"{Account(User).Uid}"], line.Split('\t').Skip(1).Distinct());
            }
            Assert.Contains("CapPrm:\t0000000000000000", File.ReadAllText($"/proc/{helper}/status"));
        }
    }

    [Fact]
    public async Task Mailboxes_Maildirs_and_files_are_delivered_and_read()
    {
        var parent = Parent();
        var who = Identity(User);
        Assert.Null((await Deliver(parent, who, Job(_room.Path("md/")))).Failure);
        Assert.EndsWith(Content, File.ReadAllText(Assert.Single(Directory.GetFiles(_room.Path("md/new")))));
        Assert.Null((await Deliver(parent, who, Job(_room.Path("box")))).Failure);
        var long1 = Content + new string('x', 3_000_000) + "\n";
        Assert.Null((await Deliver(parent, who, Job(_room.Path("box")), long1)).Failure);
        Assert.EndsWith(long1.Replace("\nFrom ", "\n>From ") + "\n", _room.Read("box"));
        Assert.Equal(0, UnixFile.Status(_room.Path("box"), false, out var status));
        Assert.Equal((who.Uid, 0x8180u), (status.Uid, status.Mode));
        if (FileIdentity.CanChange)
        {
            // strict_mailbox_ownership: others may write it, but it is not the user's.
            File.WriteAllText(_room.Path("other"), "");
            Assert.Equal(0, Libc.chmod(_room.Path("other"), 0x1B6));
            Assert.Equal($"destination {_room.Path("other")} is not owned by recipient", (await Deliver(parent, who, Job(_room.Path("other")))).Failure?.Reason);
            Assert.Null((await Deliver(parent, who, Job(_room.Path("other")) with { StrictOwner = false })).Failure);
        }
        var file = await parent.Hands.Hands.ReadAsync(who, _room.Path("box"), false, default);
        Assert.Equal((0, true, who.Uid, _room.Read("box")), (file.Errno, file.Found, file.Owner, file.Text));
        Assert.Equal(Libc.ENOENT, (await parent.Hands.Hands.ReadAsync(who, _room.Path("none"), false, default)).Errno);
        Assert.Equal(DeliveryOutcome.Deferred, (await Deliver(parent, who, Job("/dev/full") with { AnyFile = true })).Failure?.Outcome);
        _room.ReadResult = Spool.ContentRead.Damaged;
        var before = _room.Read("box").Length;
        Assert.True((await Deliver(parent, who, Job(_room.Path("box")))).Damaged);
        Assert.Equal(before, _room.Read("box").Length);
        Assert.False(File.Exists(_room.Path("box.lock")));
    }

    [Theory]
    [InlineData(0x3FFu)] // 1777
    [InlineData(0x5FDu)] // 2775
    [InlineData(0x1EDu)] // 0755
    public async Task The_mail_spool_directory_decides_who_makes_the_mailbox(uint mode)
    {
        NeedsRoot();
        Assert.Equal(0, Libc.chown(_spool, 0, Account("mail").Gid));
        Assert.Equal(0, Libc.chmod(_spool, mode));
        var parent = Parent();
        for (var i = 1; i <= 2; i++)
        {
            var result = await Deliver(parent, Identity("daemon"), Job($"{_spool}/daemon", _spool));
            Assert.Null(result.Failure);
        }
        Assert.Equal(2, File.ReadAllText($"{_spool}/daemon").Split("Subject: hi").Length - 1);
        Assert.Equal(0, UnixFile.Status($"{_spool}/daemon", false, out var status));
        Assert.Equal((1u, 0x8180u), (status.Uid, status.Mode));
        Assert.Equal(mode == 0x5FD ? Account("mail").Gid : 1u, status.Gid);
        ParentProcess.Until(() => !File.Exists($"{_spool}/daemon.lock"));
        // A lock of another's.
        File.WriteAllText($"{_spool}/daemon.lock", "");
        var locked = await Deliver(parent, Identity("daemon"), Job($"{_spool}/daemon", _spool));
        Assert.True(locked.Locked);
        Assert.Equal($"unable to create lock file {_spool}/daemon.lock: File exists", locked.Failure?.Reason);
        Thread.Sleep(2100);
        if (mode != 0x3FF)
        {
            // An old one goes away.
            var stale = Job($"{_spool}/daemon", _spool) with { Locks = new MailboxLocks(true, false, true, 1, default, TimeSpan.FromSeconds(1)) };
            Assert.Null((await Deliver(parent, Identity("daemon"), stale)).Failure);
        }
        // Nobody was started for it.
        Assert.Empty(parent.Helpers);
    }

    [Fact]
    public async Task Nobody_becomes_root_and_roots_mailbox_is_written_all_the_same()
    {
        NeedsRoot();
        Assert.Equal(0, Libc.chmod(_spool, 0x1ED));
        var parent = Parent();
        Assert.Null((await Deliver(parent, Identity("root"), Job($"{_spool}/root", _spool))).Failure);
        Assert.Contains("Subject: hi", File.ReadAllText($"{_spool}/root"));
        Assert.Equal(0, UnixFile.Status($"{_spool}/root", false, out var status));
        Assert.Equal(0u, status.Uid);
        Assert.All(parent.Helpers, helper => Assert.Equal((int)Account("nobody").Uid, ParentProcess.Status(helper, "Uid")));
        var refused = await Deliver(parent, Identity("root"), Job(_room.Path("box")));
        Assert.Equal((DeliveryOutcome.Deferred, "mail system configuration error: nothing is delivered in the name of root"), (refused.Failure!.Outcome, refused.Failure.Reason));
    }

    [Fact]
    public async Task Identities_are_found_by_the_parent_and_not_taken_from_the_request()
    {
        NeedsRoot();
        var parent = Parent();
        // Numbers in a request for a user are not looked at.
        Assert.StartsWith("daemon ", (await Run(parent, new UserIdentity(IdentityKind.User, "daemon", 0, 0), "id -un")).Output);
        File.WriteAllText(_room.Path("aliases"), "");
        Assert.Equal(0, Libc.chown(_room.Path("aliases"), 2, 2));
        Assert.StartsWith("bin ", (await Run(parent, new UserIdentity(IdentityKind.Owner, _room.Path("aliases"), 2, 0), "id -un")).Output);
        // Another's file has the name by now: whose it was when it was read does not become another by that.
        Assert.Equal(Libc.EPERM, (await Run(parent, new UserIdentity(IdentityKind.Owner, _room.Path("aliases"), 1, 0), "id -un")).Number);
        Assert.Equal(0, Libc.chown(_room.Path("aliases"), 0, 0));
        foreach (var (who, errno) in new (UserIdentity, int)[]
        {
            (new(IdentityKind.Owner, _room.Path("aliases"), 2, 2), Libc.EPERM), (new(IdentityKind.Owner, "aliases", 2, 2), Libc.EINVAL), (new(IdentityKind.Owner, _room.Path("none"), 2, 2), Libc.ENOENT),
            (new(IdentityKind.User, "games", 2, 2), Libc.EPERM), (new(IdentityKind.User, "root", 2, 2), Libc.EPERM), (new(IdentityKind.User, "no-such-user", 2, 2), Libc.ENOENT),
            (new(IdentityKind.User, "", 2, 2), Libc.ENOENT), (new(IdentityKind.Virtual, "", 99, 2000), Libc.EPERM), (new(IdentityKind.Virtual, "", 0, 2000), Libc.EPERM),
            (new(IdentityKind.Virtual, "", 2000, 0), Libc.EPERM), (new(IdentityKind.Virtual, "", uint.MaxValue, 2000), Libc.EPERM), (new(IdentityKind.Virtual, "", 2000, uint.MaxValue), Libc.EPERM),
            (new(IdentityKind.Virtual, "", 2000, Account("games").Gid), Libc.EPERM), (new(IdentityKind.Virtual, "daemon", 2000, 2000), Libc.EPERM), (new(IdentityKind.User, new string('x', 5000), 1, 1), Libc.ENAMETOOLONG),
        })
        {
            var end = await Run(parent, who, "id");
            Assert.Equal((CommandEndKind.NotStarted, errno), (end.Kind, end.Number));
        }
        // Numbers are a mailbox's: they read nothing, run nothing, write no device.
        var numbers = new UserIdentity(IdentityKind.Virtual, "", 2000, 2000);
        Assert.Null((await Deliver(parent, numbers, Job(_room.Path("numbers/")))).Failure);
        Assert.Equal(0, UnixFile.Status(_room.Path("numbers"), false, out var made));
        Assert.Equal((2000u, 2000u), (made.Uid, made.Gid));
        Assert.Equal((CommandEndKind.NotStarted, Libc.EIO), await Run(parent, numbers, "id") is var run ? (run.Kind, run.Number) : default);
        Assert.Equal(DeliveryOutcome.Deferred, (await Deliver(parent, numbers, Job("/dev/null") with { AnyFile = true })).Failure?.Outcome);
        // A directory that master did not name is no mail spool.
        Assert.Contains("nothing is delivered in the name of daemon", (await Deliver(parent, Identity("daemon"), Job("/tmp/daemon", "/tmp"))).Failure?.Reason);
    }

    [Fact]
    public async Task Bytes_that_are_no_request_are_refused_and_the_parent_goes_on()
    {
        var parent = Parent();
        var answer = new byte[DescriptorSocket.MessageLimit];
        var requests = Gen.OneOf(
            Gen.Byte.Array[1, 100],
            Gen.Select(Gen.Byte.Array[28], Gen.Int[4000, 4200], (head, length) => (byte[])[.. head, .. new byte[length - 24]]),
            Gen.Select(Gen.Byte[0, 6], Gen.Byte[0, 4], Gen.Byte[0, 16], Gen.Byte[0, 20], Gen.Byte.Array[16], (work, identity, bits, length, text) =>
            {
                var request = new byte[40];
                (request[0], request[1], request[2], request[3], request[16], request[18]) = (2, work, identity, bits, length, (byte)(16 - length));
                text.CopyTo(request, 24);
                return request;
            }));
        requests.Sample(request =>
        {
            Assert.Equal(0, parent.Requests.Send(request, parent.Requests.Fd));
            Assert.Equal(20, parent.Requests.Receive(answer, out var descriptor, wait: true, out _));
            if (descriptor >= 0)
            {
                _ = Libc.close(descriptor);
            }
            Assert.Equal(request.Length < 24 ? 0 : BitConverter.ToUInt32(request, 20), BitConverter.ToUInt32(answer));
            Assert.True(descriptor < 0 || BitConverter.ToInt32(answer, 4) == 0);
        }, threads: 1, iter: 2000);
        Assert.Equal(CommandEndKind.Exited, (await Run(parent, Identity(User), "exit 0")).Kind);
    }

    [Fact]
    public async Task A_helper_of_another_build_does_nothing_but_say_so()
    {
        using var parent = new ParentProcess(FileIdentity.CanChange ? "games" : "root", 64, [_spool], [], build: "0123456789abcdef");
        var failure = (await Deliver(parent, Identity(User), Job(_room.Path("md/")))).Failure;
        Assert.Equal(DeliveryOutcome.Deferred, failure?.Outcome);
        Assert.Contains("is of another build", failure!.Reason, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_room.Path("md")));
        var ran = await Run(parent, Identity(User), $"touch {_room.Path("ran")}");
        Assert.Equal(CommandEndKind.NotStarted, ran.Kind);
        Assert.Contains("is of another build", ran.Output, StringComparison.Ordinal);
        Assert.False(File.Exists(_room.Path("ran")));
    }

    [Fact]
    public async Task A_session_that_says_nonsense_ends_and_its_helper_does_not()
    {
        var parent = Parent();
        var request = Helper(User);
        var answer = new byte[DescriptorSocket.MessageLimit];
        foreach (var bytes in new byte[][] { [1], [255, 255, 255, 255, 1], [0, 0, 0, 0, 2], [0, 0, 0, 0, 99], [3, 0, 0, 0, 1, 1, 47, 1], [0, 0, 0, 0, 4] })
        {
            Assert.Equal(0, parent.Requests.Send(request, -1));
            Assert.Equal(20, parent.Requests.Receive(answer, out var descriptor, wait: true, out _));
            using var session = UnixFile.Own(descriptor);
            Assert.Equal(0, session.Write(bytes));
            _ = Libc.shutdown(descriptor, 1);
            while (session.Read(answer, out var count) == 0 && count > 0)
            {
            }
        }
        Assert.Equal(CommandEndKind.Exited, (await Run(parent, Identity(User), "exit 0")).Kind);
    }

    [Fact]
    public async Task Helpers_make_room_for_others_and_requests_wait_while_all_are_busy()
    {
        NeedsRoot();
        var parent = Parent(limit: 2);
        foreach (var user in new[] { "daemon", "bin", "sys", "man" })
        {
            Assert.Equal($"{user} ", (await Run(parent, Identity(user), "id -un")).Output);
        }
        ParentProcess.Until(() => parent.Helpers.Count <= 2);
        var start = TimeProvider.System.GetTimestamp();
        var slow = new[] { "lp", "mail", "news", "uucp" }.Select(user => Run(parent, Identity(user), "sleep 0.5; id -un")).ToList();
        Assert.Equal(["lp ", "mail ", "news ", "uucp "], (await Task.WhenAll(slow)).Select(e => e.Output));
        Assert.InRange(TimeProvider.System.GetElapsedTime(start).TotalSeconds, 1, 60);
    }

    [Fact]
    public async Task A_user_who_stops_his_helpers_stops_nobody_else_and_they_are_ended()
    {
        NeedsRoot();
        var parent = Parent();
        var answer = new byte[DescriptorSocket.MessageLimit];
        var sessions = new List<HelperLink>();
        for (var i = 0; i < 9; i++)
        {
            Assert.Equal(0, parent.Requests.Send(Helper("bin"), -1));
            Assert.Equal(20, parent.Requests.Receive(answer, out var descriptor, wait: true, out _));
            Assert.Equal(i < 8 ? 0 : Libc.EAGAIN, BitConverter.ToInt32(answer, 4));
            if (descriptor < 0)
            {
                break;
            }
            var link = new HelperLink(UnixFile.Own(descriptor));
            sessions.Add(link);
            HelperFields.Write(new CommandJob
            {
                Command = "kill -STOP $PPID",
                Shell = [],
                Environment = ["PATH=/usr/bin:/bin"],
                Directory = "/",
                NeedsDirectory = false,
                TimeLimit = TimeSpan.FromSeconds(100),
                Head = [],
            }, link.Begin(HelperFrame.Run));
            Assert.True(link.End());
        }
        var stopped = parent.Helpers;
        Assert.Equal(8, stopped.Count);
        ParentProcess.Until(() => stopped.All(h => File.ReadAllText($"/proc/{h}/stat").Contains(") T ", StringComparison.Ordinal)));
        Assert.Equal("daemon ", (await Run(parent, Identity("daemon"), "id -un")).Output);
        sessions.ForEach(s => s.Dispose());
        ParentProcess.Until(() => stopped.All(h => ParentProcess.Status(h, "PPid") < 0));
        Assert.Equal("bin ", (await Run(parent, Identity("bin"), "id -un")).Output);
    }

    [Fact]
    public async Task A_mailbox_that_was_not_given_away_yet_is_its_users()
    {
        NeedsRoot();
        Assert.Equal(0, Libc.chmod(_spool, 0x1ED));
        // As a parent leaves it that is killed between making it and giving it away.
        File.WriteAllText($"{_spool}/daemon", "");
        Assert.Equal(0, Libc.chmod($"{_spool}/daemon", 0x180));
        Assert.Null((await Deliver(Parent(), Identity("daemon"), Job($"{_spool}/daemon", _spool))).Failure);
        Assert.Equal(0, UnixFile.Status($"{_spool}/daemon", false, out var status));
        Assert.Equal(1u, status.Uid);
        // One with content is root's.
        File.WriteAllText($"{_spool}/bin", "root's\n");
        Assert.Equal(0, Libc.chmod($"{_spool}/bin", 0x180));
        Assert.NotNull((await Deliver(Parent(), Identity("bin"), Job($"{_spool}/bin", _spool))).Failure);
        Assert.Equal("root's\n", File.ReadAllText($"{_spool}/bin"));
    }

    [Fact]
    public async Task Helpers_and_their_commands_end_with_the_parent()
    {
        var parent = Parent();
        var slow = Run(parent, Identity(User), $"echo $$ > {_room.Path("pid")}; sleep 100");
        ParentProcess.Until(() => File.Exists(_room.Path("pid")) && File.ReadAllText(_room.Path("pid")).EndsWith('\n'));
        var helpers = parent.Helpers;
        var command = int.Parse(_room.Read("pid"));
        _ = Libc.kill(parent.Pid, Libc.SIGKILL);
        ParentProcess.Until(() => helpers.All(h => ParentProcess.Status(h, "PPid") <= 0 || IsZombie(h)) && (ParentProcess.Status(command, "PPid") < 0 || IsZombie(command)));
        // Nothing is known of it: to be tried again.
        Assert.Equal(CommandEndKind.NotStarted, (await slow).Kind);
        Assert.Equal(CommandEndKind.NotStarted, (await Run(parent, Identity(User), "id")).Kind);
    }

    private static bool IsZombie(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/stat").Split(") ")[^1].StartsWith('Z');
        }
        catch (IOException)
        {
            return true;
        }
    }

    [Fact]
    public async Task Without_a_parent_a_file_is_not_missing_but_can_not_be_read_now()
    {
        using var hands = UserHands.ByParent();
        var file = await hands.Hands.ReadAsync(Identity(User), _room.Path("box"), false, default);
        // What LocalForwardFile defers for.
        Assert.Equal((false, Libc.EAGAIN), (file.Found, file.Errno));
    }

    [Fact]
    public async Task Without_a_parent_mail_waits()
    {
        using var hands = UserHands.ByParent();
        using var message = new MessageContent(_room, 1, _room.Request(Content, ["x"]).Layout);
        var end = await hands.Hands.DeliverAsync(Identity(User), Job(_room.Path("box")), message, default);
        Assert.Equal(DeliveryOutcome.Deferred, end.Result.Failure?.Outcome);
    }

    [Fact]
    public async Task The_agents_deliver_through_it()
    {
        var parent = Parent();
        _room.Table("aliases", ("pipe", $"\"|cat > {_room.Path("pipe.out")}\""), ("file", _room.Path("file.out")), ("inc", $":include:{_room.Path("list")}"));
        File.WriteAllText(_room.Path("list"), $"{User}, y@remote.example\n");
        File.WriteAllText(_room.Path($"fwd-{User}"), $"\\{User}, \"|echo 5.7.1 no; exit 77\"\n");
        Assert.Equal(0, Libc.chmod(_room.Path("list"), 0x1A4));
        Assert.Equal(0, Libc.chmod(_room.Path($"fwd-{User}"), 0x1A4));
        Assert.True(!FileIdentity.CanChange || Libc.chown(_room.Path($"fwd-{User}"), 1, 1) == 0);
        var agent = new LocalAgent(
            new TestConfig([("alias_maps", "aliases"), ("mail_spool_directory", _spool), ("default_privs", FileIdentity.CanChange ? "nobody" : User), ("forward_path", $"{_room.Directory}/fwd-$user"), ("queue_directory", "/")]),
            _room, _room, _room, _room, _ => null, parent.Hands, _room.Threads, _room.ServiceLog("postfix/local"), _room.Time);
        await agent.DeliverAsync(_room.Request(Content, [$"{User}@dest.example", "pipe@dest.example", "file@dest.example", "inc@dest.example"]), default);
        var lines = _room.Lines.Select(l => l[(l.IndexOf("dsn=", StringComparison.Ordinal) is var at && at < 0 ? 0 : at)..].Replace(_room.Directory, "DIR"));
        Assert.Equal(
            ["dsn=2.0.0, status=sent (delivered to mailbox)", "dsn=5.7.1, status=bounced (no )", "dsn=2.0.0, status=sent (delivered to command: cat > DIR/pipe.out)",
                "dsn=2.0.0, status=sent (delivered to file: DIR/file.out)", "dsn=2.0.0, status=sent (forwarded as F1)"], lines);
        Assert.Contains("Delivered-To: pipe@dest.example\n" + Content, _room.Read("pipe.out"));
        if (FileIdentity.CanChange)
        {
            Assert.Equal(0, Libc.chown(_room.Directory, 2100, 2100));
            _room.Table("boxes", ("one@v.example", "v/one/"));
            _room.Table("uids", ("@v.example", "2100"), ("@low.example", "50"));
            var virtualAgent = new VirtualAgent(
                new TestConfig([("virtual_mailbox_base", _room.Directory), ("virtual_mailbox_maps", "boxes"), ("virtual_uid_maps", "uids"), ("virtual_gid_maps", "uids")]),
                _room, _room, parent.Hands, _room.ServiceLog("postfix/virtual"), _room.Time);
            await virtualAgent.DeliverAsync(_room.Request(Content, ["one@v.example"], transport: "virtual"), default);
            Assert.EndsWith("status=sent (delivered to maildir)", _room.Lines[^1]);
        }
    }
}
