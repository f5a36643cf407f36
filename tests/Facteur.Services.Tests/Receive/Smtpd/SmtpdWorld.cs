using System.Buffers;
using System.IO.Pipelines;
using System.Net;
using System.Text;
using Facteur.Contracts;
using Facteur.Services.Receive.Smtpd;
using Facteur.Services.Support.Anvil;
using Facteur.Testing;
using Facteur.Testing.World;

namespace Facteur.Services.Tests.Receive.Smtpd;

/// <summary>An smtpd on mx.dest.example, all in memory.</summary>
internal sealed class SmtpdWorld
{
    public const string Stranger = "127.0.7.1";

    private static readonly (string, string)[] Base =
    [
        ("compatibility_level", "3.11"), ("alias_maps", "lmdb:/mnt/it/etc/aliases"), ("smtpd_error_sleep_time", "0"), ("inet_interfaces", "127.0.0.25, 127.0.0.1"),
        // TestConfig does not expand conditions.
        ("smtpd_relay_restrictions", "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination"),
        ("smtpd_relay_before_recipient_restrictions", "yes"), ("smtpd_client_event_limit_exceptions", "127.0.0.0/24"), ("virtual_alias_maps", ""), ("reject_tempfail_action", "defer_if_permit"),
    ];

    private SmtpdService? _service;

    public SmtpdWorld(params (string Name, string Value)[] main)
    {
        var values = Base.ToDictionary(value => value.Item1, value => value.Item2);
        foreach (var (name, value) in main)
        {
            values[name] = value;
        }
        Config = new TestConfig([.. values.Select(value => (value.Key, value.Value))]);
    }

    public TestConfig Config { get; }

    public WorldRewrite Rewrite { get; } = new();

    public WorldTables Tables { get; } = new();

    public WorldDns Dns { get; } = new();

    public WorldCleanup Cleanup { get; } = new();

    public WorldTime Time { get; } = new();

    public TestLog Log { get; } = new();

    public List<string> Flushed { get; } = [];

    /// <summary>The queue knows of no fast_flush_domains.</summary>
    public bool FlushesNothing { get; init; }

    public IAddressProbes? Probes { get; set; }

    /// <summary>Asked instead of <see cref="Rewrite"/>.</summary>
    public IRewrite? Rewriting { get; set; }

    public long FreeBytes { get; set; } = long.MaxValue;

    /// <summary>As sendmail -bs runs it.</summary>
    public bool StandAlone { get; init; }

    /// <summary>Its entry says -v.</summary>
    public bool Verbose { get; init; }

    /// <summary>Its log shows addresses without quotes.</summary>
    public bool InternalAddresses { get; init; }

    public SmtpdService Service => _service ??= StandAlone
        ? SmtpdService.StandAlone(Config, Arrows(), new ServiceLog(Log, "postfix/smtpd"), Time)
        : new SmtpdService(Config, "smtp", "smtp/inet", Arrows(), new ServiceLog(Log, "postfix/smtpd", Verbose, InternalAddresses), Time);

    private SmtpdArrows Arrows() => new()
    {
        Cleanup = Cleanup,
        Rewrite = Rewriting ?? Rewrite,
        Dns = Dns,
        Tables = Tables,
        MatchLists = Tables,
        AddressMaps = Tables,
        Anvil = new AnvilService(Config, new ServiceLog(Log, "postfix/anvil"), Time),
        FlushSite = (domain, _) =>
        {
            if (FlushesNothing)
            {
                throw new ControlException(ControlFailure.NotEligible, "not in fast_flush_domains");
            }
            Flushed.Add(domain);
            return default;
        },
        Probes = Probes,
        FreeQueueBytes = () => FreeBytes,
        Hosts = new Net.Dns.HostsFile("/nonexistent", TimeProvider.System),
    };

    /// <summary>Log lines without the tag.</summary>
    public IEnumerable<string> LogLines => Log.Lines.Where(line => line.StartsWith("postfix/smtpd: ", StringComparison.Ordinal)).Select(line => line["postfix/smtpd: ".Length..]);

    public SmtpdClient Connect(string from = Stranger, CancellationToken cancel = default) => new(this, new IPEndPoint(IPAddress.Parse(from), 12345), cancel);

    /// <summary>Waits for the greeting, sends all input at once and returns all output.</summary>
    public async Task<string> TalkAsync(string input, string from = Stranger)
    {
        var client = Connect(from);
        var greeting = await client.ReadLineAsync();
        await client.SendAsync(input);
        return greeting + "\n" + await client.FinishAsync();
    }
}

/// <summary>The client's end of a session.</summary>
internal sealed class SmtpdClient
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Pipe _toServer = new(new PipeOptions(useSynchronizationContext: false));
    private readonly Pipe _toClient = new(new PipeOptions(useSynchronizationContext: false, pauseWriterThreshold: 1 << 22, resumeWriterThreshold: 1 << 21));

    public SmtpdClient(SmtpdWorld world, EndPoint? remote, CancellationToken cancel)
    {
        var service = world.Service;
        Session = Task.Run(
            async () =>
            {
                await service.ServeAsync(new Duplex(_toServer.Reader, _toClient.Writer), remote, new IPEndPoint(IPAddress.Parse("127.0.0.25"), 25), cancel);
                await _toClient.Writer.CompleteAsync();
                await _toServer.Reader.CompleteAsync();
            },
            CancellationToken.None);
    }

    public Task Session { get; }

    public async Task SendAsync(string bytes) => await _toServer.Writer.WriteAsync(Encoding.Latin1.GetBytes(bytes));

    public async Task SendAsync(byte[] bytes) => await _toServer.Writer.WriteAsync(bytes);

    /// <summary>The next line, or null when the server has closed.</summary>
    public async Task<string?> ReadLineAsync()
    {
        while (true)
        {
            var result = await _toClient.Reader.ReadAsync().AsTask().WaitAsync(Patience);
            if (result.Buffer.PositionOf((byte)'\n') is { } end)
            {
                var line = Encoding.UTF8.GetString(result.Buffer.Slice(0, end));
                _toClient.Reader.AdvanceTo(result.Buffer.GetPosition(1, end));
                return line.TrimEnd('\r');
            }
            _toClient.Reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            if (result.IsCompleted)
            {
                return null;
            }
        }
    }

    /// <summary>One command and the last line of its reply.</summary>
    public async Task<string?> CommandAsync(string command)
    {
        await SendAsync(Encoding.UTF8.GetBytes(command + "\r\n"));
        return await ReplyAsync();
    }

    public async Task<string?> ReplyAsync()
    {
        var line = await ReadLineAsync();
        while (line is { Length: > 3 } && line[3] == '-')
        {
            line = await ReadLineAsync();
        }
        return line;
    }

    /// <summary>Greeting and EHLO.</summary>
    public async Task<SmtpdClient> HelloAsync(string name = "c.example")
    {
        await ReplyAsync();
        await CommandAsync("EHLO " + name);
        return this;
    }

    /// <summary>Leaves, and returns what was still to be read.</summary>
    public async Task<string> FinishAsync()
    {
        await _toServer.Writer.CompleteAsync();
        var text = new StringBuilder();
        while (await ReadLineAsync() is { } line)
        {
            text.Append(line).Append('\n');
        }
        await Session.WaitAsync(Patience);
        return text.ToString();
    }

    private sealed class Duplex(PipeReader input, PipeWriter output) : IDuplexPipe
    {
        public PipeReader Input => input;

        public PipeWriter Output => output;
    }
}
