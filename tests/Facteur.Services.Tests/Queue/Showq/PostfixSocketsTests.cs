using System.Diagnostics;
using System.IO.Pipelines;
using Facteur.Contracts;
using Facteur.Net.Connections;
using Facteur.Services.Queue.Showq;
using Facteur.Services.Server;
using Facteur.Tables;
using Facteur.Testing;
using Facteur.Unix;

namespace Facteur.Services.Tests.Queue.Showq;

/// <summary>The sockets of Postfix's own commands; the commands themselves ask, where they are installed.</summary>
public sealed class PostfixSocketsTests : IDisposable, IQueueControl, IDomainList
{
    private const string Postqueue = "/usr/sbin/postqueue";

    private readonly string _directory = Directory.CreateTempSubdirectory("facteur-sockets-").FullName;
    private readonly BlockingThreads _threads = new("blocking", 2);
    private readonly List<string> _calls = [];
    private readonly List<Listener> _listeners = [];
    private ListedMessage[] _listed =
    [
        new("active", "4QA123", 1_700_000_000, 2048, false, "bob@dest.example", [new("a@b.example", "", null, false), new("c@d.example", "e@d.example", "why not", false)]),
        new("deferred", "4QB123", 1_700_000_001, 1024, true, "MAILER-DAEMON", [.. Enumerable.Range(0, 450).Select(i => new ListedRecipient($"r{i}@b.example", "", "later", false))]),
    ];

    public void Dispose()
    {
        _listeners.ForEach(l => l.DisposeAsync().AsTask().GetAwaiter().GetResult());
        _threads.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Fact]
    public async Task A_listing_is_written_as_Postfix_writes_it()
    {
        _listed = [_listed[0]];
        var service = Service();
        Assert.Equal(
            "protocol|mail_queue_list_protocol||queue_name|active|queue_id|4QA123|time|1700000000|size|2048|forced_expire|0|sender|bob@dest.example|"
            + "recipient|a@b.example|reason||recipient|c@d.example|reason|why not|||", await Talk("", (c, cancel) => service.ShowqAsync(c, 0, cancel)));
        _listed = [];
        Assert.Equal("protocol|mail_queue_list_protocol|||", await Talk("", (c, cancel) => service.ShowqAsync(c, 0, cancel)));
    }

    [Fact]
    public async Task Users_may_what_they_may_elsewhere()
    {
        var service = Service(("authorized_mailq_users", "root"), ("authorized_flush_users", "root"));
        Assert.Equal("", await Talk("", (c, cancel) => service.ShowqAsync(c, 1001, cancel)));
        Assert.EndsWith("||status|3||", await Talk("request|send_file|queue_id|4QA123||", (c, cancel) => service.FlushAsync(c, 1001, cancel)));
        await Talk("F", (c, cancel) => service.QmgrAsync(c, 1001, cancel));
        Assert.Empty(_calls);
    }

    [Theory]
    [InlineData("request|send_file|queue_id|4ABCDEF||", "0", "message 4ABCDEF")]
    [InlineData("request|send_site|site|fast.example||", "0", "site fast.example")]
    [InlineData("request|send_site|site|slow.example||", "3", "")]
    [InlineData("request|send_site||", "2", "")]
    [InlineData("request|add|site|fast.example|queue_id|4ABCDEF||", "2", "")]
    [InlineData("||", "2", "")]
    public async Task Flush_requests(string request, string status, string call)
    {
        Assert.Equal($"protocol|queue_flush_protocol||status|{status}||", await Talk(request, (c, cancel) => Service().FlushAsync(c, 0, cancel)));
        Assert.Equal(call.Length > 0 ? [call] : [], _calls);
    }

    [Theory]
    [InlineData("W", "")]
    [InlineData("I", "")]
    [InlineData("D", "flush")]
    [InlineData("FAD", "flush")]
    [InlineData("", "")]
    public async Task Queue_manager_requests(string bytes, string call)
    {
        await Talk(bytes, (c, cancel) => Service().QmgrAsync(c, 0, cancel));
        Assert.Equal(call.Length > 0 ? [call] : [], _calls);
    }

    [Fact]
    public async Task Too_much_that_makes_no_sense_is_not_waited_for() =>
        Assert.Equal("protocol|queue_flush_protocol||", await Talk(new string('x', 10_000), (c, cancel) => Service().FlushAsync(c, 0, cancel)));

    [Fact]
    public void Postqueue_of_Postfix_is_served()
    {
        Assert.SkipUnless(File.Exists(Postqueue) && File.Exists("/etc/postfix/dynamicmaps.cf"), "Postfix is not installed");
        Assert.SkipWhen(Libc.geteuid() != 0, "needs root, whom Postfix's commands trust with -c");
        Directory.CreateDirectory($"{_directory}/public");
        File.WriteAllText($"{_directory}/main.cf", $"compatibility_level = 3.6\nqueue_directory = {_directory}\nmyhostname = mail.test\nfast_flush_domains = fast.example\n");
        var service = Service();
        Serve("showq", (c, uid) => service.ShowqAsync(c, uid, default));
        Serve("flush", (c, uid) => service.FlushAsync(c, uid, default));
        Serve("qmgr", (c, uid) => service.QmgrAsync(c, uid, default));
        // postqueue -f wakes pickup too.
        Serve("pickup", (_, _) => Task.CompletedTask);
        var (exit, output) = Ask("-p");
        Assert.Equal(0, exit);
        Assert.StartsWith("-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n4QA123*  ", output, StringComparison.Ordinal);
        Assert.Contains("(why not)\n                                         c@d.example\n", output, StringComparison.Ordinal);
        Assert.Contains("r449@b.example\n\n-- 3 Kbytes in 2 Requests.\n", output, StringComparison.Ordinal);
        Assert.Equal(2, Ask("-j").Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Equal(0, Ask("-f").Exit);
        Assert.Equal(0, Ask("-i", "4ABCDEF").Exit);
        Assert.Equal(0, Ask("-s", "fast.example").Exit);
        Assert.Equal(69, Ask("-s", "slow.example").Exit);
        Assert.Equal(["flush", "message 4ABCDEF", "site fast.example"], _calls);
    }

    ValueTask<(IReadOnlyList<ListedMessage> Messages, ulong Cursor)> IQueueControl.ListAsync(ulong cursor, int limit, CancellationToken cancel) => new((_listed, ulong.MaxValue));

    ValueTask IQueueControl.FlushAsync(CancellationToken cancel) => Call("flush");

    async ValueTask<bool> IQueueControl.FlushMessageAsync(ulong id, CancellationToken cancel)
    {
        await Call($"message {Mail.Envelopes.QueueId.Format(id, longForm: false)}");
        return true;
    }

    ValueTask IQueueControl.FlushSiteAsync(string domain, CancellationToken cancel) => Call($"site {domain}");

    ValueTask<bool> IQueueControl.SuperAsync(SuperOperation operation, ulong id, CancellationToken cancel) => throw new NotSupportedException();

    ValueTask<int> IQueueControl.SuperAllAsync(SuperOperation operation, string? queueName, CancellationToken cancel) => throw new NotSupportedException();

    ValueTask<LookupStatus> IDomainList.MatchAsync(string domain, CancellationToken cancel) => new(domain == "fast.example" ? LookupStatus.Found : LookupStatus.NotFound);

    private PostfixSockets Service(params (string, string)[] config) =>
        new(this, new ControlAccess(new TestConfig(config), new MemoryTables(), [25], uid => uid == 1001 ? "bob" : null, _threads), this, TimeSpan.FromSeconds(30), TimeProvider.System);

    private ValueTask Call(string text)
    {
        lock (_calls)
        {
            _calls.Add(text);
        }
        return default;
    }

    /// <summary>Sends a request, "|" for NUL, and gives back the answer so.</summary>
    private static async Task<string> Talk(string request, Func<IDuplexPipe, CancellationToken, Task> serve)
    {
        var (session, streams) = DuplexPair.Create();
        var served = serve(session, TestContext.Current.CancellationToken);
        await streams.Output.WriteAsync(System.Text.Encoding.UTF8.GetBytes(request.Replace('|', '\0')), TestContext.Current.CancellationToken);
        await streams.Output.CompleteAsync();
        await served.WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        await session.Output.CompleteAsync();
        using var answer = new MemoryStream();
        await streams.Input.CopyToAsync(answer, TestContext.Current.CancellationToken);
        return System.Text.Encoding.UTF8.GetString(answer.ToArray()).Replace('\0', '|');
    }

    private void Serve(string name, Func<IDuplexPipe, uint, Task> serve)
    {
        var listener = Listener.Unix($"{_directory}/public/{name}", 0x1B6, 10, TimeProvider.System, _ => { });
        _listeners.Add(listener);
        _ = AcceptAsync();

        async Task AcceptAsync()
        {
            while (await listener.AcceptAsync() is { } connection)
            {
                await using (connection)
                {
                    await serve(connection, ((SocketConnection)connection).PeerUser()!.Value);
                }
            }
        }
    }

    private (int Exit, string Output) Ask(params string[] arguments)
    {
        var start = new ProcessStartInfo(Postqueue, ["-c", _directory, .. arguments]) { RedirectStandardOutput = true };
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(30)));
        return (process.ExitCode, output.Result);
    }
}
