using System.IO.Pipelines;
using System.Net;
using Facteur.Config;
using Facteur.Config.MasterCf;
using Facteur.Contracts;
using Facteur.Mail.Dsn;
using Facteur.Mail.Envelopes;
using Facteur.Services.Master;
using Facteur.Services.Support.Anvil;
using Facteur.Services.Tests.Deliver;
using Facteur.Services.Tests.Receive.Smtpd;
using Facteur.Tables;
using Facteur.Testing;

namespace Facteur.Services.Tests.Master;

/// <summary>What is under way when the configuration changes ends as it began, and then the old configuration is gone.</summary>
public sealed class GenerationTests : IDisposable, IRewrite
{
    private readonly DeliverRoom _room = new();
    private readonly Surroundings _around;
    private readonly CurrentGeneration _current;
    private readonly TaskCompletionSource _asked = new();
    private readonly TaskCompletionSource _answer = new();

    public GenerationTests()
    {
        _around = new Surroundings(RoleSet.All, _room.Log, TimeProvider.System)
        {
            Rewriting = this,
            Dns = new StaticResolver(),
            Incoming = new FakeIncoming(),
            Anvil = new AnvilService(new TestConfig(), null, TimeProvider.System),
            FlushSite = (_, _) => default,
            FreeBytes = () => long.MaxValue,
            ReportResubmit = _room,
            ReportReader = _room,
            Control = _ => null!,
            Reader = _room,
            ForwardResubmit = _room,
        };
        _current = _around.Generation;
    }

    public void Dispose()
    {
        _around.Hands.Dispose();
        _around.Threads.Dispose();
        _room.Dispose();
    }

    [Fact]
    public async Task A_delivery_ends_with_its_tables_over_a_reload()
    {
        // The second lookup needs the table's own threads, after the reload.
        var old = Make(("alias_maps", "unix:passwd.byname, inline:{noteam=nosuchuser}"));
        var delivery = new AgentSwitch(_current).Of("local")!.DeliverAsync(_room.Request("Subject: x\n\n", ["noteam@dest.example"]), default).AsTask();
        await _asked.Task.WaitAsync(TimeSpan.FromSeconds(10));
        await ReloadAsync(old);
        Assert.False(old.Over);
        _answer.SetResult();
        var result = await delivery.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.Contains("unknown user", Assert.Single(result.Recipients).Status.Reason, StringComparison.Ordinal);
        Assert.True(old.Over);
    }

    [Fact]
    public async Task A_message_in_cleanup_ends_with_its_generation()
    {
        var old = Make();
        await using (var message = await new CleanupSwitch(_current).OpenAsync(new Envelope { Sender = "a@b.example" }, default))
        {
            await ReloadAsync(old);
            Assert.False(old.Over);
        }
        Assert.True(old.Over);
    }

    [Fact]
    public async Task What_is_over_is_not_entered()
    {
        var old = Make();
        var rewrite = new RewriteSwitch(_current);
        await ReloadAsync(old);
        Assert.False(old.TryEnter());
        Assert.Equal("a@dest.example", await rewrite.RewriteAsync(true, "a", default));
        await _current.Now.DisposeAsync();
        await Assert.ThrowsAsync<OperationCanceledException>(() => rewrite.RewriteAsync(true, "a", default).AsTask());
    }

    [Fact]
    public void What_two_sets_of_tables_say_of_one_file_is_said_once()
    {
        var time = new ManualTime();
        var log = new TableLog(_room.ServiceLog("postfix/master"), time);
        log.Error("open database /etc/aliases.lmdb: No such file or directory");
        log.Error("open database /etc/aliases.lmdb: No such file or directory");
        Assert.Single(_room.Log.Lines);
        time.Advance(TimeSpan.FromSeconds(11));
        log.Error("open database /etc/aliases.lmdb: No such file or directory");
        Assert.Equal(2, _room.Log.Lines.Count);
    }

    [Fact]
    public void A_configuration_that_can_not_be_made_leaves_no_table_open()
    {
        const string name = "inline:{a=b}";
        TableSet? tables = null;
        ITable? open = null;
        _around.Control = generation =>
        {
            (tables, open) = (generation.SharedTables, generation.SharedTables.Open(name));
            throw new ConfigException("a mistake");
        };
        Assert.Throws<ConfigException>(() => Make());
        // A set that is disposed has forgotten what it had open.
        Assert.NotSame(open, tables!.Open(name));
    }

    private async Task ReloadAsync(Generation old)
    {
        Make();
        await old.DisposeAsync();
    }

    [Theory]
    [InlineData("lmtp", "/private/lmtp", DeliveryOutcome.Sent)]
    [InlineData("lmtp", "private/lmtp", DeliveryOutcome.Sent)]
    [InlineData("free", "/private/lmtp", DeliveryOutcome.Deferred)]
    [InlineData("free", "private/lmtp", DeliveryOutcome.Sent)]
    public async Task The_chroot_field_of_an_entry_says_where_absolute_names_of_sockets_begin(string service, string name, DeliveryOutcome outcome)
    {
        Directory.CreateDirectory(_room.Path("private"));
        await using var peer = new SmtpPeer(unix: _room.Path("private/lmtp")) { Lmtp = true };
        await using var generation = Make(("queue_directory", _room.Directory));
        var result = await generation.AgentOf(service)!.DeliverAsync(_room.Request("Subject: x\n\n", ["a@dest.example"], nexthop: $"unix:{name}"), default);
        Assert.Equal(outcome, Assert.Single(result.Recipients).Status.Outcome);
    }

    [Theory]
    [InlineData("y", "/private/policy", "554 5.7.1 <unknown[127.0.7.1]>: Client host rejected: by policy")]
    [InlineData("y", "private/policy", "554 5.7.1 <unknown[127.0.7.1]>: Client host rejected: by policy")]
    [InlineData("y", "/../private/policy", "554 5.7.1 <unknown[127.0.7.1]>: Client host rejected: by policy")]
    [InlineData("n", "private/policy", "554 5.7.1 <unknown[127.0.7.1]>: Client host rejected: by policy")]
    [InlineData("n", "/private/policy", "451 4.3.5 <unknown[127.0.7.1]>: Client host rejected: Server configuration problem")]
    public async Task The_chroot_field_says_the_same_of_policy_services(string chroot, string name, string greeting)
    {
        Directory.CreateDirectory(_room.Path("private"));
        using var server = new PolicyServer(_ => "action=REJECT by policy\n\n", _room.Path("private/policy"));
        await using var generation = Make(
            ("queue_directory", _room.Directory), ("smtpd_delay_reject", "no"), ("smtpd_client_restrictions", $"check_policy_service unix:{name}"),
            ("smtpd_policy_service_try_limit", "1"), ("smtpd_peername_lookup", "no"));
        var (input, output) = (new Pipe(), new Pipe());
        var smtpd = generation.Smtpd(Assert.Single(MasterCfFile.Parse("master.cf", $"smtp inet n - {chroot} - - smtpd\n").ReadEntries([])));
        var session = smtpd.ServeAsync(new Ends(input.Reader, output.Writer), new IPEndPoint(IPAddress.Parse("127.0.7.1"), 9), new IPEndPoint(IPAddress.Loopback, 25), default);
        using var said = new StreamReader(output.Reader.AsStream());
        Assert.Equal(greeting, await said.ReadLineAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(10)));
        await input.Writer.CompleteAsync();
        await session.WaitAsync(TimeSpan.FromSeconds(10));
    }

    private sealed record Ends(PipeReader Input, PipeWriter Output) : IDuplexPipe;

    private Generation Make(params (string, string)[] config)
    {
        var entries = MasterCfFile.Parse("master.cf", "local unix - n n - - local\nlmtp unix - - y - - lmtp\nfree unix - - n - - lmtp\n").ReadEntries([]);
        return _current.Now = new Generation(new ConfigLoad(new TestConfig(config), entries, [], []), _around);
    }

    async ValueTask<string?> IRewrite.RewriteAsync(bool local, string address, CancellationToken cancel)
    {
        _asked.TrySetResult();
        await _answer.Task;
        return $"{address}@dest.example";
    }

    ValueTask<Resolution> IRewrite.ResolveAsync(string sender, string recipient, CancellationToken cancel) =>
        new(new Resolution("local", "dest.example", recipient, ResolveFlags.Local));
}
