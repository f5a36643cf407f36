using System.Net;
using System.Text;
using Facteur.Net.Connections;
using Facteur.Services.Receive.Smtpd;

namespace Facteur.Services.Tests.Receive.Smtpd;

/// <summary>Sessions over real sockets: what the kernel holds, who waits for what.</summary>
public sealed class ChannelTests : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private Connection _client = null!;
    private Connection _server = null!;

    public async ValueTask InitializeAsync()
    {
        await using var listener = Listener.Tcp(new IPEndPoint(IPAddress.Loopback, 0), 5, TimeProvider.System, _ => { });
        var accept = listener.AcceptAsync();
        _client = (await Connector.ConnectAsync(listener.LocalEndPoint, null, Patience, TimeProvider.System, CancellationToken.None)).Connection!;
        _server = (await accept)!;
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _server.DisposeAsync();
    }

    [Theory]
    [InlineData("yes", "554 5.5.0 Error: SMTP protocol synchronization\r\n", " commands=0/0")]
    [InlineData("no", "220 mx.dest.example ESMTP Postfix\r\n250 2.0.0 Ok\r\n221 2.0.0 Bye\r\n", " noop=1 quit=1 commands=2")]
    public async Task A_client_that_talks_before_the_greeting_is_seen(string forbid, string output, string counts)
    {
        var world = new SmtpdWorld(("smtpd_forbid_unauth_pipelining", forbid));
        await SendAsync("NOOP\r\nQUIT\r\n");
        await world.Service.ServeAsync(_server, new IPEndPoint(IPAddress.Parse(SmtpdWorld.Stranger), 12345), null, CancellationToken.None).WaitAsync(Patience);
        await _server.DisposeAsync();
        Assert.Equal(output, await ReadToEndAsync());
        Assert.Equal(
            ["connect from client.good.example[127.0.7.1]", "improper command pipelining after CONNECT from client.good.example[127.0.7.1]: NOOP\\r\\nQUIT\\r\\n",
                "disconnect from client.good.example[127.0.7.1]" + counts],
            world.LogLines);
    }

    [Fact]
    public async Task A_look_ahead_sees_what_the_kernel_holds_and_takes_nothing()
    {
        var channel = Channel();
        Assert.Empty(await channel.PeekAsync(100));
        await SendAsync("RSET\r\n");
        Assert.Equal("RSE"u8.ToArray(), await channel.PeekAsync(3));
        Assert.Equal("RSET\r\n"u8.ToArray(), await channel.PeekAsync(100));
        Assert.Equal(ReadOutcome.Data, await channel.ReadLineAsync());
        Assert.Equal("RSET", channel.Line);
        Assert.Empty(await channel.PeekAsync(100));
    }

    [Fact]
    public async Task A_look_ahead_does_not_hide_that_the_service_stops()
    {
        var channel = Channel();
        channel.Stop();
        Assert.Empty(await channel.PeekAsync(100));
        Assert.Equal(ReadOutcome.Stopped, await channel.ReadLineAsync().AsTask().WaitAsync(Patience));
    }

    [Fact]
    public async Task A_client_that_idles_can_be_told()
    {
        var channel = Channel();
        var reading = channel.ReadLineAsync().AsTask();
        Assert.False(channel.IsDue(0));
        Assert.True(channel.IsDue(long.MaxValue));
        channel.Beat(long.MaxValue);
        Assert.Equal(ReadOutcome.TimedOut, await reading.WaitAsync(Patience));
        Assert.False(channel.IsDue(long.MaxValue));
        channel.Write("421 bye");
        Assert.Equal(ReadOutcome.Data, await channel.FlushAsync());
        await _server.DisposeAsync();
        Assert.Equal("421 bye\r\n", await ReadToEndAsync());
    }

    [Fact]
    public async Task A_client_that_does_not_read_is_timed_out_and_not_lost()
    {
        var channel = Channel();
        channel.Write(new byte[20_000_000]);
        var flushing = channel.FlushAsync().AsTask();
        Assert.False(flushing.IsCompleted);
        channel.Beat(long.MaxValue);
        Assert.Equal(ReadOutcome.TimedOut, await flushing.WaitAsync(Patience));
        Assert.Equal(ReadOutcome.TimedOut, await channel.ReadLineAsync().AsTask().WaitAsync(Patience));
        Assert.True(channel.IsLost);
    }

    [Fact]
    public void A_session_that_ends_at_a_beat_leaves_without_disturbing_it()
    {
        var world = new SmtpdWorld();
        using var heartbeat = new Heartbeat(world.Time);
        Member[] members = [new(heartbeat), new(heartbeat), new(heartbeat)];
        world.Time.Advance(TimeSpan.FromSeconds(2));
        Assert.All(members, member => Assert.True(member.WasBeaten));
        Assert.Equal(0, heartbeat.Count);
    }

    private SmtpdChannel Channel()
    {
        var world = new SmtpdWorld();
        return new SmtpdChannel(_server, world.Time, world.Service.Settings);
    }

    private async Task SendAsync(string text)
    {
        await _client.Output.WriteAsync(Encoding.Latin1.GetBytes(text));
        for (var i = 0; i < 500 && _server.Available < text.Length; i++)
        {
            await Task.Delay(10, CancellationToken.None);
        }
        Assert.Equal(text.Length, _server.Available);
    }

    private async Task<string> ReadToEndAsync()
    {
        var stream = _client.Input.AsStream();
        using var reader = new StreamReader(stream, Encoding.Latin1);
        return await reader.ReadToEndAsync(CancellationToken.None).WaitAsync(Patience);
    }

    private sealed class Member : IHeartbeatMember
    {
        private readonly Heartbeat _heartbeat;

        public Member(Heartbeat heartbeat)
        {
            _heartbeat = heartbeat;
            heartbeat.Add(this);
        }

        public bool WasBeaten { get; private set; }

        public bool IsDue(long now) => true;

        public void Beat(long now)
        {
            WasBeaten = true;
            // Another thread: the lock must be free.
            Assert.True(Task.Run(() => _heartbeat.Remove(this)).Wait(Patience));
        }
    }
}
