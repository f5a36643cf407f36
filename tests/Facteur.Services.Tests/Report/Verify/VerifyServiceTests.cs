using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Services.Report.Verify;
using Facteur.Testing;

namespace Facteur.Services.Tests.Report.Verify;

public sealed class VerifyServiceTests : ICleanup, IDisposable
{
    private const string Address = "bob@remote.example";
    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-verify").FullName;
    private readonly ManualTime _time = new();
    private readonly TestLog _log = new();
    private readonly List<Probe> _probes = [];
    private CleanupResult _answer = new(CleanupStatus.Ok);

    private string File => Path.Combine(_directory, "verify_cache.cache");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task The_first_question_sends_a_probe_and_its_result_answers_the_next()
    {
        using var service = Service();
        Assert.Equal(new AddressVerdict(AddressStatus.InProgress, "Address verification in progress"), await service.QueryAsync(Address, default));
        await ProbesAsync(1);
        // While it is under way there is no other.
        await service.QueryAsync(Address, default);
        service.Probed(Address, new AddressVerdict(AddressStatus.Bounced, "no such user"));
        Assert.Equal(new AddressVerdict(AddressStatus.Bounced, "no such user"), await service.QueryAsync(Address, default));
        await ProbesAsync(1);
        var probe = _probes[0];
        Assert.Equal("double-bounce", probe.Envelope.Sender);
        Assert.Equal(MessageOrigin.Verify, probe.Envelope.Origin);
        Assert.Equal(MessageFlags.Probe | MessageFlags.RewriteLocal, probe.Envelope.Flags);
        Assert.Equal(new EnvelopeRecipient(Address, Address), Assert.Single(probe.Recipients));
        Assert.True(probe.Completed);
    }

    [Fact]
    public async Task A_result_is_refreshed_and_forgotten_in_time()
    {
        using var service = Service();
        service.Probed(Address, new AddressVerdict(AddressStatus.Ok, "good"));
        service.Probed("bad@remote.example", new AddressVerdict(AddressStatus.Bounced, "no"));
        _time.Advance(TimeSpan.FromHours(2));
        Assert.Equal(AddressStatus.Bounced, (await service.QueryAsync("bad@remote.example", default))!.Value.Status);
        await ProbesAsync(0);
        _time.Advance(TimeSpan.FromHours(2));
        // Old, and still the answer; a new probe goes out beside.
        Assert.Equal(AddressStatus.Bounced, (await service.QueryAsync("bad@remote.example", default))!.Value.Status);
        await ProbesAsync(1);
        _time.Advance(TimeSpan.FromDays(4));
        Assert.Equal(AddressStatus.InProgress, (await service.QueryAsync("bad@remote.example", default))!.Value.Status);
        await ProbesAsync(2);
        _time.Advance(TimeSpan.FromDays(4));
        Assert.Equal(AddressStatus.Ok, (await service.QueryAsync(Address, default))!.Value.Status);
        await ProbesAsync(3);
        // A failed probe does not overrule a good result that has not expired.
        service.Probed(Address, new AddressVerdict(AddressStatus.Deferred, "later"));
        Assert.Equal("good", (await service.QueryAsync(Address, default))!.Value.Text);
        _time.Advance(TimeSpan.FromDays(30));
        Assert.Equal(AddressStatus.InProgress, (await service.QueryAsync(Address, default))!.Value.Status);
    }

    [Fact]
    public async Task Without_a_negative_cache_each_question_sends_a_probe_and_failures_are_not_kept()
    {
        using var service = Service(("address_verify_negative_cache", "no"));
        await service.QueryAsync(Address, default);
        service.Probed(Address, new AddressVerdict(AddressStatus.Bounced, "no such user"));
        Assert.Equal(AddressStatus.InProgress, (await service.QueryAsync(Address, default))!.Value.Status);
        await ProbesAsync(2);
        service.Probed(Address, new AddressVerdict(AddressStatus.Ok, "good"));
        Assert.Equal(AddressStatus.Ok, (await service.QueryAsync(Address, default))!.Value.Status);
        await ProbesAsync(2);
    }

    [Fact]
    public async Task A_lost_probe_is_sent_again()
    {
        using var service = Service();
        await service.QueryAsync(Address, default);
        _time.Advance(TimeSpan.FromSeconds(999));
        await service.QueryAsync(Address, default);
        await ProbesAsync(1);
        _time.Advance(TimeSpan.FromSeconds(2));
        await service.QueryAsync(Address, default);
        await ProbesAsync(2);
    }

    [Fact]
    public async Task An_alias_for_several_is_good_without_a_probe_of_each()
    {
        _answer = new CleanupResult(CleanupStatus.Ok, "aliased to multiple recipients");
        using var service = Service();
        await service.QueryAsync("many@dest.example", default);
        await ProbesAsync(1);
        Assert.Equal(new AddressVerdict(AddressStatus.Ok, "aliased to multiple recipients"), await service.QueryAsync("many@dest.example", default));
    }

    [Fact]
    public async Task The_sender_is_null_when_so_asked_and_numbered_with_a_time_to_live()
    {
        using (var service = Service(("address_verify_sender", "<>")))
        {
            await service.QueryAsync(Address, default);
            await ProbesAsync(1);
        }
        Assert.Equal("", _probes[0].Envelope.Sender);
        using (var service = Service(("address_verify_sender_ttl", "1h"), ("address_verify_map", "")))
        {
            await service.QueryAsync(Address, default);
            await ProbesAsync(2);
        }
        Assert.Matches("^double-bounce[0-9B-Z]+$", _probes[1].Envelope.Sender);
    }

    [Fact]
    public async Task What_is_known_survives_a_restart_and_a_damaged_file_costs_only_what_is_damaged()
    {
        using (var service = Service())
        {
            service.Probed(Address, new AddressVerdict(AddressStatus.Ok, "a: b: c"));
            service.Probed("x@remote.example", new AddressVerdict(AddressStatus.Bounced, "no"));
        }
        using (var service = Service())
        {
            Assert.Equal("a: b: c", (await service.QueryAsync(Address, default))!.Value.Text);
            service.Probed("y@remote.example", new AddressVerdict(AddressStatus.Bounced, "late"));
        }
        // The last line was cut in the middle.
        var bytes = await System.IO.File.ReadAllBytesAsync(File);
        await System.IO.File.WriteAllBytesAsync(File, bytes[..^5]);
        using (var service = Service())
        {
            Assert.Equal("a: b: c", (await service.QueryAsync(Address, default))!.Value.Text);
            Assert.Equal(AddressStatus.InProgress, (await service.QueryAsync("y@remote.example", default))!.Value.Status);
            Assert.Contains(_log.Lines, line => line.Contains("the file is damaged and is written anew; 2 entries could be read"));
        }
        var lines = _log.Lines.Count;
        using (Service())
        {
            Assert.Equal(lines, _log.Lines.Count);
        }
        Assert.True(OperatingSystem.IsLinux() && System.IO.File.GetUnixFileMode(File) == (UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    [Fact]
    public async Task A_file_that_is_something_else_is_replaced_and_one_that_cant_be_written_is_said_once()
    {
        await System.IO.File.WriteAllBytesAsync(File, [0, 1, 2, 255, 254, 10, 7, 7]);
        using (var service = Service())
        {
            service.Probed(Address, new AddressVerdict(AddressStatus.Ok, "good"));
        }
        Assert.StartsWith("facteur cache, format 1\n", await System.IO.File.ReadAllTextAsync(File));
        using (var service = Service(("address_verify_map", $"btree:{_directory}/none/verify_cache")))
        {
            service.Probed(Address, new AddressVerdict(AddressStatus.Ok, "good"));
            _time.Advance(TimeSpan.FromSeconds(2));
            service.Probed(Address, new AddressVerdict(AddressStatus.Ok, "good again"));
            _time.Advance(TimeSpan.FromSeconds(2));
            Assert.Equal("good again", (await service.QueryAsync(Address, default))!.Value.Text);
        }
        Assert.Single(_log.Lines, line => line.Contains("its content is kept in memory only"));
    }

    [Fact]
    public void Clean_up_takes_out_what_is_too_old()
    {
        using var service = Service();
        service.Probed(Address, new AddressVerdict(AddressStatus.Ok, "good"));
        service.Probed("x@remote.example", new AddressVerdict(AddressStatus.Bounced, "no"));
        _time.Advance(TimeSpan.FromDays(4));
        Assert.Contains($"postfix/verify: cache btree:{_directory}/verify_cache full cleanup: retained=1 dropped=1 entries", _log.Lines);
    }

    [Fact]
    public void The_cache_is_bounded()
    {
        using var cache = new VerifyCache("", new VerifyLog(new ServiceLog(_log, "postfix/verify")), _time);
        for (var i = 0; i <= VerifyCache.Limit; i++)
        {
            cache.Set($"u{i}@remote.example", new VerifyEntry(AddressStatus.Ok, 0, i, ""));
        }
        Assert.InRange(cache.Count, VerifyCache.Limit / 2, VerifyCache.Limit);
        Assert.False(cache.TryGet("u0@remote.example", out _));
        Assert.True(cache.TryGet($"u{VerifyCache.Limit}@remote.example", out _));
    }

    ValueTask<ICleanupMessage?> ICleanup.OpenAsync(Envelope envelope, CancellationToken cancel)
    {
        var probe = new Probe(envelope, _answer);
        lock (_probes)
        {
            _probes.Add(probe);
        }
        return new(probe);
    }

    private VerifyService Service(params (string Name, string Value)[] values) => new(
        new TestConfig([.. values.Any(v => v.Name == "address_verify_map") ? [] : new[] { ("address_verify_map", $"btree:{_directory}/verify_cache") }, .. values]),
        this, new ServiceLog(_log, "postfix/verify"), _time);

    private async Task ProbesAsync(int count)
    {
        // A probe goes its own way: wait for it, and a moment for one too many.
        for (var i = 0; i < 500; i++)
        {
            lock (_probes)
            {
                if (_probes.Count >= count && _probes.TrueForAll(p => p.Disposed))
                {
                    break;
                }
            }
            await Task.Delay(10);
        }
        await Task.Delay(20);
        lock (_probes)
        {
            Assert.Equal(count, _probes.Count);
        }
    }

    private sealed class Probe(Envelope envelope, CleanupResult answer) : ICleanupMessage
    {
        public Envelope Envelope => envelope;

        public List<EnvelopeRecipient> Recipients { get; } = [];

        public bool Completed { get; private set; }

        public bool Disposed { get; private set; }

        public ulong Id => 1;

        public string QueueId => "Q1";

        public bool RecipientsFromHeaders { get; set; }

        public void AddRecipient(EnvelopeRecipient recipient) => Recipients.Add(recipient);

        public ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel) => default;

        public ValueTask<CleanupResult> CompleteAsync(CancellationToken cancel)
        {
            Completed = true;
            return new(answer);
        }

        public ValueTask DisposeAsync()
        {
            Disposed = true;
            return default;
        }
    }
}
