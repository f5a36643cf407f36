using Facteur.Root.LocalParent;
using Facteur.Services.Deliver;
using Facteur.Unix;

namespace Facteur.Services.Tests.Deliver.Local;

/// <summary>What the parent of local deliveries opens and gives away: whose, how it is locked, and what becomes of the lock.</summary>
public sealed class LocalOpenerTests : IDisposable
{
    private const string Content = "Received: by x\nSubject: hi\n\nx\n";
    private readonly DeliverRoom _room = new();
    private readonly string _spool;
    private readonly byte[] _buffer = new byte[DescriptorSocket.MessageLimit];
    private ParentProcess? _parent;

    public LocalOpenerTests()
    {
        DeliverRoom.NeedsChildren();
        if (!FileIdentity.CanChange)
        {
            Assert.Skip("needs root: identities are taken");
        }
        Assert.Equal(0, Libc.chmod(_room.Directory, 0x1FF));
        _spool = _room.Path("spool");
        Directory.CreateDirectory(_spool);
    }

    private ParentProcess Parent => _parent ??= new ParentProcess("games", 64, _spool);

    public void Dispose()
    {
        _parent?.Dispose();
        _room.Dispose();
    }

    private static UserIdentity Identity(string name)
    {
        Assert.Equal(0, UserAccount.Find(name, out var account));
        return new UserIdentity(IdentityKind.User, name, account!.Uid, account.Gid);
    }

    private void Spool(uint mode)
    {
        Assert.Equal(0, Libc.chown(_spool, 0, 8));
        Assert.Equal(0, Libc.chmod(_spool, mode));
    }

    private LocalAnswer Ask(LocalRequest request)
    {
        Assert.Equal(0, Parent.Requests.Send(request.Write(), -1));
        var answer = LocalAnswer.Receive(Parent.Requests, _buffer, out var number);
        Assert.Equal(request.Number, number);
        return answer!.Value;
    }

    private LocalRequest Mailbox(string user, LocalBits bits, uint number = 5) => new(number, LocalWork.Mailbox, LocalIdentity.User, bits, 0, 0, 500, user, _spool);

    private static LocalRequest Read(string user, string path, LocalBits bits = 0) => new(6, LocalWork.Read, LocalIdentity.User, bits, 0, 0, 0, user, path);

    private async Task<MailboxResult> Deliver(UserIdentity who, MailboxLocks locks, string content = Content)
    {
        using var message = new MessageContent(_room, 1, _room.Request(content, ["x"]).Layout);
        return (await MailboxDelivery.DeliverAsync(Parent.Hands.Hands, who, new MailboxJob
        {
            Path = $"{_spool}/{who.Name}",
            SpoolDirectory = _spool,
            Sender = "a@sender.example",
            OriginalTo = "",
            DeliveredTo = "",
            Host = "mx.dest.example",
            SizeLimit = 0,
            ErrorClass = 5,
            Locks = locks,
            StrictOwner = true,
        }, message, TimeProvider.System, default)).Result;
    }

    private static MailboxLocks Locks(string names, int attempts = 1) => MailboxLocks.Parse("x", names, attempts, TimeSpan.FromMilliseconds(2), TimeSpan.FromDays(1));

    [Fact]
    public void A_file_is_opened_with_its_readers_rights_and_only_when_it_is_one()
    {
        var (mine, others) = (_room.Path("mine"), _room.Path("others"));
        foreach (var (path, owner) in new[] { (mine, 1u), (others, 2u) })
        {
            File.WriteAllText(path, "text\n");
            Assert.Equal(0, Libc.chown(path, owner, owner));
            Assert.Equal(0, Libc.chmod(path, 0x180));
        }
        var opened = Ask(Read("daemon", mine));
        Assert.Equal((0, 0x8180u, 1u), (opened.Errno, opened.Mode, opened.Owner));
        using (var file = UnixFile.Own(opened.Descriptor))
        {
            Assert.Equal("text\n", UserFile.Read(file).Text);
            Assert.NotEqual(0, file.Write("x"u8));
        }
        File.CreateSymbolicLink(_room.Path("link"), others);
        File.CreateSymbolicLink(_room.Path("mylink"), mine);
        Assert.Equal(0, Libc.mkfifo(_room.Path("pipe"), 0x1B6));
        foreach (var (path, bits, errno, mode) in new (string, LocalBits, int, uint)[]
        {
            (others, 0, Libc.EACCES, 0x8180), (_room.Path("link"), LocalBits.FollowLinks, Libc.EACCES, 0x8180), (_room.Path("link"), 0, 0, 0xA1FF), (_room.Path("mylink"), 0, 0, 0xA1FF),
            (_room.Path("pipe"), 0, 0, 0x11B6 & 0x11ED), (_spool, 0, 0, 0x41ED), ("/dev/null", 0, 0, 0x21B6), ("/proc/self/maps", 0, Libc.EACCES, 0x8124),
            ("/proc/self/environ", 0, Libc.EACCES, 0x8100), (_room.Path("none"), 0, Libc.ENOENT, 0), ("mine", 0, Libc.EINVAL, 0),
        })
        {
            var answer = Ask(Read("daemon", path, bits));
            Assert.True(answer.Descriptor < 0, path);
            Assert.Equal((path, errno, mode), (path, answer.Errno, answer.Mode));
        }
        Assert.True(Ask(Read("daemon", _room.Path("mylink"), LocalBits.FollowLinks)) is { Errno: 0, Descriptor: >= 0 });
    }

    [Fact]
    public void Threads_that_open_have_rights_over_files_and_nobodys_groups()
    {
        File.WriteAllText(_room.Path("mine"), "");
        Assert.Equal(0, Ask(Read("daemon", _room.Path("mine"))).Errno);
        var opening = Directory.GetDirectories($"/proc/{Parent.Pid}/task").Select(t => File.ReadAllLines($"{t}/status"))
            .Where(s => s.Contains("CapPrm:\t00000000000000cf")).ToArray(); // CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, SETGID, SETUID
        Assert.NotEmpty(opening);
        Assert.All(opening, status => Assert.Equal("Groups:", status.Single(l => l.StartsWith("Groups:", StringComparison.Ordinal)).Trim()));
    }

    [Fact]
    public void Nothing_is_opened_for_root_and_the_mail_systems_users()
    {
        Spool(0x3FF);
        foreach (var user in new[] { "root", "games" })
        {
            Assert.Equal(new LocalAnswer(Libc.EPERM), Ask(Read(user, "/etc/passwd")));
        }
        Assert.Equal(new LocalAnswer(Libc.EPERM), Ask(Mailbox("games", 0)));
        Assert.Equal(new LocalAnswer(Libc.EPERM), Ask(Mailbox("daemon", 0) with { Path = "/tmp" }));
        Assert.Equal(new LocalAnswer(Libc.EPERM), Ask(Read("", "/etc/passwd") with { Identity = LocalIdentity.Virtual, Uid = 2000, Gid = 2000 }));
        Assert.Equal(new LocalAnswer(Libc.ENOENT), Ask(Mailbox("no-such-user", 0)));
        // Root's mailbox, where master named the directory, is the one file of root's.
        Assert.True(Ask(Mailbox("root", LocalBits.Dotlock)) is { Errno: 0, Descriptor: >= 0 });
        Assert.True(File.Exists($"{_spool}/root.lock"));
        Assert.Equal(0, Ask(Mailbox("root", 0, 9) with { Work = LocalWork.Release, Uid = 5 }).Errno);
        Assert.False(File.Exists($"{_spool}/root.lock"));
    }

    [Theory]
    [InlineData(0x3FFu)] // 1777
    [InlineData(0x5FDu)] // 2775
    [InlineData(0x1EDu)] // 0755
    public async Task What_is_no_mailbox_of_the_users_is_refused_and_left_alone(uint mode)
    {
        Spool(mode);
        var (box, victim) = ($"{_spool}/daemon", _room.Path("victim"));
        File.WriteAllText(victim, "victim's\n");
        Assert.Equal(0, Libc.chown(victim, 1, 1));
        File.CreateSymbolicLink(box, victim);
        Assert.Equal("file is a symbolic link", (await Deliver(Identity("daemon"), Locks("fcntl dotlock"))).Failure?.Reason);
        File.Delete(box);
        Directory.CreateDirectory(box);
        Assert.Equal("cannot open file: Is a directory", (await Deliver(Identity("daemon"), Locks("fcntl dotlock"))).Failure?.Reason);
        Directory.Delete(box);
        Assert.Equal(0, Libc.link(victim, box));
        Assert.Equal("file has 2 hard links", (await Deliver(Identity("daemon"), Locks("fcntl dotlock"))).Failure?.Reason);
        File.Delete(box);
        Assert.Equal(0, Libc.mkfifo(box, 0x1B6));
        Assert.Equal(0, Libc.chmod(box, 0x1B6));
        Assert.StartsWith("cannot open file", (await Deliver(Identity("daemon"), Locks("fcntl dotlock"))).Failure?.Reason);
        using (UnixFile.Open(box, Libc.O_RDONLY | Libc.O_NONBLOCK, 0, out var reader) == 0 ? reader : null)
        {
            Assert.Equal("destination is not a regular file", (await Deliver(Identity("daemon"), Locks("fcntl dotlock"))).Failure?.Reason);
        }
        File.Delete(box);
        // Another's, whom the user may write for.
        File.WriteAllText(box, "");
        Assert.Equal(0, Libc.chown(box, 2, 2));
        Assert.Equal(0, Libc.chmod(box, 0x1B6));
        Assert.Equal($"destination {box} is not owned by recipient", (await Deliver(Identity("daemon"), Locks("fcntl dotlock"))).Failure?.Reason);
        Assert.Equal(("", "victim's\n"), (File.ReadAllText(box), File.ReadAllText(victim)));
        Assert.False(File.Exists(box + ".lock"));
    }

    [Theory]
    [InlineData(0x5FDu)] // 2775
    [InlineData(0x1EDu)] // 0755
    public void A_lock_file_is_gone_when_its_delivery_is_over_or_the_expander_is_gone(uint mode)
    {
        Spool(mode);
        var answer = Ask(Mailbox("daemon", LocalBits.Dotlock | LocalBits.Fcntl));
        Assert.True(answer is { Errno: 0, Descriptor: >= 0 });
        Assert.True(File.Exists($"{_spool}/daemon.lock"));
        // Only the request that made it.
        Assert.Equal(Libc.ENOENT, Ask(Mailbox("daemon", 0, 6) with { Work = LocalWork.Release, Uid = 4 }).Errno);
        Assert.Equal((Libc.EEXIST, LocalWhere.Dotlock), Ask(Mailbox("daemon", LocalBits.Dotlock, 7)) is var second ? (second.Errno, second.Where) : default);
        Assert.Equal((Libc.EAGAIN, LocalWhere.Locks), Ask(Mailbox("daemon", LocalBits.Fcntl, 7)) is var third ? (third.Errno, third.Where) : default);
        Assert.True(File.Exists($"{_spool}/daemon.lock"));
        Assert.Equal(0, Ask(Mailbox("daemon", 0, 8) with { Work = LocalWork.Release, Uid = 5 }).Errno);
        Assert.False(File.Exists($"{_spool}/daemon.lock"));
        Assert.Equal(Libc.ENOENT, Ask(Mailbox("daemon", 0, 6) with { Work = LocalWork.Release, Uid = 5 }).Errno);
        foreach (var user in new[] { "bin", "sys" })
        {
            Assert.True(Ask(Mailbox(user, LocalBits.Dotlock, user == "bin" ? 20u : 21)) is { Errno: 0, Descriptor: >= 0 });
        }
        Assert.Equal(2, Directory.GetFiles(_spool, "*.lock").Length);
        Parent.Requests.Dispose();
        ParentProcess.Until(() => Directory.GetFiles(_spool, "*.lock").Length == 0);
    }

    [Theory]
    [InlineData("fcntl")]
    [InlineData("flock")]
    [InlineData("dotlock")]
    public async Task Deliveries_at_the_same_time_stand_one_after_the_other_in_the_mailbox(string locks)
    {
        Spool(0x5FD);
        var content = "Subject: hi\n\n" + string.Concat(Enumerable.Range(0, 20_000).Select(n => $"{n % 10}\n"));
        var results = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => Deliver(Identity("daemon"), Locks(locks, 10_000), content)));
        Assert.All(results, r => Assert.Null(r.Failure));
        var messages = File.ReadAllText($"{_spool}/daemon").Split("From a@sender.example").Skip(1).Select(m => m[m.IndexOf('\n', StringComparison.Ordinal)..]).ToList();
        Assert.Equal(12, messages.Count);
        Assert.EndsWith(content + "\n", Assert.Single(messages.Distinct()));
    }

    [Fact]
    public void An_open_that_hangs_keeps_its_user_waiting_and_nobody_else()
    {
        var pair = DescriptorSocket.Pair(out _)!.Value;
        using var theirs = new DescriptorSocket(pair.Theirs);
        using var ours = pair.Ours;
        using var hang = new ManualResetEventSlim();
        var options = new LocalParentOptions(-1, -1, [5], [5], [], 100, [_spool], [], ["/none"], 1);
        using var opener = new LocalOpener(new LocalIdentities(options), theirs, TimeProvider.System, _ => 0, request =>
        {
            if (request.Name == "daemon")
            {
                hang.Wait();
            }
        });
        var path = _room.Path("file");
        File.WriteAllText(path, "");
        var (taken, refused) = (0, 0);
        for (uint i = 1; i <= 20; i++)
        {
            var errno = opener.Add(Read("daemon", path) with { Number = i });
            Assert.True(errno is 0 or Libc.EAGAIN);
            (taken, refused) = errno == 0 ? (taken + 1, refused) : (taken, refused + 1);
        }
        Assert.InRange(taken, 8, 10);
        Assert.Equal(0, opener.Add(Read("bin", path) with { Number = 100 }));
        Assert.Equal(0, LocalAnswer.Receive(ours, _buffer, out var number)!.Value.Errno);
        Assert.Equal(100u, number);
        hang.Set();
        for (var i = 0; i < taken; i++)
        {
            Assert.Equal(0, LocalAnswer.Receive(ours, _buffer, out number)!.Value.Errno);
            Assert.InRange(number, 1u, 20u);
        }
    }

    /// <summary>A user database or a file system that does not answer for one is not waited for by the others.</summary>
    [Fact]
    public void An_identity_that_is_not_found_for_long_keeps_nobody_else_waiting()
    {
        var (control, requests) = (DescriptorSocket.Pair(out _)!.Value, DescriptorSocket.Pair(out _)!.Value);
        using var hang = new ManualResetEventSlim();
        var program = HelperProgram.Beside(AppContext.BaseDirectory);
        var options = new LocalParentOptions(control.Theirs, requests.Theirs, [5], [5], [], 100, [], [], [program.Path, .. program.Arguments.Skip(1)], 8);
        var parent = new LocalParent(options, TimeProvider.System, request =>
        {
            if (request.Name == "daemon")
            {
                hang.Wait();
            }
        });
        var serving = new Thread(parent.Serve);
        serving.Start();
        try
        {
            using var ours = requests.Ours;
            foreach (var (name, identity) in new[] { ("daemon", LocalIdentity.User), ("daemon", LocalIdentity.User), ("daemon", LocalIdentity.User), ("bin", LocalIdentity.User), ("", LocalIdentity.Virtual) })
            {
                var number = identity == LocalIdentity.Virtual ? 3u : name == "bin" ? 2u : 1u;
                Assert.Equal(0, ours.Send(new LocalRequest(number, LocalWork.User, identity, 0, 1000, 1000, 0, name, "").Write(), -1));
            }
            var answered = new List<uint>();
            while (answered.Count < 2)
            {
                var fd = new Libc.PollFd { Fd = ours.Fd, Events = Libc.POLLIN };
                Assert.Equal(1, Poll(ref fd));
                Assert.Equal(0, LocalAnswer.Receive(ours, _buffer, out var number)!.Value.Errno);
                answered.Add(number);
            }
            Assert.Equal([2u, 3u], answered.Order());
            hang.Set();
            for (var i = 0; i < 3; i++)
            {
                LocalAnswer.Receive(ours, _buffer, out var number);
                Assert.Equal(1u, number);
            }
        }
        finally
        {
            hang.Set();
            control.Ours.Dispose();
            serving.Join();
            parent.Dispose();
        }

        static unsafe int Poll(ref Libc.PollFd fd)
        {
            fixed (Libc.PollFd* one = &fd)
            {
                return Libc.poll(one, 1, 10_000);
            }
        }
    }
}
