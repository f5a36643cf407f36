using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Services.Deliver.Virtual;
using Facteur.Services.Server;
using Facteur.Spool;
using Facteur.Testing;
using Facteur.Unix;

namespace Facteur.Services.Tests.Deliver.Virtual;

public sealed class VirtualAgentTests : IDisposable
{
    private const string Content = "Received: by x\nSubject: hi\n\nFrom here\nFro\nx\n";
    private readonly DeliverRoom _room = new();
    private readonly DeliverRoom _filters = new();

    public void Dispose()
    {
        _room.Dispose();
        _filters.Dispose();
    }

    private VirtualAgent Agent(params (string Name, string Value)[] more) => Agent(_room.Threads, _room.Time, more);

    private VirtualAgent Agent(BlockingThreads threads, TimeProvider time, params (string Name, string Value)[] more)
    {
        // A new Maildir belongs to the uid: without root, to ourselves.
        var uid = FileIdentity.CanChange ? "2100" : Libc.geteuid().ToString();
        _room.Table("uids", ("one@v.example", uid), ("box@v.example", uid), ("low@v.example", "50"), ("word@v.example", "12x"), ("@v.example", uid));
        _room.Table("gids", ("@v.example", uid));
        if (FileIdentity.CanChange)
        {
            Assert.Equal(0, Libc.chown(_room.Directory, 2100, 2100));
        }
        _room.Table("boxes", ("one@v.example", "v/one/"), ("box@v.example", "box"), ("low@v.example", "low/"), ("word@v.example", "word/"), ("dir@v.example", "adir"), ("deep@v.example", "box/deep/"));
        return new VirtualAgent(
            new TestConfig([("virtual_mailbox_base", _room.Directory), ("virtual_mailbox_maps", "boxes"), ("virtual_uid_maps", "uids"), ("virtual_gid_maps", "gids"),
                ("recipient_delimiter", "+"), ("deliver_lock_attempts", "2"), ("deliver_lock_delay", "0"), ("virtual_minimum_uid", FileIdentity.CanChange ? "100" : "1")])
                .With([.. more.Select(m => KeyValuePair.Create(m.Name, m.Value))]),
            _room, _room, _room.Hands(threads, time), _room.ServiceLog("postfix/virtual"), time, _filters);
    }

    [Fact]
    public async Task Maildir_gets_one_file_and_its_directories_are_made()
    {
        var result = await Agent().DeliverAsync(_room.Request(Content, ["One+ext@v.example one-orig@v.example"], transport: "virtual"), default);
        Assert.Equal(DeliveryOutcome.Sent, Assert.Single(result.Recipients).Status.Outcome);
        var file = Assert.Single(Directory.GetFiles(_room.Path("v/one/new")));
        // The machine's own name, not myhostname.
        Assert.Matches(@"/1793588645\.V[0-9a-f]+I[0-9a-f]+M0\." + System.Text.RegularExpressions.Regex.Escape(System.Net.Dns.GetHostName()) + "$", file);
        Assert.Equal("Return-Path: <a@sender.example>\nX-Original-To: one-orig@v.example\nDelivered-To: One+ext@v.example\n" + Content, File.ReadAllText(file));
        Assert.Empty(Directory.GetFiles(_room.Path("v/one/tmp")));
        Assert.True(Directory.Exists(_room.Path("v/one/cur")));
        Assert.Equal("postfix/virtual: Q1: to=<One+ext@v.example>, orig_to=<one-orig@v.example>, relay=virtual, delay=N, delays=N, dsn=2.0.0, status=sent (delivered to maildir)", _room.Lines[^1]);
        if (FileIdentity.CanChange)
        {
            Assert.Equal(0, UnixFile.Status(file, false, out var status));
            Assert.Equal((2100u, 2100u, 0x8180u), (status.Uid, status.Gid, status.Mode));
        }
    }

    [Fact]
    public async Task Its_status_passes_the_filter()
    {
        // Patterns of mailboxes may not substitute; those of the filter may, and come from elsewhere.
        _filters.Table("filter", ("5.1.1 unknown user: \"nobody@v.example\"", "4.2.1 later perhaps"));
        var result = await Agent(("virtual_delivery_status_filter", "filter")).DeliverAsync(_room.Request(Content, ["nobody@v.example"], transport: "virtual"), default);
        Assert.Equal(DeliveryOutcome.Deferred, Assert.Single(result.Recipients).Status.Outcome);
        Assert.EndsWith("dsn=4.2.1, status=deferred (later perhaps)", _room.Lines[^1]);
    }

    [Theory]
    [InlineData(new int[0])]
    [InlineData(new[] { 1, 28, 29, 30, 31, 32, 33, 34 })]
    [InlineData(new[] { 27, 40, 42 })]
    public async Task Mbox_quotes_From_wherever_the_content_is_cut(int[] cuts)
    {
        var agent = Agent();
        for (var i = 0; i < 2; i++)
        {
            await agent.DeliverAsync(_room.Request(Content, ["box@v.example"], sender: "", cuts: cuts, transport: "virtual"), default);
        }
        var message = "From MAILER-DAEMON  Mon Nov  2 03:04:05 2026\nReturn-Path: <>\nX-Original-To: box@v.example\nDelivered-To: box@v.example\n"
            + "Received: by x\nSubject: hi\n\n>From here\nFro\nx\n\n";
        Assert.Equal(message + message, _room.Read("box"));
        Assert.False(File.Exists(_room.Path("box.lock")));
    }

    [Theory]
    [InlineData("nobody@v.example", "dsn=5.1.1, status=bounced (unknown user: \"nobody@v.example\")")]
    [InlineData("word@v.example", "dsn=4.3.5, status=deferred (mail system configuration error)")]
    [InlineData("dir@v.example", "dsn=4.2.0, status=deferred (delivery failed to mailbox BASE/adir: cannot open file: Is a directory)")]
    public async Task Failures_have_Postfix_texts(string recipient, string expected)
    {
        var agent = Agent();
        Directory.CreateDirectory(_room.Path("adir"));
        await agent.DeliverAsync(_room.Request(Content, [recipient], transport: "virtual"), default);
        Assert.EndsWith(expected, _room.Lines[^1].Replace(_room.Directory, "BASE"));
    }

    [Fact]
    public async Task A_user_number_below_the_minimum_is_refused()
    {
        await Agent(("virtual_minimum_uid", "60")).DeliverAsync(_room.Request(Content, ["low@v.example"], transport: "virtual"), default);
        Assert.Equal("postfix/virtual: warning: recipient low@v.example: bad uid 50 in virtual_uid_maps", _room.Lines[0]);
        Assert.EndsWith("dsn=4.3.5, status=deferred (mail system configuration error)", _room.Lines[1]);
        Assert.False(Directory.Exists(_room.Path("low")));
    }

    [Fact]
    public async Task A_table_that_cannot_answer_defers()
    {
        await Agent(("virtual_mailbox_maps", "nosuchtable")).DeliverAsync(_room.Request(Content, ["one@v.example"], transport: "virtual"), default);
        Assert.EndsWith("dsn=4.3.5, status=deferred (mail system configuration error)", _room.Lines[^1]);
    }

    [Fact]
    public async Task A_mailbox_that_is_a_link_is_not_followed()
    {
        var agent = Agent();
        File.WriteAllText(_room.Path("victim"), "");
        File.CreateSymbolicLink(_room.Path("box"), _room.Path("victim"));
        await agent.DeliverAsync(_room.Request(Content, ["box@v.example"], transport: "virtual"), default);
        Assert.Contains("status=deferred (delivery failed to mailbox", _room.Lines[^1]);
        Assert.Equal("", _room.Read("victim"));
    }

    [Fact]
    public async Task A_mailbox_over_its_limit_bounces_and_stays_as_it_was()
    {
        var agent = Agent(("virtual_mailbox_limit", "400"), ("message_size_limit", "300"));
        await agent.DeliverAsync(_room.Request(Content, ["box@v.example"], transport: "virtual"), default);
        var before = _room.Read("box");
        await agent.DeliverAsync(_room.Request(Content + new string('x', 290) + "\n", ["box@v.example"], transport: "virtual"), default);
        Assert.EndsWith($"dsn=5.2.2, status=bounced (delivery failed to mailbox {_room.Directory}/box: error writing message: File too large)", _room.Lines[^1]);
        Assert.Equal(before, _room.Read("box"));
    }

    [Fact]
    public async Task Damaged_content_leaves_nothing_in_a_mailbox_or_a_Maildir()
    {
        var agent = Agent();
        _room.ReadResult = ContentRead.Damaged;
        var result = await agent.DeliverAsync(_room.Request(Content, ["box@v.example", "one@v.example"], cuts: [20], transport: "virtual"), default);
        Assert.True(result.Damaged);
        Assert.All(result.Recipients, r => Assert.Equal(DeliveryOutcome.Deferred, r.Status.Outcome));
        Assert.Equal("", _room.Read("box"));
        Assert.Empty(Directory.GetFiles(_room.Path("v/one"), "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_locked_mailbox_defers_and_a_stale_lock_is_removed()
    {
        var agent = Agent();
        File.WriteAllText(_room.Path("box.lock"), "");
        // The lock's age is measured on the file system's clock.
        _room.Time.Now = TimeProvider.System.GetUtcNow();
        await agent.DeliverAsync(_room.Request(Content, ["box@v.example"], transport: "virtual"), default);
        Assert.EndsWith($"dsn=4.2.0, status=deferred (delivery failed to mailbox {_room.Directory}/box: unable to create lock file {_room.Directory}/box.lock: File exists)", _room.Lines[^1]);
        Assert.True(File.Exists(_room.Path("box.lock")));
        _room.Time.Now += TimeSpan.FromSeconds(510);
        await agent.DeliverAsync(_room.Request(Content, ["box@v.example"], transport: "virtual"), default);
        Assert.EndsWith("status=sent (delivered to mailbox)", _room.Lines[^1]);
        Assert.False(File.Exists(_room.Path("box.lock")));
    }

    [Theory]
    [InlineData("dotlock")]
    [InlineData("fcntl")]
    [InlineData("flock")]
    public async Task A_locked_mailbox_keeps_no_thread_while_it_is_waited_for(string kind)
    {
        using var threads = new BlockingThreads("one", 1);
        var time = new ManualTime();
        var agent = Agent(threads, time, ("virtual_mailbox_lock", kind), ("deliver_lock_delay", "100s"), ("stale_lock_time", "10000d"));
        var mailbox = _room.Path(kind == "dotlock" ? "box.lock" : "box");
        File.WriteAllText(mailbox, "");
        Assert.True(kind == "dotlock" || !FileIdentity.CanChange || Libc.chown(mailbox, 2100, 2100) == 0);
        // A lock of the own process: flock(2), or an open-file lock against which fcntl(2) stands.
        Assert.Equal(0, UnixFile.Open(mailbox, Libc.O_RDWR, 0, out var held));
        Assert.Equal(0, kind == "flock" ? held!.TryLockFlock() : kind == "fcntl" ? held!.TryLockPosix() : 0);
        var delivery = agent.DeliverAsync(_room.Request(Content, ["box@v.example"], transport: "virtual"), default).AsTask();
        for (var i = 0; i < 20; i++)
        {
            Assert.Equal(i, await threads.RunAsync(() => i, default).WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken));
        }
        Assert.False(delivery.IsCompleted);
        held!.Dispose();
        if (kind == "dotlock")
        {
            File.Delete(mailbox);
        }
        while (!delivery.IsCompleted)
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
            time.Advance(TimeSpan.FromSeconds(100));
        }
        Assert.Equal(DeliveryOutcome.Sent, Assert.Single((await delivery).Recipients).Status.Outcome);
        Assert.Contains("Subject: hi", _room.Read("box"));
        Assert.False(File.Exists(_room.Path("box.lock")));
    }

    [Fact]
    public async Task Verify_only_delivers_nothing()
    {
        await Agent().DeliverAsync(_room.Request(Content, ["one@v.example", "box@v.example"], flags: DeliveryFlags.VerifyOnly, transport: "virtual"), default);
        Assert.EndsWith("status=deliverable (delivers to maildir)", _room.Lines[0]);
        Assert.EndsWith("status=deliverable (delivers to mailbox)", _room.Lines[1]);
        Assert.Empty(Directory.GetFileSystemEntries(_room.Directory));
    }

    [Fact]
    public async Task With_a_limit_that_a_message_may_exceed_mail_waits()
    {
        var result = await Agent(("virtual_mailbox_limit", "10")).DeliverAsync(_room.Request(Content, ["box@v.example"], transport: "virtual"), default);
        Assert.True(result.TransportFailed);
        Assert.Equal((DeliveryOutcome.Deferred, "unknown mail transport error"), (result.DestinationFailed!.Outcome, result.DestinationFailed.Reason));
        Assert.EndsWith("fatal: main.cf configuration error: virtual_mailbox_limit is smaller than message_size_limit", _room.Lines[^1]);
        Assert.False(File.Exists(_room.Path("box")));
    }
}
