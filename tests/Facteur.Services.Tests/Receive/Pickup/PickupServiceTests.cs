using System.Text;
using System.Text.RegularExpressions;
using Facteur.Contracts;
using Facteur.Mail.Envelopes;
using Facteur.Net.Connections;
using Facteur.Services.Receive.Pickup;
using Facteur.Services.Server;
using Facteur.Testing;
using Facteur.Unix;

namespace Facteur.Services.Tests.Receive.Pickup;

public sealed class PickupServiceTests : IDisposable, ICleanup
{
    private const string Message = "S5 alice|F13 Alice Example|R3 bob|M0 |N10 Subject: x|N0 |L4 long|N5 tail.|X0 |R5 carol|E0 ";
    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-pickup-").FullName;
    private readonly TestLog _log = new();
    private readonly List<(Envelope Envelope, List<EnvelopeRecipient> Recipients, string Content)> _taken = [];
    private readonly BlockingThreads _threads = new("test", 2);
    private CleanupResult _result;

    public PickupServiceTests() => Directory.CreateDirectory(Path.Combine(_directory, "maildrop"));

    public void Dispose()
    {
        _threads.Dispose();
        Directory.Delete(_directory, recursive: true);
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
    [InlineData(CleanupStatus.Rejected, 0, 1)]
    [InlineData(CleanupStatus.TooManyHops, 0, 1)]
    public async Task What_is_not_durable_stays_or_is_put_aside(CleanupStatus status, int stays, int aside)
    {
        _result = new CleanupResult(status);
        Put("6ABCDEF012", Records(Message));
        await Scan();
        Assert.Equal(stays, Files().Length);
        Assert.Equal(aside, Corrupt());
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
        await Scan();
        Assert.Empty(_taken);
        Assert.Equal(3, Corrupt());
        Assert.Equal(2, Files().Length);
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

    ValueTask<ICleanupMessage?> ICleanup.OpenAsync(Envelope envelope, CancellationToken cancel) => ValueTask.FromResult<ICleanupMessage?>(new Taken(this, envelope));

    private TestConfig Config() => new(("queue_directory", _directory));

    private PickupService Service() => new(Config(), this, TimeSpan.FromHours(1), new ServiceLog(_log, "postfix/pickup"), TimeProvider.System);

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

    private sealed class Taken(PickupServiceTests tests, Envelope envelope) : ICleanupMessage
    {
        private readonly List<EnvelopeRecipient> _recipients = [];
        private readonly StringBuilder _content = new();

        public ulong Id => 1;

        public string QueueId => "Q1";

        public bool RecipientsFromHeaders { get; set; }

        public void AddRecipient(EnvelopeRecipient recipient) => _recipients.Add(recipient);

        public ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancel)
        {
            _content.Append(Encoding.UTF8.GetString(content.Span));
            return default;
        }

        public ValueTask<CleanupResult> CompleteAsync(CancellationToken cancel)
        {
            if (tests._result.Status == CleanupStatus.Ok)
            {
                tests._taken.Add((envelope, _recipients, _content.ToString()));
            }
            return ValueTask.FromResult(tests._result);
        }

        public ValueTask DisposeAsync() => default;
    }
}
