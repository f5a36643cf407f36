using System.Text;
using System.Text.RegularExpressions;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Net.Connections;
using Facteur.Services.Receive.Pickup;
using Facteur.Services.Server;
using Facteur.Spool;
using Facteur.Testing;
using Facteur.Unix;

namespace Facteur.Services.Tests.Receive.Pickup;

public sealed class PickupServiceTests : IDisposable, ICleanup, IBounce, IQueueLookup
{
    private const string Message = "S5 alice|F13 Alice Example|R3 bob|M0 |N10 Subject: x|N0 |L4 long|N5 tail.|X0 |R5 carol|E0 ";
    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-pickup-").FullName;
    private readonly TestLog _log = new();
    private readonly List<(Envelope Envelope, List<EnvelopeRecipient> Recipients, string Content)> _taken = [];
    private readonly BlockingThreads _threads = new("test", 2);
    private readonly List<(ReportRequest Request, string Content)> _reports = [];
    private readonly HashSet<ulong> _queue = [];
    private readonly ManualTime _time = new();
    private readonly RefusedMail _refused;
    private CleanupResult _result;
    private ReportResult _report = ReportResult.Sent;
    private string _crash = "";
    private Func<Exception>? _asked;
    private ulong _ids;

    public PickupServiceTests()
    {
        Directory.CreateDirectory(Path.Combine(_directory, "maildrop"));
        _refused = new RefusedMail(new NoQueue());
    }

    public void Dispose()
    {
        _refused.Dispose();
        _threads.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task Content_that_begins_with_a_blank_is_no_part_of_the_first_header()
    {
        Put("6ABCDEF012", Records(Message.Replace("Subject: x", "\tblank: x", StringComparison.Ordinal)));
        await Scan();
        Assert.Contains("\n\n\tblank: x\n", Assert.Single(_taken).Content, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_goes_to_cleanup_and_is_removed()
    {
        Put("6ABCDEF012", Records(Message));
        await Scan();
        var (envelope, recipients, content) = Assert.Single(_taken);
        Assert.Equal(("alice", "Alice Example", MessageOrigin.Pickup, MessageFlags.RewriteLocal), (envelope.Sender, envelope.FullName, envelope.Origin, envelope.Flags));
        Assert.Equal(["bob", "carol"], recipients.Select(r => r.Address));
        Assert.Matches($"^Received: by mx\\.dest\\.example \\(Postfix, from userid {Libc.geteuid()}\\)\n\tid Q1; [^\n]+\nSubject: x\n\nlongtail\\.\n$", content);
        Assert.Empty(Files());
        Assert.Equal($"postfix/pickup: Q1: uid={Libc.geteuid()} from=<alice>", Assert.Single(_log.Lines));
    }

    [Theory]
    [InlineData(CleanupStatus.WriteError, 1, 0)]
    [InlineData(CleanupStatus.NoSpace, 1, 0)]
    [InlineData(CleanupStatus.TryAgain, 1, 0)]
    public async Task What_is_not_durable_stays(CleanupStatus status, int stays, int reports)
    {
        _result = new CleanupResult(status);
        Put("6ABCDEF012", Records(Message));
        await Scan();
        Assert.Equal((stays, reports, 0), (Files().Length, _reports.Count, Corrupt()));
        _result = default;
        await Scan();
        Assert.Single(_taken);
        Assert.Empty(Files());
    }

    [Theory]
    [InlineData(CleanupStatus.TooManyHops, "5.4.0", "too many hops")]
    [InlineData(CleanupStatus.TooLarge, "5.3.4", "message file too big")]
    [InlineData(CleanupStatus.Rejected, "5.7.1", "message content rejected")]
    public async Task What_cleanup_refuses_goes_back_to_its_sender(CleanupStatus status, string dsn, string reason)
    {
        _result = new CleanupResult(status);
        Put("6ABCDEF012", Records(Message));
        _report = ReportResult.TryAgain;
        await Scan();
        Assert.Single(Files());
        _report = ReportResult.Sent;
        await Scan();
        Assert.Empty(Files());
        Assert.Equal(0, Corrupt());
        var (request, content) = _reports[1];
        Assert.Equal((ReportKind.Failure, "alice", false), (request.Kind, request.Original.Sender, request.Closes));
        Assert.Equal(["bob@dest.example", "carol@dest.example"], request.Recipients.Select(r => request.Original.Recipients[r.Index].Address));
        Assert.All(request.Recipients, r => Assert.Equal((dsn, reason), (r.Status.Status.ToString(), r.Status.Reason)));
        // The report says for whom it was.
        Assert.All(request.Original.Recipients, r => Assert.Equal(r.Address, r.OriginalAddress));
        Assert.Equal("Subject: x\n\nlongtail.\n", content);
        Assert.Equal(request.Layout.Length, content.Length);
        Assert.Contains(_log.Lines, line => line.Contains($"Q2: to=<bob@dest.example>, relay=none, delay=") && line.EndsWith($"dsn={dsn}, status=bounced ({reason})"));
    }

    [Fact]
    public async Task Mail_without_recipients_goes_back_too()
    {
        _result = new CleanupResult(CleanupStatus.NoRecipients);
        Put("6ABCDEF012", Records("S5 alice|M0 |N1 x|X0 |E0 "));
        await Scan();
        var (request, _) = Assert.Single(_reports);
        Assert.Equal(("unknown", "no recipients specified"), (Assert.Single(request.Original.Recipients).Address, request.Recipients[0].Status.Reason));
        Assert.Empty(Files());
    }

    [Theory]
    [InlineData("open")]
    [InlineData("before durable")]
    [InlineData("after durable")]
    public async Task A_crash_at_any_step_neither_loses_nor_doubles_mail(string step)
    {
        Put("6ABCDEF012", Records(Message));
        _crash = step;
        await Scan();
        Assert.Single(Files());
        _crash = "";
        // Another process: it knows the files and the queue, nothing else.
        await Scan();
        Assert.Single(_taken);
        Assert.Empty(Files());
        Assert.Equal(0, Corrupt());
    }

    [Fact]
    public async Task What_cannot_be_taken_yet_hides_nothing_behind_it()
    {
        // Directory order is the file system's: whole messages lie anywhere between files that are still being written.
        for (var i = 0; i < 2400; i++)
        {
            Put($"6ABCDE{i:X4}", Records(Message), executable: i % 100 == 0);
        }
        await Scan();
        Assert.Equal(24, _taken.Count);
    }

    [Fact]
    public async Task A_fault_in_one_file_holds_up_no_other_and_is_said()
    {
        Put("6ABCDEF012", Records(Message.Replace("S5 alice", "S5 fault")));
        Put("6ABCDEF013", Records(Message));
        using var pickup = Service();
        for (var look = 1; look <= 10; look++)
        {
            await pickup.ScanAsync(default);
            // Not again at once.
            await pickup.ScanAsync(default);
            Assert.Equal(look, _log.Lines.Count(line => line.Contains("error: maildrop/6ABCDEF012: System.InvalidOperationException: fault")));
            Assert.Equal(0, Corrupt());
            _time.Advance(TimeSpan.FromMinutes(2));
        }
        Assert.Equal("alice", Assert.Single(_taken).Envelope.Sender);
        await pickup.ScanAsync(default);
        Assert.Equal(1, Corrupt());
        Assert.Empty(Files());
    }

    [Fact]
    public async Task Pickup_outlives_a_look_that_fails()
    {
        using var pickup = Service(new FailingOnce(_log));
        using var stop = new CancellationTokenSource();
        Directory.Move(Path.Combine(_directory, "maildrop"), Path.Combine(_directory, "away"));
        var running = pickup.RunAsync(stop.Token);
        Directory.Move(Path.Combine(_directory, "away"), Path.Combine(_directory, "maildrop"));
        Put("6ABCDEF012", Records(Message));
        pickup.Trigger();
        for (var i = 0; i < 500 && Files().Length > 0; i++)
        {
            await Task.Delay(10);
        }
        Assert.Empty(Files());
        Assert.Contains("error: look into maildrop: System.InvalidOperationException: the log", _log.Lines[0]);
        await stop.CancelAsync();
        await running;
    }

    [Theory]
    [InlineData("A")]
    [InlineData("saved_1")]
    [InlineData("4jXpkG0RgWzVbTH")]
    [InlineData("000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000001")]
    public async Task Every_name_that_may_be_a_queue_id_is_taken(string name)
    {
        Put(name, Records(Message));
        await Scan();
        Assert.Single(_taken);
        Assert.Empty(Files());
    }

    [Theory]
    [InlineData("T17 1700000000 123456|", 1_700_000_000_123_456)]
    [InlineData("T10 1700000000|", 1_700_000_000_000_000)]
    [InlineData("T17 4000000000      0|", 0)]
    [InlineData("", 1_600_000_000_000_000)]
    public async Task Mail_is_as_old_as_its_submission(string time, long expected)
    {
        Put("6ABCDEF012", Records(time + Message));
        File.SetLastWriteTimeUtc(Name("6ABCDEF012"), DateTimeOffset.FromUnixTimeSeconds(1_600_000_000).UtcDateTime);
        await Scan();
        var now = (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / 10;
        Assert.Equal(expected == 0 ? now : expected, Assert.Single(_taken).Envelope.ArrivalMicros);
        // Its lifetime in the queue begins there.
        Assert.Equal(now / 1_000_000, _taken[0].Envelope.QueuedMicros / 1_000_000);
    }

    [Fact]
    public async Task What_killed_writers_left_is_removed_after_a_day()
    {
        string[] names = [$"8DE0.{int.MaxValue}.1", $"8DE0.{int.MaxValue}.2", $"8DE0.{Environment.ProcessId}.3", "6ABCDEF012.1"];
        foreach (var name in names)
        {
            Put(name, [], executable: false);
            File.SetLastWriteTimeUtc(Name(name), (_time.GetUtcNow() - TimeSpan.FromHours(name.EndsWith('2') ? 23 : 25)).UtcDateTime);
        }
        using var pickup = Service();
        await pickup.ScanAsync(default);
        Assert.Equal(names[1..].Order(), Files().Select(path => Path.GetFileName(path)).Order());
    }

    [Theory]
    [InlineData("S5 alice|R3 bob|M0 |N1 x", "no end record")]
    [InlineData("S5 alice|R3 bob", "no end record")]
    [InlineData("R3 bob|M0 |X0 |E0 ", "no sender")]
    [InlineData("S5 alice|>3 x@y|M0 |X0 |E0 ", "unexpected record type: 62")]
    [InlineData("S5 alice|M0 |p3 123|X0 |E0 ", "unexpected record type: 112")]
    [InlineData("", "no end record")]
    public async Task Bad_files_are_put_aside_and_logged(string records, string reason)
    {
        Put("6ABCDEF012", Records(records));
        await Scan();
        Assert.Empty(_taken);
        Assert.Equal(1, Corrupt());
        Assert.EndsWith($"maildrop/6ABCDEF012: uid={Libc.geteuid()}: {reason}: moved to the corrupt queue", _log.Lines[^1]);
    }

    [Fact]
    public async Task Links_and_directories_are_put_aside_and_unfinished_files_are_left()
    {
        Put("6ABCDEF012.1", Records(Message));
        Put("6ABCDEF013", Records(Message), executable: false);
        Put("6ABCDEF014", Records(Message));
        Assert.Equal(0, Libc.link(Name("6ABCDEF014"), Path.Combine(_directory, "second")));
        File.CreateSymbolicLink(Name("6ABCDEF015"), Path.Combine(_directory, "second"));
        Assert.Equal(0, Libc.mkfifo(Name("6ABCDEF016"), 0x1FF));
        Put("6ABCDEF017", Records(Message));
        Assert.Equal(0, Libc.chmod(Name("6ABCDEF017"), 0x1E6));
        using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Unspecified);
        socket.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(Name("6ABCDEF018")));
        await Scan();
        Assert.Empty(_taken);
        Assert.Equal(5, Corrupt());
        Assert.Equal(2, Files().Length);
        Assert.DoesNotContain(_log.Lines, l => l.Contains("open maildrop/", StringComparison.Ordinal));
        Assert.Contains(_log.Lines, l => l.Contains("6ABCDEF017: uid=", StringComparison.Ordinal) && l.Contains("file is group or other writable", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("", MessageFlags.RewriteLocal)]
    [InlineData("A21 rewrite_context=local|", MessageFlags.RewriteLocal)]
    [InlineData("A22 rewrite_context=remote|", MessageFlags.None)]
    public async Task A_gateway_may_say_that_its_mail_is_not_a_local_users(string attribute, MessageFlags flags)
    {
        Put("6ABCDEF012", Records(attribute + Message));
        await Scan();
        Assert.Equal(flags, Assert.Single(_taken).Envelope.Flags);
    }

    [Fact]
    public async Task The_recorded_user_counts_in_our_own_files_only()
    {
        Put("6ABCDEF012", Records("A15 submit_uid=4711|" + Message));
        await Scan();
        Assert.Contains("uid=4711", _log.Lines[0]);
        if (FileIdentity.CanChange)
        {
            Put("6ABCDEF012", Records("A12 submit_uid=0|" + Message));
            Assert.Equal(0, Libc.chown(Name("6ABCDEF012"), 12345, 12345));
            await Scan();
            Assert.Contains("uid=12345", _log.Lines[1]);
        }
    }

    [Fact]
    public async Task The_submission_socket_writes_the_same_file_for_the_user_the_kernel_names()
    {
        var triggered = 0;
        var service = new SubmitService(Config(), _threads, () => triggered++, new ServiceLog(_log, "postfix/pickup"), TimeProvider.System);
        var path = SubmitService.SocketPath(Config());
        var listener = Listener.Unix(path, SubmitService.SocketMode, 10, TimeProvider.System, _ => { });
        var running = service.RunAsync(listener, default);
        string? Submit(byte[] bytes)
        {
            using var client = UnixSubmitClient.Connect(path);
            client.Send(bytes);
            return client.ReadLine();
        }
        Assert.Equal(0, UnixFile.Status(path, false, out var status));
        Assert.Equal(0x1B6u, status.Mode & 0x1FF);
        Assert.StartsWith("OK ", await Task.Run(() => Submit(Records("A12 submit_uid=0|" + Message))));
        Assert.Equal("REFUSED unexpected record type: 62", await Task.Run(() => Submit(Records("S1 a|>1 x"))));
        using (var broken = UnixSubmitClient.Connect(path))
        {
            broken.Send(Records("S1 a|R1 b"));
        }
        Assert.Equal(1, triggered);
        await listener.DisposeAsync();
        await running;
        await Scan();
        Assert.Equal("alice", Assert.Single(_taken).Envelope.Sender);
        Assert.Contains($"uid={Libc.geteuid()} from=<alice>", _log.Lines[^1]);
    }

    [Fact]
    public async Task A_connection_to_the_trigger_socket_makes_pickup_look()
    {
        using var pickup = Service();
        var path = Path.Combine(_directory, "pickup");
        var listener = Listener.Unix(path, 0x1B6, 10, TimeProvider.System, _ => { });
        var serving = PickupTrigger.RunAsync(listener, pickup, TimeProvider.System);
        using var stop = new CancellationTokenSource();
        var running = pickup.RunAsync(stop.Token);
        Put("6ABCDEF012", Records(Message));
        Assert.True(UnixSubmitClient.TryTrigger(path, (byte)'W'));
        for (var i = 0; i < 500 && Files().Length > 0; i++)
        {
            await Task.Delay(10);
        }
        Assert.Empty(Files());
        await listener.DisposeAsync();
        await stop.CancelAsync();
        await Task.WhenAll(serving, running);
    }

    ValueTask<ICleanupMessage?> ICleanup.OpenAsync(Envelope envelope, CancellationToken cancel)
    {
        Crash("open");
        return envelope.Sender == "fault" ? throw new InvalidOperationException("fault") : ValueTask.FromResult<ICleanupMessage?>(new Taken(this, envelope, Interlocked.Increment(ref _ids)));
    }

    async ValueTask<ReportResult> IBounce.ReportAsync(ReportRequest request, CancellationToken cancel)
    {
        // Twice, as a report with References does.
        var content = "";
        for (var time = 0; time < 2; time++)
        {
            content = "";
            while (content.Length < request.Layout.Length && _refused.Read(request.MessageId, request.Layout, 0, content.Length, new byte[65600], out var piece) == ContentRead.Data)
            {
                content += Encoding.UTF8.GetString(piece.Span);
            }
        }
        _reports.Add((request, content));
        return _report;
    }

    ValueTask<QueuedMessage?> IQueueLookup.FindAsync(ulong id, CancellationToken cancel) =>
        _asked is { } fails ? throw fails() : new(_queue.Contains(id) ? new QueuedMessage(id, "incoming", "Q", new Envelope(), [], new ContentLayout([])) : null);

    [Theory]
    [InlineData("too many sessions")]
    [InlineData("no such file")]
    [InlineData("the disk fails")]
    public async Task A_queue_that_can_not_be_asked_is_no_fault_of_the_file(string reason)
    {
        Put("6ABCDEF012", Records(Message));
        _crash = "after durable";
        await Scan();
        _crash = "";
        using var pickup = Service();
        _asked = () => reason switch
        {
            "too many sessions" => new ControlException(ControlFailure.Unavailable, reason),
            "no such file" => new IOException(reason),
            _ => new InvalidDataException(reason),
        };
        for (var i = 0; i < 15; i++)
        {
            await pickup.ScanAsync(default);
            _time.Advance(TimeSpan.FromMinutes(1));
        }
        Assert.Single(Files());
        Assert.Equal(0, Corrupt());
        Assert.DoesNotContain(_log.Lines.Skip(2), line => line.Contains("Exception", StringComparison.Ordinal));
        Assert.Contains(_log.Lines, line => line.EndsWith($"the queue can't be asked now ({reason}): message will be tried again", StringComparison.Ordinal));
        _asked = null;
        await pickup.ScanAsync(default);
        Assert.Empty(Files());
        Assert.Single(_taken);
    }

    private void Crash(string step)
    {
        if (_crash == step)
        {
            throw new InvalidOperationException("crash");
        }
    }

    private TestConfig Config() => new(("queue_directory", _directory));

    private PickupService Service(IMailLog? log = null) => new(Config(), this, this, _refused, this, TimeSpan.FromHours(1), new ServiceLog(log ?? _log, "postfix/pickup"), _time);

    private async Task Scan()
    {
        using var pickup = Service();
        await pickup.ScanAsync(default);
    }

    private string Name(string name) => Path.Combine(_directory, "maildrop", name);

    private string[] Files() => Directory.GetFileSystemEntries(Path.Combine(_directory, "maildrop"));

    private int Corrupt() => Directory.Exists(Path.Combine(_directory, "corrupt")) ? Directory.GetFileSystemEntries(Path.Combine(_directory, "corrupt")).Length : 0;

    private void Put(string name, byte[] bytes, bool executable = true)
    {
        File.WriteAllBytes(Name(name), bytes);
        Assert.Equal(0, Libc.chmod(Name(name), executable ? 0x1E4u : 0x1A4u));
    }

    /// <summary>"S5 alice|…": type, length, blank, data.</summary>
    private static byte[] Records(string text) =>
        [.. Regex.Matches(text, @"(.)(\d+) ([^|]*)").SelectMany(m => (byte[])[(byte)m.Groups[1].Value[0], (byte)m.Groups[3].Length, .. Encoding.UTF8.GetBytes(m.Groups[3].Value)])];

    private sealed class NoQueue : ISpoolReader
    {
        public ContentRead Read(ulong id, ContentLayout layout, int extent, long offset, Memory<byte> buffer, out ReadOnlyMemory<byte> content)
        {
            content = default;
            return ContentRead.Moved;
        }

        public void Dispose()
        {
        }
    }

    private sealed class FailingOnce(IMailLog log) : IMailLog
    {
        private bool _failed;

        public void Write(string tag, LogLevel level, string text)
        {
            if (!_failed)
            {
                _failed = true;
                throw new InvalidOperationException("the log");
            }
            log.Write(tag, level, text);
        }
    }

    private sealed class Taken(PickupServiceTests tests, Envelope envelope, ulong id) : ICleanupMessage
    {
        private readonly List<EnvelopeRecipient> _recipients = [];
        private readonly StringBuilder _content = new();

        public ulong Id => id;

        public string QueueId => $"Q{id}";

        public bool RecipientsFromHeaders { get; set; }

        public void AddRecipient(EnvelopeRecipient recipient) => _recipients.Add(recipient);

        public ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
        {
            _content.Append(Encoding.UTF8.GetString(content.Span));
            return default;
        }

        public ValueTask<CleanupResult> CompleteAsync(CancellationToken cancel)
        {
            tests.Crash("before durable");
            if (tests._result.Status == CleanupStatus.Ok)
            {
                tests._taken.Add((envelope, _recipients, _content.ToString()));
                tests._queue.Add(id);
            }
            tests.Crash("after durable");
            return ValueTask.FromResult(tests._result);
        }

        public ValueTask DisposeAsync() => default;
    }
}
