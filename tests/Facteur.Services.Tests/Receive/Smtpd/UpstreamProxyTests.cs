using Facteur.Config;

namespace Facteur.Services.Tests.Receive.Smtpd;

public sealed class UpstreamProxyTests
{
    private static readonly (string, string)[] Behind = [("smtpd_upstream_proxy_protocol", "haproxy"), ("smtpd_upstream_proxy_timeout", "3s")];

    [Fact]
    public async Task The_proxy_says_who_the_client_is()
    {
        var world = new SmtpdWorld([.. Behind, ("smtpd_client_port_logging", "yes")]);
        var client = world.Connect("127.0.0.1");
        await client.SendAsync("PROXY TCP4 127.0.7.1 192.0.2.8");
        await client.SendAsync(" 4321 25\r\n");
        Assert.Equal("220 mx.dest.example ESMTP Postfix", await client.ReadLineAsync());
        Assert.StartsWith("250 ", await client.CommandAsync("EHLO c.example"), StringComparison.Ordinal);
        Assert.StartsWith("250 ", await client.CommandAsync("MAIL FROM:<a@b.example>"), StringComparison.Ordinal);
        Assert.StartsWith("454 4.7.1", await client.CommandAsync("RCPT TO:<x@elsewhere.example>"), StringComparison.Ordinal);
        await client.FinishAsync();
        Assert.Equal("connect from client.good.example[127.0.7.1]:4321", world.LogLines.First());
    }

    [Fact]
    public async Task A_proxy_that_speaks_for_itself_is_the_client()
    {
        var world = new SmtpdWorld(Behind);
        var client = world.Connect();
        await client.SendAsync("\r\n\r\n\0\r\nQUIT\n\u0020\0\0\0");
        Assert.StartsWith("220 ", await client.ReadLineAsync(), StringComparison.Ordinal);
        Assert.StartsWith("221 ", await client.CommandAsync("QUIT"), StringComparison.Ordinal);
        await client.FinishAsync();
        Assert.Equal(["connect from client.good.example[127.0.7.1]", "disconnect from client.good.example[127.0.7.1] quit=1 commands=1"], world.LogLines);
    }

    [Theory]
    [InlineData("EHLO x\r\n", "short protocol header: EHLO x\\r\\n")]
    [InlineData("\a\b\v\f\t\u0001\\\r\n", "short protocol header: \\a\\b\\v\\f\\t\\001\\\\\\r\\n")]
    [InlineData("PROXY UNKNOWN\r\n", "bad or missing protocol type: PROXY UNKNOWN\\r\\n")]
    public async Task Who_says_something_else_is_not_served(string bytes, string logged)
    {
        var world = new SmtpdWorld(Behind);
        var client = world.Connect();
        await client.SendAsync(bytes);
        Assert.Equal("421 4.3.0 mx.dest.example Server local error\n", await client.FinishAsync());
        Assert.Equal(
            ["warning: haproxy read: " + logged, "connect from client.good.example[127.0.7.1]", "disconnect from client.good.example[127.0.7.1] commands=0/0"], world.LogLines);
    }

    [Fact]
    public async Task Who_says_nothing_is_not_waited_for_long()
    {
        var world = new SmtpdWorld(Behind);
        var client = world.Connect();
        await client.SendAsync("PROXY TCP4 127.0.7.1 ");
        var line = client.ReadLineAsync();
        for (var i = 0; i < 50 && !line.IsCompleted; i++)
        {
            world.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
        Assert.Equal("421 4.3.0 mx.dest.example Server local error", await line);
        await client.FinishAsync();
        Assert.Equal("warning: haproxy read: timeout error", world.LogLines.First());
    }

    [Fact]
    public void There_is_no_other_protocol() =>
        Assert.Contains("unsupported smtpd_upstream_proxy_protocol value: foo", Assert.Throws<ConfigException>(() => new SmtpdWorld(("smtpd_upstream_proxy_protocol", "foo")).Service).Message, StringComparison.Ordinal);
}
