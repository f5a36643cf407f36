using Facteur.Tables.Databases;

namespace Facteur.Tables.Tests.Databases;

/// <summary>Which of a table's servers are asked. Each question's answer is the name of the connection that was asked.</summary>
public sealed class ServerHostsTests : IDisposable
{
    private readonly TestTables _tables = new();
    private readonly HashSet<string> _dead = [];
    private readonly List<string> _connects = [];
    private int _ended;

    public void Dispose() => _tables.Dispose();

    private ServerHosts<Connection> Hosts(bool inOrder, double retry) => new(
        [new ServerAddress("a", 1, ""), new ServerAddress("b", 1, "")], new ServerUse { InOrder = inOrder, Retry = TimeSpan.FromSeconds(retry) }, _tables, (host, _) =>
        {
            _connects.Add(host.Host);
            return new(_dead.Contains(host.Host) ? Reply<Connection>.Broken("refused") : Reply<Connection>.Answered(new Connection(host.Host, this)));
        })
    {
        OnConnectFailed = (_, _) => { },
        OnFailed = (_, _) => { },
    };

    private static async Task<string> Ask(ServerHosts<Connection> hosts, Func<string, Reply<string>>? answer = null)
    {
        var reply = await hosts.AskAsync((connection, _) => new ValueTask<Reply<string>>(answer?.Invoke(connection.Host) ?? Reply<string>.Answered(connection.Host)), CancellationToken.None);
        return reply.Value ?? reply.Reason;
    }

    /// <summary>A first host that swallows connections would cost every lookup its whole time.</summary>
    [Fact]
    public async Task In_order_the_one_that_is_connected_is_asked_as_long_as_it_is()
    {
        using var hosts = Hosts(inOrder: true, retry: 1);
        _dead.Add("a");
        for (var i = 0; i < 5; i++)
        {
            Assert.Equal("b", await Ask(hosts));
            _tables.Advance(2);
        }
        Assert.Equal(["a", "b"], _connects);
        // When that connection ends, the order counts again.
        _dead.Remove("a");
        var asked = 0;
        Assert.Equal("a", await Ask(hosts, host => asked++ == 0 ? Reply<string>.Broken("gone") : Reply<string>.Answered(host)));
        Assert.Equal(["a", "b", "a"], _connects);
    }

    [Fact]
    public async Task In_order_a_question_beside_one_under_way_goes_to_the_same_host()
    {
        using var hosts = Hosts(inOrder: true, retry: 1);
        _dead.Add("a");
        Assert.Equal("b", await Ask(hosts));
        _dead.Remove("a");
        _tables.Advance(2);
        var answer = new TaskCompletionSource<Reply<string>>();
        var first = hosts.AskAsync((_, _) => new ValueTask<Reply<string>>(answer.Task), CancellationToken.None).AsTask();
        Assert.Equal("b", await Ask(hosts));
        answer.SetResult(Reply<string>.Answered("late"));
        Assert.Equal("late", (await first).Value);
        Assert.Equal(["a", "b", "b"], _connects);
    }

    /// <summary>What one question makes of a server's answer is no failure of the server's.</summary>
    [Theory]
    [InlineData((int)ReplyKind.Unusable, 2, "= a,b")]
    [InlineData((int)ReplyKind.Refused, 0, "= a,b")]
    [InlineData((int)ReplyKind.Broken, 2, "all servers failed a moment ago")]
    public async Task After_a_question_that_fails_the_servers_are_in_use_unless_they_are_broken(int kind, int ended, string next)
    {
        using var hosts = Hosts(inOrder: false, retry: 60);
        var failed = (ReplyKind)kind switch { ReplyKind.Unusable => Reply<string>.Unusable("no"), ReplyKind.Refused => Reply<string>.Refused("no"), _ => Reply<string>.Broken("no") };
        Assert.Equal("no", await Ask(hosts, _ => failed));
        Assert.Equal(ended, _ended);
        var answer = await Ask(hosts);
        Assert.Equal(next, answer is "a" or "b" ? "= a,b" : answer);
    }

    private sealed class Connection(string host, ServerHostsTests test) : IAsyncDisposable
    {
        public string Host { get; } = host;

        public ValueTask DisposeAsync()
        {
            test._ended++;
            return default;
        }
    }
}
