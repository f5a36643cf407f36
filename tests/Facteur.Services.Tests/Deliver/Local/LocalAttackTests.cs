using Facteur.Mail.Dsn;
using Facteur.Services.Deliver;
using Facteur.Unix;

namespace Facteur.Services.Tests.Deliver.Local;

/// <summary>
/// What a local user can put where mail is delivered, with the kernel's own protections (fs.protected_symlinks, fs.protected_hardlinks) switched
/// off: nothing outside is ever written or read, by our threads and by helpers.
/// </summary>
[Collection("fs.protected")]
public sealed class LocalAttackTests : IDisposable
{
    private const string Content = "Received: by x\nSubject: hi\n\nx\n";
    private const string Secret = "nothing of this may change\n";
    private static readonly string[] Protections = ["/proc/sys/fs/protected_symlinks", "/proc/sys/fs/protected_hardlinks", "/proc/sys/fs/protected_regular"];

    private readonly DeliverRoom _room = new();
    private readonly string[] _before;
    private readonly string _home;
    private readonly string _outside;
    private readonly string _victim;
    private ParentProcess? _parent;

    public LocalAttackTests()
    {
        DeliverRoom.NeedsChildren();
        if (!FileIdentity.CanChange)
        {
            Assert.Skip("needs root: identities are taken");
        }
        _before = [.. Protections.Select(File.ReadAllText)];
        try
        {
            Array.ForEach(Protections, p => File.WriteAllText(p, "0\n"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Restore();
            Assert.Skip("needs a machine whose fs.protected_* may be set: " + e.Message);
        }
        Assert.Equal(0, Libc.chmod(_room.Directory, 0x1ED));
        _home = Make("home", 1, 0x1ED);
        // Of another user, who lets everybody in.
        _outside = Make("outside", 2, 0x1ED);
        _victim = $"{_outside}/victim";
        File.WriteAllText(_victim, Secret);
        Assert.Equal(0, Libc.chown(_victim, 2, 2));
        Assert.Equal(0, Libc.chmod(_victim, 0x180));
    }

    public void Dispose()
    {
        Restore();
        _parent?.Dispose();
        _room.Dispose();
    }

    private void Restore()
    {
        for (var i = 0; i < Protections.Length; i++)
        {
            try
            {
                File.WriteAllText(Protections[i], _before[i]);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // It could not be changed before either.
            }
        }
    }

    private string Make(string name, uint owner, uint mode)
    {
        var path = _room.Path(name);
        Directory.CreateDirectory(path);
        Assert.Equal(0, Libc.chown(path, owner, owner));
        Assert.Equal(0, Libc.chmod(path, mode));
        return path;
    }

    private IUserHands Hands(bool processes, params string[] spools)
    {
        if (!processes)
        {
            return _room.Hands().Hands;
        }
        _parent?.Dispose();
        return (_parent = new ParentProcess("games", 64, spools)).Hands.Hands;
    }

    private static UserIdentity Daemon => new(IdentityKind.User, "daemon", 1, 1);

    private async Task<MailboxResult> Deliver(IUserHands hands, string path, string spool = "", string locks = "fcntl dotlock")
    {
        using var message = new MessageContent(_room, 1, _room.Request(Content, ["x"]).Layout);
        return (await hands.DeliverAsync(Daemon, new MailboxJob
        {
            Path = path,
            SpoolDirectory = spool,
            Sender = "a@sender.example",
            OriginalTo = "",
            DeliveredTo = "",
            Host = "mx.dest.example",
            SizeLimit = 0,
            ErrorClass = 5,
            Locks = MailboxLocks.Parse("x", locks, 1, default, TimeSpan.FromDays(1)),
            StrictOwner = true,
        }, message, default)).Result;
    }

    private void NothingOutside()
    {
        Assert.Equal(Secret, File.ReadAllText(_victim));
        Assert.Equal([_victim], Directory.GetFileSystemEntries(_outside));
        Assert.Equal(0, UnixFile.Status(_victim, false, out var status));
        Assert.Equal((2u, 2u, 0x8180u), (status.Uid, status.Gid, status.Mode));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Links_in_the_users_home_lead_nowhere(bool processes)
    {
        var hands = Hands(processes);
        File.CreateSymbolicLink($"{_home}/symlink", _victim);
        Assert.Equal(0, Libc.link(_victim, $"{_home}/hardlink"));
        File.CreateSymbolicLink($"{_home}/dangling", $"{_outside}/new");
        File.CreateSymbolicLink($"{_home}/locked.lock", $"{_outside}/new");
        foreach (var name in new[] { "symlink", "hardlink", "dangling", "locked" })
        {
            var result = await Deliver(hands, $"{_home}/{name}");
            Assert.NotEqual(DeliveryOutcome.Sent, result.Failure?.Outcome ?? DeliveryOutcome.Sent);
        }
        File.Delete($"{_home}/hardlink");
        NothingOutside();
        Directory.CreateDirectory($"{_home}/md");
        File.CreateSymbolicLink($"{_home}/md/new", _outside);
        Directory.CreateDirectory($"{_home}/md/tmp");
        Directory.CreateDirectory($"{_home}/md2");
        File.CreateSymbolicLink($"{_home}/md2/tmp", _outside);
        foreach (var directory in Directory.GetDirectories(_home, "*", SearchOption.AllDirectories).Where(d => new DirectoryInfo(d).LinkTarget is null))
        {
            Assert.Equal(0, Libc.chown(directory, 1, 1));
        }
        foreach (var name in new[] { "md/", "md2/" })
        {
            Assert.NotNull((await Deliver(hands, $"{_home}/{name}")).Failure);
        }
        NothingOutside();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Links_to_what_the_user_may_not_read_show_nothing(bool processes)
    {
        var hands = Hands(processes);
        File.CreateSymbolicLink($"{_home}/symlink", _victim);
        Assert.Equal(0, Libc.link(_victim, $"{_home}/hardlink"));
        Assert.Equal(0, Libc.mkfifo($"{_home}/pipe", 0x1B6));
        foreach (var name in new[] { "symlink", "hardlink", "pipe" })
        {
            Assert.Null((await hands.ReadAsync(Daemon, $"{_home}/{name}", followLinks: false, default)).Text);
            Assert.Null((await hands.ReadAsync(Daemon, $"{_home}/{name}", followLinks: true, default)).Text);
        }
        File.Delete($"{_home}/hardlink");
        NothingOutside();
    }

    [Theory]
    [InlineData(false, 0x1EDu)] // 0755: only root may write
    [InlineData(true, 0x1EDu)]
    [InlineData(false, 0x5FDu)] // 2775
    [InlineData(true, 0x5FDu)]
    [InlineData(false, 0x3FFu)] // 1777
    [InlineData(true, 0x3FFu)]
    public async Task Links_in_the_mail_spool_lead_nowhere_however_fast_they_change(bool processes, uint mode)
    {
        var spool = Make("spool", 0, mode);
        Assert.Equal(0, Libc.chown(spool, 0, 8));
        Assert.Equal(0, Libc.chmod(spool, mode));
        var hands = Hands(processes, spool);
        var (box, spare, link, hard) = ($"{spool}/daemon", $"{spool}/spare", $"{spool}/link", $"{spool}/hard");
        using var stop = new CancellationTokenSource();
        var swaps = 0;
        var attacker = new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                // A file of the user's, a link, a second name of another's file; and the same for the lock, each by one rename.
                File.WriteAllText(spare, "");
                _ = Libc.chown(spare, 1, 1);
                _ = Libc.chmod(spare, 0x180);
                _ = Libc.rename(spare, box);
                Swap(link, _victim, box);
                _ = Libc.link(_victim, hard);
                _ = Libc.rename(hard, box);
                _ = Libc.unlink(box);
                Swap(link, $"{_outside}/new", box);
                _ = Libc.unlink(box);
                if (swaps % 4 == 0)
                {
                    Swap(link, $"{_outside}/lock", box + ".lock");
                    _ = Libc.unlink(box + ".lock");
                }
                swaps++;
            }
        });
        attacker.Start();
        var (tries, sent) = (0, 0);
        var start = TimeProvider.System.GetTimestamp();
        // Longer where others keep both from the processors.
        while (TimeProvider.System.GetElapsedTime(start) is var since && (since < TimeSpan.FromSeconds(1.5) || ((Volatile.Read(ref swaps) <= 100 || tries <= 10) && since < TimeSpan.FromSeconds(30))))
        {
            sent += (await Deliver(hands, box, spool, tries++ % 2 == 0 ? "fcntl" : "fcntl dotlock")).Failure is null ? 1 : 0;
        }
        await stop.CancelAsync();
        attacker.Join();
        _ = Libc.unlink(box);
        _ = Libc.unlink(hard);
        Assert.True(swaps > 100 && tries > 10, $"{swaps} swaps, {tries} tries");
        NothingOutside();
        // And without the attacker it is a mailbox as any.
        _ = Libc.unlink(box + ".lock");
        Assert.Null((await Deliver(hands, box, spool)).Failure);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Maildirs_whose_directories_become_links_lead_nowhere(bool processes)
    {
        var hands = Hands(processes);
        var open = Make("home/md", 1, 0x1C0);
        foreach (var part in new[] { "tmp", "new", "cur" })
        {
            Make($"home/md/{part}", 1, 0x1C0);
        }
        using var stop = new CancellationTokenSource();
        var swaps = 0;
        var attacker = new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                foreach (var part in new[] { "tmp", "new" })
                {
                    _ = Libc.rename($"{open}/{part}", $"{open}/{part}.kept");
                    Swap($"{open}/link", _outside, $"{open}/{part}");
                    _ = Libc.unlink($"{open}/{part}");
                    _ = Libc.rename($"{open}/{part}.kept", $"{open}/{part}");
                }
                swaps++;
            }
        });
        attacker.Start();
        var tries = 0;
        var start = TimeProvider.System.GetTimestamp();
        while (TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(1.5))
        {
            await Deliver(hands, open + "/");
            tries++;
        }
        await stop.CancelAsync();
        attacker.Join();
        Assert.True(swaps > 100 && tries > 10, $"{swaps} swaps, {tries} tries");
        NothingOutside();
    }

    private static void Swap(string link, string target, string name)
    {
        _ = Libc.unlink(link);
        File.CreateSymbolicLink(link, target);
        _ = Libc.rename(link, name);
    }
}
