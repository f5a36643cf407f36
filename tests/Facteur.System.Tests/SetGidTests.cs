using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Facteur.System.Tests.Parts;
using Facteur.Unix;

namespace Facteur.System.Tests;

/// <summary>The set-gid program as those meet it who would like its group: each hostile environment is a row.</summary>
public sealed class SetGidTests
{
    /// <summary>Script, exit status, and what standard error contains. With status 0 one message lies in maildrop, else none.</summary>
    public static TheoryData<string, int, string> Surroundings { get; } = new()
    {
        { "$P", 0, "" },
        { "$P -r >/dev/null", 0, "" },
        // Descriptors.
        { "exec $P <&-", 75, "uid=65534: unexpected EOF in data" },
        { "exec $P -r >&-", 0, "" },
        { "exec $P -r >&- 2>&-", 0, "" },
        { "exec $P <&- >&- 2>&-", 75, "" },
        { "exec $P >/dev/full -r", 75, "No space left" },
        { "for i in {3..200}; do eval \"exec $i</dev/null\"; done; exec $P", 0, "" },
        // Signals that are ignored, modes, priority, directory.
        { "trap '' HUP INT QUIT TERM PIPE XFSZ CHLD USR1; exec $P", 0, "" },
        { "umask 0777; exec $P", 0, "" },
        { "umask 0; exec $P", 0, "" },
        { "exec nice -n 19 $P", 0, "" },
        { "mkdir gone; cd gone; rmdir ../gone; exec $P", 0, "" },
        // Limits.
        { "exec prlimit --core=0 $P", 0, "" },
        { "exec prlimit --fsize=0 $P", 75, "uid=65534: write file in " },
        { "exec prlimit --fsize=20 $P", 75, "File too large" },
        { "exec prlimit --memlock=0 --msgqueue=0 --rtprio=0 --sigpending=0 $P", 0, "" },
        // Environments.
        { "MAIL_CONFIG=$T/other exec $P", 75, "postdrop: error: unauthorized configuration directory name: TOP/other\n"
            + "postdrop: fatal: specify \"alternate_config_directories = TOP/other\" or \"multi_instance_directories = TOP/other\" in /etc/postfix/main.cf\n" },
        { "exec $P -c $T/other", 75, "unauthorized configuration directory name" },
        { "exec $P -c /etc/postfix/", 75, "unauthorized configuration directory name: /etc/postfix/" },
        { "exec $P -c /etc/postfix", 0, "" },
        { "exec $P -c .", 75, "unauthorized configuration directory name: ." },
        { "exec $P -c ''", 75, "unauthorized configuration directory name: /" },
        { "TZ=/etc/shadow exec $P", 0, "" },
        { "TZ=:/etc/shadow TZDIR=/home exec $P", 0, "" },
        { "TZ=../../../etc/shadow exec $P", 0, "" },
        { "exec env LANG=xx_YY LC_ALL=/tmp LOCPATH=/tmp NLSPATH=/tmp/%N $P", 0, "" },
        { "GLIBC_TUNABLES=glibc.malloc.check=3 MALLOC_PERTURB_=1 MALLOC_TRACE=$T/home/trace exec $P", 0, "" },
        { "LD_DEBUG=all LD_BIND_NOW=1 LD_LIBRARY_PATH=/tmp LD_PRELOAD=/tmp/evil.so exec $P", 0, "" },
        { "PATH=/tmp IFS=/ HOME=/nonexistent exec $P", 0, "" },
        { "exec env -i $P", 0, "" },
        // Names.
        { "exec -a '' $P", 64, "must be called by the name" },
        { "exec -a sh $P", 64, "must be called by the name" },
        { "exec -a /usr/sbin/sendmail $P", 64, "must be called by the name" },
        { "ln -s $P evil; exec ./evil", 64, "must be called by the name" },
        { "exec -a postdrop $B/facteur-postdrop", 0, "" },
        // Arguments and input.
        { "exec $P -Z", 75, "usage: postdrop" },
        { "exec $P bob", 75, "usage: postdrop" },
        { "head -c 12 | $P", 75, "unexpected EOF in data" },
        { "printf 'R\\377\\377\\377\\177' | $P", 75, "uid=65534: invalid record" },
        { "head -c 100000 /dev/zero | $P", 75, "uid=65534: unexpected record type: 0" },
        { "printf 'S\\003bobD\\003bobM\\0X\\0E\\0' | $P", 75, "uid=65534: unexpected record type: 68" },
    };

    /// <summary>Variables that a runtime may listen to before the first instruction of the program.</summary>
    public static TheoryData<string> RuntimeVariables { get; } =
    [
        "DOTNET_GCHeapHardLimit=1", "DOTNET_GCHeapHardLimitPercent=0", "DOTNET_gcServer=1 DOTNET_GCHeapCount=0x400", "DOTNET_GCRegionRange=0x7fffffffffff", "DOTNET_GCRegionSize=0x1",
        "DOTNET_GCgen0size=0x1", "DOTNET_GCStress=0xff", "DOTNET_gcConcurrent=1", "DOTNET_GCLargePages=1", "DOTNET_GCHeapAffinitizeMask=0x80000000", "DOTNET_GCName=libevil.so DOTNET_GCPath=/tmp/libevil.so",
        "DOTNET_DbgEnableMiniDump=1 DOTNET_DbgMiniDumpName=/tmp/dump DOTNET_DbgCreateDumpToolPath=/tmp", "COMPlus_GCHeapHardLimit=0x1000", "DOTNET_EnableEventPipe=1 DOTNET_EventPipeOutputPath=/tmp/pipe",
        "DOTNET_STARTUP_HOOKS=/tmp/evil.dll DOTNET_ROOT=/tmp DOTNET_BUNDLE_EXTRACT_BASE_DIR=/tmp", "CORECLR_ENABLE_PROFILING=1 CORECLR_PROFILER_PATH=/tmp/evil.so", "DOTNET_PROCESSOR_COUNT=0xffff",
        "DOTNET_SYSTEM_NET_SOCKETS_THREAD_COUNT=100000 DOTNET_SYSTEM_NET_SOCKETS_INLINE_COMPLETIONS=1", "DOTNET_StressLog=1 DOTNET_StressLogLevel=10 DOTNET_TotalStressLogSize=0xffffffff",
    ];

    [Fact]
    public void Whoever_starts_postdrop_gets_a_message_into_maildrop_or_a_reason()
    {
        using var house = new SetGidHouse();
        house.NeedNative();
        foreach (var row in Surroundings)
        {
            var (script, status, error) = row.Data;
            var outcome = house.As(SetGidHouse.User, script, SetGidHouse.Message);
            Assert.True(status == outcome.Exit, $"{script}: exit status {outcome.Exit}: {outcome.Error}");
            Assert.True(error.Length == 0 ? outcome.Error.Length == 0 : outcome.Error.Contains(error.Replace("TOP", house.Top, StringComparison.Ordinal), StringComparison.Ordinal),
                $"{script}: {outcome.Error}");
            Assert.True(house.Messages().Count == (status == 0 ? 1 : 0) && house.Files().Count == house.Messages().Count, $"{script}: {string.Join(' ', house.Files())}");
            foreach (var name in house.Messages())
            {
                Assert.Equal(0, UnixFile.Status($"{house.Maildrop}/{name}", followLinks: false, out var file));
                Assert.Equal((0x81E4u, 65534u), (file.Mode, file.Uid));
                Assert.EndsWith("S\u0003bobR\u0003bobM\0N\u0005firstN\u0004lastX\0E\0", File.ReadAllText($"{house.Maildrop}/{name}", Encoding.Latin1), StringComparison.Ordinal);
            }
            house.Clear();
            foreach (var left in Directory.EnumerateFileSystemEntries($"{house.Top}/home"))
            {
                File.Delete(left);
            }
        }
    }

    [Fact]
    public void The_runtime_does_not_hear_its_caller()
    {
        using var house = new SetGidHouse();
        house.NeedNative();
        foreach (var row in RuntimeVariables)
        {
            var variables = row.Data;
            var outcome = house.As(SetGidHouse.User, $"{variables} exec $P", SetGidHouse.Message);
            Assert.True(outcome is { Exit: 0, Error: "" }, $"{variables}: exit status {outcome.Exit}: {outcome.Error}");
            Assert.True(house.Messages().Count == 1, variables);
            house.Clear();
        }
        // The same variable ends the same program where nothing is lent to it: it is not deaf, it is guarded.
        File.Copy(house.Postdrop, $"{house.Top}/home/postdrop");
        Assert.Equal(0, Libc.chmod($"{house.Top}/home/postdrop", 0x1ED));
        Assert.Equal(75, house.As(SetGidHouse.User, "exec ./postdrop", SetGidHouse.Message).Exit);
        Assert.Equal(255, house.As(SetGidHouse.User, "DOTNET_GCHeapHardLimit=1 exec ./postdrop", SetGidHouse.Message).Exit);
    }

    [Fact]
    public void However_few_descriptors_memory_or_threads_there_are_nothing_is_half_done()
    {
        using var house = new SetGidHouse();
        house.NeedNative();
        var limits = Enumerable.Range(0, 16).Select(n => $"--nofile={n}:{n}")
            .Concat(Enumerable.Range(1, 12).Select(n => $"--as={(n * n * 1_500_000).ToString(CultureInfo.InvariantCulture)}"))
            .Concat(Enumerable.Range(1, 6).Select(n => $"--data={(n * n * 1_000_000).ToString(CultureInfo.InvariantCulture)}"))
            .Concat(Enumerable.Range(0, 4).Select(n => $"--nproc={n}:{n}"))
            .Concat(["--stack=65536", "--stack=262144"]);
        var (done, refused) = (0, 0);
        foreach (var limit in limits)
        {
            var outcome = house.As(SetGidHouse.User, $"exec prlimit {limit} $P", SetGidHouse.Message);
            Assert.True(house.Messages().Count == (outcome.Exit == 0 ? 1 : 0) && house.Files().Count == house.Messages().Count, $"{limit}: {outcome.Exit} {outcome.Error}");
            (done, refused) = outcome.Exit == 0 ? (done + 1, refused) : (done, refused + 1);
            house.Clear();
        }
        Assert.True(done > 10 && refused > 5, $"{done} {refused}");
        // All but two descriptors are taken by files of the caller's: they are closed.
        house.As(SetGidHouse.User, "for i in {3..61}; do eval \"exec $i</dev/null\"; done; ulimit -n 64; exec $P", SetGidHouse.Message).Fine();
    }

    [Theory]
    [InlineData("HUP", 75, 0)]
    [InlineData("INT", 75, 0)]
    [InlineData("QUIT", 75, 0)]
    [InlineData("TERM", 75, 0)]
    [InlineData("ALRM", 142, 1)]
    [InlineData("KILL", 137, 1)]
    public void A_signal_in_the_middle_leaves_nothing_or_what_nobody_takes(string signal, int status, int left)
    {
        using var house = new SetGidHouse();
        var outcome = house.As(SetGidHouse.User,
            $"set -m; mkfifo way; $P <way & exec 9>way; printf 'S\\003bobR\\003bobM\\0' >&9; sleep 2; kill -{signal} %1; wait %1");
        Assert.True(status == outcome.Exit, outcome.Error);
        Assert.Empty(house.Messages());
        Assert.Equal(left, house.Files().Count);
    }

    [Fact]
    public void Who_has_the_message_ignore_the_hangup_gets_it_sent()
    {
        using var house = new SetGidHouse();
        Assert.Equal(0, house.As(SetGidHouse.User,
            "set -m; mkfifo way; (trap '' HUP; exec $P <way) & exec 9>way; printf 'S\\003bobR\\003bobM\\0' >&9; sleep 1; kill -HUP %1; sleep 0.2; printf 'N\\001xX\\0E\\0' >&9; exec 9>&-; wait %1").Exit);
        Assert.Single(house.Messages());
    }

    [Fact]
    public void A_users_postlog_reaches_postlogd_and_not_the_file()
    {
        using var house = new SetGidHouse();
        using var postlogd = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveTimeout = 10_000 };
        var path = $"{house.Top}/spool/public/postlog";
        postlogd.Bind(new UnixDomainSocketEndPoint(path));
        Assert.Equal(0, Libc.chown(path, 0, GroupAccount.Find(SetGidHouse.Group)!.Value) | Libc.chmod(path, 0x1B0));
        house.As(SetGidHouse.User, "$B/postlog -t mine text").Fine();
        var line = new byte[1000];
        Assert.Matches("^... .. ..:..:.. mail mine\\[[0-9]+\\]: text\n?$", Encoding.UTF8.GetString(line, 0, postlogd.Receive(line)));
        Assert.False(File.Exists($"{house.Top}/maillog"));
    }

    [Fact]
    public void Configurations_that_the_default_one_names_are_accepted()
    {
        using var house = new SetGidHouse();
        File.AppendAllText($"{house.Top}/etc/postfix/main.cf", $"alternate_config_directories = /nonexistent, {house.Top}/other\n");
        house.As(SetGidHouse.User, "$P -c $T/other", SetGidHouse.Message).Fine();
        house.As(SetGidHouse.User, "MAIL_CONFIG=$T/other $P", SetGidHouse.Message).Fine();
        Assert.Equal(2, house.Messages().Count);
        File.WriteAllText($"{house.Top}/etc/postfix/main.cf", $"{house.Main}\nmulti_instance_directories = {house.Top}/other\n");
        house.As(SetGidHouse.User, "$P -c $T/other", SetGidHouse.Message).Fine();
        // Root is trusted.
        File.WriteAllText($"{house.Top}/etc/postfix/main.cf", house.Main);
        Assert.Equal(75, house.As(SetGidHouse.User, "$P -c $T/other", SetGidHouse.Message).Exit);
        house.As("root", "$P -c $T/other", SetGidHouse.Message, "root").Fine();
        foreach (var name in (string[])["postqueue -p", "postlog text"])
        {
            var outcome = house.As(SetGidHouse.User, $"$B/{name.Split(' ')[0]} -c $T/other {name.Split(' ')[1]}");
            Assert.NotEqual(0, outcome.Exit);
            Assert.StartsWith($"{name.Split(' ')[0]}: error: unauthorized configuration directory name: {house.Top}/other\n", outcome.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Users_whom_the_administrator_excludes_submit_nothing()
    {
        using var house = new SetGidHouse($"authorized_submit_users = !{SetGidHouse.SecondUser}, /etc/postfix/who, root");
        File.WriteAllText($"{house.Top}/etc/postfix/who", "# those\ngames, nobody\n");
        house.As(SetGidHouse.User, "$P", SetGidHouse.Message).Fine();
        var outcome = house.As(SetGidHouse.SecondUser, "$P", SetGidHouse.Message);
        Assert.Equal((77, "postdrop: fatal: User daemon(1) is not allowed to submit mail\n"), (outcome.Exit, outcome.Error));
        Assert.Equal(77, house.As("bin", "$P", SetGidHouse.Message).Exit);
        Assert.Single(house.Messages());
    }

    [Fact]
    public void Users_say_the_senders_that_are_theirs()
    {
        using var house = new SetGidHouse($"local_login_sender_maps = inline:{{{{ {SetGidHouse.User} = * }}, {{ root = root }}}}");
        house.As(SetGidHouse.User, "$P", SetGidHouse.Message).Fine();
        var outcome = house.As(SetGidHouse.SecondUser, "$P", SetGidHouse.Message);
        Assert.Equal(75, outcome.Exit);
        Assert.StartsWith("postdrop: fatal: uid=1: not authorized to use sender='", outcome.Error, StringComparison.Ordinal);
        Assert.Single(house.Messages());
    }

    /// <summary>What nobody may do to maildrop, whoever wrote the file in it; NAME is its name.</summary>
    public static TheoryData<string> Trespasses { get; } =
    [
        "ls $T/spool/maildrop", "cat $T/spool/maildrop/NAME", "stat $T/spool/maildrop/NAME", "echo x >>$T/spool/maildrop/NAME", "truncate -s 0 $T/spool/maildrop/NAME", "touch $T/spool/maildrop/NAME",
        "chmod 777 $T/spool/maildrop/NAME", "mv $T/spool/maildrop/NAME $T/home/mine", "mv $T/spool/maildrop/NAME $T/spool/maildrop/AAAAAAA", "rm $T/spool/maildrop/NAME",
        "ln $T/spool/maildrop/NAME $T/home/mine", "ln $T/home/file $T/spool/maildrop/AAAAAAA", "ln -s /etc/passwd $T/spool/maildrop/AAAAAAA", "mkfifo $T/spool/maildrop/AAAAAAA",
        "mkdir $T/spool/maildrop/AAAAAAA", "echo x >$T/spool/maildrop/AAAAAAA", "mv $T/spool/maildrop $T/spool/away", "rmdir $T/spool/maildrop", "cp -r $T/spool/maildrop $T/home/copy",
    ];

    [Fact]
    public void Maildrop_takes_mail_and_gives_nothing_back_not_even_to_its_sender()
    {
        using var house = new SetGidHouse();
        Trespass(house);
    }

    [Fact]
    public void Maildrop_needs_no_protection_of_links_by_the_kernel()
    {
        using var house = new SetGidHouse();
        string[] settings = ["/proc/sys/fs/protected_hardlinks", "/proc/sys/fs/protected_symlinks"];
        var before = settings.Select(File.ReadAllText).ToList();
        try
        {
            try
            {
                Array.ForEach(settings, s => File.WriteAllText(s, "0"));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Assert.Skip("needs to switch off fs.protected_hardlinks and fs.protected_symlinks");
            }
            Trespass(house);
            house.Clear();
            house.NeedNative();
            // A name of one's own for the set-gid program gives what the program gives, and only under its names.
            Assert.Equal(64, house.As(SetGidHouse.User, "ln $B/facteur-postdrop evil && exec ./evil", SetGidHouse.Message).Exit);
            Assert.Empty(house.Files());
        }
        finally
        {
            for (var i = 0; i < settings.Length; i++)
            {
                File.WriteAllText(settings[i], before[i]);
            }
        }
    }

    private static void Trespass(SetGidHouse house)
    {
        house.As(SetGidHouse.User, "$P; touch file", SetGidHouse.Message).Fine();
        var name = Assert.Single(house.Messages());
        Assert.Equal(0, UnixFile.Status($"{house.Maildrop}/{name}", followLinks: false, out var before));
        foreach (var user in (string[])[SetGidHouse.User, SetGidHouse.SecondUser])
        {
            foreach (var trespass in Trespasses)
            {
                var outcome = house.As(user, trespass.Data.Replace("NAME", name, StringComparison.Ordinal));
                Assert.True(outcome.Exit != 0, $"{user}: {trespass.Data}: {outcome.Output}");
                Assert.Contains("Permission denied", outcome.Error, StringComparison.Ordinal);
            }
        }
        Assert.Equal(name, Assert.Single(house.Files()));
        Assert.Equal(0, UnixFile.Status($"{house.Maildrop}/{name}", followLinks: false, out var after));
        Assert.Equal((before.Inode, before.Mode, before.Size, before.Modified, before.Links), (after.Inode, after.Mode, after.Size, after.Modified, after.Links));
    }

    [Fact]
    public void Sendmail_goes_through_postdrop_while_nothing_runs()
    {
        using var house = new SetGidHouse("message_size_limit = 2000");
        house.Install("facteur-lean");
        foreach (var name in (string[])["sendmail", "mailq", "newaliases", "rmail"])
        {
            File.CreateSymbolicLink($"{house.Top}/bin/{name}", "facteur-lean");
        }
        house.As(SetGidHouse.User, "printf 'Subject: one\n\ntext\n' | $B/sendmail -f me@here.example bob").Fine();
        var name1 = Assert.Single(house.Messages());
        Assert.Equal(0, UnixFile.Status($"{house.Maildrop}/{name1}", followLinks: false, out var file));
        Assert.Equal(65534u, file.Uid);
        Assert.Contains("me@here.exampleR\u0003bobM\0N\fSubject: oneN\0N\u0004textX\0E\0", File.ReadAllText($"{house.Maildrop}/{name1}", Encoding.Latin1), StringComparison.Ordinal);
        house.As(SetGidHouse.User, "printf 'From me Mon Jan 1 remote from there\nSubject: two\n\ntext\n' | $B/rmail bob").Fine();
        Assert.Equal(2, house.Messages().Count);
        house.Clear();

        // What postdrop refuses it says itself, and the message stays with its program.
        var large = house.As(SetGidHouse.User, "head -c 5000 /dev/zero | tr '\\0' x | $B/sendmail bob");
        Assert.Equal(75, large.Exit);
        Assert.StartsWith("postdrop: fatal: uid=65534: message file too big\nsendmail: fatal: nobody(65534): ", large.Error, StringComparison.Ordinal);
        // A program that is killed before the end has sent nothing.
        Assert.Equal(137, house.As(SetGidHouse.User, "set -m; mkfifo way; $B/sendmail bob <way & exec 9>way; printf 'Subject: x\n' >&9; sleep 0.7; kill -KILL %1; wait %1").Exit);
        Thread.Sleep(300);
        Assert.Empty(house.Files());
        // Where the bit has no effect the way is the socket, and behind it is nobody.
        var socket = house.As(SetGidHouse.User, "printf 'Subject: x\n\n' | setpriv --no-new-privs $B/sendmail bob");
        Assert.Equal(75, socket.Exit);
        Assert.Contains($"connect to {house.Top}/spool/submit: ", socket.Error, StringComparison.Ordinal);
        Assert.Equal(0, Libc.chmod(house.Postdrop, 0x1ED));
        Assert.Contains("connect to ", house.As(SetGidHouse.User, "$B/sendmail bob </dev/null").Error, StringComparison.Ordinal);
        Assert.Equal(0, Libc.chmod(house.Postdrop, 0x5ED));
        Assert.Empty(house.Files());

        // mailq is postqueue's.
        var list = house.As(SetGidHouse.User, "$B/mailq");
        Assert.Equal(69, list.Exit);
        Assert.StartsWith("postqueue: fatal: Queue report unavailable - mail system is down", list.Error, StringComparison.Ordinal);
        Assert.Equal(64, house.As(SetGidHouse.User, "exec -a other $B/facteur-lean").Exit);
    }
}
