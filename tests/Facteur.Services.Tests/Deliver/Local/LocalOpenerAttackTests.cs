using Facteur.Root.LocalParent;
using Facteur.Unix;

namespace Facteur.Services.Tests.Deliver.Local;

/// <summary>
/// What the parent of local deliveries itself refuses to give away. Whoever is given a mailbox looks at it too; but that is the expander, and what
/// is not given to it can't be misused by who takes it over.
/// </summary>
public sealed class LocalOpenerAttackTests : IDisposable
{
    private const uint Sticky = 0x3FF, Group = 0x5FD, RootOnly = 0x1ED; // 1777, 2775, 0755
    private const uint Daemon = 1, Bin = 2, Mail = 8;

    private readonly DeliverRoom _room = new();
    private readonly string _spool;
    private readonly string _box;
    private readonly byte[] _buffer = new byte[DescriptorSocket.MessageLimit];
    private readonly Clock _time = new();
    private readonly DescriptorSocket _ours;
    private readonly DescriptorSocket _theirs;
    private readonly LocalOpener _opener;

    public LocalOpenerAttackTests()
    {
        if (!FileIdentity.CanChange)
        {
            Assert.Skip("needs root: identities are taken");
        }
        Assert.Equal(0, Libc.chmod(_room.Directory, 0x1ED));
        (_spool, _box) = (_room.Path("spool"), _room.Path("spool/daemon"));
        Directory.CreateDirectory(_spool);
        var pair = DescriptorSocket.Pair(out _)!.Value;
        (_ours, _theirs) = (pair.Ours, new DescriptorSocket(pair.Theirs));
        _opener = new LocalOpener(new LocalIdentities(new LocalParentOptions(-1, -1, [5], [5], [], 100, [_spool], [], ["/none"], 1)), _theirs, _time, _ => 0);
    }

    public void Dispose()
    {
        _opener?.Dispose();
        _ours?.Dispose();
        _theirs?.Dispose();
        _room.Dispose();
    }

    private void Spool(uint mode)
    {
        Assert.Equal(0, Libc.chown(_spool, 0, Mail));
        Assert.Equal(0, Libc.chmod(_spool, mode));
    }

    private static string Make(string path, uint owner, uint mode, string text = "")
    {
        File.WriteAllText(path, text);
        Assert.Equal(0, Libc.chown(path, owner, owner));
        Assert.Equal(0, Libc.chmod(path, mode));
        return path;
    }

    private static Stat Status(string path)
    {
        Assert.Equal(0, UnixFile.Status(path, false, out var status));
        return status;
    }

    private LocalAnswer Ask(LocalRequest request)
    {
        if (_opener.Add(request) is not 0 and var errno)
        {
            return new LocalAnswer(errno);
        }
        var answer = LocalAnswer.Receive(_ours, _buffer, out var number)!.Value;
        Assert.Equal(request.Number, number);
        return answer;
    }

    /// <summary>The answer's words, and what was given away is closed.</summary>
    private (int Errno, bool Given) Mailbox(LocalBits bits = LocalBits.Fcntl)
    {
        var answer = Ask(Request(bits));
        _ = answer.Descriptor < 0 ? 0 : Libc.close(answer.Descriptor);
        return (answer.Errno, answer.Descriptor >= 0);
    }

    private LocalRequest Request(LocalBits bits, uint number = 5) => new(number, LocalWork.Mailbox, LocalIdentity.User, bits, 0, 0, 500, "daemon", _spool);

    private LocalAnswer Release(uint of) => Ask(Request(0, 99) with { Work = LocalWork.Release, Uid = of });

    [Theory]
    [InlineData(Sticky)]
    [InlineData(Group)]
    [InlineData(RootOnly)]
    public void A_link_a_second_name_and_a_pipe_are_not_given_away(uint mode)
    {
        Spool(mode);
        // The user's own: rights are no reason to refuse.
        var own = Make(_room.Path("own"), Daemon, 0x180, "text\n");
        File.CreateSymbolicLink(_box, own);
        Assert.Equal((Libc.ELOOP, false), Mailbox());
        File.Delete(_box);
        Assert.Equal(0, Libc.link(own, _box));
        Assert.Equal((Libc.EMLINK, false), Mailbox());
        File.Delete(_box);
        Assert.Equal(0, Libc.mkfifo(_box, 0x1B6));
        Assert.Equal(0, Libc.chmod(_box, 0x1B6));
        Assert.Equal((6, false), Mailbox()); // ENXIO: nobody reads it.
        using (UnixFile.Open(_box, Libc.O_RDONLY | Libc.O_NONBLOCK, 0, out var reader) == 0 ? reader : null)
        {
            Assert.Equal((Libc.EINVAL, false), Mailbox());
        }
        File.Delete(_box);
        Directory.CreateDirectory(_box);
        Assert.Equal((Libc.EISDIR, false), Mailbox());
        Directory.Delete(_box);
        // The lock file too is made, or is in the way; it is not followed.
        File.CreateSymbolicLink(_box + ".lock", _room.Path("made"));
        Assert.Equal((Libc.EEXIST, false), Mailbox(LocalBits.Dotlock));
        Assert.False(File.Exists(_room.Path("made")));
        Assert.Equal((0, true), Mailbox());
        Assert.Equal("text\n", File.ReadAllText(own));
    }

    [Fact]
    public void Root_gives_away_no_file_of_somebody_else()
    {
        Spool(RootOnly);
        foreach (var (owner, mode, text) in new[] { (Bin, 0x180u, "bin's\n"), (Bin, 0x180u, ""), (0u, 0x180u, "root's\n"), (0u, 0x1A4u, ""), (0u, 0x1B6u, "") })
        {
            Make(_box, owner, mode, text);
            Assert.Equal((Libc.EPERM, false), Mailbox());
            Assert.Equal((owner, owner, mode), (Status(_box).Uid, Status(_box).Gid, Status(_box).Mode & 0xFFF));
            Assert.Equal(text, File.ReadAllText(_box));
        }
    }

    [Theory]
    [InlineData(Sticky, Daemon)]
    [InlineData(Group, Mail)]
    [InlineData(RootOnly, Daemon)]
    public void Who_may_write_the_directory_makes_the_mailbox(uint mode, uint group)
    {
        Spool(mode);
        Assert.Equal((0, true), Mailbox(LocalBits.Dotlock));
        Assert.Equal((Daemon, group, 0x180u), (Status(_box).Uid, Status(_box).Gid, Status(_box).Mode & 0xFFF));
        Assert.Equal(mode == RootOnly ? 0 : Daemon, Status(_box + ".lock").Uid);
    }

    [Fact]
    public void A_lock_file_is_old_when_the_request_says_so_and_not_before()
    {
        Spool(Group);
        Make(_box + ".lock", Bin, 0x180);
        _time.Ahead = TimeSpan.FromSeconds(490);
        Assert.Equal((Libc.EEXIST, false), Mailbox(LocalBits.Dotlock));
        _time.Ahead = TimeSpan.FromSeconds(510);
        Assert.Equal((0, true), Mailbox(LocalBits.Dotlock));
        Assert.Equal(Daemon, Status(_box + ".lock").Uid);
    }

    [Fact]
    public void A_lock_file_is_removed_where_it_was_made_and_only_when_its_maker_could()
    {
        Spool(Sticky);
        Assert.Equal((0, true), Mailbox(LocalBits.Dotlock));
        // The directory is another by now, with another's lock.
        var moved = _room.Path("moved");
        Directory.Move(_spool, moved);
        Directory.CreateDirectory(_spool);
        Spool(Group);
        Make(_box + ".lock", Daemon, 0x180);
        Assert.Equal(0, Release(5).Errno);
        Assert.False(File.Exists(moved + "/daemon.lock"));
        Assert.True(File.Exists(_box + ".lock"));
        // The file is another's by now: the user, in a directory where everybody keeps his own, could not take it away.
        File.Delete(_box + ".lock");
        Spool(Sticky);
        Assert.Equal((0, true), Mailbox(LocalBits.Dotlock));
        Make(_box + ".lock", Bin, 0x180);
        Assert.Equal(0, Release(5).Errno);
        Assert.Equal(Bin, Status(_box + ".lock").Uid);
    }

    [Fact]
    public void A_mailbox_that_is_replaced_before_it_is_locked_is_given_away_as_it_is_then()
    {
        Spool(RootOnly);
        var (victim, spare, hard) = (Make(_room.Path("victim"), Bin, 0x180), $"{_spool}/spare", $"{_spool}/hard");
        var (given, refused) = (0, 0);
        While(() =>
        {
            // A second name of another's file, and the user's own: each is complete when it comes.
            _ = Libc.link(victim, hard);
            _ = Libc.rename(hard, _box);
            Make(spare, Daemon, 0x180);
            _ = Libc.rename(spare, _box);
        }, () =>
        {
            var answer = Ask(Request(LocalBits.Fcntl));
            if (answer.Descriptor < 0)
            {
                Assert.Contains(answer.Errno, new[] { Libc.EAGAIN, Libc.EMLINK, Libc.EPERM });
                refused++;
                return;
            }
            using var file = UnixFile.Own(answer.Descriptor);
            Assert.Equal(0, file.Status(out var status));
            Assert.Equal(Daemon, status.Uid);
            given++;
        });
        Assert.True(given > 0 && refused > 0, $"{given} given, {refused} refused");
    }

    [Fact]
    public void What_is_read_is_a_file_of_that_name_however_fast_it_changes()
    {
        var home = _room.Path("home");
        Directory.CreateDirectory(home);
        Assert.Equal(0, Libc.chown(home, Daemon, Daemon));
        // One that everybody may read but that the user's .forward shall not name, and one that the user may not read.
        var (open, secret) = (Make(_room.Path("open"), Bin, 0x1A4), Make(_room.Path("secret"), Bin, 0x180));
        var (name, next) = ($"{home}/.forward", $"{home}/next");
        var (given, refused) = (0, 0);
        While(() =>
        {
            foreach (var target in new[] { open, secret })
            {
                Make(next, Daemon, 0x180);
                _ = Libc.rename(next, name);
                File.CreateSymbolicLink(next, target);
                _ = Libc.rename(next, name);
            }
            Make(next, Daemon, 0x180);
            _ = Libc.rename(next, name);
            _ = Libc.mkfifo(next, 0x180);
            _ = Libc.chown(next, Daemon, Daemon);
            _ = Libc.rename(next, name);
        }, () =>
        {
            var answer = Ask(new LocalRequest(6, LocalWork.Read, LocalIdentity.User, 0, 0, 0, 0, "daemon", name));
            if (answer.Descriptor < 0)
            {
                refused++;
                return;
            }
            using var file = UnixFile.Own(answer.Descriptor);
            Assert.Equal(0, file.Status(out var status));
            Assert.Equal((Daemon, Libc.S_IFREG), (status.Uid, status.Mode & Libc.S_IFMT));
            given++;
        });
        Assert.True(given > 0 && refused > 0, $"{given} given, {refused} refused");
    }

    /// <summary>An attacker who does not rest, and a second of requests.</summary>
    private static void While(Action attack, Action request)
    {
        using var stop = new CancellationTokenSource();
        var attacker = new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                attack();
            }
        });
        attacker.Start();
        try
        {
            for (var start = TimeProvider.System.GetTimestamp(); TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(1);)
            {
                request();
            }
        }
        finally
        {
            stop.Cancel();
            attacker.Join();
        }
    }

    private sealed class Clock : TimeProvider
    {
        public TimeSpan Ahead { get; set; }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Ahead;
    }
}
